"""Prove a key on all rows: which it would lose, and what its partitions are like."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from myriad.cql.text import literal
from myriad.errors import KeyRefused, PublishError
from myriad.model import Key, Reject
from myriad.publish.cassandra.look.kinds import CqlColumn
from myriad.publish.cassandra.look.spool import Spool
from myriad.publish.rejects import SHOWN, Rejects
from myriad.publish.report import size_text
from myriad.sources.typing.batches import RAW_LIMIT
from myriad.wording import average_of, number_of

SHOWN_DUPLICATES = 5
# Cassandra keeps a mutation in half a segment of its commit log (commitlog_segment_size, 32 MiB).
MUTATION = 16 << 20
ROOM = 4096  # in a mutation, for everything but the values
# FBUtilities.MAX_UNSIGNED_SHORT: of each column in a key, of a whole partition's, of all others'.
MOST_KEY = 65_535
COMPONENT = 3  # bytes with each column of a partition's key that has several (CompositeType)
LARGE_ROWS, LARGE_BYTES = 100_000, 100 * 10**6
# Of all rows in few partitions, few nodes and cores do all the work.
FEW_PARTITIONS, MANY_ROWS = 10, 100_000
_FIXED = {
    "boolean": 1,
    "int": 4,
    "float": 4,
    "date": 4,
    "bigint": 8,
    "double": 8,
    "time": 8,
    "timestamp": 8,
    "uuid": 16,
    "inet": 4,
    "varint": 8,
    "decimal": 12,
}
_ROW = 8  # flags, sizes and timestamp of a row
_CELL = 2  # flags and size of a cell


@dataclass(frozen=True)
class Partitions:
    """What the partitions of a key are like; bytes are estimated, before compression."""

    count: int
    largest_rows: int
    largest_bytes: int
    average_rows: float
    largest: tuple[Any, ...] = ()

    def __str__(self) -> str:
        average = average_of(self.average_rows, "row")
        return (
            f"{number_of(self.count, 'partition')} of {average} on average, the largest has"
            f" {number_of(self.largest_rows, 'row')} and {size_text(self.largest_bytes)}"
        )

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return {**asdict(self), "largest": [str(value) for value in self.largest]}


class Proof:
    """Proves keys of one spooled table; call `set_aside` first."""

    def __init__(self, spool: Spool, columns: Sequence[CqlColumn]) -> None:
        self._spool = spool
        self._columns = {column.name: column for column in columns}
        self._found: dict[tuple[tuple[str, ...], int], Partitions] = {}
        self._nulls = self._count_nulls()
        self.row_bytes = self._row_bytes()

    def _count_nulls(self) -> dict[str, int]:
        places = [column.place for column in self._columns.values()]
        there = self._spool.aggregates([f"count({place})" for place in places])
        names = zip(self._columns, there, strict=True)
        return {name: self._spool.rows - count for name, count in names}

    def _row_bytes(self) -> str:
        """Return the SQL for about how many bytes a row takes."""
        terms = [str(_ROW)]
        for name, column in self._columns.items():
            size = _FIXED.get(column.type.name)
            term = f"{_length(column)} + {_CELL}" if size is None else str(size + _CELL)
            terms.append(
                f"CASE WHEN {column.place} IS NULL THEN 0 ELSE {term} END"
                if self._nulls[name]
                else f"({term})"
            )
        return _sum(terms)

    def columns_of(self, key: Key) -> list[CqlColumn]:
        """Return the key's columns; raises PublishError if one is not there or cannot be in it."""
        for name in key.columns:
            if name not in self._columns:
                raise PublishError(
                    f"table {self._spool.table.name} has no column {name!r} for its key",
                    hint=f"Its columns: {', '.join(self._columns)}.",
                )
            column = self._columns[name]
            if column.nested:
                raise KeyRefused(
                    f"{name} is nested ({column.type}): it cannot be in a key",
                    hint="Choose columns of plain values.",
                )
        return [self._columns[name] for name in key.columns]

    def nulls(self, name: str) -> int:
        """Return in how many rows the column is null."""
        return self._nulls[name]

    def set_aside(self, key: Key | None, rejects: Rejects) -> None:
        """Make rejects of the rows that Cassandra cannot hold.

        Those with null in the key only where so many rejects are allowed. Raises KeyRefused,
        TooManyRejects.
        """
        limit = MUTATION - ROOM
        self._reject(
            f"{self.row_bytes} > {limit}",
            f"the row is larger than the {MUTATION >> 20} MiB that Cassandra takes at once",
            rejects,
        )
        for column in self.columns_of(key) if key else ():
            if self._nulls[column.name]:
                self._null_in_key(column, rejects)
            self._too_long(column, rejects)
        if key and len(key.partition) == 1:
            self._empty_partition(self._columns[key.partition[0]], rejects)
        if key:
            self._too_long_together(key.partition, COMPONENT, "in the partition's key", rejects)
            rest = [name for name, _ in key.clustering]
            self._too_long_together(rest, 0, "in the key behind the slash", rejects)

    def _null_in_key(self, column: CqlColumn, rejects: Rejects) -> None:
        count = self._count(f"{column.place} IS NULL")
        reason = f"{column.name} is null and in the key"
        self._refuse_or_reject(count, f"{column.place} IS NULL", reason, rejects)

    def _empty_partition(self, column: CqlColumn, rejects: Rejects) -> None:
        if column.type.name not in ("text", "blob"):
            return
        where = f"{_length(column)} = 0"
        reason = f"{column.name} is empty, and alone it is the partition's key"
        self._refuse_or_reject(self._count(where), where, reason, rejects)

    def _refuse_or_reject(self, count: int, where: str, reason: str, rejects: Rejects) -> None:
        if not count:
            return
        allowed = len(rejects.kept) + count
        if allowed > rejects.limit:
            raise KeyRefused(
                f"{reason}: so in {number_of(count, 'row')} of {self._spool.table.name}",
                hint="Choose another --key, or set these rows aside with"
                f" --max-rejects {allowed}. Nothing was changed.",
            )
        self._reject(where, reason, rejects)

    def _too_long(self, column: CqlColumn, rejects: Rejects) -> None:
        if column.type.name in _FIXED:
            return
        where = f"{_length(column)} > {MOST_KEY}"
        reason = f"{column.name} is in the key and longer than {MOST_KEY:,} bytes"
        self._reject(where, reason, rejects)

    def _too_long_together(
        self, names: Sequence[str], each: int, what: str, rejects: Rejects
    ) -> None:
        """Set rows aside in which these columns, with `each` bytes for each, are too long."""
        columns = [self._columns[name] for name in names]
        if sum(column.type.name not in _FIXED for column in columns) > 1:
            size = " + ".join(_most_bytes(column) for column in columns)
            reason = f"{', '.join(names)} are {what}, together longer than {MOST_KEY:,} bytes"
            self._reject(f"{size} + {each * len(columns)} > {MOST_KEY}", reason, rejects)

    def _count(self, where: str) -> int:
        return int(self._spool.one("SELECT count(*)", f"WHERE {where}")[0])

    def _reject(self, where: str, reason: str, rejects: Rejects) -> None:
        if not self._count(where):
            return
        # Values are cut before they come here: one may be larger than our memory.
        shown = ", ".join(
            f"left({column.place}::VARCHAR, {RAW_LIMIT})" for column in self._columns.values()
        )
        wanted = max(rejects.limit, len(rejects.kept)) + SHOWN
        origin = ", ".join(dict.fromkeys(self._spool.origins))
        for row in self._spool.all(f"SELECT {shown}", f"WHERE {where} LIMIT {wanted}"):
            named = zip(self._columns, row, strict=True)
            raw = ", ".join(f"{name}={value}" for name, value in named)[:RAW_LIMIT]
            rejects(Reject(origin, self._spool.table.name, 0, raw, reason))
        self._spool.take_out(where)

    def lost(self, key: Key) -> int:
        """Return how many rows others with the same key would overwrite."""
        if not key.clustering:
            return self._spool.rows - self.partitions(key).count
        places = ", ".join(column.place for column in self.columns_of(key))
        rest = f"GROUP BY {places} HAVING count(*) > 1"
        inner, outer = "SELECT count(*) - 1 AS lost", "SELECT coalesce(sum(lost), 0)"
        return int(self._spool.sub(inner, rest, outer)[0][0])

    def refuse_loss(self, key: Key) -> None:
        """Raise KeyRefused, with how many and some of them, if rows would overwrite each other."""
        lost = self.lost(key)
        if not lost:
            return
        columns = self.columns_of(key)
        places = ", ".join(column.place for column in columns)
        rows = self._spool.all(
            f"SELECT {places}, count(*)",
            f"GROUP BY {places} HAVING count(*) > 1 ORDER BY count(*) DESC, {places}"
            f" LIMIT {SHOWN_DUPLICATES}",
        )
        shown = "\n".join(
            f"  {self.equals(columns, row)}: {number_of(row[-1], 'row')}" for row in rows
        )
        raise KeyRefused(
            f"{key} is not unique in {self._spool.table.name}: of rows with one key Cassandra keeps"
            f" one, {lost:,} of {self._spool.rows:,} would be lost:\n{shown}",
            hint="Add a column to --key that tells them apart. Nothing was changed.",
        )

    def equals(self, columns: Sequence[CqlColumn], row: Sequence[Any]) -> str:
        """Return `a = 1, b = 'x'` for the row's first values."""
        pairs = zip(columns, row, strict=False)
        return ", ".join(f"{column.name} = {literal(column.type, v)}"[:200] for column, v in pairs)

    def partitions(self, key: Key) -> Partitions:
        """Count and measure the partitions of a key; once for as many rows."""
        wanted = key.partition, self._spool.rows
        if wanted not in self._found:
            self._found[wanted] = self._partitions(key)
        return self._found[wanted]

    def _partitions(self, key: Key) -> Partitions:
        if not self._spool.rows:
            return Partitions(0, 0, 0, 0.0)
        places = ", ".join(self._columns[name].place for name in key.partition)
        inner = f"SELECT {places}, count(*) AS n, sum({self.row_bytes}) AS b"
        fields = ", ".join(f"'{place}': {place}" for place in places.split(", "))
        outer = f"SELECT count(*), max(n), max(b), avg(n), arg_max({{{fields}}}, n)"
        ((count, rows, size, average, largest),) = self._spool.sub(
            inner, f"GROUP BY {places}", outer
        )
        return Partitions(count, rows, int(size), average, tuple(largest.values()))

    def size(self) -> int:
        """Return about how many bytes all rows take, before compression."""
        return int(self._spool.one(f"SELECT coalesce(sum({self.row_bytes}), 0)")[0])

    def example(self, key: Key) -> tuple[Any, ...]:
        """Return a value for each column of the key, all from one row; nothing without rows."""
        places = ", ".join(column.select for column in self.columns_of(key))
        rows = self._spool.all(f"SELECT {places}", "LIMIT 1")
        return rows[0] if rows else ()

    def first_among(self, columns: Sequence[CqlColumn]) -> str:
        """Return the first row, in these columns, that `Spool.among` counted."""
        places = ", ".join(column.place for column in columns)
        rows = self._spool.all(
            f"SELECT {places}", f"SEMI JOIN spool.there USING ({places}) ORDER BY {places} LIMIT 1"
        )
        return self.equals(columns, rows[0])


