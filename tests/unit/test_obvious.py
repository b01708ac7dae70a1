"""What is obvious without SQL is what the SQL finds."""

import random
from collections.abc import Iterator, Sequence

import duckdb
import pytest

from myriad.sources.typing import plain
from myriad.sources.typing.casts import ALL_TESTS

PIECES = (
    *("0", "1", "-1", "42", "-0", "00", "007", "999999999999999", "9999999999999999", "+1"),
    *("1.5", "-0.0", "1e5", "1E-3", ".5", "5.", "1,5", "1 000", "NaN", "-Infinity", "infinity"),
    *("2024-01-31", "2024-02-30", "0000-01-01", "9999-12-31", "2024-W01-1", "20240131"),
    *("2024-01-31 10:00", "2024-01-31T10:00:00Z", "10:00", "12-01-2024", "2024-1-31"),
    *("t", "F", "true", "False", "TRUE", "yes", "no", "NA", "null", "n/a", "", " ", " x", "-", "x"),
    *("Dr. No", "a.b", "e+1", "E-1x", "Zürich", "\u017f", "İ", "K", "ﬀ", "ⅷ", "一", "٣", "²"),
    *(
        "a\x00b",
        "{}",
        "[1]",
        "a{}",
        '{"a": 1}',
        "b4f0c1a2-0000-4000-8000-00000000000a",
        "x" * 36,
        "e5",
    ),
    *("a23e4567-e89b-12d3-a456-426614174000", "A23E4567-E89B-12D3-A456-426614174000", "epoch"),
)
ROWS = 12


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute("SET TimeZone = 'UTC'")
        yield made


def agree(con: duckdb.DuckDBPyConnection, columns: Sequence[Sequence[str | None]]) -> None:
    """Fail unless what is found of each column at first is what the SQL alone finds of it."""
    names = [f"c{number}" for number in range(len(columns))]
    values = ", ".join(f"unnest(${number + 1}::VARCHAR[]) AS {n}" for number, n in enumerate(names))
    con.execute(f"CREATE OR REPLACE TEMP TABLE t AS SELECT {values}", list(columns))
    proven = dict(zip(names, plain._look_turned(con, "t", names, ALL_TESTS), strict=True))  # noqa: SLF001 - there is no other way to both
    for name, column in zip(names, columns, strict=True):
        (first,) = plain._first(con, f"(SELECT {name} FROM t)", [name])  # noqa: SLF001
        assert first == proven[name], column


def test_a_value_is_what_the_sql_says(con: duckdb.DuckDBPyConnection) -> None:
    agree(con, [[value, None] for value in PIECES])


def test_values_together_are_what_the_sql_says(con: duckdb.DuckDBPyConnection) -> None:
    chance = random.Random(7)
    pieces = [(*chance.sample(PIECES, 3), None) for _ in range(60)]
    agree(con, [[chance.choice(some) for _ in range(ROWS)] for some in pieces])


def test_plain_values_need_no_sql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(plain, "_look_turned")
    with duckdb.connect() as con:
        rows = "(VALUES ('1', 'Ada', '2024-01-31'), ('-20', 'NA', NULL)) AS t(a, b, c)"
        found = plain._first(con, rows, ["a", "b", "c"])  # noqa: SLF001
    assert [sorted(test for test, n in seen.passed.items() if n) for seen in found] == [
        ["decimal", "double", "whole"],
        [],
        ["date"],
    ]
