"""Types for columns of text: a type narrower than text only if every value survives the round trip.

All expressions are DuckDB's SQL over one VARCHAR column and treat null as fitting.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import duckdb

from myriad.model import TEXT, Kind, Type

# A type is chosen one decimal digit wider than what was seen, so that growth does not change it.
SMALL = 10**4
MEDIUM = 10**9
BIG = 2**63
MAX_DIGITS = 38  # of DECIMAL in DuckDB and of decimal128 in Arrow
FAST_DIGITS = 18  # DECIMAL up to here is one machine word
SURE_DIGITS = 15  # of decimal that every IEEE 754 double holds
# DuckDB plans a statement in a time that grows with the square of its expressions: from here on
# columns are looked at as rows. 400 columns: 0.1 s instead of 6 s.
WIDE = 50
DOUBLE_DIGITS = 17  # enough to name every IEEE 754 double

_WHOLE = r"-?(0|[1-9][0-9]*)"
_DECIMAL = rf"{_WHOLE}(\.[0-9]+)?"
_FLOAT = rf"{_DECIMAL}([eE][+-]?[0-9]{{1,3}})?"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
_STAMP = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[ T]{_CLOCK}"
_OFFSET = r" ?(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)"

DATE_FORMATS = tuple(
    shape.replace("/", mark)
    for mark in "/.-"
    for shape in ("%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d")
    if (shape, mark) != ("%Y/%m/%d", "-")
)


@dataclass(frozen=True)
class Finding:
    """What all values of a column, seen so far, have in common.

    Attributes:
        type: the narrowest that all survive.
        why: a sentence for the report.
        candidates: tests that all values passed; only these need another look at more values.
    """

    type: Type
    why: str
    candidates: frozenset[str]


def quoted(name: str) -> str:
    """Return `name` as an identifier of DuckDB's SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return `value` as a string of DuckDB's SQL."""
    return "'" + value.replace("'", "''") + "'"


def _matches(pattern: str, column: str) -> str:
    return f"regexp_full_match({column}, {literal(pattern)})"


def _float_fits(column: str) -> str:
    # A double holds any 15 significant digits; of 16 and 17 only some, so those are written back.
    number = f"try_cast({column} AS DOUBLE)"
    digits = rf"regexp_replace({column}, '^-?[0.]*|[eE].*$|\.', '', 'g')"
    shown = f"format('{{:.{{}}e}}', {number}, length({digits}) - 1)"
    back = rf"regexp_replace({shown}, '-|e.*$|\.', '', 'g')"
    zero = _matches(r"-?0(\.0+)?([eE].*)?", column)
    return (
        f"({column} IN ('NaN', 'Infinity', '-Infinity') OR ({_matches(_FLOAT, column)}"
        f" AND isfinite({number}) AND ({number} <> 0 OR {zero})"
        f" AND CASE WHEN length({digits}) <= {SURE_DIGITS} THEN true"
        f" WHEN length({digits}) > {DOUBLE_DIGITS} THEN false ELSE {back} = {digits} END))"
    )


def _stamp_fits(kind: str, pattern: str, column: str) -> str:
    return (
        f"({_matches(pattern, column)} AND NOT starts_with({column}, '0000')"
        f" AND try_cast({column} AS {kind}) IS NOT NULL)"
    )


def _json_fits(column: str) -> str:
    # jsonb keeps one of two equal keys and refuses \u0000: such values stay text. DuckDB's own
    # check lets NaN and trailing commas pass, which are looked for outside of strings.
    bare = rf"""regexp_replace({column}, '"(?:[^"\\]|\\.)*"', '""', 'g')"""
    doubled = "lambda keys: len(keys) <> len(list_distinct(keys))"
    return (
        rf"CASE WHEN NOT regexp_matches({column}, '^\s*[\[{{]') OR contains({column}, '\u0000')"
        f" OR NOT json_valid({column}) THEN false"
        rf" WHEN regexp_matches({bare}, '(?i),\s*[\]}}]|nan|inf') THEN false"
        f" ELSE len(list_filter(list_append(json_keys({column}, '$..*'), json_keys({column})),"
        f" {doubled})) = 0 END"
    )


def _cast_back_fits(kind: str, column: str) -> str:
    return f"(try_cast({column} AS {kind})::VARCHAR IS NOT DISTINCT FROM {column})"


def _uuid_bytes(column: str) -> str:
    return f"try(unhex(replace({column}, '-', '')))"


def _uuid_fits(column: str, value: str = "") -> str:
    # A third of the cost of casting to UUID and back.
    dashes = "________-____-____-____-____________"
    return (
        f"({column} LIKE '{dashes}' AND {column} = lower({column})"
        f" AND octet_length({value or _uuid_bytes(column)}) IS NOT DISTINCT FROM 16)"
    )


def _format_fits(pattern: str, column: str) -> str:
    parsed = f"try_strptime({column}, {literal(pattern)})"
    back = f"strftime({parsed}, {literal(pattern)}) IS NOT DISTINCT FROM {column}"
    return f"({back} AND year({parsed}) > 0)"  # PostgreSQL has no year 0


def _signed_zero(column: str) -> str:
    return _matches(r"-0(\.0+)?", column)


TESTS: dict[str, Callable[[str], str]] = {
    "boolean": lambda c: f"({c} IN ('t', 'f') OR lower({c}) IN ('true', 'false'))",
    "whole": lambda c: f"({_matches(_WHOLE, c)} AND {c} <> '-0')",
    "decimal": lambda c: f"({_matches(_DECIMAL, c)} AND NOT {_signed_zero(c)})",
    "double": _float_fits,
    "date": lambda c: f"(length({c}) = 10 AND {_cast_back_fits('DATE', c)})",
    "timestamp": partial(_stamp_fits, "TIMESTAMP", _STAMP),
    "timestamptz": partial(_stamp_fits, "TIMESTAMPTZ", _STAMP + _OFFSET),
    "uuid": _uuid_fits,
    "jsonb": _json_fits,
    **{pattern: partial(_format_fits, pattern) for pattern in DATE_FORMATS},
}
ALL_TESTS = frozenset(TESTS)
# All tests on 10,000 rows of 12 columns take 2 s of one core; on these first, then what is left
# on all, a fifth of that.
FIRST_ROWS = 200


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
) -> list[Finding]:
    """Return the narrowest type of each column that all values in `relation` survive.

    `relation` stands in FROM; `columns` are its columns' names, all VARCHAR. `among` limits each
    column to tests that an earlier part of the values passed (`Finding.candidates`).
    Values that look like one type but for a few are named in `why`.
    """
    allowed = list(among) if among is not None else _promising(con, relation, columns)
    seen = _look(con, relation, columns, allowed)
    return [
        _decide(con, relation, name, tests, facts)
        for name, tests, facts in zip(columns, allowed, seen, strict=True)
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
        chosen += [
            f"min(try_cast({column} AS HUGEINT))",
            f"max(try_cast({column} AS HUGEINT))",
            f"max(length(split_part(ltrim({column}, '-'), '.', 1)))",
            f"max(length(split_part({column}, '.', 2)))",
        ]
    if "double" in tests:
        # `1E5` alone may be a name; a point or a sign in the exponent says it is a number.
        chosen.append(rf"bool_or(regexp_matches({column}, '\.|[eE][+-]|^-0$|^NaN|Infinity'))")
    return chosen


def _decide(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    name: str,
    tests: frozenset[str],
    seen: _Seen,
) -> Finding:
    if seen.values == 0:
        return Finding(TEXT, "no values", tests)
    candidates = frozenset(test for test in tests if seen.all_pass(test))
    chosen = _number(seen, candidates) or _other(candidates)
    if chosen is not None:
        return Finding(*chosen, candidates)
    return Finding(TEXT, _why_text(con, relation, name, seen, candidates), candidates)


def _number(seen: _Seen, candidates: frozenset[str]) -> tuple[Type, str] | None:
    if "whole" in candidates and seen.whole_digits <= MAX_DIGITS:
        return _whole(seen)
    if "decimal" in candidates and seen.whole_digits + seen.scale <= MAX_DIGITS:
        # One more digit than seen where there is room, on either side of the point.
        scale = seen.scale
        fast = seen.whole_digits + 2 + scale <= FAST_DIGITS
        precision = FAST_DIGITS if fast else MAX_DIGITS
        return Type(Kind.NUMERIC, precision, scale), f"decimals with up to {scale} places, exact"
    if "double" in candidates and "decimal" not in candidates and seen.float_marks:
        return Type(Kind.DOUBLE), "floating-point numbers"
    return None


def _whole(seen: _Seen) -> tuple[Type, str]:
    most = max(abs(seen.lowest), abs(seen.highest))
    if most < SMALL:
        kind = Kind.SMALLINT
    elif most < MEDIUM:
        kind = Kind.INTEGER
    elif seen.lowest >= -BIG and seen.highest < BIG:
        kind = Kind.BIGINT
    else:
        return Type(
            Kind.NUMERIC, MAX_DIGITS, 0
        ), f"whole numbers of up to {seen.whole_digits} digits"
    return Type(kind), f"whole numbers from {seen.lowest} to {seen.highest}"


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


def _why_text(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    name: str,
    seen: _Seen,
    candidates: frozenset[str],
) -> str:
    if {"%d/%m/%Y", "%m/%d/%Y"} & candidates or {"%d.%m.%Y", "%d-%m-%Y"} & candidates:
        return "dates whose day and month cannot be told apart"
    # Of tests that as many values pass, TESTS has the narrower one first.
    tests = (test for test in TESTS if test in seen.passed)
    best = max(tests, key=lambda test: seen.passed[test], default="")
    if not best or seen.passed[best] == 0 or best in candidates:
        return "text"
    column = quoted(name)
    (row,) = con.execute(
        f"SELECT any_value({column}) FROM {relation}"
        f" WHERE {column} IS NOT NULL AND NOT {TESTS[best](column)}"
    ).fetchall()
    example = repr(row[0])[:60]
    others = seen.values - seen.passed[best]
    label = {"whole": "whole numbers", "decimal": "decimals"}.get(best, best)
    return f"{seen.passed[best]} of {seen.values} are {label}, {others} are not, such as {example}"


_DUCKDB = {
    Kind.SMALLINT: "SMALLINT",
    Kind.INTEGER: "INTEGER",
    Kind.BIGINT: "BIGINT",
    Kind.REAL: "FLOAT",
    Kind.DOUBLE: "DOUBLE",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.TIMESTAMPTZ: "TIMESTAMPTZ",
}


def cast(column: str, kind: Type) -> str:
    """Return the SQL that turns text into what batches carry for `kind`; null if it cannot."""
    match kind.kind:
        case Kind.TEXT:
            return column
        case Kind.BOOLEAN:
            return f"try_cast({column} AS BOOLEAN)"
        case Kind.NUMERIC:
            return f"try_cast({column} AS DECIMAL({kind.precision},{kind.scale}))"
        case Kind.UUID:
            return _uuid_bytes(column)
        case Kind.JSONB:
            return rf"'\x01'::BLOB || encode({column})"
        case Kind.BYTEA:
            return f"encode({column})"
        case Kind.DATE if kind.format:
            return f"try_strptime({column}, {literal(kind.format)})::DATE"
        case _:
            return f"try_cast({column} AS {_DUCKDB[kind.kind]})"


def mismatch(column: str, kind: Type, value: str = "") -> str:
    """Return the SQL that is true for a value that would not come back from `kind` as it was.

    False for null. `value` is where the result of `cast` stands already, if it does: to cast once
    instead of twice saves a fifth of all work. The cheap test, casting back, comes first.
    """
    if kind.kind in (Kind.TEXT, Kind.BYTEA):
        return "false"
    return f"({column} IS NOT NULL AND NOT {_fits(column, kind, value or cast(column, kind))})"


def _fits(column: str, kind: Type, value: str) -> str:
    same = f"({value}::VARCHAR IS NOT DISTINCT FROM {column})"
    match kind.kind:
        case Kind.SMALLINT | Kind.INTEGER | Kind.BIGINT:
            return same
        case Kind.NUMERIC:
            return _either(same, _decimal_fits(column, kind))
        case Kind.REAL | Kind.DOUBLE:
            return _float_survives(column, kind, value, same)
        case Kind.DATE:
            plain = f"(length({column}) = 10 AND {same})"
            return _format_fits(kind.format, column) if kind.format else plain
        case Kind.TIMESTAMP:
            return _either(f"(length({column}) = 19 AND {same})", TESTS["timestamp"](column))
        case Kind.TIME:
            return f"({_matches(_CLOCK, column)} AND {value} IS NOT NULL)"
        case Kind.UUID:
            return _uuid_fits(column, value)
        case _:
            return TESTS[str(kind.kind)](column)


def _float_survives(column: str, kind: Type, value: str, same: str) -> str:
    if kind.kind is Kind.REAL:
        back = f"try_cast({value}::VARCHAR AS DOUBLE) = try_cast({column} AS DOUBLE)"
        return f"({_float_fits(column)} AND {back})"
    # DuckDB also reads and writes inf and nan, which are not PostgreSQL's names.
    named = f"{column} NOT IN ('inf', '-inf', 'nan')"
    return _either(f"({same} AND {named})", _float_fits(column))


def _decimal_fits(column: str, kind: Type) -> str:
    places = rf"(\.[0-9]{{1,{kind.scale}}})?" if kind.scale else ""
    shape = rf"-?(0|[1-9][0-9]{{0,{max(kind.precision - kind.scale - 1, 0)}}}){places}"
    return f"({_matches(shape, column)} AND NOT {_signed_zero(column)})"


def _either(cheap: str, costly: str) -> str:
    # CASE looks at the costly test only where the cheap one failed; OR would for every value.
    return f"CASE WHEN {cheap} THEN true ELSE {costly} END"
