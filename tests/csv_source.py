"""Read CSV files through Myriad and, to compare, through Python's own csv module."""

import csv
import io
from pathlib import Path
from typing import Any

from myriad.model import TEXT, Reject
from myriad.sources.base import TableSource, TypeMismatch, Workspace
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions

Rows = list[tuple[str | None, ...]]
Rejects = list[Reject]


def opened(path: Path, folder: Path, **options: Any) -> TableSource:
    """Open the one table of `path`; temporary files go into `folder`."""
    read = ReadOptions(**options)
    (source,) = open_sources([path], lambda _: read, Workspace(folder, 150))
    return source


def texts(source: TableSource, rejects: Rejects | None = None) -> Rows:
    """Read all values as text, as publish does: proven and read again where that is needed."""
    types = [TEXT] * len(source.table.columns)
    sink = None if rejects is None else rejects.append
    for _ in range(3):
        if rejects is not None:
            rejects.clear()
        try:
            batches = list(source.read(types, sink))
        except TypeMismatch:
            source.prove()
        else:
            return [
                row for batch in batches for row in zip(*batch.to_pydict().values(), strict=True)
            ]
    raise AssertionError("it never could be read")


def by_python(data: str, delimiter: str = ",", quote: str = '"', *, header: bool = True) -> Rows:
    """Read the same with Python's csv module; nothing between delimiters is None."""
    reader = csv.reader(io.StringIO(data, newline=""), delimiter=delimiter, quotechar=quote)
    rows: Rows = [tuple(record) for record in reader if record]
    return rows[1:] if header else rows


def sortable(rows: Rows) -> Rows:
    """Return the rows in one order, with '' for None: csv's reader cannot tell them apart."""
    return sorted(tuple(value or "" for value in row) for row in rows)
