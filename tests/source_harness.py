"""Reads a source as publish does: the guess first, then the proof."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from myriad.model import Kind, Reject, Type
from myriad.sources.base import BATCH_ROWS, TableSource, TypeMismatch, Workspace

Opener = Callable[..., list[TableSource]]


def opened(opener: Opener, path: Path, *, memory_mb: int = 100) -> list[TableSource]:
    """Open a file as the chooser does."""
    workspace = Workspace(path.parent, memory_mb)
    return opener(path, str(path), workspace, name=path.stem)


def rows(source: TableSource) -> list[tuple[Any, ...]]:
    """Return all records with the types believed; start over once if they prove wrong."""
    try:
        return read(source)
    except TypeMismatch:
        source.prove()
        return read(source)


def read(
    source: TableSource,
    types: list[Type] | None = None,
    rejects: list[Reject] | None = None,
) -> list[tuple[Any, ...]]:
    """Read once; records that do not fit go to `rejects` if it is given."""
    kinds = types or [column.type for column in source.table.columns]
    found: list[tuple[Any, ...]] = []
    for batch in source.read(kinds, None if rejects is None else rejects.append):
        assert batch.num_rows <= BATCH_ROWS
        columns = [
            [_plain(value, kind) for value in column.to_pylist()]
            for column, kind in zip(batch.columns, kinds, strict=True)
        ]
        found += zip(*columns, strict=True)
    return found


def _plain(value: Any, kind: Type) -> Any:
    if value is None:
        return None
    if kind.kind is Kind.JSONB:
        return json.loads(value)
    return uuid.UUID(bytes=value) if kind.kind is Kind.UUID else value


def types(source: TableSource) -> dict[str, str]:
    """Return each column's type as PostgreSQL names it."""
    return {column.name: str(column.type) for column in source.table.columns}


def why(source: TableSource, column: str) -> str:
    """Return why a column has its type."""
    return source.table.column(column).why
