"""Run `myriad up` in the background, and stop it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from myriad import errors
from myriad.engines.postgres import attachment, processes
from myriad.engines.postgres.base import Server
from myriad.errors import MyriadError, StartFailed
from myriad.home.home import Home
from myriad.machine import logs, process
from myriad.running import door, requests
from myriad.running.names import LOG, POSTGRES_AT
from myriad.settings import TABLE, Settings

SAID = re.compile(r"\S+ \S+ (?:INFO|WARNING) (.*)")  # a line of the log, for people


def run_detached(
    home: Home,
    settings: Settings,
    *,
    postgres_at: str | None = None,
    tell: Callable[[str], None] | None = None,
) -> Server:
    """Start `myriad up` in the background; return when it is ready. `tell` hears what it does.

    Where it is up already as it is asked for, that is returned. Raises what `up` says it failed
    with, and leaves nothing running: HomeLocked, ProgramMissing, StartFailed.
    """
    home.create()
    output = home.logs / "up.log"
    logs.bound(output)
    news = logs.Unread(home.logs / LOG)
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
        while (server := _ready(home, child, output, begin)) is None:
            _pass_on(news, tell)
            time.sleep(process.POLL)
    except BaseException:
        _end(child, settings)
        raise
    return server


def add_cassandra(
    home: Home, settings: Settings, pid: int, tell: Callable[[str], None] | None = None
) -> None:
    """Have the `up` that runs as process `pid` start Cassandra too; return when it is ready.

    With the settings that were given here, which that one does not know. Raises what it failed
    with; all else stays up.
    """
    news = logs.Unread(home.logs / LOG)
    given = _given(settings, "environment") | _given(settings)
    question, began = requests.ask(home, given), time.monotonic()
    while not requests.answered(home, question):
        _pass_on(news, tell)
        requests.check_waiting(home, pid, began)


def await_other(home: Home, tell: Callable[[str], None] | None = None) -> bool:
    """Wait for an `up` that is starting on the home; say whether it became ready.

    It bounds its own start.
    """
    news, pid = logs.Unread(home.logs / LOG), home.holder()
    while pid is not None and home.holder() == pid:
        if home.running():
            return True
        _pass_on(news, tell)
        time.sleep(process.POLL)
    return False


def _pass_on(news: logs.Unread, tell: Callable[[str], None] | None) -> None:
    for said in map(SAID.match, news() if tell else ()):
        if said and tell:
            tell(said[1])


def _given(settings: Settings, origin: str = "flag") -> dict[str, Any]:
    """Return the settings that come from there."""
    origins = ((entry.name, settings.origins.get(entry.name, "")) for entry in TABLE)
    return {name: getattr(settings, name) for name, where in origins if where.startswith(origin)}


def _child_environment(settings: Settings, postgres_at: str | None) -> dict[str, str]:
    given = {f"MYRIAD_{name.upper()}": str(it) for name, it in _given(settings).items()}
    environment = {name: value for name, value in os.environ.items() if name != POSTGRES_AT}
    if postgres_at:  # it works in another folder
        own = postgres_at == attachment.OWN
        given[POSTGRES_AT] = postgres_at if own else attachment.complete(postgres_at)
    return environment | given


def _ready(home: Home, child: subprocess.Popen[bytes], output: Path, begin: int) -> Server | None:
    """Return what is announced, None before; the child bounds its own start. Raises its error."""
    running = home.running()
    if running and (running.pid == child.pid or child.poll() == 0):  # or it was up already
        return Server.of(running)
    if child.poll() is not None:
        raise _error_of(logs.since(output, begin))
    return None


def _error_of(lines: list[str]) -> MyriadError:
    try:
        body = json.loads(lines[-1])
        kind = getattr(errors, body["type"])
        error: MyriadError = kind(body["error"], hint=body["hint"])
    except (ValueError, LookupError, TypeError, AttributeError):
        said = "\n  ".join(lines)
        hint = "See `myriad logs`, or run `myriad up` without --detach."
        return StartFailed(f"`myriad up` ended before it was ready:\n  {said}", hint=hint)
    return error


def _end(child: subprocess.Popen[bytes], settings: Settings) -> None:
    child.terminate()
    try:
        child.wait(longest_stop(settings))
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def longest_stop(settings: Settings) -> float:
    """Return the seconds within which all ends, whatever it does."""
    from myriad.engines.cassandra.nodes import node  # noqa: PLC0415 - most starts are of PostgreSQL

    own = settings.drain_timeout + settings.stop_timeout + 4 * process.LAST_RESORT
    return own + node.DRAINS_WITHIN


def stop(home: Home, settings: Settings) -> bool:
    """Stop what is up on the home, or was left by a run that was killed; say if there was any.

    Returns when it is gone. Raises StartFailed if it does not end.
    """
    holder = home.holder()
    if holder is None:
        from myriad.engines.cassandra.nodes import node  # noqa: PLC0415 - as above

        left = [door.clear(home), *(node.clear(place) for place in home.cassandra.glob("node?"))]
        return processes.clear(home.postgres, grace=settings.stop_timeout) or any(left)
    found = psutil.Process(holder)
    with suppress(psutil.NoSuchProcess):
        found.send_signal(signal.SIGTERM)
    if not process.wait_for(lambda: process.gone(found), longest_stop(settings)):
        raise StartFailed(f"process {holder} does not end", hint=f"Look at {home.logs / LOG}.")
    return True
