"""Readers of formats that run in a process of their own, run within the test: it is faster."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from myriad.model import Reject
from myriad.sources.apart import process
from myriad.sources.apart.__main__ import answer
from myriad.sources.base import TableSource, Workspace
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions
from tests.source_harness import read, rows, types


def stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let readers run in this process; what kills is tested with the real one."""

    def run(task: dict[str, Any], _: Callable[[], None]) -> tuple[bytes, int]:
        return json.dumps(answer(task)).encode(), 0

    monkeypatch.setattr(process, "_run", run)


def opened(path: Path, folder: Path, **options: Any) -> list[TableSource]:
    """Open a file as publish does: its format is found."""
    folder.mkdir(exist_ok=True)
    return open_sources([path], lambda _: ReadOptions(**options), Workspace(folder, 150))


def tables(path: Path, folder: Path, **options: Any) -> dict[str, tuple[dict[str, str], list[Any]]]:
    """Return the types and rows of all tables of a file, by name."""
    found = {}
    for source in opened(path, folder, **options):
        values = rows(source)
        found[source.table.name] = types(source), values
        source.close()
    return found


def table(path: Path, folder: Path, **options: Any) -> tuple[dict[str, str], list[Any]]:
    """Return the types and rows of the one table of a file."""
    (found,) = tables(path, folder, **options).values()
    return found


def notes(path: Path, folder: Path, **options: Any) -> str:
    """Return all that is told of a file's tables."""
    told: list[str] = []
    for source in opened(path, folder, **options):
        told += [*source.table.notes, *source.notes]
        source.close()
    return "\n".join(told)


def rejected(path: Path, folder: Path, **options: Any) -> tuple[int, Sequence[Reject]]:
    """Return how many rows a file gives, and its rejects."""
    (source,) = opened(path, folder, **options)
    rejects: list[Reject] = []
    source.prove()
    found = read(source, rejects=rejects)
    source.close()
    return len(found), rejects


# Imports the readers that its arguments name, then does each task, a line of JSON, in a process of
# its own, as the real one does, without the third of a second that the libraries take.
NURSERY = """
import importlib, json, os, sys
from myriad.machine.libraries import load_less
from myriad.sources.apart import __main__ as apart
load_less()  # as the real one: a child would load it with its first column
for name in sys.argv[1:]:
    importlib.import_module(name)
for line in sys.stdin:
    task = json.loads(line)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        apart._limit(task)
        with os.fdopen(writing, "w") as pipe:
            json.dump(apart.answer(task), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status, used = os.wait4(child, 0)
    print(json.dumps([said, os.waitstatus_to_exitcode(status), used.ru_maxrss >> 10]), flush=True)
"""
READERS = [f"myriad.sources.{name}.reader" for name in ("sheets", "xml", "bson")]
READERS += [f"myriad.sources.arrow.{name}" for name in ("ipc", "orc", "avro")]
SECONDS = 10


class Nursery:
    """A process in which readers are loaded; `most_mb` is what the largest of its children took."""

    def __init__(self) -> None:
        self.most_mb = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", NURSERY, *READERS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"},
        )

    def run(self, task: dict[str, Any], _: Callable[[], None]) -> tuple[bytes, int]:
        """Do a task in a new child, as `process._run`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**task, "seconds": SECONDS}) + "\n")
        self._process.stdin.flush()
        said, code, most_mb = json.loads(self._process.stdout.readline())
        self.most_mb = max(self.most_mb, most_mb)
        return said.encode(), code

    def close(self) -> None:
        """End it."""
        self._process.communicate()
