"""One Cassandra node of our own: its folder, its lock, its process."""

import fcntl
import importlib.resources
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from myriad.engines.cassandra.nodes import commitlog, configuration
from myriad.engines.cassandra.nodes.configuration import Layout
from myriad.engines.cassandra.nodes.jars import Programs
from myriad.engines.cassandra.nodes.java import Java
from myriad.errors import HomeLocked, StartFailed
from myriad.home import notes
from myriad.home.files import write_private
from myriad.home.home import Home
from myriad.machine import addresses, logs, process
from myriad.settings import Settings

MAIN = "org.apache.cassandra.service.CassandraDaemon"
OWN_FILES = __package__ or ""
CLASSES = ("Gate.class", "Roles.class")  # ours, of package `myriad`: see their sources
NOTE = "process.json"  # in its folder: its process, and the address it has
LINES = 12  # of its log, in an error
LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
DRAINS_WITHIN = 60.0  # seconds that it gets to write what it has in memory
GRACEFUL = (0, 143)  # exit codes after SIGTERM


@dataclass(frozen=True)
class Machinery:
    """What all nodes of a home are run with."""

    home: Home
    settings: Settings
    layout: Layout
    java: Java
    programs: Programs
    user: process.EngineUser | None
    heap: int
    cores: int


class Node:
    """Node `number` (from 1) of a home."""

    def __init__(self, machinery: Machinery, number: int) -> None:
        self._with = machinery
        self.number = number
        self.address = machinery.layout.addresses[number - 1]
        self.folder = folder(machinery.home, number)
        self.log = log_path(machinery.home, number)
        self._output = self.folder / "output.log"
        self._lock: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._begin = 0

    @property
    def pid(self) -> int:
        """The number of its process, 0 if there is none."""
        return self._child.pid if self._child else 0

    def was_made(self) -> bool:
        """Say whether there is data of an earlier start."""
        return (self.folder / "data" / "data" / "system").is_dir()

    def launch(self, *, replacing: bool = False) -> None:
        """Start its process; it is not ready yet.

        Raises StartFailed, OSError, HomeLocked if somebody else has its data; then none runs.
        """
        self._make_folders()
        self._lock = self._locked()
        try:
            self._configure(replacing=replacing)
            self._remove_unwritten()
            logs.bound(self._output)
            self._begin = self.log.stat().st_size if self.log.exists() else 0
            with self._output.open("ab") as output:
                self._child = process.spawn(
                    self._command(replacing=replacing), self._with.user, output, [self._lock]
                )
            self._note_process()
        except BaseException:
            self.stop(0.0)
            raise

    def stop(self, within: float = DRAINS_WITHIN) -> None:
        """Let it write what it has in memory, and end; after `within` seconds it is killed."""
        self.ask_to_end()
        child, self._child = self._child, None
        if child is not None:
            if child.poll() is None:
                try:
                    child.wait(within)
                except subprocess.TimeoutExpired:
                    child.kill()
            child.wait()
        self._unlock()

    def ask_to_end(self) -> None:
        """Ask it to end, and go on meanwhile."""
        if self._child and self._child.poll() is None:
            self._child.terminate()

    def failure(self) -> str | None:
        """Return why it does not run any more, None while it does."""
        logs.bound(self._output)
        problem = process.why_down(self._child)
        if problem:
            self._unlock()
        return problem

    def ended_gracefully(self) -> bool:
        """Say whether it was asked to end, by whomever, and did."""
        return self._child is not None and self._child.poll() in GRACEFUL

    def answers(self) -> bool:
        """Say whether it listens for people: its own process, not whoever has that address.

        Another home's node would be taken for it, and a stranger would be sent Myriad's password.
        """
        place = (self.address, self._with.layout.port)
        if self._child is None:
            return False
        found = addresses.listens(self._child.pid, *place)
        return addresses.connects(*place) if found is None else found

    def failed(self, problem: str) -> StartFailed:
        """Return the error that says what went wrong, with its own log lines."""
        lines = logs.since(self.log, self._begin) if self.log.exists() else []
        shown = (_telling(lines) or lines or logs.tail(self._output, LINES))[-LINES:]
        said = "\n".join(f"  {line[:300]}" for line in shown) or "  (nothing)"
        return StartFailed(
            f"Cassandra node {self.number} ({self.address}) did not start: {problem}."
            f" Its log says:\n{said}",
            hint=f"The whole log: {self.log}. `myriad doctor` checks the machine.",
        )

    def _make_folders(self) -> None:
        """Make its folders; the engine's user owns only those that it must write in.

        What we write ourselves, as root perhaps, lies where that user can put nothing in its way.
        """
        conf, classes = self.folder / "conf", self._classes
        for path in (self._with.home.cassandra, self.folder, conf, classes, classes / "myriad"):
            path.mkdir(mode=0o700, exist_ok=True)
            path.chmod(0o711 if self._with.user else 0o700)
        for name in ("data", "logs", "tmp", "triggers"):
            path = self.folder / name
            path.mkdir(mode=0o700, exist_ok=True)
            self._hand_over(path)

    def _hand_over(self, path: Path) -> None:
        user = self._with.user
        if user:
            os.chown(path, user.uid, user.gid, follow_symlinks=False)

    def _locked(self) -> int:
        """Return the descriptor of the lock on its data, which its process holds too.

        Cassandra itself takes none, and two on one folder destroy it.
        """
        lock = os.open(self.folder / "lock", LOCK_FLAGS, 0o600)
        # One that has just ended may hold it still: its threads end one after the other.
        if not process.wait_for(lambda: _takes(lock), process.LAST_RESORT):
            os.close(lock)
            raise HomeLocked(
                f"the data of Cassandra node {self.number} ({self.folder}) is in use",
                hint="A Cassandra that was not started from here has it: end it first.",
            )
        return lock

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _configure(self, *, replacing: bool) -> None:
        have = self._with
        values = configuration.node(
            have.settings, have.layout, self.number, self.folder, replacing=replacing
        )
        own = importlib.resources.files(OWN_FILES)
        options = own.joinpath("jvm17.args").read_text("utf-8")
        for name, text in (
            ("cassandra.yaml", configuration.render(values)),
            ("logback.xml", own.joinpath("logback.xml").read_text("utf-8")),
            ("jvm.args", options + configuration.jvm_options(have.heap, have.cores)),
        ):
            self._write(self.folder / "conf" / name, text)
        for name in CLASSES:
            self._write(self._classes / "myriad" / name, own.joinpath(name).read_bytes())

    def _write(self, path: Path, content: str | bytes) -> None:
        write_private(path, content)
        self._hand_over(path)

    @property
    def _classes(self) -> Path:
        """Where our own classes are, below a folder of their package's name."""
        return self.folder / "conf" / "classes"

    def _remove_unwritten(self) -> None:
        """Remove what a full disk left in the commit log, as the node's own user."""
        empty = commitlog.unwritten(self.folder / "data" / "commitlog")
        if empty:
            process.run(["rm", "-f", "--", *empty], self._with.user)

    def _command(self, *, replacing: bool) -> list[str]:
        here, programs = self.folder, self._with.programs
        several = len(self._with.layout.addresses) > 1
        options = {
            "java.io.tmpdir": here / "tmp",
            "jna.tmpdir": here / "tmp",
            "cassandra.config": (here / "conf" / "cassandra.yaml").as_uri(),
            "cassandra.storagedir": here / "data",
            "cassandra.logdir": here / "logs",
            "cassandra.triggers_dir": here / "triggers",
            "logback.configurationFile": here / "conf" / "logback.xml",
            "cassandra-foreground": "yes",
            "cassandra.custom_query_handler_class": "myriad.Gate",
            "cassandra.skip_wait_for_gossip_to_settle": 0,
            "cassandra.ring_delay_ms": 5000,
            "cassandra.superuser_setup_delay_ms": 1000 if several else 0,
            "cassandra.shutdown_announce_in_ms": 500 if several else 0,
            "cassandra.system_auth.default_rf": min(3, len(self._with.layout.addresses)),
            "cassandra.libjemalloc": "-",
            "chronicle.analytics.disable": "true",
            "chronicle.announcer.disable": "true",
            "chronicle.disk.monitor.disable": "true",
            **({"cassandra.replace_address_first_boot": self.address} if replacing else {}),
        }
        return [
            *("/usr/bin/env", "MALLOC_ARENA_MAX=4"),  # else glibc keeps an arena for each thread
            str(self._with.java.program),
            f"@{here / 'conf' / 'jvm.args'}",
            f"-javaagent:{programs.path('jamm')}",
            f"-XX:HeapDumpPath={here / 'logs'}",
            f"-XX:ErrorFile={here / 'logs' / 'hs_err_%p.log'}",
            *(f"-D{name}={value}" for name, value in options.items()),
            *("-cp", os.pathsep.join((programs.class_path(), str(self._classes))), MAIN),
        ]

    def _note_process(self) -> None:
        notes.write(self.folder / NOTE, self.pid, address=self.address)


