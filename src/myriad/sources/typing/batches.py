"""Columns to record batches: records with a value that does not fit are taken out and named."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from myriad.errors import SourceError
from myriad.model import Reject, Table, Type
from myriad.sources.base import RejectSink, TypeMismatch, arrow_type, misfit
from myriad.sources.typing.nul import NUL, may_hold
from myriad.sources.typing.values import Encoded, Values, positions

RAW_LIMIT = 10_000  # characters of a record that are kept with its reject


class Records(Protocol):
    """The records of a batch as the source has them."""

    def record(self, at: int) -> tuple[int, str]:
        """Return where a record of the batch stands in the source (1-based), and what it says."""

    def value(self, at: int, column: int) -> str:
        """Return one of its values as people read it."""


@dataclass(frozen=True)
class Sieve:
    """Makes the batches of one reading of one table.

    Attributes:
        unit: what records are counted in: line or row.
    """

    origin: str
    table: Table
    types: Sequence[Type]
    reject: RejectSink | None
    unit: str = "row"

    def batch(self, columns: Sequence[Encoded], records: Records) -> pa.RecordBatch:
        """Return the records that fit.

        Raises TypeMismatch or SourceError for the first of the others if nobody takes rejects.
        """
        broken = self._broken(columns, records)
        misfits = self._misfits(columns)
        bad = misfits.keys() | broken.keys()
        batch = pa.RecordBatch.from_arrays([column.array for column in columns], schema=self.schema)
        if not bad:
            return batch
        for position in sorted(bad):
            if position in broken:
                self.refuse(*records.record(position), broken[position])
            else:
                column = misfits[position]
                reason = misfit(self.table.columns[column].original, self.types[column])
                value = records.value(position, column)
                self.refuse(*records.record(position), reason, value)
        keep = pa.array([position not in bad for position in range(batch.num_rows)], pa.bool_())
        return batch.filter(keep)

    @property
    def schema(self) -> pa.Schema:
        """The schema of every batch."""
        pairs = zip(self.table.columns, self.types, strict=True)
        return pa.schema([pa.field(column.name, arrow_type(kind)) for column, kind in pairs])

    def refuse(self, number: int, raw: str, reason: str, value: str | None = None) -> None:
        """Give a broken record to `reject`; raises SourceError if there is none.

        `value`: the one that is the reason.
        """
        raw = _storable(raw)
        if self.reject is None:
            raise SourceError(
                f"{self.origin}, {self.table.original}, {self.unit} {number}: {reason}",
                hint=f"Mend the record, or set it aside with --max-rejects: {raw[:200]}",
            )
        value = None if value is None else _storable(value)
        self.reject(Reject(self.origin, self.table.name, number, raw, reason, value))

    def _broken(self, columns: Sequence[Encoded], records: Records) -> dict[int, str]:
        bad: dict[int, str] = {}
        for column, encoded in zip(self.table.columns, columns, strict=True):
            reasons = dict.fromkeys(nuls(encoded.array), NUL) | dict(encoded.broken)
            bad |= {position: f"{column.original} {why}" for position, why in reasons.items()}
        if bad and self.reject is None:
            first = min(bad)
            self.refuse(*records.record(first), bad[first])
        return bad

    def _misfits(self, columns: Sequence[Encoded]) -> dict[int, int]:
        """Return which column's type a record does not fit, by its position."""
        bad: dict[int, int] = {}
        for at, (column, encoded) in enumerate(zip(self.table.columns, columns, strict=True)):
            if encoded.misfits and self.reject is None:
                raise TypeMismatch(column.name)
            bad |= dict.fromkeys(encoded.misfits, at)
        return bad


def nuls(array: Values) -> list[int]:
    """Return the positions of text that holds a NUL."""
    if not may_hold(array):
        return []
    return positions(pc.match_substring(array, "\0"))


def _storable(raw: str) -> str:
    """Return `raw` as text that PostgreSQL can keep, cut where it is huge."""
    plain = raw[:RAW_LIMIT].replace("\0", "\\x00")
    return plain.encode("utf-8", "backslashreplace").decode() + (
        "…" if len(raw) > RAW_LIMIT else ""
    )
