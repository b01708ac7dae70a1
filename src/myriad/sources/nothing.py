"""A source without a byte of content: it stands for a table that is there, without its rows."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from myriad.model import TEXT, Column, Table, Type
from myriad.sources.base import RejectSink, TableSource

NO_VALUES = "no values"


class Nothing(TableSource):
    """No record, under the names that the columns had when there were some."""

    def __init__(self, name: str, origin: str, columns: Sequence[str]) -> None:
        self.origin, self.records = origin, 0
        made = tuple(Column(column, column, TEXT, NO_VALUES) for column in columns)
        note = "the file is empty: its columns are those that it had before"
        self.table = Table(name, name, made, notes=(note,))

    def prove(self) -> None:
        """There is no value that could tell more."""

    def _read(self, types: Sequence[Type], reject: RejectSink | None) -> Iterator[pa.RecordBatch]:  # noqa: ARG002 - nothing comes
        yield from ()
