"""A sheet's table as an Arrow file: each column in the plainest type that keeps all its cells.

The first column, ROW, is a record's row in the sheet, from 1. What has a type of Arrow's has that;
texts beside dates become text; what is of several kinds, a JSON value a cell.
"""

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress, islice
from typing import Any, cast

import pyarrow as pa

from myriad.sources.apart.writing import Folder
from myriad.sources.base import BATCH_ROWS
from myriad.sources.sheets.grid import Grid, Row

ROW = pa.field("row", pa.int32(), nullable=False)
MOST_CELLS = 1 << 19  # held at once, as Python's values
EXACT = 2**53  # whole numbers up to here are doubles
_NUMBERS = frozenset({int, float})
_MOMENTS = frozenset({dt.date, dt.datetime})
_AS_TEXT = frozenset({str, dt.date, dt.datetime, dt.time, dt.timedelta})
_ALONE: dict[type, pa.DataType] = {
    bool: pa.bool_(),
    str: pa.string(),
    dt.date: pa.date32(),
    dt.datetime: pa.timestamp("us"),
    dt.time: pa.time64("us"),
}
# Numbers of some rows, and their cells, column by column.
_Records = tuple[list[int], Sequence[Row]]
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass
class _Column:
    """One column: what is in it, and how it is written.

    Attributes:
        at: its place in the grid.
        width: digits with which all its numbers are shown; 0: no more than they have.
        kinds: the classes of its cells.
        beyond: a whole number is none that a double holds.
    """

    at: int
    name: str
    width: int = 0
    kinds: set[type] = field(default_factory=set)
    beyond: bool = False

    def cells(self, column: Row) -> Row:
        """Return the cells of some records, None for those that are empty."""
        cells = column if "" not in column else [None if cell == "" else cell for cell in column]
        if not self.width:
            return cells
        return [
            str(plain(cell)).zfill(self.width) if type(cell) in _NUMBERS else cell for cell in cells
        ]

    def look(self, column: Row) -> None:
        """Take in the cells of some records."""
        cells = self.cells(column)
        self.kinds.update(map(type, cells))
        self.kinds.discard(type(None))
        if int in self.kinds:
            whole = (abs(cell) for cell in cells if type(cell) is int)
            self.beyond = self.beyond or max(whole, default=0) > EXACT

    def type(self) -> pa.DataType:
        """Return the type that keeps all cells that were looked at."""
        if len(self.kinds) == 1 and not self.kinds & _NUMBERS:
            return _ALONE.get(next(iter(self.kinds)), pa.string())
        if self.kinds <= _NUMBERS and self.kinds:
            return pa.json_() if self.beyond else pa.float64()
        if self.kinds == _MOMENTS:
            return pa.timestamp("us")
        return pa.string() if self.kinds <= _AS_TEXT else pa.json_()

    def array(self, column: Row, kind: pa.DataType) -> "pa.Array[Any]":
        """Return the cells of some records as Arrow; raises _Unlike, ArrowInvalid."""
        cells = self.cells(column)
        if not {*map(type, cells)} <= {*self.kinds, type(None)}:
            raise _Unlike
        if self.kinds >= _MOMENTS:  # one with a time, so that the others have that of midnight
            cells = [_moment(cell) if type(cell) is dt.date else cell for cell in cells]
        if kind == pa.json_():
            texts = [None if cell is None else _encode(plain(cell)) for cell in cells]
            return pa.array(texts, pa.string()).cast(kind)
        if kind == pa.string() and self.kinds != {str}:
            cells = [None if cell is None else plain(cell) for cell in cells]
        return pa.array(cells, kind)


class _Unlike(Exception):
    """A cell is of a class that its column was not seen to have."""


def _moment(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a sheet knows no zones


def written(
    folder: Folder,
    file: str,
    table: Grid,
    rows: Callable[[], Iterable[Row]],
    zeros: Mapping[int, int],
) -> list[str]:
    """Write the records of a table; return the names of its columns.

    `rows` gives all of the sheet anew; `zeros` are columns whose numbers are shown with so many
    digits.
    """
    named = ((at, name) for at, name in enumerate(table.names) if name is not None)
    columns = [_Column(at, name, zeros.get(at, 0)) for at, name in named]
    try:  # nearly always the first records are like all others
        _look(columns, islice(_records(table, rows()), 1))
        _write(folder, file, columns, _records(table, rows()))
    except (_Unlike, pa.ArrowInvalid):
        _look(columns, _records(table, rows()))
        _write(folder, file, columns, _records(table, rows()))
    return [column.name for column in columns]


def _look(columns: Sequence[_Column], records: Iterator[_Records]) -> None:
    for _, turned in records:
        for column in columns:
            column.look(turned[column.at])


def _write(
    folder: Folder, file: str, columns: Sequence[_Column], records: Iterator[_Records]
) -> None:
    kinds = [column.type() for column in columns]
    fields = [pa.field(column.name, kind) for column, kind in zip(columns, kinds, strict=True)]
    schema = pa.schema([ROW, *fields])
    with (
        pa.PythonFile(cast("Any", folder.bytes(file)), "w") as target,
        pa.ipc.new_file(target, schema) as made,
    ):
        for numbers, turned in records:
            arrays = (c.array(turned[c.at], kind) for c, kind in zip(columns, kinds, strict=True))
            batch = [pa.array(numbers, pa.int32()), *arrays]
            made.write_batch(pa.RecordBatch.from_arrays(batch, schema=schema))


def _records(table: Grid, rows: Iterable[Row]) -> Iterator[_Records]:
    """Yield the numbers of some records, and their cells, column by column."""
    source, at = islice(rows, table.first, table.end), table.first
    many = max(1, min(BATCH_ROWS, MOST_CELLS // max(1, len(table.names))))
    while some := list(islice(source, many)):
        counts = table.counts[at : at + len(some)]
        numbers = list(compress(range(at + 1, at + 1 + len(some)), counts))
        at += len(some)
        if numbers:
            yield numbers, list(zip(*compress(some, counts), strict=True))


def plain(cell: object) -> object:
    """Return a cell as JSON has it: a text, a number, a truth."""
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() and abs(cell) < EXACT else cell
    if isinstance(cell, dt.timedelta):
        return _span(cell)
    return cell.isoformat() if isinstance(cell, (dt.date, dt.time)) else cell


def _span(span: dt.timedelta) -> str:
    """Return a time of more than a day as workbooks show it: `51:00:00`."""
    sign, span = ("-", -span) if span < dt.timedelta(0) else ("", span)
    minutes, seconds = divmod(span.days * 86400 + span.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{span.microseconds:06}" if span.microseconds else ""
    return f"{sign}{hours}:{minutes:02}:{seconds:02}{fraction}"
