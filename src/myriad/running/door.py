"""The process that people connect to, as an engine: started, watched and stopped."""

import json
import logging
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from myriad.engines.postgres.base import CONTROL_DATABASE, Server
from myriad.errors import StartFailed
from myriad.home import notes
from myriad.home.home import Home
from myriad.machine import logs, process
from myriad.settings import OWN_CONNECTIONS, TABLE, Settings

COMMAND = (sys.executable, "-P", "-m", "myriad.door")
SPARE_FILES = 64  # of the door besides connections: its log, its libraries, its event loop
LINES = 12  # of its log, in an error
LONGEST_ANSWER = 65536  # bytes

log = logging.getLogger("myriad.engines")


class Door:
    """The door in front of a server, on a socket that listens already and stays open without it.

    `cancelled` ends a start early; it then raises StartFailed.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        listening: socket.socket,
        cancelled: threading.Event | None = None,
    ) -> None:
        self._home = home
        self._settings = settings
        self._listening = listening
        self._cancelled = cancelled or threading.Event()
        self._log = log_path(home)
        self._child: subprocess.Popen[bytes] | None = None
        self._reached: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        """The number of its process, 0 if there is none."""
        return self._child.pid if self._child else 0

    def start(self, server: Server) -> None:
        """Make it ready in front of `server`; nothing happens where it is.

        Raises StartFailed with its own words, SettingsError for a certificate that will not do,
        psycopg.Error.
        """
        reached = _reached(server)
        if self.failure() is None and reached == self._reached:
            return
        self.stop()
        try:
            self._launch(self._configuration(reached))
        except BaseException:
            self.stop()
            raise
        self._reached = reached

    def stop(self) -> None:
        """Stop it: it takes nobody new, and running transactions get `drain_timeout` to end."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(self._settings.drain_timeout + process.LAST_RESORT)
            except subprocess.TimeoutExpired:
                log.warning("the door does not end; it is killed")
                child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe:
                with suppress(OSError):  # what is unwritten is for nobody now
                    pipe.close()
        _memory(self._home).unlink(missing_ok=True)

    def failure(self) -> str | None:
        """Return why it does not run any more, None while it does."""
        logs.bound(self._log)
        return process.why_down(self._child)

    def _configuration(self, reached: dict[str, Any]) -> dict[str, Any]:
        from myriad.running import tls  # noqa: PLC0415 - cryptography: only who starts one

        return {
            "fd": self._listening.fileno(),
            "home": str(self._home.folder),
            "server": reached,
            "tls": asdict(tls.prepare(self._home, self._settings)),
            "settings": {entry.name: getattr(self._settings, entry.name) for entry in TABLE},
        }

    def _launch(self, configuration: dict[str, Any]) -> None:
        logs.bound(self._log)
        with self._log.open("ab") as output:
            begin = output.tell()
            self._child = child = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,  # it ends when this one closes: when we are gone
                stdout=subprocess.PIPE,
                stderr=output,
                cwd="/",
                env=process.environment(),
                start_new_session=True,
                umask=0o077,
                pass_fds=(self._listening.fileno(),),
            )
        self._remember(child)
        with suppress(OSError):  # it ended already, and its answer says why
            assert child.stdin is not None  # noqa: S101 - a pipe, see above
            child.stdin.write(json.dumps(configuration).encode() + b"\n")
            child.stdin.flush()
        self._await_ready(child, begin)

    def _remember(self, child: subprocess.Popen[bytes]) -> None:
        """Write down what proves later that a process is this one."""
        notes.write(_memory(self._home), child.pid)

    def _await_ready(self, child: subprocess.Popen[bytes], begin: int) -> None:
        answer, problem = self._answer(child)
        if answer.get("ready") is True:
            return
        if "error" in answer:
            raise StartFailed(
                f"the door did not start: {answer['error']}", hint=str(answer.get("hint", ""))
            )
        lines = "\n".join(f"  {line}" for line in logs.since(self._log, begin)[-LINES:])
        raise StartFailed(
            f"the door did not start: {problem}. Its log says:\n{lines or '  (nothing)'}",
            hint="`myriad logs --door` shows more; `myriad doctor` checks the machine.",
        )

    def _answer(self, child: subprocess.Popen[bytes]) -> tuple[dict[str, Any], str]:
        """Return the first line that it says, as JSON; or nothing, and why."""
        deadline = time.monotonic() + self._settings.start_timeout
        said = b""
        assert child.stdout is not None  # noqa: S101 - a pipe
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while b"\n" not in said and len(said) < LONGEST_ANSWER:
                if self._cancelled.is_set():
                    return {}, "asked to stop while it started"
                if time.monotonic() > deadline:
                    return {}, f"not ready after {self._settings.start_timeout:g} seconds"
                if selector.select(process.POLL):
                    more = os.read(child.stdout.fileno(), LONGEST_ANSWER)
                    if not more:
                        child.wait()  # it closes its output by ending
                        return {}, self.failure() or "it ended"
                    said += more
        try:
            answer = json.loads(said)
        except ValueError:
            return {}, f"it said {said[:200]!r}"
        return (answer, "") if isinstance(answer, dict) else ({}, f"it said {said[:200]!r}")


def log_path(home: Home) -> Path:
    """Return the file that the door's log goes to."""
    return home.logs / "door.log"


def _memory(home: Home) -> Path:
    return home.folder / "door.json"


def running(home: Home) -> psutil.Process | None:
    """Return the door's process on this home, if it is proven to be that one."""
    return notes.process(_memory(home))


def clear(home: Home) -> bool:
    """End the door left by a run that was killed; say if there was one.

    The caller holds the home, so nobody starts one meanwhile. Raises StartFailed if it stays.
    """
    left = running(home)
    if left is None:
        return False
    with suppress(psutil.NoSuchProcess):
        left.kill()  # its sessions lost their server's guardian: there is nothing to wait for
    if not process.wait_for(lambda: process.gone(left), process.LAST_RESORT):
        raise StartFailed(
            f"the door's process {left.pid} cannot be ended",
            hint="It hangs in the operating system: end it by hand, or restart the machine.",
        )
    _memory(home).unlink(missing_ok=True)
    return True


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
            "sslrootcert": _from_here(used.get("sslrootcert", "")),
        }


def _from_here(file: str) -> str:
    """Return a path that another folder does not change; `system` is libpq's word for another."""
    return str(Path(file).absolute()) if file and file != "system" else file


def server_connections(settings: Settings) -> int:
    """Return the most connections to PostgreSQL that the door may have for people."""
    most = settings.max_connections - OWN_CONNECTIONS
    return min(settings.server_connections or most, most)


def clients_that_fit(settings: Settings, files: int) -> int:
    """Return how many people's connections fit where a process may open so many files."""
    return max(0, files - server_connections(settings) - SPARE_FILES)
