"""What the machine has: memory, cores, free space."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

MB = 1024 * 1024


@dataclass(frozen=True)
class Machine:
    """What configurations are sized from: memory, cores and free disk space (MB)."""

    memory_mb: int
    cores: int
    free_mb: int


def measure(folder: Path) -> Machine:
    """Measure the machine, or the container if that is smaller; `folder` tells which disk."""
    memory = min(psutil.virtual_memory().total, _container_limit())
    free = shutil.disk_usage(folder).free
    return Machine(memory // MB, os.cpu_count() or 1, free // MB)


def resident_mb() -> int:
    """Return the memory that this process has."""
    return int(psutil.Process().memory_info().rss) // MB


def _container_limit() -> int:
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return 1 << 62
