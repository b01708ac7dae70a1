"""Types for columns of text: one narrower than text only if every value survives the round trip."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from myriad.model import MAX_DIGITS, TEXT, Kind, Type
from myriad.sources.typing.text_sql import ALL_TESTS, DATE_FORMATS, TESTS, quoted

BIG = 2**63  # values of text say nothing of those to come: whole numbers are bigint from the start
# A row must fit a page of 8 kB: with more columns than this whole numbers of 4 bytes are taken.
MOST_BIGINTS = 900
MEDIUM = 10**9
FAST_DIGITS = 18  # DECIMAL up to here is one machine word
# DuckDB plans a statement in a time that grows with the square of its expressions: from here on
# columns are looked at as rows. 400 columns: 0.1 s instead of 6 s.
WIDE = 50
SHOWN = 60  # characters of a value
# What is text here, and something else to a person.
_SHAPES = {
    r"-?[0-9]{1,3}(\.[0-9]{3})*,[0-9]+": "numbers written 1.234,50",
    r"-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?": "numbers written 1,234.50",
    r"-?[0-9]+([.,][0-9]+)? ?%": "numbers with a percent sign",
    r"[$€£] ?-?[0-9.,]+|-?[0-9.,]+ ?[$€£]": "amounts with a currency",
    r"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}( [0-9:]+)?": "dates in an order that is not proven",
}
# All tests on 10,000 rows of 12 columns take 2 s of one core; on these first, then what is left
# on all, a fifth of that.
FIRST_ROWS = 200


@dataclass(frozen=True)
class Finding:
    """What all values of a column, seen so far, have in common.

    Attributes:
        type: the narrowest that all survive.
        why: a sentence for the report.
        candidates: tests that need another look at more values: those that all values passed.
        places: most digits behind the point among those that are decimals.
    """

    type: Type
    why: str
    candidates: frozenset[str]
    places: int = 0


# Number of a column and value → the first line that has it there, None if that cannot be told.
Line = Callable[[int, str], int | None]


@dataclass(frozen=True)
class _Column:
    """Where the values of one column are."""

    con: duckdb.DuckDBPyConnection
    relation: str
    number: int
    name: str
    line: Line | None


@dataclass(frozen=True)
class _Seen:
    """Aggregates over one column's values."""

    values: int
    passed: dict[str, int]
    lowest: int
    highest: int
    whole_digits: int
    scale: int
    float_marks: bool

    def all_pass(self, test: str) -> bool:
        return self.passed.get(test, 0) == self.values


def guess(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Sequence[str],
    among: Sequence[frozenset[str]] | None = None,
    line: Line | None = None,
) -> list[Finding]:
    """Return the narrowest type of each column that all values in `relation` survive.

    `relation` stands in FROM; `columns` are its columns' names, all VARCHAR. `among` limits each
    column to tests that an earlier part of the values passed (`Finding.candidates`).
    Values that look like one type but for a few are named in `why`, with the first line that has
    one, if `line` tells it.
    """
    allowed = list(among) if among is not None else _promising(con, relation, columns)
    seen = _look(con, relation, columns, allowed)
    return [
        _decide(
            _Column(con, relation, number, columns[number], line),
            tests,
            facts,
            wide=len(columns) > MOST_BIGINTS,
        )
        for number, (tests, facts) in enumerate(zip(allowed, seen, strict=True))
    ]


def _promising(
    con: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str]
) -> list[frozenset[str]]:
    """Return the tests that a few first values pass: those that none passes cost most."""
    first = f"(SELECT * FROM {relation} LIMIT {FIRST_ROWS})"
    return [
        frozenset(test for test, count in seen.passed.items() if count or not seen.values)
        for seen in _look_turned(con, first, columns, ALL_TESTS)
    ]


def _look(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Sequence[str],
    allowed: Sequence[frozenset[str]],
) -> list[_Seen]:
    if len(columns) > WIDE:
        found: dict[str, _Seen] = {}
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
) -> list[_Seen]:
    """Look with columns turned into rows: the same few expressions however many columns."""
    fields = ", ".join(map(quoted, columns))
    rows = con.execute(
        f"SELECT number, {', '.join(_aggregates('field', sorted(tests)))} FROM"
        f" (SELECT unnest([{fields}]) AS field, unnest(range({len(columns)})) AS number"
        f" FROM {relation}) GROUP BY number"
    ).fetchall()
    found = {number: _seen(iter(values), tests) for number, *values in rows}
    nothing = _Seen(0, dict.fromkeys(tests, 0), 0, 0, 0, 0, float_marks=False)
    return [found.get(number, nothing) for number in range(len(columns))]


def _seen(values: Iterator[Any], tests: frozenset[str]) -> _Seen:
    """Read what `_aggregates` gave for one column."""
    count = next(values)
    passed = {test: next(values) for test in sorted(tests)}
    numbers = [next(values) for _ in range(4)] if "decimal" in tests else [0, 0, 0, 0]
    marks = next(values) if "double" in tests else False
    low, high, whole, places = (number or 0 for number in numbers)
    return _Seen(count, passed, low, high, whole, places, bool(marks))


