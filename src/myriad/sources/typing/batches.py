"""Columns to record batches: records with a value that does not fit are taken out and named."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from myriad.errors import SourceError
from myriad.model import Reject, Table, Type
from myriad.sources.base import RejectSink, TypeMismatch, arrow_type, misfit, misfit_column
from myriad.sources.typing.values import Encoded, Values, positions

RAW_LIMIT = 10_000  # characters of a record that are kept with its reject
# PostgreSQL's text cannot; a source shall give the same rows in both.
NUL = "holds a NUL character, which Myriad takes into neither engine"

# Where a record of the batch stands in the source (1-based), and what it says.
Place = Callable[[int], tuple[int, str]]


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

    def batch(self, columns: Sequence[Encoded], place: Place) -> pa.RecordBatch:
        """Return the records that fit.

        Raises TypeMismatch or SourceError for the first of the others if nobody takes rejects.
        """
        broken = self._broken(columns, place)
        bad = self._misfits(columns) | broken
        batch = pa.RecordBatch.from_arrays([column.array for column in columns], schema=self.schema)
        if not bad:
            return batch
        for position in sorted(bad):
            self.refuse(*place(position), bad[position])
        keep = pa.array([position not in bad for position in range(batch.num_rows)], pa.bool_())
        return batch.filter(keep)

    @property
    def schema(self) -> pa.Schema:
        """The schema of every batch."""
        pairs = zip(self.table.columns, self.types, strict=True)
        return pa.schema([pa.field(column.name, arrow_type(kind)) for column, kind in pairs])

    def refuse(self, number: int, raw: str, reason: str) -> None:
        """Give a broken record to `reject`; raises SourceError if there is none."""
        raw = _storable(raw)
        if self.reject is None:
            raise SourceError(
                f"{self.origin}, {self.table.original}, {self.unit} {number}: {reason}",
                hint=f"Mend the record, or set it aside with --max-rejects: {raw[:200]}",
            )
        reject = Reject(self.origin, self.table.name, number, raw, reason)
        self.reject(replace(reject, value=_value(reject)))

    def _broken(self, columns: Sequence[Encoded], place: Place) -> dict[int, str]:
        bad: dict[int, str] = {}
        for column, encoded in zip(self.table.columns, columns, strict=True):
            reasons = dict.fromkeys(nuls(encoded.array), NUL) | dict(encoded.broken)
            bad |= {position: f"{column.original} {why}" for position, why in reasons.items()}
        if bad and self.reject is None:
            first = min(bad)
            self.refuse(*place(first), bad[first])
        return bad

    def _misfits(self, columns: Sequence[Encoded]) -> dict[int, str]:
        bad: dict[int, str] = {}
        for column, kind, encoded in zip(self.table.columns, self.types, columns, strict=True):
            if encoded.misfits and self.reject is None:
                raise TypeMismatch(column.name)
            reason = misfit(column.original, kind)
            bad |= dict.fromkeys(encoded.misfits, reason)
        return bad


def _value(reject: Reject) -> str | None:
    """Return the value that does not fit its column, of a record that stands there as JSON."""
    column = misfit_column(reject)
    if column is None or not reject.raw.startswith("{"):
        return None
    with suppress(ValueError, RecursionError):  # it was cut
        found = json.loads(reject.raw)
        return found[column] if isinstance(found.get(column), str) else json.dumps(found[column])
    return None


def nuls(array: Values) -> list[int]:
    """Return the positions of text that holds a NUL."""
    if not pa.types.is_string(array.type):
        return []
    # Looking at the buffer costs next to nothing; it may say yes for a neighbouring slice.
    data = array.buffers()[2]
    if data is None or b"\0" not in data.to_pybytes():
        return []
    return positions(pc.match_substring(array, "\0"))


def has_nul(values: pa.RecordBatch) -> bool:
    """Say whether a text in a batch holds a NUL."""
    # PostgreSQL's text holds no NUL; looking at the buffers costs next to nothing.
    return any(
        (data := column.buffers()[2]) is not None and b"\0" in data.to_pybytes()
        for column in values.columns
        if pa.types.is_string(column.type)
    )


def _storable(raw: str) -> str:
    """Return `raw` as text that PostgreSQL can keep, cut where it is huge."""
    plain = raw[:RAW_LIMIT].replace("\0", "\\x00")
    return plain.encode("utf-8", "backslashreplace").decode() + (
        "…" if len(raw) > RAW_LIMIT else ""
    )
