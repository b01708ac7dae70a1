"""Keep an engine up: start it, announce it, watch it, start it again when it dies, stop it."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil

from myriad import errors
from myriad.engines import logs, process
from myriad.engines.attached import AttachedPostgres
from myriad.engines.base import PostgresEngine, Server
from myriad.engines.postgres import EmbeddedPostgres
from myriad.errors import MyriadError, StartFailed
from myriad.home import Home, Running, process_started
from myriad.settings import TABLE, Settings

POSTGRES_AT = "MYRIAD_POSTGRES_AT"  # an environment variable, because command lines are public
WATCH = 0.2  # seconds between looks at the engine
PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds before each new start; the last one repeats
FINE_AFTER = 60.0  # seconds without a failure, and pauses begin with the first one again
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

log = logging.getLogger("myriad.engines")


def run(home: Home, settings: Settings, *, postgres_at: str | None = None) -> None:
    """Start PostgreSQL, keep it up until SIGINT, SIGTERM or SIGHUP, and stop it.

    Raises HomeLocked, ProgramMissing, StartFailed; nothing is left running then.
    """
    stop = threading.Event()
    with _on_signals(stop), home.locked(), _log_file(home):
        engine = engine_for(home, settings, postgres_at, stop)
        if not _begin(home, engine, stop):
            log.info("stopped while it started")
            return
        try:
            _keep(home, engine, stop)
        finally:
            home.withdraw()
            log.info("stopping")
            engine.stop()
            log.info("stopped")


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


def _begin(home: Home, engine: PostgresEngine, stop: threading.Event) -> bool:
    """Start the engine and announce it; False if we were asked to stop meanwhile."""
    began = time.monotonic()
    log.info("starting PostgreSQL")
    try:
        server = engine.start()
    except (MyriadError, OSError) as error:
        if stop.is_set():
            return False
        log.error("%s", error)  # noqa: TRY400 - the error is shown by whoever catches it
        raise
    home.announce(_announcement(server, engine.describe()))
    seconds = time.monotonic() - began
    where = f"{server.host} port {server.port}"
    log.info("ready on %s after %.1f s: %s", where, seconds, engine.describe())
    return True


def _announcement(server: Server, about: str) -> Running:
    pid = os.getpid()
    started = process_started(pid) or 0.0
    return Running(pid, started, server.kind, server.host, server.port, server.dsn, about)


def _keep(home: Home, engine: PostgresEngine, stop: threading.Event) -> None:
    failures = 0
    fine_since = time.monotonic()
    while not stop.wait(WATCH):
        problem = engine.failure()
        if problem is None:
            continue
        home.withdraw()
        failures = 0 if time.monotonic() - fine_since > FINE_AFTER else failures
        pause = PAUSES[min(failures, len(PAUSES) - 1)]
        failures += 1
        log.warning("PostgreSQL is down (%s); starting it again in %g s", problem, pause)
        if stop.wait(pause):
            return
        # Logged; the next look finds it down, and the pause grows.
        with suppress(MyriadError, OSError):
            engine.stop()
            _begin(home, engine, stop)
        fine_since = time.monotonic()


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
        child.wait(settings.stop_timeout + 2 * process.LAST_RESORT)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def stop(home: Home, settings: Settings) -> bool:
    """Stop what is up on the home, or was left by a run that was killed; say if there was any.

    Returns when it is gone. Raises StartFailed if it does not end.
    """
    holder = home.holder()
    if holder is None:
        return process.clear(home.postgres, grace=settings.stop_timeout)
    found = psutil.Process(holder)
    with suppress(psutil.NoSuchProcess):
        found.send_signal(signal.SIGTERM)
    if not process.wait_for(
        lambda: process.gone(found), settings.stop_timeout + 3 * process.LAST_RESORT
    ):
        raise StartFailed(
            f"process {holder} does not end", hint=f"Look at {home.logs / 'myriad.log'}."
        )
    return True
