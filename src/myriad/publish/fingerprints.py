"""Tell contents apart, to add none of them to a table twice."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

AT_ONCE = 64  # batches: DuckDB takes 2 ms to plan a question, however small
_WHOLE = 1 << 128


@dataclass
class Fingerprints:
    """The fingerprints of the sources of one table, taken while their batches pass.

    One is the same for the same records in whatever order, from whatever file; `names` are those
    of the columns, whose order does not matter either.
    """

    names: Sequence[str]
    _sums: dict[int, tuple[int, int]] = field(default_factory=dict)
    _waiting: list[pa.RecordBatch] = field(default_factory=list)
    _source: int = 0

    def restart(self, names: Sequence[str]) -> None:
        """Forget what came: the sources are read again from their beginning."""
        self.names = names
        self._sums.clear()
        self._waiting.clear()

    def take(self, source: int, batch: pa.RecordBatch) -> None:
        """Take a batch of source number `source`; they come one source after the other."""
        if self._waiting and (source != self._source or len(self._waiting) >= AT_ONCE):
            self._add_up()
        self._source = source
        self._waiting.append(batch)

    def of_sources(self) -> list[str]:
        """Return the fingerprint of each source that has records."""
        if self._waiting:
            self._add_up()
        columns = ",".join(sorted(self.names))
        with duckdb.connect() as con:
            (row,) = con.execute("SELECT hash(?)", [columns]).fetchall()
        return [
            f"{(total + row[0]) % _WHOLE:032x}-{count}"
            for total, count in self._sums.values()
            if count
        ]

    def _add_up(self) -> None:
        batches = [batch.rename_columns(self._places(batch)) for batch in self._waiting]
        # As text a number is the same in whatever type it comes.
        order = sorted(range(len(self.names)), key=lambda place: self.names[place])
        values = ", ".join(_value(batches[0].schema.field(at)) for at in order)
        with duckdb.connect() as con:
            con.register("b", pa.Table.from_batches(batches))
            question = f"SELECT sum(hash({values})::HUGEINT), count(*) FROM b"
            ((total, count),) = con.execute(question).fetchall()
        before = self._sums.get(self._source, (0, 0))
        self._sums[self._source] = (before[0] + int(total or 0), before[1] + count)
        self._waiting.clear()

    def _places(self, batch: pa.RecordBatch) -> list[str]:
        return [f"c{place}" for place in range(batch.num_columns)]


def _value(field: "pa.Field[pa.DataType]") -> str:
    plain = pa.types.is_binary(field.type) or pa.types.is_string(field.type)
    return field.name if plain else f"{field.name}::VARCHAR"