def _telling(lines: Sequence[str]) -> list[str]:
    """Return the errors in a log, each with the line after it; the warnings, if there are none."""
    errors = [
        line
        for before, line in pairwise(["", *lines])
        if line.startswith(("ERROR", "Caused")) or before.startswith("ERROR")
    ]
    return errors or [line for line in lines if line.startswith("WARN")]


def _takes(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def folder(home: Home, number: int) -> Path:
    """Return the folder of node `number`."""
    return home.cassandra / f"node{number}"


def log_path(home: Home, number: int) -> Path:
    """Return the file that node `number` writes its log to."""
    return folder(home, number) / "logs" / "system.log"


def running(place: Path) -> psutil.Process | None:
    """Return the process of the node in that folder, if it is proven to be that one."""
    return notes.process(place / NOTE)


def start(place: Path) -> list[float]:
    """Return number and start of the process of the node in that folder; nothing if none runs."""
    note = notes.read(place / NOTE)
    return [int(note["pid"]), float(note["started"])] if note else []


def address(place: Path) -> str:
    """Return the address of the node in that folder, as at its last start; "" if it had none."""
    return str((notes.last(place / NOTE) or {}).get("address", ""))


def clear(place: Path) -> bool:
    """End the node that a killed run left in that folder; say if there was one.

    The caller holds the home. Raises StartFailed if it does not end.
    """
    left = running(place)
    if left is None:
        return False
    end([left])
    return True


def end(nodes: Sequence[psutil.Process]) -> None:
    """Let nodes write what they have in memory, and end; who hangs is killed.

    Nothing is lost by that: what was acknowledged is in the commit log. Raises StartFailed.
    """
    drained, killed = psutil.Process.terminate, psutil.Process.kill
    for ask, seconds in ((drained, DRAINS_WITHIN), (killed, process.LAST_RESORT)):
        for node in nodes:
            with suppress(psutil.NoSuchProcess):
                ask(node)
        if process.wait_for(lambda: all(map(process.gone, nodes)), seconds):
            return
    left = ", ".join(str(node.pid) for node in nodes if not process.gone(node))
    raise StartFailed(f"Cassandra's process {left} cannot be ended", hint="Is a disk hanging?")
