"""Parquet: one table a file; the schema says the types, and only some must be proven."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from myriad.errors import SourceEmpty, SourceError
from myriad.model import TEXT, Column, Table, Type
from myriad.sources.base import RejectSink, TableSource, Workspace
from myriad.sources.parquet import bounds
from myriad.sources.parquet.types import convert, may_not_fit, type_of
from myriad.sources.typing.batches import Sieve
from myriad.sources.typing.values import encoder
from myriad.wording import number_of


def open_parquet(path: Path, origin: str, workspace: Workspace, *, name: str) -> list[TableSource]:
    """Open a Parquet file; `name` is the table's. Raises SourceError if it cannot be read."""
    return [ParquetSource(path, origin, workspace, name)]


@contextmanager
def _explained(origin: str) -> Iterator[None]:
    try:
        yield
    # What damaged files bring Arrow's Python to say is not only its own errors.
    except (pa.ArrowException, OSError, ValueError, OverflowError, RecursionError) as error:
        raise SourceError(
            f"{origin}: cannot be read as Parquet: {error}",
            hint="It is damaged, cut off or encrypted. Fetch it again, or write it anew.",
        ) from error


class ParquetSource(TableSource):
    """One file; it is open only while it is read, for there may be thousands."""

    def __init__(self, path: Path, origin: str, workspace: Workspace, name: str) -> None:
        self.origin, self._name, self._path = origin, name, path
        self.size = path.stat().st_size
        if self.size == 0:
            raise SourceEmpty(origin)
        self._rows_read = 0
        self._encoder = encoder(workspace)
        with _explained(origin), self._opened() as file:
            self._schema = file.schema_arrow
            if not len(self._schema):
                raise SourceError(
                    f"{origin}: it has no columns", hint="There is nothing to publish."
                )
            self.records = self._counted(file)
            budget = workspace.memory_mb * 2**20 // 8
            self._batch_rows = bounds.batch_rows(path, file, budget, origin)
            self._types = [type_of(field.type) for field in self._schema]
            self._believe()

    def _opened(self) -> pq.ParquetFile:
        return pq.ParquetFile(
            self._path,
            pre_buffer=False,
            buffer_size=bounds.READ_BYTES,
            page_checksum_verification=True,
            arrow_extensions_enabled=True,  # type: ignore[call-arg]  # newer than the stubs
        )

    def _counted(self, file: pq.ParquetFile) -> int:
        """Return how many rows the row groups have; raises SourceError if the footer has others."""
        metadata = file.metadata
        groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        if sum(groups) != metadata.num_rows or min(groups, default=0) < 0:
            raise SourceError(
                f"{self.origin}: its footer contradicts itself:"
                f" {number_of(metadata.num_rows, 'row')}, but"
                f" {sum(groups):,} in its row groups",
                hint="It is damaged. Fetch it again, or write it anew.",
            )
        return metadata.num_rows

    def _believe(self) -> None:
        columns = tuple(
            Column(field.name, field.name, kind, why, not_null=not field.nullable)
            for field, (kind, why) in zip(self._schema, self._types, strict=True)
        )
        self.table = Table(self._name, self._name, columns)

    def prove(self) -> None:
        """Look at the values of columns whose type does not vouch for them; see TableSource."""
        first = 1
        for batch in self._batches():
            for at, field in enumerate(self._schema):
                kind, why = self._types[at]
                if may_not_fit(field.type, kind):
                    with _explained(self.origin):
                        misfits = convert(batch.column(at), kind, self._encoder).misfits
                    if misfits:
                        row = first + misfits[0]
                        self._types[at] = (TEXT, f"{why}, but {kind} cannot hold row {row}")
            first += batch.num_rows
        self._believe()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with _explained(self.origin):
            file = self._opened()
        with file:
            with _explained(self.origin):
                batches = file.iter_batches(self._batch_rows, use_threads=False)
            while True:
                with _explained(self.origin):
                    batch = next(batches, None)
                    if batch is not None and batch.num_columns != len(self._schema):
                        raise ValueError("it has a column that is made of nothing")
                if batch is None:
                    return
                yield batch

    def _read(self, types: Sequence[Type], reject: RejectSink | None) -> Iterator[pa.RecordBatch]:
        self._rows_read = 0
        sieve = Sieve(self.origin, self.table, types, reject)
        for batch in self._batches():
            with _explained(self.origin):
                encoded = [
                    convert(column, kind, self._encoder)
                    for column, kind in zip(batch.columns, types, strict=True)
                ]
            yield sieve.batch(encoded, _Rows(batch, self._rows_read + 1))
            self._rows_read += batch.num_rows

    def progress(self) -> float:
        """Return the share of the rows read so far."""
        return self._rows_read / max(self.records, 1)

    def close(self) -> None:
        """Let go of what converts."""
        self._encoder.close()


@dataclass(frozen=True)
class _Rows:
    """The rows of a batch, for those who refuse some; see `batches.Records`."""

    batch: pa.RecordBatch
    first: int

    def record(self, at: int) -> tuple[int, str]:
        """Return number and values of a row."""
        values = (_shown(column, at, repr) for column in self.batch.columns)
        return self.first + at, f"({', '.join(values)})"

    def value(self, at: int, column: int) -> str:
        """Return one of its values."""
        return _shown(self.batch.column(column), at, str)


def _shown(column: "pa.Array[Any]", at: int, shown: Callable[[object], str]) -> str:
    try:
        return shown(column[at : at + 1].to_pylist()[0])
    except (ValueError, UnicodeDecodeError):  # nanoseconds, or text that is not UTF-8
        return "…"
