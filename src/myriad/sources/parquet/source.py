"""Parquet: one table a file; the schema says the types, and only some must be proven."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from myriad.errors import SourceEmpty, SourceError
from myriad.sources.base import TableSource, TypeMismatch, Workspace
from myriad.sources.parquet import bounds, int96
from myriad.sources.parquet.columns import ColumnsSource, explained
from myriad.sources.parquet.types import type_of
from myriad.wording import number_of


def open_parquet(path: Path, origin: str, workspace: Workspace, *, name: str) -> list[TableSource]:
    """Open a Parquet file; `name` is the table's. Raises SourceError if it cannot be read."""
    return [ParquetSource(path, origin, workspace, name)]


class ParquetSource(ColumnsSource):
    """One file; it is open only while it is read, for there may be thousands."""

    what = "Parquet"

    def __init__(self, path: Path, origin: str, workspace: Workspace, name: str) -> None:
        self.origin, self._path = origin, path
        self.size = path.stat().st_size
        if self.size == 0:
            raise SourceEmpty(origin)
        with explained(origin, self.what), self._opened() as file:
            self._stamps, self._nano = int96.columns(file), False
            self.take(file.schema_arrow, name, workspace)
            self.records = self._counted(file)
            self._batch_rows = bounds.batch_rows(path, file, workspace.longest, origin)

    def _opened(self, unit: Literal["us", "ns"] = "us") -> pq.ParquetFile:
        """Open the file; timestamps of 96 bits come as `unit`."""
        return pq.ParquetFile(
            self._path,
            coerce_int96_timestamp_unit=unit,
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

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with explained(self.origin, self.what):
            file = self._opened()
        with file:
            with explained(self.origin, self.what):
                batches = file.iter_batches(self._batch_rows, use_threads=False)
                if self._stamps:
                    batches = self._stamped(batches)
            while True:
                with explained(self.origin, self.what):
                    batch = next(batches, None)
                    if batch is not None and batch.num_columns != len(self._schema):
                        raise ValueError("it has a column that is made of nothing")
                if batch is None:
                    return
                yield batch

    def _stamped(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield batches whose timestamps of 96 bits are what the file says, or TypeMismatch."""
        with self._opened("ns") as file:
            finer = file.iter_batches(self._batch_rows, use_threads=False)
            try:
                read = int96.sound if self._nano else int96.compared
                yield from read(batches, finer, self._stamps)
            except int96.Finer as error:
                self._nano, self._schema = True, file.schema_arrow
                self._types = [type_of(field.type) for field in self._schema]
                raise TypeMismatch(error.column) from None
