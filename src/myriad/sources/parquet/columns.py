"""Tables whose columns have types already, as Arrow has them: Parquet's, and others'."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from myriad.errors import SourceError
from myriad.model import TEXT, Column, Table, Type
from myriad.sources.base import MAX_READ, RejectSink, TableSource, Workspace, too_wide
from myriad.sources.parquet.nested import is_nested
from myriad.sources.parquet.types import convert, may_not_fit, type_of
from myriad.sources.typing.batches import Sieve
from myriad.sources.typing.values import encoder

NESTED_BYTES = 1 << 20  # of Arrow's, that become JSON at once


@contextmanager
def explained(origin: str, what: str) -> Iterator[None]:
    """Turn what damaged files bring Arrow's Python to say, not only its own errors, into ours."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError, RecursionError) as error:
        raise SourceError(
            f"{origin}: cannot be read as {what}: {error}",
            hint="It is damaged, cut off or encrypted. Fetch it again, or write it anew.",
        ) from error


class ColumnsSource(TableSource):
    """One table of Arrow's; who knows the file yields its batches.

    Attributes:
        what: the format, for people.
    """

    what: str

    def take(self, schema: pa.Schema, name: str, workspace: Workspace) -> None:
        """Take the columns; raises SourceError if there are none, or too many."""
        if not len(schema):
            raise SourceError(
                f"{self.origin}: it has no columns", hint="There is nothing to publish."
            )
        if len(schema) > MAX_READ:
            raise too_wide(self.origin, len(schema))
        self._schema, self._name = schema, name
        self._rows_read = 0
        self._encoder = encoder(workspace)
        self._types = [type_of(field.type) for field in schema]
        self._believe()

    @abstractmethod
    def _batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows, at most BATCH_ROWS at once."""

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
                    with explained(self.origin, self.what):
                        misfits = convert(batch.column(at), kind, self._encoder).misfits
                    if misfits:
                        row = first + misfits[0]
                        self._types[at] = (TEXT, f"{why}, but {kind} cannot hold row {row}")
            first += batch.num_rows
        self._believe()

    def _read(self, types: Sequence[Type], reject: RejectSink | None) -> Iterator[pa.RecordBatch]:
        self._rows_read = 0
        sieve = Sieve(self.origin, self.table, types, reject)
        for batch in self._parts():
            with explained(self.origin, self.what):
                encoded = [
                    convert(column, kind, self._encoder)
                    for column, kind in zip(batch.columns, types, strict=True)
                ]
            yield sieve.batch(encoded, _Rows(batch, self._rows_read + 1))
            self._rows_read += batch.num_rows

    def _parts(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches; those with nested values in parts: JSON is many times as long."""
        for batch in self._batches():
            many = batch.nbytes // NESTED_BYTES if any(map(is_nested, batch.schema.types)) else 0
            step = max(1, batch.num_rows // (many + 1))
            yield from (batch.slice(at, step) for at in range(0, batch.num_rows, step))

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
    except (ValueError, OverflowError):  # nanoseconds, far years, or text that is not UTF-8
        return "…"
