"""However a run of tests ends, no server and no folder of it is left.

`run_folder` gives the folder that everything lies in which a run makes for servers. With it starts
a process that waits until the run has ended, also by a kill: this module, run as a program. It ends
what runs in that folder, says so, and removes the folder.
"""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

MEMORY_WANTED = 4 << 30
WITHIN = 60.0  # seconds for everything to end
POLL = 0.1


@cache
def run_folder() -> Path:
    """Return the folder of this process's run, which every user can pass."""
    path = Path(tempfile.mkdtemp(prefix="myriad-tests-", dir=_memory()))
    path.chmod(0o755)
    remover = subprocess.Popen(
        [sys.executable, "-m", "tests.leftovers", str(path)],
        stdin=subprocess.PIPE,  # it closes when we end
        cwd=Path(__file__).parents[1],
        start_new_session=True,  # a terminal's Ctrl-C does not reach it
    )
    atexit.register(remover.communicate, timeout=2 * WITHIN)
    return path


def _memory() -> str | None:
    """Return a folder in memory, where fsync costs nothing; None: the usual temporary folder."""
    memory = "/dev/shm"
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < MEMORY_WANTED:
        return None
    return None if os.statvfs(memory).f_flag & os.ST_NOEXEC else memory


def running_in(folder: Path) -> list[psutil.Process]:
    """Return the processes that work in a folder, or were told of it by their command."""
    return [process for process in psutil.process_iter() if _is_in(process, f"{folder}/")]


def _is_in(process: psutil.Process, folder: str) -> bool:
    try:
        if any(folder in f"{part}/" for part in process.cmdline()):
            return process.pid != os.getpid()
        return f"{process.cwd()}/".startswith(folder)
    except psutil.Error:
        return False  # gone, or of another user


def clear(folder: Path) -> None:
    """End what runs in a folder, until nothing starts again, and remove it."""
    began = time.monotonic()
    while (since := time.monotonic() - began) < WITHIN and (left := running_in(folder)):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                gently = process.name() == "postgres" and since < WITHIN / 2
                sys.stderr.write(f"ended, for the tests left it: {process.pid} {process.name()}\n")
                # PostgreSQL's immediate shutdown gives back its shared memory.
                process.send_signal(signal.SIGQUIT if gently else signal.SIGKILL)
        time.sleep(POLL)
    for disk in psutil.disk_partitions(all=True):
        if folder in Path(disk.mountpoint).parents:
            subprocess.run(["umount", "--lazy", disk.mountpoint], check=False)
    shutil.rmtree(folder)


if __name__ == "__main__":
    sys.stdin.read()
    clear(Path(sys.argv[1]))
