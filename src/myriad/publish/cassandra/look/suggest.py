"""Suggest keys from the data: each is proven unique on all rows before it is said."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, islice

from myriad.errors import KeyRefused
from myriad.model import Key, Kind, Order
from myriad.publish.cassandra.look.kinds import CqlColumn
from myriad.publish.cassandra.look.proof import LARGE_BYTES, LARGE_ROWS, Partitions, Proof
from myriad.publish.cassandra.look.spool import Spool

SUGGESTIONS = 3
MOST_COLUMNS = 4  # of a key that is unique by itself
CANDIDATES = 12  # columns that are tried together
ARRANGEMENTS = 12  # of one set of columns, the likeliest
SECONDS = 5.0  # for trying keys; what was proven by then is suggested
UNIQUE = 0.9  # of the rows: the estimate of distinct values errs by a few percent
# Nobody looks a row up by these.
_NO_KEYS = (Kind.REAL, Kind.DOUBLE, Kind.JSONB, Kind.BYTEA, Kind.BOOLEAN)
_TIMES = (Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
_NAMES = (Kind.TEXT, Kind.UUID)
BEST_ROWS = 1000  # of a partition: one read brings a screenful or a day, not a table


@dataclass(frozen=True)
class Suggestion:
    """A key that is unique, and its partitions."""

    key: Key
    partitions: Partitions

    def __str__(self) -> str:
        return f"--key {self.key}\n      {self.partitions}"


@dataclass(frozen=True)
class _Candidate:
    column: CqlColumn
    kind: Kind
    distinct: int

    @property
    def name(self) -> str:
        return self.column.name


class Suggester:
    """Looks for keys of one spooled table."""

    def __init__(self, spool: Spool, columns: Sequence[CqlColumn], proof: Proof) -> None:
        self._spool, self._proof = spool, proof
        self._until = time.monotonic() + SECONDS
        self._candidates = self._look(columns)

    def _look(self, columns: Sequence[CqlColumn]) -> list[_Candidate]:
        types = {column.name: column.type for column in self._spool.table.columns}
        kinds = {name: found.kind for name, found in types.items()}
        fit = [
            column
            for column in columns
            if kinds[column.name] not in _NO_KEYS
            and not (kinds[column.name] is Kind.NUMERIC and types[column.name].scale)
            and not self._proof.nulls(column.name)
        ]
        counts = self._spool.aggregates(
            [f"approx_count_distinct({column.place})" for column in fit]
        )
        return [
            _Candidate(column, kinds[column.name], max(count, 1))
            for column, count in zip(fit, counts, strict=True)
        ]

    def best(self) -> list[Suggestion]:
        """Return up to three keys, each with other partitions; none if none was found."""
        found: list[Suggestion] = []
        for unique in self._unique():
            found += self._sound(unique, [one.key for one in found])
            if len(found) >= SUGGESTIONS or len(unique) > 1:
                break
        return found[:SUGGESTIONS]

    def _sound(self, unique: Sequence[_Candidate], before: Sequence[Key]) -> list[Suggestion]:
        """Return keys of the set whose partitions are not too big, unlike each other first."""
        found: list[Suggestion] = []
        used = {name for key in before for name in key.partition}
        keys = list(islice(self._arranged(unique), ARRANGEMENTS))
        for number in range(2 * len(keys)):
            key = keys[number % len(keys)]
            fresh = used.isdisjoint(key.partition)
            taken = any(key.partition == one.key.partition for one in found)
            if taken or (number < len(keys) and not fresh):
                continue
            partitions = self._proof.partitions(key)
            if _sound(partitions) or not key.clustering:
                used |= set(key.partition)
                found.append(Suggestion(key, partitions))
            if len(found) == SUGGESTIONS:
                break
        return found

    def _unique(self) -> Iterator[tuple[_Candidate, ...]]:
        """Yield sets of columns that are unique together, the smallest first."""
        rows = self._spool.rows
        proven: list[set[str]] = []
        single = [one for one in self._candidates if one.distinct >= UNIQUE * rows]
        ranked = sorted(self._candidates, key=lambda one: (_place_of(one), -one.distinct))
        several = (
            chosen
            for size in range(2, MOST_COLUMNS + 1)
            for chosen in self._promising(ranked[:CANDIDATES], size, rows)
        )
        for chosen in chain(((one,) for one in single), several):
            names = {one.name for one in chosen}
            if any(other <= names for other in proven):
                continue
            if time.monotonic() > self._until:
                return
            if not self._proof.lost(Key(tuple(one.name for one in chosen))):
                proven.append(names)
                yield chosen

    def _promising(
        self, among: Sequence[_Candidate], size: int, rows: int
    ) -> list[tuple[_Candidate, ...]]:
        """Return sets of columns that could tell all rows apart, the likeliest first."""

        def product(chosen: Sequence[_Candidate]) -> float:
            result = 1.0
            for one in chosen:
                result *= one.distinct
            return result

        enough = [c for c in combinations(among, size) if product(c) >= UNIQUE * rows]
        return sorted(enough, key=lambda chosen: (sum(map(_place_of, chosen)), -product(chosen)))

    def _arranged(self, unique: Sequence[_Candidate]) -> Iterator[Key]:
        """Yield the set as keys: by what rows could be grouped, and as it is."""
        rows = self._spool.rows
        if len(unique) == 1:
            yield Key((unique[0].name,))
        groups = [
            one
            for one in self._candidates
            if 1 < one.distinct < rows * UNIQUE and one.kind is not Kind.NUMERIC
        ]
        pairs = [
            (one, two) for one, two in combinations(groups, 2) if one in unique or two in unique
        ]
        sets: list[tuple[_Candidate, ...]] = [*((one,) for one in groups), *pairs]
        for partition in sorted(sets, key=lambda chosen: self._cost(chosen, unique)):
            if time.monotonic() > self._until:
                return
            rest = [one for one in unique if one not in partition]
            if rest:
                yield _key(partition, rest)

    def _cost(self, partition: Sequence[_Candidate], unique: Sequence[_Candidate]) -> float:
        """Return how far a partition is from what people ask for: small is good."""
        size = self._spool.rows
        for one in partition:
            size = max(1, size // one.distinct)
        away = abs(math.log10(size / BEST_ROWS))
        named = sum(one.kind in _NAMES for one in partition)
        timed = sum(one.kind in _TIMES for one in partition)
        known = sum(one in unique for one in partition)
        return away - named - known + 2 * timed + len(partition) / 2


def _place_of(one: _Candidate) -> int:
    """Return how likely a column belongs to a key: names and times before numbers."""
    return 0 if one.kind in _NAMES or one.kind in _TIMES else 1


def _key(partition: Sequence[_Candidate], rest: Sequence[_Candidate]) -> Key:
    times = [one for one in rest if one.kind in _TIMES]
    others = [one for one in rest if one.kind not in _TIMES]
    clustering = [
        *((one.name, Order.DESC) for one in times),
        *((o.name, Order.ASC) for o in others),
    ]
    return Key(tuple(one.name for one in partition), tuple(clustering))


def _sound(partitions: Partitions) -> bool:
    return partitions.largest_rows <= LARGE_ROWS and partitions.largest_bytes <= LARGE_BYTES


def refuse(spool: Spool, columns: Sequence[CqlColumn], proof: Proof) -> KeyRefused:
    """Return the error for a table without a key, with the suggestions."""
    name = spool.table.name
    found = Suggester(spool, columns, proof).best()
    why = f"table {name} needs a key in Cassandra: it says where each row is, and what one can ask"
    if not found:
        return KeyRefused(
            f"{why}; no {MOST_COLUMNS} columns without nulls tell its {spool.rows:,} rows apart",
            hint="Add a column that numbers the rows. Nothing was changed.",
        )
    shown = "\n".join(f"  {one}" for one in found)
    return KeyRefused(
        f"{why}. Unique on all {spool.rows:,} rows:\n{shown}",
        hint="Choose the one whose columns before the slash are those you will ask by.",
    )