def _aggregates(column: str, tests: Sequence[str]) -> list[str]:
    passed = (f"count_if({column} IS NOT NULL AND {TESTS[test](column)})" for test in tests)
    chosen = [f"count({column})", *passed]
    if "decimal" in tests:
        places = f"length(split_part({column}, '.', 2))"
        chosen += [
            f"min(try_cast({column} AS HUGEINT))",
            f"max(try_cast({column} AS HUGEINT))",
            f"max(length(split_part(ltrim({column}, '-'), '.', 1)))",
            f"max(CASE WHEN {TESTS['decimal'](column)} THEN {places} END)",
        ]
    if "double" in tests:
        # `1E5` alone may be a name; a point or a sign in the exponent says it is a number.
        chosen.append(rf"bool_or(regexp_matches({column}, '\.|[eE][+-]|^-0$|^NaN|Infinity'))")
    return chosen


def _decide(column: _Column, tests: frozenset[str], seen: _Seen, *, wide: bool) -> Finding:
    if seen.values == 0:
        return Finding(TEXT, "no values", tests)
    candidates = frozenset(test for test in tests if seen.all_pass(test))
    chosen = _number(seen, candidates, wide=wide) or _other(candidates)
    if chosen is not None:
        return Finding(*chosen, candidates, seen.scale)
    why = _why_text(column, seen, candidates)
    if seen.passed.get("decimal"):  # its places are counted on, for a table that has numbers there
        candidates |= {"decimal"}
    return Finding(TEXT, why, candidates, seen.scale)


def _number(seen: _Seen, candidates: frozenset[str], *, wide: bool) -> tuple[Type, str] | None:
    if "whole" in candidates and seen.whole_digits <= MAX_DIGITS:
        return _whole(seen, wide=wide)
    if "decimal" in candidates and seen.whole_digits + seen.scale <= MAX_DIGITS:
        # One more digit than seen where there is room, on either side of the point.
        scale = seen.scale
        fast = seen.whole_digits + 2 + scale <= FAST_DIGITS
        precision = FAST_DIGITS if fast else MAX_DIGITS
        return Type(Kind.NUMERIC, precision, scale), f"decimals with up to {scale} places, exact"
    if "double" in candidates and "decimal" not in candidates and seen.float_marks:
        return Type(Kind.DOUBLE), "floating-point numbers"
    return None


def _whole(seen: _Seen, *, wide: bool) -> tuple[Type, str]:
    why = f"whole numbers from {seen.lowest} to {seen.highest}"
    if wide and seen.lowest > -MEDIUM and seen.highest < MEDIUM:
        return Type(Kind.INTEGER), why
    if seen.lowest >= -BIG and seen.highest < BIG:
        return Type(Kind.BIGINT), why
    return Type(Kind.NUMERIC, MAX_DIGITS, 0), f"whole numbers of up to {seen.whole_digits} digits"


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
    formats = [pattern for pattern in DATE_FORMATS if pattern in candidates]
    if len(formats) == 1:
        return Type(Kind.DATE, format=formats[0]), f"dates written {formats[0]}"
    return None


def _why_text(column: _Column, seen: _Seen, candidates: frozenset[str]) -> str:
    if {"%d/%m/%Y", "%m/%d/%Y"} & candidates or {"%d.%m.%Y", "%d-%m-%Y"} & candidates:
        return "dates whose day and month cannot be told apart"
    # Of tests that as many values pass, TESTS has the narrower one first.
    tests = (test for test in TESTS if test in seen.passed)
    best = max(tests, key=lambda test: seen.passed[test], default="")
    name = quoted(column.name)
    if not best or seen.passed[best] == 0 or best in candidates:
        return _what_text(column.con, column.relation, name)
    ((value, kinds),) = column.con.execute(
        f"SELECT first({name}), count(DISTINCT {name}) FROM {column.relation}"
        f" WHERE {name} IS NOT NULL AND NOT {TESTS[best](name)}"
    ).fetchall()
    others = seen.values - seen.passed[best]
    label = {"whole": "whole numbers", "decimal": "decimals"}.get(best, best)
    number = column.line(column.number, value) if column.line else None
    value = value[:SHOWN]
    shown = f"the first {value!r} in line {number}" if number else f"such as {value!r}"
    if kinds == 1 and not any(map(str.isdigit, value)):
        shown += f"; --null {shlex.quote(value)} makes that null"
    verb = "is" if others == 1 else "are"
    return f"{seen.passed[best]} of {seen.values} are {label}, {others} {verb} not, {shown}"


def _what_text(con: duckdb.DuckDBPyConnection, relation: str, column: str) -> str:
    """Say what the first values look like, if it is something that is no text."""
    looks = ", ".join(
        f"coalesce(bool_and(regexp_full_match({column}, '{shape}')), false)" for shape in _SHAPES
    )
    first = f"SELECT {column} FROM {relation} WHERE {column} IS NOT NULL LIMIT {FIRST_ROWS}"
    (found,) = con.execute(f"SELECT {looks} FROM ({first})").fetchall()
    like = [words for words, flag in zip(_SHAPES.values(), found, strict=True) if flag]
    return f"text; looks like {like[0]}" if like else "text"
