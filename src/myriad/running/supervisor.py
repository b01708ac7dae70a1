"""Keep PostgreSQL, the door and Cassandra up: start, announce, watch, start again, stop."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from queue import SimpleQueue
from types import FrameType

import psycopg

from myriad.engines.cassandra import announcement
from myriad.engines.cassandra.keep import keeper
from myriad.engines.postgres import attachment
from myriad.engines.postgres.attached import AttachedPostgres
from myriad.engines.postgres.base import PostgresEngine, Server
from myriad.engines.postgres.embedded import EmbeddedPostgres
from myriad.errors import MyriadError, NotRunning
from myriad.home.home import Home, Running
from myriad.machine import logs, process
from myriad.machine.pauses import Pauses
from myriad.running import cassandra, door, inner, ports
from myriad.running.adding_cassandra import Adding
from myriad.running.names import LOG
from myriad.running.workspaces import Workspaces
from myriad.settings import Settings

WATCH = 0.2  # seconds between looks at the engine
SERVER_WITHIN = 60.0  # seconds that Cassandra's people wait for PostgreSQL's
# Seconds before each new start; the last one repeats. While the door is down, people wait.
ENGINE_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
DOOR_PAUSES = (0.1, *ENGINE_PAUSES)
STARTS_FAIL = (MyriadError, OSError, psycopg.Error)  # with these
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

log = logging.getLogger("myriad.engines")


def run(home: Home, settings: Settings, *, postgres_at: str | None = None) -> None:
    """Start the engines and the door, keep them up until SIGINT, SIGTERM or SIGHUP, and stop them.

    Raises HomeLocked, ProgramMissing, StartFailed, TooNew, NotOurs, SettingsError; nothing is left
    running then.
    """
    stop = threading.Event()
    with heeding_signals(stop), home.locked(), _log_file(home):
        _check_files(settings)
        door.clear(home)
        announcement.withdraw(home)
        with _told(), ports.listen(home, settings) as people, inner.listen(home) as ours:
            dsn = attachment.chosen(home, postgres_at)
            ready = _Ready(engine_for(home, settings, dsn, stop), partial(_attach, home, dsn))
            kept = _Kept(home, settings, ready, door.Listening(people, ours), stop)
            if not kept.begin():
                log.info("stopped while it started")
                return
            try:
                kept.keep()
            finally:
                home.withdraw()
                log.info("stopping")
                kept.end()
                log.info("stopped")


class _Ready:
    """The engine that `_Kept` starts, and its server for those who wait for it.

    `started` is called before anybody hears of it.
    """

    def __init__(self, engine: PostgresEngine, started: Callable[[], None]) -> None:
        self.engine = engine
        self._tell = started
        self._server: Server | None = None
        self._started = threading.Event()

    def start(self) -> Server:
        self._server = self.engine.start()
        self._tell()
        self._started.set()
        return self._server

    def server(self) -> Server:
        """Return the server, once it was started; raises NotRunning if it is not within reason."""
        if not self._started.wait(SERVER_WITHIN) or self._server is None:
            raise NotRunning("PostgreSQL is not up", hint="`myriad logs` shows why.")
        return self._server


def _attach(home: Home, dsn: str | None) -> None:
    """Remember what the home uses from now on, and say so where that is another than before."""
    before = attachment.remembered(home)
    if before != dsn:
        changed = f"; before: {attachment.place(before)}" if before else ""
        own = f"a PostgreSQL of its own, in {home.postgres}"
        log.info("from now on this home uses %s%s", attachment.place(dsn) if dsn else own, changed)
        attachment.remember(home, dsn)


def engine_for(
    home: Home, settings: Settings, dsn: str | None, stop: threading.Event | None = None
) -> PostgresEngine:
    """Return the PostgreSQL at that DSN, without one our own; not started yet."""
    if dsn:
        return AttachedPostgres(dsn, settings)
    return EmbeddedPostgres(home, settings, stop)


def _check_files(settings: Settings) -> None:
    files = process.allow_files()
    fitting = door.clients_that_fit(settings, files)
    if fitting < settings.max_clients:
        log.warning(
            "a process may open %d files here: that is enough for %d connections of people, not"
            " for max_clients = %d; raise the hard limit (ulimit -Hn, LimitNOFILE) or lower it",
            files,
            fitting,
            settings.max_clients,
        )


@contextmanager
def _told() -> Iterator[None]:
    """Write an error that ends `up` into its log; it is shown by whoever catches it."""
    try:
        yield
    except Exception as error:
        log.error("%s", error)  # noqa: TRY400 - a person reads it
        raise


class _Kept:
    """What is up on one home, while it is kept up; Cassandra is kept by a thread of its own."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        ready: _Ready,
        listening: door.Listening,
        stop: threading.Event,
    ) -> None:
        self._home = home
        self._ready = ready
        self._cassandra = self._keeper_for(settings)
        self._adding = Adding(home, settings, self._keeper_for)
        self._engine = ready.engine
        self._door = door.Door(home, settings, listening, stop)
        self._address = (settings.host, int(listening.people.getsockname()[1]))
        self._stop = stop
        self._workspaces = Workspaces(ready.server, stop)
        self._engine_pauses = Pauses(ENGINE_PAUSES)
        self._door_pauses = Pauses(DOOR_PAUSES)
        self._server: Server | None = None
        self._announced = False

    def _keeper_for(self, settings: Settings) -> keeper.Keeper | None:
        return keeper.keeper_for(
            self._home,
            settings,
            lambda cluster: cassandra.serve(self._ready.server(), cluster),
            lambda cluster: cassandra.settle(self._ready.server(), cluster),
        )

    def begin(self) -> bool:
        """Start all and announce them; False if we were asked to stop meanwhile.

        Raises what they raise; nothing is left running then.
        """
        try:
            if self._cassandra:
                self._cassandra.start()
            self._start_engine()
            if self._cassandra:
                self._cassandra.await_ready(self._stop)
            self._start_door()
            self._workspaces.start()
        except BaseException as error:
            self.end()
            if self._stop.is_set() and isinstance(error, STARTS_FAIL):
                return False
            raise
        return True

    def keep(self) -> None:
        """Watch both, and start again what dies, until we are asked to stop."""
        while not self._stop.wait(WATCH):
            # What goes wrong is logged; the next look finds it down, and the pause grows.
            try:
                logs.bound(self._home.logs / LOG)
                self._look()
                self._cassandra = self._adding.look(self._cassandra)
            except STARTS_FAIL as error:
                if not self._stop.is_set():
                    log.error("%s", error)  # noqa: TRY400 - a person reads it

    def end(self) -> None:
        """Stop all: the door first, so that people's transactions can end, PostgreSQL last."""
        try:
            self._door.stop()
        finally:
            try:
                if self._cassandra:
                    self._cassandra.end()
            finally:
                self._engine.stop()

    def _look(self) -> None:
        problem = self._engine.failure()
        if problem is not None:
            self._home.withdraw()
            self._announced = False
            if self._paused("PostgreSQL", problem, self._engine_pauses):
                self._engine.stop()
                self._start_engine()
                self._start_door()
            return
        self._door.refresh()
        problem = self._door.failure()
        if problem is None and not self._announced:
            problem = "it could not be told of PostgreSQL's new start"
        if problem is not None and self._paused("the door", problem, self._door_pauses):
            self._start_door()

    def _paused(self, what: str, problem: str, pauses: Pauses) -> bool:
        """Say so and wait; False if we were asked to stop meanwhile."""
        pause = pauses.after_failure()
        log.warning("%s is down (%s); starting it again in %g s", what, problem, pause)
        return not self._stop.wait(pause)

    def _start_engine(self) -> None:
        log.info("starting PostgreSQL")
        try:
            self._server = self._ready.start()
        finally:
            self._engine_pauses.started()

    def _start_door(self) -> None:
        """Start the door if it is down, and announce that people can come."""
        assert self._server is not None  # noqa: S101 - PostgreSQL was started before
        try:
            self._door.start(self._server)
        finally:
            self._door_pauses.started()
        host, port = self._address
        about = self._engine.describe()
        ports.remember(self._home, port)
        self._home.announce(_announcement(replace(self._server, host=host, port=port), about))
        self._announced = True
        log.info("ready on %s port %d: %s", host, port, about)


def _announcement(server: Server, about: str) -> Running:
    pid, at = os.getpid(), (server.host, server.port)
    return Running(pid, server.kind, *at, server.dsn, about, server.version)


@contextmanager
def heeding_signals(stop: threading.Event) -> Iterator[None]:
    """Let signals set `stop`: by a thread, as whom they interrupt may hold its lock."""
    came: SimpleQueue[None] = SimpleQueue()  # whose `put` may interrupt itself

    def asked(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
        came.put(None)

    def heed() -> None:
        came.get()
        stop.set()

    threading.Thread(target=heed, name="signals", daemon=True).start()
    before = {number: signal.signal(number, asked) for number in SIGNALS}
    try:
        yield
    finally:
        came.put(None)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _log_file(home: Home) -> Iterator[None]:
    path = home.logs / LOG
    logs.bound(path)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
