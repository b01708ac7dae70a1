"""Notes of processes: files that say which process did something, and whether it still runs.

A process is told from a later one of the same number by its start.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import psutil

from myriad.home.files import write_private


def started(pid: int) -> float | None:
    """Return the start time of process `pid`, None if there is none.

    On Linux in seconds since the machine started: a correction of the clock does not change them.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if sys.platform == "linux":
            # proc(5): field 22; the name, field 2, is in brackets and may contain anything.
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2]
            return int(fields.split()[19]) / os.sysconf("SC_CLK_TCK")
        return process.create_time()
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None


def write(path: Path, pid: int | None = None, **facts: object) -> None:
    """Note a process, ours unless another is named, with facts that are JSON; closed to others."""
    pid = pid or os.getpid()
    write_private(path, json.dumps({"pid": pid, "started": started(pid), **facts}))


def last(path: Path) -> dict[str, Any] | None:
    """Return what a note says, whether or not its process still runs; None if there is none."""
    try:
        note = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) else None


def read(path: Path) -> dict[str, Any] | None:
    """Return what a note says, with `pid` and `started`, if that very process still runs."""
    note = last(path)
    try:
        alive = note is not None and started(int(note["pid"])) == float(note["started"])
    except (ValueError, KeyError, TypeError):
        return None
    return note if alive else None


def process(path: Path) -> psutil.Process | None:
    """Return the process of a note, if that very one still runs."""
    note = read(path)
    try:
        return psutil.Process(int(note["pid"])) if note else None
    except psutil.Error:
        return None