def decimals_in_key(columns: Sequence[CqlColumn], key: Key) -> list[str]:
    """Return a note on each partition column of decimals: 1.5 and 1.50 are two partitions."""
    return [
        f"{column.name} is decimal and a partition column: ask with as many places as stored, 1.50"
        " is not found as 1.5"
        for column in columns
        if column.type.name == "decimal" and column.name in key.partition
    ]


def _length(column: CqlColumn) -> str:
    """Return the SQL for how many bytes a value has."""
    if column.type.name == "blob":
        return f"octet_length({column.place})"
    return f"strlen({column.select})"


def _most_bytes(column: CqlColumn) -> str:
    """Return the SQL for how many bytes a value has, or for more where it is not told easily."""
    kind = column.type.name
    if kind in ("varint", "decimal"):  # less than a byte for a digit, and the places of a decimal
        return f"strlen({column.place}::VARCHAR) + 4"
    return "16" if kind == "inet" else str(_FIXED[kind]) if kind in _FIXED else _length(column)


def _sum(terms: list[str]) -> str:
    """Return a sum as a balanced tree: DuckDB limits how deep an expression may be."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return f"({_sum(terms[:half])} + {_sum(terms[half:])})"


def warnings(key: Key, partitions: Partitions, rows: int) -> list[str]:
    """Return what is to be said about partitions that are too big or too few, with numbers."""
    found = []
    if partitions.largest_rows > LARGE_ROWS or partitions.largest_bytes > LARGE_BYTES:
        shown = ", ".join(
            f"{name} = {value}"
            for name, value in zip(key.partition, partitions.largest, strict=False)
        )
        found.append(
            f"the partition {shown[:200]} has {number_of(partitions.largest_rows, 'row')} and"
            f" {size_text(partitions.largest_bytes)}: above {LARGE_ROWS:,} rows or"
            f" {LARGE_BYTES // 10**6} MB reads get slow; a further partition column divides it"
        )
    if partitions.count < FEW_PARTITIONS and rows > MANY_ROWS:
        found.append(
            f"only {number_of(partitions.count, 'partition')} for {number_of(rows, 'row')}: few"
            " nodes and cores share the"
            " work; a further partition column spreads it"
        )
    return found
