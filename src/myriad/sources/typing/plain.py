"""Plain types of columns of text, by aggregates over their values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from myriad.model import BIG, Kind, Type, carried
from myriad.sources.typing.casts import ALL_TESTS, TESTS, WIDE
from myriad.sources.typing.obvious import Obvious, obvious
from myriad.sources.typing.sql import quoted
from myriad.wording import number_of

# A row must fit a page of 8 kB: with more columns than this whole numbers of 4 bytes are taken.
MOST_BIGINTS = 900
MEDIUM = 10**9
_BIGINT_DIGITS = 19
# All tests on 10,000 rows of 12 columns take 2 s of one core; on these first, then what is left
# on all, a fifth of that.
FIRST_ROWS = 200


@dataclass(frozen=True)
class Seen:
    """Aggregates over one column's values; `rows` counts those that are null, too."""

    rows: int
    values: int
    passed: dict[str, int]
    lowest: int
    highest: int
    whole_digits: int
    scale: int
    float_marks: bool

    def all_pass(self, test: str) -> bool:
        """Say whether all values pass a test."""
        return self.passed.get(test, 0) == self.values


def look_first(
    con: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str]
) -> tuple[list[frozenset[str]], list[Seen]]:
    """Return the tests to put each column to, and the aggregates over it; see `look`.

    Tests that none of a few first values passes cost most: they are left out.
    """
    first = _first(con, f"(SELECT * FROM {relation} LIMIT {FIRST_ROWS})", columns)
    promising = [
        frozenset(test for test, count in seen.passed.items() if count or not seen.values)
        for seen in first
    ]
    whole = all(seen.rows < FIRST_ROWS for seen in first)
    return promising, first if whole else look(con, relation, columns, promising)


def _first(con: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str]) -> list[Seen]:
    """Look at a few values with all tests: by SQL only if a column is not obvious."""
    if len(columns) <= WIDE:
        rows = con.execute(f"SELECT {', '.join(map(quoted, columns))} FROM {relation}").fetchall()
        found = [obvious(values) for values in zip(*rows, strict=True)]
        if rows and None not in found:
            return [_told(each, len(rows)) for each in found if each is not None]
    return _look_turned(con, relation, columns, ALL_TESTS)


def _told(found: Obvious, rows: int) -> Seen:
    passed = dict.fromkeys(ALL_TESTS, 0) | found.passed
    digits = max((len(str(abs(number))) for number in found.whole), default=0)
    low, high = min(found.whole, default=0), max(found.whole, default=0)
    return Seen(rows, found.values, passed, low, high, digits, 0, float_marks=found.marks)


def look(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Sequence[str],
    allowed: Sequence[frozenset[str]],
) -> list[Seen]:
    """Return the aggregates over each column; `allowed` are the tests that each is put to."""
    if len(columns) > WIDE:
        found: dict[str, Seen] = {}
        for tests in set(allowed):
            names = [name for name, own in zip(columns, allowed, strict=True) if own == tests]
            found |= zip(names, _look_turned(con, relation, names, tests), strict=True)
        return [found[name] for name in columns]
    selected: list[str] = []
    for name, tests in zip(columns, allowed, strict=True):
        selected += _aggregates(quoted(name), sorted(tests))
    (row,) = con.execute(f"SELECT {', '.join(selected)} FROM {relation}").fetchall()
    values = iter(row)
    return [_seen(values, tests) for tests in allowed]


def _look_turned(
    con: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str], tests: frozenset[str]
) -> list[Seen]:
    """Look with columns turned into rows: the same few expressions however many columns."""
    fields = ", ".join(map(quoted, columns))
    rows = con.execute(
        f"SELECT number, {', '.join(_aggregates('field', sorted(tests)))} FROM"
        f" (SELECT unnest([{fields}]) AS field, unnest(range({len(columns)})) AS number"
        f" FROM {relation}) GROUP BY number"
    ).fetchall()
    found = {number: _seen(iter(values), tests) for number, *values in rows}
    nothing = Seen(0, 0, dict.fromkeys(tests, 0), 0, 0, 0, 0, float_marks=False)
    return [found.get(number, nothing) for number in range(len(columns))]


