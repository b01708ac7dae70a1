"""Workbooks: the table of each sheet, as another process turned it into columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from myriad.errors import SourceEmpty, SourceError
from myriad.model import Column, Kind, Reject, Table, Type
from myriad.sources.apart.process import Reader
from myriad.sources.base import MAX_READ, RejectSink, TableSource, Workspace, too_wide
from myriad.sources.jsonl.types import FORMS, Evidence, dumps, said
from myriad.sources.options import ReadOptions
from myriad.sources.sheets.columns import encoded, look, values
from myriad.sources.typing.batches import Sieve
from myriad.sources.typing.values import encoder

SHOWN = 20  # sheets in a note
SHOWN_ROWS, SHOWN_TEXT = 5, 60  # rows that are no data, and characters of each
SAMPLE_BATCHES = 20  # that are looked at before all are read, which proves them
_READER = Reader("myriad.sources.sheets.reader", "a workbook")


def open_workbook(
    path: Path, origin: str, workspace: Workspace, *, name: str, options: ReadOptions
) -> list[TableSource]:
    """Open a workbook; `name` is the table's if it has one sheet. Raises SourceError."""
    if path.stat().st_size == 0:
        raise SourceEmpty(origin)
    answer, folder = _READER.read(path, origin, workspace, {"sheet": options.sheet})
    tables = answer["tables"]
    if not tables:
        raise SourceError(
            f"{origin}: no sheet has a table in it{_left(answer['left'])}",
            hint="Say which sheet: --sheet NAME.",
        )
    return [
        SheetSource(
            folder / table["file"],
            origin,
            name if len(tables) == 1 else f"{name}_{table['sheet']}",
            _noted(table, [] if number else answer["left"]),
            workspace,
        )
        for number, table in enumerate(tables)
    ]


def _noted(table: dict[str, Any], left: list[str]) -> dict[str, Any]:
    """Return what is said of a sheet with all that is to be told."""
    notes = [f"of sheet {table['sheet']}", *_told(table["aside"]), *table["notes"]]
    return {**table, "notes": (*notes, f"not read{_left(left)}") if left else tuple(notes)}


def _told(aside: list[tuple[int, str, str]]) -> list[str]:
    """Return notes on rows that are no records."""
    found = [
        f"row {row} is no data, {why}: {text[:SHOWN_TEXT]!r}"
        for row, text, why in aside[:SHOWN_ROWS]
    ]
    more = len(aside) - SHOWN_ROWS
    return [*found, *([f"{more} more rows are no data: see the rejects"] if more > 0 else [])]


def _left(sheets: list[str]) -> str:
    more = f" and {len(sheets) - SHOWN} more" if len(sheets) > SHOWN else ""
    return f": {', '.join(sheets[:SHOWN])}{more}" if sheets else ""


class SheetSource(TableSource):
    """The table of one sheet; what is read is the Arrow file that was made of it."""

    def __init__(
        self, path: Path, origin: str, name: str, said: dict[str, Any], workspace: Workspace
    ) -> None:
        self.origin, self._path, self._name = origin, path, name
        self._names, self._notes = said["columns"], said["notes"]
        self._unit, self.records = f"sheet {said['sheet']}, row", said["records"]
        self.not_data = tuple(
            Reject(origin, name, row, text, f"no data: {why}") for row, text, why in said["aside"]
        )
        if len(self._names) > MAX_READ:
            raise too_wide(f"{origin}, sheet {said['sheet']}", len(self._names))
        self.size, self._read_rows = path.stat().st_size, 0
        self._encoder = encoder(workspace)
        self._look(SAMPLE_BATCHES)

    def _look(self, most: int) -> None:
        """Look at up to so many batches from all over the sheet, and believe what they are."""
        found = [Evidence(forms=[Type(Kind.TIME), *FORMS]) for _ in self._names]
        for batch in self._batches(most):
            rows: list[Any] = batch.column(0).to_pylist()
            for evidence, column in zip(found, batch.columns[1:], strict=True):
                look(evidence, column, rows, self._encoder)
        columns = (
            Column(name, name, *evidence.decide(), places=evidence.scale)
            for name, evidence in zip(self._names, found, strict=True)
        )
        self.table = Table(self._name, self._name, tuple(columns), notes=self._notes)

    def _batches(self, most: int = 0) -> Iterator[pa.RecordBatch]:
        with pa.OSFile(str(self._path), "r") as file:
            reader = pa.ipc.open_file(file)
            many = reader.num_record_batches
            step = max(1, -(-many // most)) if most else 1
            for number in range(0, many, step):
                yield reader.get_batch(number)

    def prove(self) -> None:
        """Look at every cell; see TableSource."""
        self._look(0)

    def _read(self, types: Sequence[Type], reject: RejectSink | None) -> Iterator[pa.RecordBatch]:
        self._read_rows = 0
        sieve = Sieve(self.origin, self.table, types, reject, unit=self._unit)
        for batch in self._batches():
            pairs = zip(batch.columns[1:], types, strict=True)
            columns = [encoded(column, kind, self._encoder) for column, kind in pairs]
            yield sieve.batch(columns, _Rows(batch))
            self._read_rows += batch.num_rows

    def progress(self) -> float:
        """Return the share of the rows read so far."""
        return self._read_rows / max(self.records, 1)

    def close(self) -> None:
        """Let go of what converts text."""
        self._encoder.close()


@dataclass(frozen=True)
class _Rows:
    """The rows of a batch, for those who refuse some; see `batches.Records`."""

    batch: pa.RecordBatch

    def record(self, at: int) -> tuple[int, str]:
        """Return number and cells of a row."""
        number, *cells = (values(column[at : at + 1])[0] for column in self.batch.columns)
        named = zip(self.batch.schema.names[1:], cells, strict=True)
        return number, dumps({name: cell for name, cell in named if cell is not None})

    def value(self, at: int, column: int) -> str:
        """Return one of its cells."""
        return said(values(self.batch.column(column + 1)[at : at + 1])[0])
