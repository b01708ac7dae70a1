"""Keep PostgreSQL and the door up: start, announce and watch them, start again what dies, stop."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import psutil
import psycopg

from myriad import errors
from myriad.engines import door, logs, ports, process
from myriad.engines.attached import AttachedPostgres
from myriad.engines.base import PostgresEngine, Server
from myriad.engines.postgres import EmbeddedPostgres
from myriad.errors import MyriadError, StartFailed
from myriad.home import Home, Running, process_started
from myriad.settings import TABLE, Settings

POSTGRES_AT = "MYRIAD_POSTGRES_AT"  # an environment variable, because command lines are public
WATCH = 0.2  # seconds between looks at the engine
# Seconds before each new start; the last one repeats. While the door is down, people wait.
ENGINE_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
DOOR_PAUSES = (0.1, *ENGINE_PAUSES)
STARTS_FAIL = (MyriadError, OSError, psycopg.Error)  # with these
FINE_AFTER = 60.0  # seconds without a failure, and pauses begin with the first one again
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

log = logging.getLogger("myriad.engines")


def run(
    home: Home,
    settings: Settings,
    prepare: Callable[[Server], None],
    *,
    postgres_at: str | None = None,
) -> None:
    """Start PostgreSQL and the door, keep them up until SIGINT, SIGTERM or SIGHUP, and stop them.

    `prepare` makes in the server what the door needs there. Raises HomeLocked, ProgramMissing,
    StartFailed, SettingsError; nothing is left running then.
    """
    stop = threading.Event()
    with _on_signals(stop), home.locked(), _log_file(home):
        _check_files(settings)
        door.clear(home)
        with _told(), ports.listen(home, settings) as listening:
            ready = _Ready(engine_for(home, settings, postgres_at, stop), prepare)
            kept = _Kept(home, settings, ready, listening, stop)
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


@dataclass(frozen=True)
class _Ready:
    """What `_Kept` starts: an engine, and what must be made in it afterwards."""

    engine: PostgresEngine
    prepare: Callable[[Server], None]

    def start(self) -> Server:
        server = self.engine.start()
        self.prepare(server)
        return server


def engine_for(
    home: Home,
    settings: Settings,
    postgres_at: str | None,
    stop: threading.Event | None = None,
) -> PostgresEngine:
    """Return the PostgreSQL at that DSN, without one our own; not started yet."""
    if postgres_at:
        return AttachedPostgres(postgres_at, settings)
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


class _Pauses:
    """How long to wait before each new start, more after each failure."""

    def __init__(self, seconds: tuple[float, ...]) -> None:
        self._seconds = seconds
        self._failures = 0
        self._since = time.monotonic()

    def after_failure(self) -> float:
        if time.monotonic() - self._since > FINE_AFTER:
            self._failures = 0
        self._failures += 1
        return self._seconds[min(self._failures, len(self._seconds)) - 1]

    def started(self) -> None:
        self._since = time.monotonic()


class _Kept:
    """PostgreSQL and the door of one home, while they are kept up."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        ready: _Ready,
        listening: socket.socket,
        stop: threading.Event,
    ) -> None:
        self._home = home
        self._ready = ready
        self._engine = ready.engine
        self._door = door.Door(home, settings, listening, stop)
        self._address = (settings.host, int(listening.getsockname()[1]))
        self._stop = stop
        self._engine_pauses = _Pauses(ENGINE_PAUSES)
        self._door_pauses = _Pauses(DOOR_PAUSES)
        self._server: Server | None = None
        self._announced = False

    def begin(self) -> bool:
        """Start both and announce them; False if we were asked to stop meanwhile.

        Raises what they raise; nothing is left running then.
        """
        try:
            self._start_engine()
            self._start_door()
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
                self._look()
            except STARTS_FAIL as error:
                if not self._stop.is_set():
                    log.error("%s", error)  # noqa: TRY400 - a person reads it

    def end(self) -> None:
        """Stop both: the door first, so that people's transactions can end."""
        try:
            self._door.stop()
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
        problem = self._door.failure()
        if problem is None and not self._announced:
            problem = "it could not be told of PostgreSQL's new start"
        if problem is not None and self._paused("the door", problem, self._door_pauses):
            self._door.stop()
            self._start_door()

    def _paused(self, what: str, problem: str, pauses: _Pauses) -> bool:
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
        self._home.announce(_announcement(replace(self._server, host=host, port=port), about))
        self._announced = True
        log.info("ready on %s port %d: %s", host, port, about)