def _seen(values: Iterator[Any], tests: frozenset[str]) -> Seen:
    """Read what `_aggregates` gave for one column."""
    rows, count = next(values), next(values)
    passed = {test: next(values) for test in sorted(tests)}
    numbers = [next(values) for _ in range(4)] if "decimal" in tests else [0, 0, 0, 0]
    marks = next(values) if "double" in tests else False
    low, high, whole, places = (number or 0 for number in numbers)
    return Seen(rows, count, passed, low, high, whole, places, bool(marks))


def _aggregates(column: str, tests: Sequence[str]) -> list[str]:
    passed = (f"count_if({column} IS NOT NULL AND {TESTS[test](column)})" for test in tests)
    chosen = ["count(*)", f"count({column})", *passed]
    if "decimal" in tests:
        whole, decimal = TESTS["whole"](column), TESTS["decimal"](column)
        digits = f"strlen(ltrim({column}, '-'))"
        before = f"strlen(split_part(ltrim({column}, '-'), '.', 1))"
        places = f"strlen(split_part({column}, '.', 2))"
        chosen += [
            f"min(try_cast({column} AS HUGEINT))",
            f"max(try_cast({column} AS HUGEINT))",
            f"max(CASE WHEN {whole} THEN {digits} WHEN {decimal} THEN {before} END)",
            f"max(CASE WHEN {whole} THEN 0 WHEN {decimal} THEN {places} END)",
        ]
    if "double" in tests:
        # `1E5` alone may be a name; a point or a sign in the exponent says it is a number.
        mark = rf"regexp_matches({column}, '\.|[eE][+-]|^-0$|^NaN|Infinity')"
        chosen.append(f"bool_or(CASE WHEN {TESTS['whole'](column)} THEN false ELSE {mark} END)")
    return chosen


def typed(tests: frozenset[str], seen: Seen, *, wide: bool) -> tuple[Type, str] | None:
    """Return the narrowest type of which all values are, and why; None if there is none."""
    passed = candidates(tests, seen)
    if seen.values == 0:
        return None
    return _number(seen, passed, wide=wide) or _other(passed)


def candidates(tests: frozenset[str], seen: Seen) -> frozenset[str]:
    """Return the tests that all values pass."""
    return frozenset(test for test in tests if seen.all_pass(test))


def _number(seen: Seen, candidates: frozenset[str], *, wide: bool) -> tuple[Type, str] | None:
    precision = carried(seen.whole_digits, seen.scale)
    if "whole" in candidates and precision:
        return _whole(seen, precision, wide=wide)
    if "decimal" in candidates and precision:
        why = f"decimals with up to {number_of(seen.scale, 'place')}, exact"
        return Type(Kind.NUMERIC, precision, seen.scale), why
    if "double" in candidates and "decimal" not in candidates and seen.float_marks:
        return Type(Kind.DOUBLE), "floating-point numbers"
    return None


def _whole(seen: Seen, precision: int, *, wide: bool) -> tuple[Type, str]:
    why = f"whole numbers from {seen.lowest} to {seen.highest}"
    if seen.whole_digits > _BIGINT_DIGITS:
        why = f"whole numbers of up to {seen.whole_digits} digits"
        return Type(Kind.NUMERIC, precision, 0), why
    if wide and seen.lowest > -MEDIUM and seen.highest < MEDIUM:
        return Type(Kind.INTEGER), why
    if seen.lowest >= -BIG and seen.highest < BIG:
        return Type(Kind.BIGINT), why
    return Type(Kind.NUMERIC, precision, 0), f"whole numbers of up to {seen.whole_digits} digits"


def _other(candidates: frozenset[str]) -> tuple[Type, str] | None:
    reasons = {
        "boolean": "true or false",
        "date": "dates (ISO 8601)",
        "timestamp": "timestamps without a time zone",
        "timestamptz": "timestamps with an offset",
        "uuid": "UUIDs",
        "jsonb": "JSON objects or arrays",
    }
    for test, why in reasons.items():
        if test in candidates:
            return Type(Kind(test)), why
    return None
