"""An input that people had trouble with elsewhere, and what must become of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from myriad.model import Reject, Table
from myriad.publish import naming
from myriad.sources.base import TableSource, TypeMismatch, Workspace
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions
from tests.source_harness import read

Rows = Sequence[tuple[Any, ...]]


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        file: what it is called.
        made: what is in it, or what writes it.
        tables: all rows of each table that comes of it, by the table as `described` says it.
        notes: parts of what the report says.
        rejects: why which line is one.
        aside: why which line is no data.
        named: what PostgreSQL calls the columns, where it cannot take their names.
        error: a part of why all of it is refused.
    """

    file: str
    made: bytes | Callable[[Path], object]
    tables: dict[str, Rows] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rejects: dict[int, str] = field(default_factory=dict)
    aside: dict[int, str] = field(default_factory=dict)
    named: str = ""
    error: str = ""

    def write(self, folder: Path) -> Path:
        """Write it into a folder."""
        path = folder / self.file
        if isinstance(self.made, bytes):
            path.write_bytes(self.made)
        else:
            self.made(path)
        return path


def described(table: Table) -> str:
    """Return a table's name, columns with types, and key."""
    columns = "; ".join(f"{column.name} {column.type}" for column in table.columns)
    key = " by " + ", ".join(table.primary_key) if table.primary_key else ""
    return f"{table.name}({columns}){key}"


def shown(rows: Rows) -> list[list[str | None]]:
    """Return rows in one order, their values as text."""
    texts = [[None if value is None else str(value) for value in row] for row in rows]
    return sorted(texts, key=str)


@dataclass
class Outcome:
    """What came of an input; see Case."""

    tables: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    notes: str = ""
    rejects: dict[int, str] = field(default_factory=dict)
    aside: dict[int, str] = field(default_factory=dict)
    named: str = ""

    def add(self, source: TableSource) -> None:
        """Read a table of it, as publish does."""
        rejects: list[Reject] = []
        try:
            rows = read(source, rejects=rejects)
        except TypeMismatch:
            rejects.clear()
            source.prove()
            rows = read(source, rejects=rejects)
        self.tables.setdefault(described(source.table), []).extend(rows)
        self.notes += "\n".join((*source.table.notes, *source.notes))
        self.rejects |= {reject.line: reject.reason for reject in rejects}
        self.aside |= {reject.line: reject.reason for reject in source.not_data}
        names = [column.name for column in source.table.columns]
        self.named = " ".join(naming.unique(names, keep=False, taken=naming.SYSTEM_COLUMNS))


def outcome(path: Path) -> Outcome:
    """Read a file or folder with no options. Raises SourceError."""
    (folder := path.parent / "work").mkdir()
    found = Outcome()
    for source in open_sources([path], lambda _: ReadOptions(), Workspace(folder, 150)):
        found.add(source)
        source.close()
    return found
