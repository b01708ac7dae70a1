"""Readers of formats that run in a process of their own, run within the test: it is faster."""

import json
from collections.abc import Sequence
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

    def run(task: dict[str, Any]) -> tuple[bytes, int]:
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
