"""PostgreSQL's processes on one data folder: proof that they are ours, and how they end."""

import contextlib
import signal
from collections.abc import Iterable
from pathlib import Path

import psutil

from myriad.errors import StartFailed
from myriad.machine.process import LAST_RESORT, gone, wait_for

# The postmaster writes its start time after the kernel's, which psutil reckons from the boot time.
START_TOLERANCE = 60.0


def running(data: Path) -> psutil.Process | None:
    """Return the server that runs on `data`, if it is proven to be that one."""
    try:
        lines = (data / "postmaster.pid").read_text(errors="replace").splitlines()
        pid, started = int(lines[0]), float(lines[2])
        process = psutil.Process(pid)
        near = abs(process.create_time() - started) < START_TOLERANCE
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return process if near and _serves(process, data) else None


def servers(data: Path) -> list[psutil.Process]:
    """Return all PostgreSQL processes that work in `data`, with or without a postmaster."""
    return [process for process in psutil.process_iter() if _serves(process, data)]


def _serves(process: psutil.Process, data: Path) -> bool:
    try:
        # Every PostgreSQL process works in its data directory, which is closed to others.
        return process.name().startswith("postgres") and Path(process.cwd()) == data.resolve()
    except (OSError, psutil.Error):
        return False


def end(processes: Iterable[psutil.Process], *, grace: float) -> None:
    """End servers: fast shutdown within `grace` seconds, then the immediate one, then a kill.

    Raises StartFailed if even that does not end them.
    """
    left = list(processes)
    steps = (
        (signal.SIGINT, grace),
        (signal.SIGQUIT, LAST_RESORT),
        (signal.SIGKILL, LAST_RESORT),
    )
    for number, seconds in steps:
        if number is signal.SIGINT and not grace:
            continue
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        if wait_for(lambda: all(gone(process) for process in left), seconds):
            return
    pids = ", ".join(str(process.pid) for process in left if not gone(process))
    raise StartFailed(f"PostgreSQL's processes {pids} cannot be ended", hint="Is a disk hanging?")


def clear(data: Path, *, grace: float) -> bool:
    """End every server process left on `data` by a run that was killed; say if there were any.

    The caller holds the home, so nobody starts one meanwhile.
    """
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return False
    head = running(data)
    if head:
        end([head], grace=grace)
    orphans = servers(data)
    if orphans:
        end(orphans, grace=0)  # without a postmaster only the immediate shutdown is right
    # Proven stale. PostgreSQL would refuse where the number now is a stranger's, or a zombie's.
    pid_file.unlink(missing_ok=True)
    return bool(head or orphans)
