"""Types as DuckDB's SQL: which text fits a type, how it is cast, and what would not come back.

All expressions are over one VARCHAR column and treat null as fitting.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from myriad.model import Kind, Type
from myriad.sources.typing import all_forms, digits
from myriad.sources.typing.sql import literal, quoted
from myriad.sources.typing.sql import matches as _matches

# DuckDB plans a statement in a time that grows with the square of its expressions: with more
# columns than this they are looked at as rows, or in a list. 400 columns: 0.1 s instead of 6 s.
WIDE = 50
SURE_DIGITS = 15  # of decimal that every IEEE 754 double holds
DOUBLE_DIGITS = 17  # enough to name every IEEE 754 double

_WHOLE = r"-?(0|[1-9][0-9]*)"
_DECIMAL = rf"{_WHOLE}(\.[0-9]+)?"
_FLOAT = rf"{_DECIMAL}([eE][+-]?[0-9]{{1,3}})?"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
_STAMP = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[ T]{_CLOCK}"
_OFFSET = r" ?(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)"


def _whole_fits(column: str) -> str:
    return f"({_matches(_WHOLE, column)} AND {column} <> '-0')"


def _decimal_fits(column: str) -> str:
    # DuckDB works out once what stands first in several CASEs: whether a number is whole.
    other = f"({_matches(_DECIMAL, column)} AND NOT {_signed_zero(column)})"
    return _either(_whole_fits(column), other)


def _float_fits(column: str) -> str:
    # A double holds any 15 significant digits; of 16 and 17 only some, so those are written back.
    number, written = f"try_cast({column} AS DOUBLE)", _matches(_FLOAT, column)
    figures = rf"regexp_replace({column}, '^-?[0.]*|[eE].*$|\.', '', 'g')"
    shown = f"format('{{:.{{}}e}}', {number}, length({figures}) - 1)"
    back = rf"regexp_replace({shown}, '-|e.*$|\.', '', 'g')"
    zero = _matches(r"-?0(\.0+)?([eE].*)?", column)
    return (
        f"CASE WHEN {_whole_fits(column)} AND strlen({column}) <= {SURE_DIGITS} THEN true"
        f" WHEN NOT {written} THEN {column} IN ('NaN', 'Infinity', '-Infinity')"
        f" WHEN NOT isfinite({number}) THEN false WHEN {number} = 0 THEN {zero}"
        f" WHEN strlen({column}) <= {SURE_DIGITS} OR length({figures}) <= {SURE_DIGITS} THEN true"
        f" WHEN length({figures}) > {DOUBLE_DIGITS} THEN false ELSE {back} = {figures} END"
    )


def _stamp_fits(kind: str, pattern: str, column: str) -> str:
    return _if(
        f"{column} LIKE '____-__-__%'",
        _if(
            f"{_matches(pattern, column)} AND NOT starts_with({column}, '0000')",
            f"try_cast({column} AS {kind}) IS NOT NULL",
        ),
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
    return _if(
        f"{column} LIKE '{dashes}' AND {column} = lower({column})",
        f"octet_length({value or _uuid_bytes(column)}) IS NOT DISTINCT FROM 16",
    )


def _signed_zero(column: str) -> str:
    return _matches(r"-0(\.0+)?", column)


TESTS: dict[str, Callable[[str], str]] = {
    "boolean": lambda c: f"({c} IN ('t', 'f') OR lower({c}) IN ('true', 'false'))",
    "whole": _whole_fits,
    "decimal": _decimal_fits,
    "double": _float_fits,
    "date": lambda c: _if(f"length({c}) = 10", _cast_back_fits("DATE", c)),
    "timestamp": partial(_stamp_fits, "TIMESTAMP", _STAMP),
    "timestamptz": partial(_stamp_fits, "TIMESTAMPTZ", _STAMP + _OFFSET),
    "uuid": _uuid_fits,
    "jsonb": _json_fits,
}
ALL_TESTS = frozenset(TESTS)
_WHOLE_KINDS = (Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT)
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
    form = all_forms.of(kind)
    if form is not None:
        return form.cast(column, kind)
    match kind.kind:
        case Kind.TEXT | Kind.JSONB:
            return column
        case Kind.BOOLEAN:
            return f"try_cast({column} AS BOOLEAN)"
        case Kind.NUMERIC if kind.long:
            return digits.cast(column, kind)
        case Kind.NUMERIC:
            return f"try_cast({column} AS DECIMAL({kind.precision},{kind.scale}))"
        case Kind.UUID:
            return _uuid_bytes(column)
        case Kind.BYTEA:
            return f"encode({column})"
        case _:
            return f"try_cast({column} AS {_DUCKDB[kind.kind]})"


def mismatch(column: str, kind: Type, value: str = "") -> str:
    """Return the SQL that is true for a value that would not come back from `kind` as it was.

    False for null. `value` is where the result of `cast` stands already, if it does: to cast once
    instead of twice saves a fifth of all work. The cheap test, casting back, comes first.
    """
    if kind.kind in (Kind.TEXT, Kind.BYTEA):
        return "false"
    value, form = value or cast(column, kind), all_forms.of(kind)
    if form is None and kind.kind in _WHOLE_KINDS:
        return f"({value}::VARCHAR IS DISTINCT FROM {column})"
    fits = form.fits(column, kind, value) if form else _fits(column, kind, value)
    return f"({column} IS NOT NULL AND NOT {fits})"


def without(columns: Mapping[str, Sequence[str]], relation: str) -> str:
    """Return the SQL of a relation in which words of some columns are null; it stands in FROM."""
    masks = [
        f"CASE WHEN {quoted(name)} IN ({', '.join(map(literal, words))}) THEN NULL"
        f" ELSE {quoted(name)} END AS {quoted(name)}"
        for name, words in columns.items()
        if words
    ]
    return f"(SELECT * REPLACE ({', '.join(masks)}) FROM {relation})" if masks else relation


def undumped(columns: Sequence[str], relation: str) -> str:
    """Return the SQL of a relation in which what dumps of databases escape is what it means."""
    marks = {"t": 9, "n": 10, "r": 13, "b": 8, "f": 12, "v": 11}

    def meant(column: str) -> str:
        part = "part"
        for letter, code in marks.items():
            part = f"replace({part}, '\\{letter}', chr({code}))"
        parts = f"list_transform(string_split({column}, '\\\\'), lambda part: {part})"
        whole = f"array_to_string({parts}, '\\')"
        return f"CASE WHEN contains({column}, '\\') THEN {whole} ELSE {column} END AS {column}"

    return f"(SELECT * REPLACE ({', '.join(map(meant, columns))}) FROM {relation})"


def values(columns: Sequence[str], types: Sequence[Type], relation: str, *more: str) -> str:
    """Return the SQL for values `v0`…, the number of the first that does not fit, and `more`.

    Values are cast in a query of their own: DuckDB would cast again for each CASE.
    """
    pairs = list(zip(columns, types, strict=True))
    made = [f"{cast(name, kind)} AS v{at}" for at, (name, kind) in enumerate(pairs)]
    tests = [mismatch(name, kind, f"v{at}") for at, (name, kind) in enumerate(pairs)]
    names = (f"v{at}" for at in range(len(pairs)))
    selected = ", ".join([*names, f"({_first(tests)})::SMALLINT AS wrong", *more])
    return f"SELECT {selected} FROM (SELECT *, {', '.join(made)} FROM {relation})"


def _first(tests: Sequence[str]) -> str:
    """Return the SQL of the number of the first test that is true, counted from 1; else 0."""
    if len(tests) > WIDE:  # 600 columns: planned and done in half of the time of a CASE
        return f"coalesce(list_position([{', '.join(tests)}], true), 0)"
    asked = enumerate(tests, 1)
    whens = " ".join(f"WHEN {test} THEN {number}" for number, test in asked if test != "false")
    return f"CASE {whens} ELSE 0 END" if whens else "0"


def _fits(column: str, kind: Type, value: str) -> str:
    same = f"({value}::VARCHAR IS NOT DISTINCT FROM {column})"
    match kind.kind:
        case Kind.NUMERIC:
            return _either(same, _declared_fits(column, kind))
        case Kind.REAL | Kind.DOUBLE:
            return _float_survives(column, kind, value, same)
        case Kind.DATE:
            return f"(length({column}) = 10 AND {same})"
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


def _declared_fits(column: str, kind: Type) -> str:
    if kind.long:
        return digits.fits(column, kind)
    places = rf"(\.[0-9]{{1,{kind.scale}}})?" if kind.scale else ""
    shape = rf"-?(0|[1-9][0-9]{{0,{max(kind.precision - kind.scale - 1, 0)}}}){places}"
    return f"({_matches(shape, column)} AND NOT {_signed_zero(column)})"


def _if(cheap: str, costly: str) -> str:
    # CASE asks the costly test only where the cheap one passed; AND would for every value.
    return f"CASE WHEN {cheap} THEN {costly} ELSE false END"


def _either(cheap: str, costly: str) -> str:
    # CASE looks at the costly test only where the cheap one failed; OR would for every value.
    return f"CASE WHEN {cheap} THEN true ELSE {costly} END"
