"""One process of the door: started, told its configuration, watched and stopped."""

import json
import logging
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from myriad.errors import StartFailed
from myriad.home import notes
from myriad.machine import logs, process
from myriad.settings import Settings

COMMAND = (sys.executable, "-P", "-m", "myriad.door")
LINES = 12  # of its log, in an error
LONGEST_ANSWER = 65536  # bytes

log = logging.getLogger("myriad.engines")


class Child:
    """A process of the door; `note` is the file that proves later which one it is.

    `cancelled` ends a start early; it then raises StartFailed.
    """

    def __init__(
        self, note: Path, output: Path, settings: Settings, cancelled: threading.Event
    ) -> None:
        self._note, self._log = note, output
        self._settings, self._cancelled = settings, cancelled
        self._child: subprocess.Popen[bytes] | None = None
        self._begin = 0

    def failure(self) -> str | None:
        """Return why it does not run any more, None while it does."""
        return process.why_down(self._child)

    def launch(self, configuration: Mapping[str, Any], files: Sequence[int]) -> None:
        """Start it, with these files open; `await_ready` says what came of it."""
        with self._log.open("ab") as output:
            self._begin = output.tell()
            self._child = child = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,  # it ends when this one closes: when we are gone
                stdout=subprocess.PIPE,
                stderr=output,
                cwd="/",
                env=process.environment(),
                start_new_session=True,
                umask=0o077,
                pass_fds=files,
            )
        notes.write(self._note, child.pid)
        with suppress(OSError):  # it ended already, and its answer says why
            assert child.stdin is not None  # noqa: S101 - a pipe, see above
            child.stdin.write(json.dumps(configuration).encode() + b"\n")
            child.stdin.flush()

    def tell(self, change: Mapping[str, Any]) -> None:
        """Tell it, while it runs, of something that has changed since it was launched."""
        child = self._child
        if child is not None and child.stdin is not None:
            with suppress(OSError):  # it has ended: the next one is launched with that
                child.stdin.write(json.dumps(change).encode() + b"\n")
                child.stdin.flush()

    def await_ready(self) -> None:
        """Return when it serves; raises StartFailed with its own words."""
        answer, problem = self._answer()
        if answer.get("ready") is True:
            return
        if "error" in answer:
            raise StartFailed(
                f"the door did not start: {answer['error']}", hint=str(answer.get("hint", ""))
            )
        lines = "\n".join(f"  {line}" for line in logs.since(self._log, self._begin)[-LINES:])
        raise StartFailed(
            f"the door did not start: {problem}. Its log says:\n{lines or '  (nothing)'}",
            hint="`myriad logs --door` shows more; `myriad doctor` checks the machine.",
        )

    def _answer(self) -> tuple[dict[str, Any], str]:
        """Return the first line that it says, as JSON; or nothing, and why."""
        deadline = time.monotonic() + self._settings.start_timeout
        said, child = b"", self._child
        assert child is not None  # noqa: S101 - it was launched
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

    def kill(self) -> None:
        """End it at once: it does not go on, so there is nothing to wait for."""
        if self._child is not None:
            self._child.kill()
            with suppress(subprocess.TimeoutExpired):  # it hangs in the system; `end` waits for it
                self._child.wait(process.LAST_RESORT)

    def ask_to_end(self) -> None:
        """Let it take nobody new, and give running transactions `drain_timeout` to end."""
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()

    def end(self) -> None:
        """Return when it has ended, which it was asked to; one that does not end is killed."""
        child, self._child = self._child, None
        if child is None:
            return
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
        self._note.unlink(missing_ok=True)