def _announcement(server: Server, about: str) -> Running:
    pid = os.getpid()
    started = process_started(pid) or 0.0
    return Running(pid, started, server.kind, server.host, server.port, server.dsn, about)


@contextmanager
def _on_signals(stop: threading.Event) -> Iterator[None]:
    def asked(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
        stop.set()

    before = {number: signal.signal(number, asked) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _log_file(home: Home) -> Iterator[None]:
    path = home.logs / "myriad.log"
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


def run_detached(home: Home, settings: Settings, *, postgres_at: str | None = None) -> Server:
    """Start `myriad up` in the background; return when it is ready.

    Raises what that says it failed with, and leaves nothing running: HomeLocked, ProgramMissing,
    StartFailed.
    """
    home.create()
    output = home.logs / "up.log"
    logs.bound(output)
    with output.open("ab") as file:
        begin = file.tell()
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "myriad", "up", "--json", "--home", str(home.folder)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=_child_environment(settings, postgres_at),
            start_new_session=True,
        )
    try:
        return _await_announcement(home, child, output, begin)
    except BaseException:
        _end(child, settings)
        raise


def _child_environment(settings: Settings, postgres_at: str | None) -> dict[str, str]:
    given = {
        f"MYRIAD_{entry.name.upper()}": str(getattr(settings, entry.name))
        for entry in TABLE
        if settings.origins.get(entry.name) == "flag"
    }
    environment = {name: value for name, value in os.environ.items() if name != POSTGRES_AT}
    return environment | given | ({POSTGRES_AT: postgres_at} if postgres_at else {})


def _await_announcement(
    home: Home, child: subprocess.Popen[bytes], output: Path, begin: int
) -> Server:
    # The child bounds its own start.
    while True:
        running = home.running()
        if running and running.pid == child.pid:
            return Server(running.engine, running.dsn, running.host, running.port)
        if child.poll() is not None:
            raise _error_of(logs.since(output, begin))
        time.sleep(process.POLL)


def _error_of(lines: list[str]) -> MyriadError:
    try:
        body = json.loads(lines[-1])
        kind = getattr(errors, body["type"])
        error = kind(body["error"], hint=body["hint"])
    except (ValueError, LookupError, TypeError, AttributeError):
        said = "\n  ".join(lines)
        return StartFailed(f"`myriad up` ended before it was ready:\n  {said}")
    return error if isinstance(error, MyriadError) else StartFailed(body["error"])


def _end(child: subprocess.Popen[bytes], settings: Settings) -> None:
    child.terminate()
    try:
        child.wait(_longest_stop(settings))
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _longest_stop(settings: Settings) -> float:
    """Return the seconds within which door and PostgreSQL end, whatever they do."""
    return settings.drain_timeout + settings.stop_timeout + 4 * process.LAST_RESORT


def stop(home: Home, settings: Settings) -> bool:
    """Stop what is up on the home, or was left by a run that was killed; say if there was any.

    Returns when it is gone. Raises StartFailed if it does not end.
    """
    holder = home.holder()
    if holder is None:
        left = door.clear(home)
        return process.clear(home.postgres, grace=settings.stop_timeout) or left
    found = psutil.Process(holder)
    with suppress(psutil.NoSuchProcess):
        found.send_signal(signal.SIGTERM)
    if not process.wait_for(lambda: process.gone(found), _longest_stop(settings)):
        raise StartFailed(
            f"process {holder} does not end", hint=f"Look at {home.logs / 'myriad.log'}."
        )
    return True
