"""The processes that people connect to, as an engine: started, watched and stopped."""

import os
import socket
import threading
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from myriad.door.server.address import SYSTEM
from myriad.door.siblings import counters
from myriad.engines.postgres.base import CONTROL_DATABASE, Server
from myriad.errors import StartFailed
from myriad.home import notes
from myriad.home.files import secret
from myriad.home.home import Home
from myriad.machine import logs, process
from myriad.pgwire.numbers import MOST_PROCESSES
from myriad.running.child import Child
from myriad.running.names import LOCAL_PORT
from myriad.running.pulse import HANGS_SECONDS, Pulse
from myriad.settings import OWN_CONNECTIONS, TABLE, Settings

if TYPE_CHECKING:
    from myriad.running.tls import Watched

# Of a process besides connections: its log, its libraries, its event loop, who is turned away.
SPARE_FILES = 96
# `auto`: PostgreSQL and the clients want cores, too; see decisions/0005-the-door.md.
CORES_FOR_ONE = 4
SECRETS = ("mock", "pools")  # behind the salts of unknown names, and pool roles' passwords


class Listening(NamedTuple):
    """Where people connect, and where programs of ours do."""

    people: socket.socket
    inner: socket.socket


class Door:
    """The door in front of a server, on sockets that listen already and stay open without it.

    All its processes take clients from that one socket. What they count together, and where they
    hear from each other, is kept here, so a process that ends takes nothing with it.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        listening: Listening,
        cancelled: threading.Event | None = None,
    ) -> None:
        self._home, self._settings, self._listening = home, settings, listening
        cancelled, self._log = cancelled or threading.Event(), log_path(home)
        count = processes(settings)
        self._children = [
            Child(_note(home, number), self._log, settings, cancelled) for number in range(count)
        ]
        self._pulses = [Pulse() for _ in self._children]
        self._file = counters.create(count, settings.max_clients)
        self._counters = counters.Counters(self._file, count, settings.max_clients)
        # To each process: where others write, and where it reads.
        self._post = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(count)]
        self._reached: dict[str, Any] = {}
        self._certificate: Watched | None = None
        self._local: socket.socket | None = None

    def start(self, server: Server) -> None:
        """Make it ready in front of `server`: each process that does not run there is started.

        Raises StartFailed with its own words, SettingsError for a certificate that will not do,
        psycopg.Error.
        """
        reached = _reached(server)
        if reached != self._reached:
            self.stop()
        down = [number for number, child in enumerate(self._children) if child.failure()]
        if not down:
            return
        logs.bound(self._log)
        try:
            if self._local is None:
                self._local = self._listen_locally()
            configuration = self._configuration(reached, self._local)
            if len(down) == len(self._children):
                self._counters.reset()
            for number in down:
                self._launch(number, configuration, self._local)
            for number in down:
                self._children[number].await_ready()
        except BaseException:
            self._end(down)
            raise
        self._reached = reached

    def stop(self) -> None:
        """Stop all: they take nobody new, and running transactions get `drain_timeout` to end."""
        self._end(list(range(len(self._children))))
        if self._local is not None:
            Path(self._local.getsockname()).unlink(missing_ok=True)
            self._local.close()
            self._local = None

    def failure(self) -> str | None:
        """Return why it, or a part of it, does not run any more, None while all do.

        A process that hangs is ended: its clients wait for nothing, and their transactions hold
        locks.
        """
        logs.bound(self._log)
        failures = {number: self._failure(number) for number in range(len(self._children))}
        down = {number: problem for number, problem in failures.items() if problem is not None}
        for number in down:
            self._counters.empty(number)  # what was counted there is over
        if len(self._children) == 1:
            return down.get(0)
        return "; ".join(f"process {number}: {problem}" for number, problem in down.items()) or None

    def _failure(self, number: int) -> str | None:
        child = self._children[number]
        problem = child.failure()
        if problem is None and self._pulses[number].hangs(self._counters.beats(number)):
            child.kill()
            return f"it did nothing for {HANGS_SECONDS:g} s; {child.failure() or 'it does not end'}"
        return problem

    def refresh(self) -> None:
        """Let it show another certificate, if the files have changed; nobody's session ends."""
        changed = self._certificate.changed() if self._certificate else None
        if changed is not None:
            for child in self._children:
                child.tell({"tls": asdict(changed)})

    def _end(self, numbers: list[int]) -> None:
        some = [self._children[number] for number in numbers]
        for child in some:
            child.ask_to_end()
        for child in some:
            child.end()

    def _launch(self, number: int, configuration: dict[str, Any], local: socket.socket) -> None:
        child = self._children[number]
        child.ask_to_end()
        child.end()
        self._counters.empty(number)
        reading, writing = self._post[number][1].fileno(), [each[0].fileno() for each in self._post]
        placed = {
            "process": number,
            "processes": len(self._children),
            "counters": self._file,
            "reading": reading,
            "writing": writing,
        }
        listening = [each.fileno() for each in (*self._listening, local)]
        files = (*listening, self._file, reading, *writing)
        child.launch({**configuration, "placed": placed}, files)
        self._pulses[number] = Pulse()

    def _configuration(self, reached: dict[str, Any], local: socket.socket) -> dict[str, Any]:
        from myriad.running import tls  # noqa: PLC0415 - cryptography: only who starts one

        self._certificate = tls.Watched(self._home, self._settings)
        return {
            "fd": self._listening.people.fileno(),
            "inner": {"fd": self._listening.inner.fileno(), "user": os.getuid()},
            "home": str(self._home.folder),
            "local": local.fileno(),
            "server": reached,
            "tls": asdict(self._certificate.now),
            "settings": {entry.name: getattr(self._settings, entry.name) for entry in TABLE},
            "secrets": {
                name: secret(self._home.secrets / f"{name}.json").hex() for name in SECRETS
            },
        }

    def _listen_locally(self) -> socket.socket:
        """Return the socket for who may enter the home: there nothing need be encrypted."""
        user = process.engine_user(self._home.postgres)
        folder = self._home.make_socket_folder(*([user.uid] if user else ()))
        place = folder / f".s.PGSQL.{LOCAL_PORT}"
        place.unlink(missing_ok=True)  # of an `up` that was killed: nobody else holds this home
        listening = socket.socket(socket.AF_UNIX)
        try:
            listening.bind(str(place))
            place.chmod(0o600)
            listening.listen()
        except BaseException:
            listening.close()
            raise
        return listening


