"""What `myriad doctor` looks at: each finding says what is, and what to do if it is not good."""

import locale
import os
import resource
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

from myriad.engines.cassandra import checks as cassandra
from myriad.engines.postgres import attachment, programs
from myriad.errors import MyriadError
from myriad.home.home import Home
from myriad.machine import addresses, process, resources
from myriad.machine.findings import GOOD, WARNING, WRONG, Finding
from myriad.running import door, ports, tls
from myriad.settings import Settings

MB = 1024 * 1024
DISK_WRONG_MB = 200  # initdb writes 40 MB and the first WAL
DISK_LOW_MB = 2048
MEMORY_LOW_MB = 512
SHARED_LOW_MB = 64  # parallel queries exchange rows there; Docker's default is 64
CLOCK_SLACK = 300  # seconds
RENEW_BEFORE = 14 * 86400  # seconds before a certificate ends


@dataclass(frozen=True)
class _Place:
    home: Home
    settings: Settings

    @property
    def user(self) -> process.EngineUser | None:
        return process.engine_user(self.home.postgres)

    @property
    def nearest(self) -> Path:
        """The home, or the folder it would be made in."""
        folder = self.home.folder
        return next(path for path in (folder, *folder.parents) if path.exists())


def examine(home: Home, settings: Settings) -> list[Finding]:
    """Look at everything; nothing is started."""
    place = _Place(home, settings)
    findings: list[Finding] = []
    for name, check in CHECKS.items():
        try:
            findings += check(place)
        except MyriadError as error:
            findings.append(Finding(name, WRONG, error.message, error.hint))
        except OSError as error:
            message = f"{error.filename or ''} {error.strerror}".strip()
            findings.append(Finding(name, WRONG, message, "See the permissions of that file."))
    return findings


def _versions(place: _Place) -> Iterator[Finding]:  # noqa: ARG001 - as all checks
    python = ".".join(str(part) for part in sys.version_info[:3])
    text = f"myriad {version('myriad-db')}, Python {python}, {sys.platform}"
    yield Finding("versions", GOOD, text)


def _user(place: _Place) -> Iterator[Finding]:
    text = f"Myriad runs as {process.own_name()}"
    if place.user:
        text += f"; PostgreSQL, which refuses root, as {place.user.name}"
    yield Finding("user", GOOD, text)


def _programs(place: _Place) -> Iterator[Finding]:
    dsn = attachment.remembered(place.home)
    if dsn:
        text = f"none are needed: PostgreSQL is attached, {attachment.place(dsn)}"
        yield Finding("programs", GOOD, text)
        return
    copies = place.home.folder / "programs"
    if not place.home.folder.exists():  # nothing is copied before the first start
        found = programs.find(place.settings.programs, copies, None)
    else:
        found = programs.find(place.settings.programs, copies, place.user)
    text = f"PostgreSQL {found.version} in {found.folder} ({found.origin})"
    there = place.home.postgres / "PG_VERSION"
    data = there.read_text().strip() if there.exists() else str(found.major)
    if data == str(found.major):
        yield Finding("programs", GOOD, text)
        return
    yield Finding(
        "programs",
        WRONG,
        f"{text}, but the data in {place.home.postgres} is of version {data}",
        f"Install PostgreSQL {data} and name its folder with the setting `programs`.",
    )


def _permissions(place: _Place) -> Iterator[Finding]:
    if not os.access(place.nearest, os.W_OK | os.X_OK):
        yield Finding(
            "permissions",
            WRONG,
            f"{place.nearest} cannot be written by user {process.own_name()}",
            "Choose another home with --home, or change the folder's owner.",
        )
        return
    closed = process.closed_to(place.user, place.nearest)
    if closed and place.user:
        yield Finding(
            "permissions",
            WRONG,
            f"user {place.user.name} may not pass {closed} on the way to the home",
            f"Choose another home with --home, or: chmod o+x '{closed}'",
        )
        return
    opened = [path for path in _private(place.home) if path.stat().st_mode & _OTHERS]
    for path in opened:
        yield Finding("permissions", WRONG, f"others can read {path}", f"chmod go-rwx '{path}'")
    if not opened:
        yield Finding("permissions", GOOD, f"{place.nearest} can be used, secrets are closed")


_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def _private(home: Home) -> list[Path]:
    state = home.folder / "running.json"
    files = [*home.secrets.glob("*")] if home.secrets.exists() else []
    return [path for path in (home.postgres, home.secrets, state, *files) if path.exists()]


def _disk(place: _Place) -> Iterator[Finding]:
    free = shutil.disk_usage(place.nearest).free // MB
    remedy = "Free some space, or choose a home on another disk with --home."
    state = WRONG if free < DISK_WRONG_MB else WARNING if free < DISK_LOW_MB else GOOD
    text = f"{free:,} MB free for {place.home.folder}"
    yield Finding("disk", state, text, "" if state == GOOD else remedy)
    status = os.statvfs(place.nearest)
    if status.f_files and not status.f_favail:
        yield Finding("disk", WRONG, f"no inodes are left on the disk of {place.nearest}", remedy)


