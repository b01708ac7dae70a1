"""Which type a column of text gets: the narrowest from which every value comes back."""

import json
import random
import statistics
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from myriad.model import Kind, Type
from myriad.sources.base import Workspace
from myriad.sources.typing import casts, duck, plain, text_columns
from myriad.sources.typing.sql import quoted

YEARS = 60_000  # days, beginning in 1900
NUL = r"\u0000"

CASES: dict[str, tuple[str, list[str | None]]] = {
    "nothing at all": ("text", []),
    "nulls only": ("text", [None, None]),
    "nulls among numbers": ("bigint", [None, "1", None]),
    "an empty string is a value": ("text", ["1", ""]),
    "blanks around a number": ("text", ["1", " 2"]),
    "a blank alone": ("text", ["1", " "]),
    "small numbers": ("bigint", ["0", "-9999", "9999"]),
    "a billion": ("bigint", ["1000000000"]),
    "the largest bigint": ("bigint", ["9223372036854775807", "-9223372036854775808"]),
    "one above the largest bigint": ("numeric", ["9223372036854775808"]),
    "20 digits": ("numeric", ["12345678901234567890"]),
    "38 digits": ("numeric", ["9" * 38]),
    "40 digits": ("numeric", ["1234567890" * 4, "-7"]),
    "1,000 digits": ("numeric", ["9" * 1000]),
    "more digits than a type can name": ("text", ["9" * 1001]),
    "1,000 places": ("numeric", ["0." + "1" * 1000, "1" * 1000]),
    "more places than a type can name": ("text", ["0." + "1" * 1001]),
    "leading zeros": ("text", ["007", "123"]),
    "two zeros": ("text", ["00", "1"]),
    "a plus sign": ("text", ["+1", "2"]),
    "minus nothing": ("double precision", ["-0", "1"]),
    "minus nothing with places": ("double precision", ["-0.00", "1.25"]),
    "thousands separators": ("text", ["1,234", "5"]),
    "underscores": ("text", ["1_000", "5"]),
    "hexadecimal": ("text", ["0x1F", "5"]),
    "full-width digits": ("text", ["\uff11\uff12", "3"]),
    "Arabic digits": ("text", ["\u0661\u0662", "3"]),
    "a newline after a number": ("text", ["1\n", "2"]),
    "ids that look like exponents among others": ("text", ["1E5", "12A"]),
    "ids that all look like exponents": ("text", ["1E5", "2E7", "10E3"]),
    "exponents with signs": ("double precision", ["1e-5", "1.5"]),
    "decimals with exponents": ("double precision", ["1.5E5", "2"]),
    "a shortest double": ("double precision", ["0.30000000000000004", "1e-7"]),
    "17 digits as C writes them": ("double precision", ["0.10000000000000001", "1.5e-5"]),
    "16 digits that a double does not hold": ("text", ["9007199254740993", "1.5e-5"]),
    "17 digits that a double does not hold": ("text", ["0.12345678901234567", "1.5e-5"]),
    "20 digits with an exponent": ("text", ["1.2345678901234567890e5", "1.5"]),
    "too large for a double": ("text", ["1.5e400", "1.5"]),
    "too small for a double": ("text", ["1.5e-400", "1.5"]),
    "zero with an exponent": ("double precision", ["0.0e0", "1.5e3"]),
    "NaN and Infinity": ("double precision", ["NaN", "Infinity", "-Infinity", "1.5"]),
    "nan is a name": ("text", ["nan", "1.5"]),
    "decimals": ("numeric", ["1.50", "2.25"]),
    "decimals of mixed scale": ("numeric", ["1.5", "2.25", "3", "-0.125"]),
    "38 digits around the point": ("numeric", ["1" * 20 + "." + "2" * 18]),
    "39 digits around the point": ("numeric", ["1" * 20 + "." + "2" * 19]),
    "long apart, longer together": ("numeric", ["1" * 30, "0." + "2" * 10]),
    "a point without digits before": ("text", [".5", "1.5"]),
    "a point without digits after": ("text", ["5.", "1.5"]),
    "a comma for a point": ("numeric", ["1,5", "2,5"]),
    "true and false": ("boolean", ["true", "FALSE", "True"]),
    "t and f": ("boolean", ["t", "f"]),
    "yes and no": ("boolean", ["yes", "no"]),
    "0 and 1 are numbers": ("bigint", ["0", "1"]),
    "ISO dates": ("date", ["2024-02-29", "1999-12-31"]),
    "a year of five digits": ("text", ["2024-01-01", "12024-01-01"]),
    "year 0": ("text", ["0000-01-01", "2024-01-01"]),
    "year 1": ("date", ["0001-01-01"]),
    "before Christ": ("text", ["2024-01-01", "0044-03-15 (BC)"]),
    "Feb 30": ("text", ["2024-02-30", "2024-02-01"]),
    "Feb 29 of a common year": ("text", ["2023-02-29"]),
    "dates without leading zeros": ("date", ["2024-1-5"]),
    "infinity is no date": ("text", ["2024-01-01", "infinity"]),
    "mixed orders": ("text", ["13/01/2024", "01/13/2024"]),
    "an order that nothing proves": ("text", ["03/04/2024", "05/06/2024"]),
    "an order that nothing proves, with points": ("text", ["03.04.2024", "05.06.2024"]),
    "day first": ("date", ["13/01/2024", "03/04/2024"]),
    "month first": ("date", ["01/13/2024", "03/04/2024"]),
    "day first with points": ("date", ["31.12.2023", "03.04.2024"]),
    "year first with slashes": ("date", ["2024/03/04", "2024/12/31"]),
    "mixed marks": ("text", ["31.12.2023", "31/12/2023"]),
    "day first, Feb 30": ("text", ["30/02/2024", "13/01/2024"]),
    "day first, year 0": ("text", ["13/01/0000", "13/01/2024"]),
    "years of two digits": ("text", ["13/01/24", "14/01/24"]),
    "timestamps": ("timestamp", ["2024-01-01 10:00:00", "2024-01-01T23:59:59.123456"]),
    "timestamps without seconds": ("timestamp", ["2024-01-01 10:00"]),
    "dates and timestamps": ("text", ["2024-01-01", "2024-01-01 10:00:00"]),
    "a leap second": ("text", ["2016-12-31 23:59:60"]),
    "24 o'clock": ("text", ["2024-01-01 24:00:00"]),
    "nanoseconds": ("text", ["2024-01-01 10:00:00.123456789"]),
    "year 0 with a clock": ("text", ["0000-01-01 10:00:00"]),
    "Feb 30 with a clock": ("text", ["2024-02-30 10:00:00"]),
    "offsets": ("timestamptz", ["2024-01-01T10:00:00Z", "2024-01-01 10:00:00+02:00"]),
    "short offsets": ("timestamptz", ["2024-01-01 10:00:00+02", "2024-01-01 10:00:00-0530"]),
    "with and without offset": ("text", ["2024-01-01 10:00:00Z", "2024-01-01 10:00:00"]),
    "named zones": ("text", ["2024-01-01 10:00:00 Europe/Berlin"]),
    "an offset of a day": ("text", ["2024-01-01 10:00:00+24:00"]),
    "year 0 with an offset": ("text", ["0000-12-31 23:00:00Z"]),
    "clocks alone": ("text", ["10:00", "23:59"]),
    "JSON with commas and NaN in strings": ("jsonb", [r'{"a": ",]", "NaN": "\",} inf"}']),
    "UUIDs": ("uuid", ["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]),
    "upper-case UUIDs": ("text", ["6BA7B810-9DAD-11D1-80B4-00C04FD430C8"]),
    "UUIDs in braces": ("text", ["{6ba7b810-9dad-11d1-80b4-00c04fd430c8}"]),
    "UUIDs without dashes": ("text", ["6ba7b8109dad11d180b400c04fd430c8"]),
    "JSON": ("jsonb", ['{"a": [1, 2.5, null, "ü"]}', "[]", " {} "]),
    "JSON that escapes letters": ("jsonb", [r'{"a": "\u00fc\n"}']),
    "JSON with a bare number": ("text", ['{"a": 1}', "1"]),
    "JSON with duplicate keys": ("text", ['{"a": 1, "a": 2}']),
    "JSON with duplicate keys far inside": ("text", ['[{"a": {"b": 1, "b": 2}}]']),
    "JSON with keys that are equal when unescaped": ("text", ['{"a": 1, "' + r"\u0061" + '": 2}']),
    "JSON with equal keys in different places": ("jsonb", ['{"a": {"a": 1}, "b": {"a": 2}}']),
    "JSON with keys that look like paths": ("jsonb", ['{"a.b": 1, "a": {"b": 2}, "": {"x": 3}}']),
    "JSON with NaN": ("text", ['{"a": NaN}']),
    "JSON with a trailing comma": ("text", ['{"a": 1,}']),
    "JSON with a comment": ("text", ['{"a": 1} // note']),
    "JSON with single quotes": ("text", ["{'a': 1}"]),
    "JSON with the character zero": ("text", ['{"a": "' + NUL + '"}']),
    "two JSON values": ("text", ["{} {}"]),
    "JSON cut short": ("text", ['{"a": 1']),
    "a quote": ("text", ["'"]),
    "SQL": ("text", ["'); DROP TABLE x; --"]),
}


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with duck.connect(Workspace(tmp_path_factory.mktemp("duck"), 150)) as connection:
        yield connection


def fill(con: duckdb.DuckDBPyConnection, values: Sequence[str | None]) -> None:
    con.execute('CREATE OR REPLACE TABLE probe ("a ""column""" VARCHAR)')
    if values:
        con.execute("INSERT INTO probe SELECT unnest(?::VARCHAR[])", [list(values)])


COLUMN = 'a "column"'


@pytest.mark.parametrize(("expected", "values"), CASES.values(), ids=CASES)
def test_a_column_gets_the_narrowest_type_that_loses_nothing(
    con: duckdb.DuckDBPyConnection, expected: str, values: list[str | None]
) -> None:
    fill(con, values)
    (found,) = text_columns.guess(con, "probe", [COLUMN])
    assert str(found.type) == expected, found.why
    assert found.why


@pytest.mark.parametrize(("expected", "values"), CASES.values(), ids=CASES)
def test_the_proof_while_reading_agrees_with_the_choice(
    con: duckdb.DuckDBPyConnection, expected: str, values: list[str | None]
) -> None:
    fill(con, values)
    (found,) = text_columns.guess(con, "probe", [COLUMN])
    name = quoted(COLUMN)
    query = f"SELECT count(*) FROM probe WHERE {casts.mismatch(name, found.type)}"
    assert con.execute(query).fetchall() == [(0,)], expected


@pytest.mark.parametrize("columns", [3, casts.WIDE + 10])
def test_a_row_says_which_of_its_values_is_the_first_that_does_not_fit(
    con: duckdb.DuckDBPyConnection, columns: int
) -> None:
    names, kinds = [f"c{at}" for at in range(columns)], [Type(Kind.BIGINT)] * columns
    rows = ["1"] * columns, [*["1"] * (columns - 2), "x", "01"], [*[None] * (columns - 1), "01"]
    con.execute(f"CREATE OR REPLACE TABLE probe ({', '.join(f'{name} VARCHAR' for name in names)})")
    con.executemany(f"INSERT INTO probe VALUES ({', '.join('?' * columns)})", rows)
    query = f"SELECT wrong FROM ({casts.values(names, kinds, 'probe')})"
    assert con.execute(query).fetchall() == [(0,), (columns - 1,), (columns,)]


@pytest.mark.parametrize("column", ["person 1", "123456", "2024-01-31", "1.25"])
def test_no_test_of_a_type_throws_an_error_for_each_value(
    con: duckdb.DuckDBPyConnection, column: str
) -> None:
    fill(con, [column] * 50_000)
    took = {}
    for name, test in casts.TESTS.items():
        began = time.process_time()
        con.execute(f"SELECT count_if({test(quoted(COLUMN))}) FROM probe").fetchall()
        took[name] = time.process_time() - began
    assert max(took.values()) < 10 * (statistics.median(took.values()) + 0.005), took


def test_the_reason_names_a_value_that_does_not_fit(con: duckdb.DuckDBPyConnection) -> None:
    fill(con, ["1", "2", "3", "none"])
    (found,) = text_columns.guess(con, "probe", [COLUMN])
    assert (
        found.why
        == "3 of 4 are whole numbers, 1 is not, such as 'none'; --null none makes that null"
    )


def test_dates_that_could_be_read_twice_are_named(con: duckdb.DuckDBPyConnection) -> None:
    fill(con, ["03/04/2024"])
    (found,) = text_columns.guess(con, "probe", [COLUMN])
    assert found.why == (
        "dates whose day and month cannot be told apart; --dates dmy or --dates mdy decides"
    )


def _day(random_: random.Random) -> date:
    return date(1900, 1, 1) + timedelta(days=random_.randrange(YEARS))


def _clock(random_: random.Random) -> str:
    micros = random_.choice(["", f".{random_.randrange(10**6):06}", f".{random_.randrange(10)}"])
    return (
        f"{random_.randrange(24):02}:{random_.randrange(60):02}:{random_.randrange(60):02}{micros}"
    )


def _double(random_: random.Random) -> str:
    (value,) = struct.unpack("<d", random_.randbytes(8))
    return repr(value) if value == value and abs(value) != float("inf") else "NaN"  # noqa: PLR0124


MAKERS: dict[Kind, Callable[[random.Random], str]] = {
    Kind.BIGINT: lambda r: str(r.randrange(-(2**63), 2**63)),
    Kind.NUMERIC: lambda r: f"{r.randrange(-(10**28), 10**28)}.{r.randrange(10**6)}",
    Kind.DOUBLE: _double,
    Kind.BOOLEAN: lambda r: r.choice(["true", "false"]),
    Kind.DATE: lambda r: _day(r).isoformat(),
    Kind.TIMESTAMP: lambda r: f"{_day(r)} {_clock(r)}",
    Kind.TIMESTAMPTZ: lambda r: (
        f"{_day(r)}T{_clock(r)}{r.choice('+-')}{r.randrange(15):02}:{r.randrange(60):02}"
    ),
    Kind.UUID: lambda r: "-".join(r.randbytes(n).hex() for n in (4, 2, 2, 2, 6)),
    Kind.JSONB: lambda r: json.dumps({str(r.random()): [r.random(), {"ä": r.choice([None, ""])}]}),
    Kind.TEXT: lambda r: "".join(r.choice("0127.-+eE aü/:\"'\n") for _ in range(r.randrange(6))),
}


def _same(kind: Type, value: str, arrived: Any) -> bool:
    """Whether what the batches carry means the very value that the source has."""
    match kind.kind:
        case Kind.BOOLEAN:
            return bool(arrived == (value == "true"))
        case Kind.NUMERIC:
            return bool(arrived == Decimal(value))
        case Kind.DOUBLE:
            return value == "NaN" or struct.pack("<d", arrived) == struct.pack("<d", float(value))
        case Kind.TIMESTAMP:
            return bool(arrived == datetime.fromisoformat(value))
        case Kind.TIMESTAMPTZ:
            return bool(arrived.astimezone(UTC) == datetime.fromisoformat(value).astimezone(UTC))
        case Kind.UUID:
            return bool(arrived.hex() == value.replace("-", ""))
        case _:
            return str(arrived) == value


@pytest.mark.parametrize("kind", MAKERS)
def test_every_value_comes_back_from_the_type_that_was_chosen(
    con: duckdb.DuckDBPyConnection, kind: Kind
) -> None:
    random_ = random.Random(kind)
    values = [MAKERS[kind](random_) for _ in range(2000)]
    fill(con, values)
    (found,) = text_columns.guess(con, "probe", [COLUMN])
    assert found.type.kind is kind, found.why
    name = quoted(COLUMN)
    query = f"SELECT {name} AS source, {casts.cast(name, found.type)} AS arrived FROM probe"
    table = con.sql(query).to_arrow_table()
    rows = list(zip(table["source"].to_pylist(), table["arrived"].to_pylist(), strict=True))
    assert len(rows) == len(values)
    assert [row for row in rows if not _same(found.type, *row)] == []


def _mixed(random_: random.Random) -> list[str]:
    """Values of one kind, now and then with one that does not belong."""
    makers = random_.sample(list(MAKERS.values()), 2)
    values = [makers[0](random_) for _ in range(random_.randrange(1, 8))]
    return [*values, makers[1](random_)] if random_.random() < 0.5 else values


def test_what_the_choice_accepts_is_what_the_proof_accepts(con: duckdb.DuckDBPyConnection) -> None:
    random_ = random.Random(1)
    columns = [_mixed(random_) for _ in range(150)]
    for values in columns:
        fill(con, values)
        (found,) = text_columns.guess(con, "probe", [COLUMN])
        name = quoted(COLUMN)
        wrong = con.execute(
            f"SELECT {name} FROM probe WHERE {casts.mismatch(name, found.type)}"
        ).fetchall()
        assert wrong == [], (values, found)


WRONG = {
    Type(Kind.SMALLINT): ["32768", "01", "1.0", "-0", "x"],
    Type(Kind.BIGINT): ["9223372036854775808", "1e3"],
    Type(Kind.NUMERIC, 18, 2): ["1.234", "12345678901234567.00", "1e2", "-0.00", "01.50"],
    Type(Kind.DOUBLE): ["1e999", "9007199254740993", "inf", "0x1p3"],
    Type(Kind.BOOLEAN): ["1", "yes", "T"],
    Type(Kind.DATE): ["2024-02-30", "13/01/2024", "2024-01-01 00:00:00"],
    Type(Kind.DATE, format="%d/%m/%Y"): ["01/13/2024", "2024-01-02"],
    Type(Kind.TIMESTAMP): ["2024-01-01", "2024-01-01 10:00:00Z", "2024-01-01 10:00:00.1234567"],
    Type(Kind.TIMESTAMPTZ): ["2024-01-01 10:00:00", "2024-01-01 10:00:00+16:00"],
    Type(Kind.UUID): ["6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "x"],
    Type(Kind.JSONB): ["1", '{"a":1,"a":2}', '[{"a":1,"a":2}]', "{"],
}


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        (None, "2024-01-02", Kind.DATE),  # nothing to learn from the first
        ("1", "1.5", Kind.NUMERIC),
        ("1.5", "1e-5", Kind.DOUBLE),
        ("1", "x", Kind.TEXT),
        ("x", "1", Kind.TEXT),
    ],
)
def test_what_comes_after_the_first_values_counts_as_much(
    con: duckdb.DuckDBPyConnection, first: str | None, later: str, expected: Kind
) -> None:
    fill(con, [*[first] * plain.FIRST_ROWS, later])
    (found,) = text_columns.guess(con, "probe", [COLUMN])
    assert found.type.kind is expected


@pytest.mark.parametrize("kind", WRONG, ids=str)
def test_a_value_that_the_type_would_change_is_a_mismatch(
    con: duckdb.DuckDBPyConnection, kind: Type
) -> None:
    values = WRONG[kind]
    fill(con, [*values, None])
    name = quoted(COLUMN)
    query = f"SELECT {name} FROM probe WHERE {casts.mismatch(name, kind)}"
    assert {row[0] for row in con.execute(query).fetchall()} == set(values)


def test_no_value_reaches_the_file_system(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("42")
    fill(con, [f"'||(SELECT content FROM read_text('{secret}'))||'"])
    (found,) = text_columns.guess(con, "probe", [COLUMN])
    assert found.type.kind is Kind.TEXT


LOOKS = {
    "a lone culprit": (
        ["1", "2", "none", "none"],
        "2 are not, such as 'none'; --null none makes that null",
    ),
    "a culprit with a blank": (["1.5", "2", "not known"], "--null 'not known' makes that null"),
    "several culprits": (["1", "2", "x", "y"], "2 of 4 are whole numbers, 2 are not, such as "),
    "words": (["a", "b"], "text"),
}


@pytest.mark.parametrize(("values", "said"), LOOKS.values(), ids=LOOKS)
def test_the_reason_for_text_helps(
    con: duckdb.DuckDBPyConnection, values: list[str], said: str
) -> None:
    fill(con, values)
    (found,) = text_columns.guess(con, "probe", [COLUMN])
    assert said in found.why