def processes(settings: Settings) -> int:
    """Return how many processes the door has."""
    return settings.door_processes or max(1, (os.cpu_count() or 1) // CORES_FOR_ONE)


def log_path(home: Home) -> Path:
    """Return the file that the door's log goes to."""
    return home.logs / "door.log"


def _note(home: Home, number: int) -> Path:
    return home.folder / (f"door-{number}.json" if number else "door.json")


def running(home: Home, number: int = 0) -> psutil.Process | None:
    """Return that one of the door's processes on this home, if it is proven to be."""
    return notes.process(_note(home, number))


def all_running(home: Home) -> list[psutil.Process]:
    """Return the door's processes on this home."""
    found = (running(home, number) for number in range(MOST_PROCESSES))
    return [each for each in found if each is not None]


def clear(home: Home) -> bool:
    """End the door left by a run that was killed; say if there was one.

    The caller holds the home, so nobody starts one meanwhile. Raises StartFailed if it stays.
    """
    left = all_running(home)
    for each in left:
        with suppress(psutil.NoSuchProcess):
            each.kill()  # its sessions lost their server's guardian: there is nothing to wait for
    if not process.wait_for(lambda: all(map(process.gone, left)), process.LAST_RESORT):
        stays = ", ".join(str(each.pid) for each in left if not process.gone(each))
        raise StartFailed(
            f"the door's process {stays} cannot be ended",
            hint="It hangs in the operating system: end it by hand, or restart the machine.",
        )
    for note in home.folder.glob("door*.json"):
        note.unlink()
    return bool(left)


def _reached(server: Server) -> dict[str, Any]:
    """Return how the door reaches the server: what libpq made of the DSN, files and environment."""
    with closing(server.connect(autocommit=True)) as connection:
        info = connection.info
        used = {
            option.keyword.decode(): option.val.decode()
            for option in connection.pgconn.info
            if option.val is not None
        }
        return {
            "kind": server.kind,
            "host": info.host,
            "port": info.port,
            "version": info.server_version,
            "user": info.user,
            "password": info.password,
            "database": CONTROL_DATABASE,
            "sslmode": used.get("sslmode", "prefer"),
            "sslrootcert": _roots(used.get("sslrootcert", "")),
        }


def _roots(named: str) -> str:
    """Return the file of who vouches for the server, as libpq finds it; empty if there is none."""
    if named:
        return named if named == SYSTEM else str(Path(named).absolute())
    with suppress(RuntimeError):  # nobody knows where our user is at home
        usual = Path.home() / ".postgresql" / "root.crt"
        return str(usual) if usual.exists() else ""
    return ""


def server_connections(settings: Settings) -> int:
    """Return the most connections to PostgreSQL that the door may have for people."""
    most = settings.max_connections - OWN_CONNECTIONS
    return min(settings.server_connections or most, most)


def clients_that_fit(settings: Settings, files: int) -> int:
    """Return how many people's connections fit where a process may open so many files."""
    return max(0, files - server_connections(settings) - SPARE_FILES)