def _memory(place: _Place) -> Iterator[Finding]:
    have = resources.measure(place.nearest)
    available = psutil.virtual_memory().available // MB
    shared = place.settings.shared_buffers_mb
    if shared > have.memory_mb:
        yield Finding(
            "memory",
            WRONG,
            f"shared_buffers_mb is {shared}, the machine has {have.memory_mb} MB",
            "Set shared_buffers_mb to 0: then it is a quarter of the machine's memory.",
        )
    low = available < MEMORY_LOW_MB
    text = f"{available:,} of {have.memory_mb:,} MB available, {have.cores} cores"
    remedy = "End what uses memory, or set shared_buffers_mb and max_connections lower."
    yield Finding("memory", WARNING if low else GOOD, text, remedy if low else "")
    yield from _shared_memory()


def _shared_memory() -> Iterator[Finding]:
    folder = Path("/dev/shm")  # noqa: S108 - only measured
    if folder.exists() and (size := shutil.disk_usage(folder).total // MB) < SHARED_LOW_MB:
        text = f"/dev/shm has only {size} MB; big parallel queries will fail"  # noqa: S108
        yield Finding("memory", WARNING, text, "Docker: --shm-size=1g.")


def _files(place: _Place) -> Iterator[Finding]:
    """Each connection is a file; `myriad up` raises the soft limit to the hard one itself."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = process.MANY_FILES if hard == resource.RLIM_INFINITY else hard
    wanted, fitting = place.settings.max_clients, door.clients_that_fit(place.settings, files)
    shown = "any number of" if hard == resource.RLIM_INFINITY else f"{hard:,}"
    text = f"a process may open {shown} files"
    if fitting >= wanted:
        yield Finding("file descriptors", GOOD, f"{text}: {wanted:,} connections of people fit")
        return
    yield Finding(
        "file descriptors",
        WARNING,
        f"{text}: {fitting:,} connections of people fit, not max_clients = {wanted:,}",
        f"ulimit -Hn {wanted + hard - fitting}, or LimitNOFILE in the service's file; or lower"
        " max_clients.",
    )


def _locale(place: _Place) -> Iterator[Finding]:  # noqa: ARG001
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8":
        yield Finding(
            "locale", WRONG, f"file names are {encoding}, not UTF-8", "export PYTHONUTF8=1"
        )
    try:
        before = locale.setlocale(locale.LC_CTYPE)
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
        locale.setlocale(locale.LC_CTYPE, before)
    except locale.Error:
        yield Finding(
            "locale",
            WARNING,
            "the system has no locale C.UTF-8; PostgreSQL uses its own, and C beside it",
            "Install the system's locales (Debian: apt install locales).",
        )
        return
    yield Finding("locale", GOOD, f"C.UTF-8 is there, file names are {encoding}")


def _clock(place: _Place) -> Iterator[Finding]:
    """Nothing that is on the disk was written in the future."""
    paths = [Path(__file__), place.home.postgres / "postmaster.pid", place.nearest]
    newest = max(path.stat().st_mtime for path in paths if path.exists())
    now = time.time()
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if newest > now + CLOCK_SLACK:
        late = round((newest - now) / 3600, 1)
        yield Finding(
            "clock",
            WRONG,
            f"the clock says {text}, but files on the disk are {late} hours newer",
            "Set the clock (timedatectl set-ntp true).",
        )
        return
    yield Finding("clock", GOOD, text)


def _ports(place: _Place) -> Iterator[Finding]:
    running = place.home.running()
    if running:
        silent = addresses.silent(running.host, running.port)
        if silent:
            yield Finding("ports", WRONG, silent, "See `myriad logs --door`.")
        else:
            yield Finding("ports", GOOD, f"port {running.port} is ours, and the door answers")
        return
    told = ports.last(place.home)
    wanted = ports.wanted(place.settings, told)
    with ports.choose(place.settings, told) as listening:
        chosen = listening.getsockname()[1]
    text = f"port {wanted} on {place.settings.host} is free"
    if chosen == wanted:
        yield Finding("ports", GOOD, text)
        return
    problem = ports.refused(place.settings, wanted)
    yield Finding(
        "ports",
        WARNING,
        f"port {wanted} on {place.settings.host} cannot be used: {problem}",
        f"Myriad will take {chosen}; choose one for good with the setting `port`.",
    )


def _certificate(place: _Place) -> Iterator[Finding]:
    settings = place.settings
    if settings.tls == "off":
        yield Finding("certificate", GOOD, "none is needed: `tls` is off")
        return
    if not (settings.tls_certificate or settings.tls_key):
        text = "Myriad makes its own; people who want to verify it need a copy of it"
        yield Finding("certificate", GOOD, f"{text}: `myriad certificate{place.home.option}`")
        return
    certificate, key = tls.set_by_hand(settings)
    until = tls.check(certificate, key).not_valid_after_utc
    soon = until.timestamp() - time.time() < RENEW_BEFORE
    yield Finding(
        "certificate",
        WARNING if soon else GOOD,
        f"{certificate} is valid until {until:%Y-%m-%d}",
        "Renew it in place: the door takes the new one within seconds." if soon else "",
    )


def _cassandra(place: _Place) -> Iterator[Finding]:
    return cassandra.examine(place.home, place.settings, place.user)


CHECKS: dict[str, Callable[[_Place], Iterator[Finding]]] = {
    "versions": _versions,
    "user": _user,
    "programs": _programs,
    "permissions": _permissions,
    "disk": _disk,
    "memory": _memory,
    "file descriptors": _files,
    "locale": _locale,
    "clock": _clock,
    "ports": _ports,
    "certificate": _certificate,
    "cassandra": _cassandra,
}
