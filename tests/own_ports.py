"""Ports for homes that are up more than once: nobody else's while this process lives."""

import fcntl
import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from myriad.home.home import Home
from myriad.machine import addresses
from tests.harness import reachable_folder

RANGE = range(12_000, 32_000)  # above Myriad's own first choices, below what connections get
_held: list[IO[str]] = []


def give_port(home: Home) -> None:
    """Let the home find a port that it told people, so that it comes back to it at each start."""
    (home.folder / "port").write_text(f"{_own_port()}\n")


@contextmanager
def copied(made: Path) -> Iterator[Home]:
    """Give a copy of the home `made`, with a port of its own."""
    with reachable_folder() as folder:
        subprocess.run(["cp", "-a", made, folder / "home"], check=True)
        home = Home(folder / "home")
        give_port(home)
        yield home


def _own_port() -> int:
    folder = Path(tempfile.gettempdir()) / f"myriad-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    while True:
        port = random.choice(RANGE)
        lock = (folder / str(port)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        _held.append(lock)
        if addresses.taken("127.0.0.1", port) is None:
            return port
