"""Start the process that reads one file, wait for it, and say why it ended."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from myriad.errors import SourceError
from myriad.machine.resources import resident_mb
from myriad.sources.base import MORE_MEMORY, OPENING, Workspace
from myriad.sources.places.files import MOST_TIMES, SAFE_BYTES, trap

LEAST_MB = 64
OWN_MB = 80  # of such a process, before it reads anything; a reader's library is among it
# Of one core. A megabyte of a workbook, packed, is read in a second.
LEAST_SECONDS, SECONDS_PER_MB = 60, 5
PATIENCE = 3  # times those seconds, by the clock: others work as well, and a disk may be slow
TELL_SECONDS = 0.2
MOST_ANSWER = 16 << 20
TOO_LONG = 1000  # instead of a status: it was ended for the time it took
DAMAGED = "It is damaged, cut off or encrypted. Fetch it again, or write it anew."


@dataclass(frozen=True)
class Reader:
    """Reads a format.

    Attributes:
        module: has a function `read` that takes path, folder and options.
        what: the format, for people.
        library: what it needs that is not always there.
        extra: with which that is installed.
    """

    module: str
    what: str
    library: str = ""
    extra: str = ""

    def check(self, origin: str) -> None:
        """Raise SourceError, saying what to install, if its library is not there."""
        if self.library and find_spec(self.library) is None:
            raise SourceError(
                f"{origin}: this is {self.what}, and what reads it is not installed",
                hint=f"pip install 'myriad-db[{self.extra}]'",
            )

    def read(
        self, path: Path, origin: str, workspace: Workspace, options: dict[str, Any]
    ) -> tuple[dict[str, Any], Path]:
        """Let a process read a file; return what it says, and the folder with what it wrote.

        Raises SourceError if it cannot be read within the limits.
        """
        self.check(origin)
        folder = Path(tempfile.mkdtemp(dir=workspace.folder, prefix="apart-"))
        size = path.stat().st_size
        seconds = LEAST_SECONDS + SECONDS_PER_MB * (size >> 20)
        task = {
            "reader": self.module,
            "path": str(path.absolute()),
            "folder": str(folder),
            "options": options,
            "memory_mb": _left_mb(workspace.ceiling_mb),
            "seconds": seconds,
            "patience": PATIENCE * seconds,
            "most": max(SAFE_BYTES, size * MOST_TIMES),
        }
        said, code = _run(task, partial(workspace.tell, OPENING, origin, 0, 0))
        if code == TOO_LONG:
            raise SourceError(
                f"{origin}: reading it took more than {task['patience']} seconds",
                hint="Is the machine or the disk busy? Try again, or write the file anew.",
            )
        if code == -signal.SIGKILL and not said:
            raise SourceError(
                f"{origin}: the process that read it was ended from outside",
                hint="Did the machine run out of memory? Publish again.",
            )
        if code == -signal.SIGXCPU:
            raise SourceError(
                f"{origin}: reading it took more than {seconds} seconds of a processor",
                hint="No such file of this size takes so long. Fetch it again, or write it anew.",
            )
        answer = _answer(said)
        if answer is None or answer.get("limit") == "memory":
            raise SourceError(
                f"{origin}: reading it takes more than the {workspace.ceiling_mb} MB of memory that"
                " a publish has, or it is damaged",
                hint=f"Save it as CSV or Parquet; or {MORE_MEMORY}",
            )
        if answer.get("limit") == "bytes":
            raise trap(origin, size, int(str(task["most"])), "If it is one, write it anew.")
        if "error" in answer:
            raise SourceError(f"{origin}: {answer['error']}", hint=answer["hint"] or DAMAGED)
        return answer, folder


def _left_mb(ceiling: int) -> int:
    """Return what a process may take beside this one, which may be somebody's notebook."""
    return max(LEAST_MB, ceiling - min(resident_mb(), ceiling // 2) - OWN_MB)


def _answer(said: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(said)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _run(task: dict[str, Any], tell: Callable[[], None]) -> tuple[bytes, int]:
    """Return what the process said, and how it ended; it never outlives this call.

    `tell` is called while it works. It ended with TOO_LONG if it did not within its patience.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "myriad.sources.apart"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a Rust library that runs out of memory says so at length
        start_new_session=True,  # Ctrl-C is for us: then it is killed
        # Arrow's own pools take a gigabyte of addresses before they need it.
        env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"},
    )
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    assert process.stdout is not None  # noqa: S101 - as well
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    clock = threading.Timer(task["patience"], end)
    clock.daemon = True
    clock.start()
    try:
        process.stdin.write(json.dumps(task).encode() + b"\n")
        process.stdin.flush()  # it stays open: its end would say that we are gone
        answers = select.poll()  # `select` takes no descriptor above 1,023
        answers.register(process.stdout, select.POLLIN)
        while not answers.poll(TELL_SECONDS * 1000):
            tell()
        said = process.stdout.read(MOST_ANSWER)
    except BrokenPipeError:
        said = b""
    finally:
        if sys.exc_info()[0] is not None:
            process.kill()
        code = process.wait()
        clock.cancel()
        process.stdin.close()
        process.stdout.close()
    return said, TOO_LONG if late.is_set() and not said else code
