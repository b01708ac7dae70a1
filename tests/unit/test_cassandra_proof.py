"""Keys are proven on all rows; what would be lost is said before anything is loaded."""

from pathlib import Path

import pytest

from myriad.errors import KeyRefused, TooManyRejects
from myriad.publish.cassandra.look import proof, suggest
from myriad.publish.keys import parse
from tests.spooling import Spooled, spooled

READINGS = "sensor,at,value\n" + "".join(
    f"s{sensor},2024-01-{day:02d},{sensor * day}\n" for sensor in range(30) for day in range(1, 31)
)


def test_a_key_under_which_rows_would_be_lost_is_refused_and_shows_some(tmp_path: Path) -> None:
    with (
        spooled(tmp_path, "t.csv", READINGS) as table,
        pytest.raises(KeyRefused, match="870 of 900 would be lost") as refused,
    ):
        table.prove("sensor")
    assert "sensor = 's0': 30 rows" in refused.value.message


def test_partitions_are_counted_and_measured(tmp_path: Path) -> None:
    with spooled(tmp_path, "t.csv", READINGS) as table:
        found = table.proof.partitions(table.prove("sensor/at"))
    assert (found.count, found.largest_rows, found.average_rows) == (30, 30, 30)
    assert 500 < found.largest_bytes < 1500


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("a", "a is null and in the key: so in 1 row"),
        ("b/a", "a is null and in the key"),
        ("b", "b is empty, and alone it is the partition's key: so in 1 row"),
    ],
)
def test_null_and_empty_in_the_key_are_refused_with_their_number(
    tmp_path: Path, key: str, reason: str
) -> None:
    with (
        spooled(tmp_path, "t.jsonl", '{"a": 1, "b": ""}\n{"b": "x"}\n{"a": 3, "b": "y"}\n') as t,
        pytest.raises(KeyRefused, match=reason) as refused,
    ):
        t.prove(key)
    assert "--max-rejects 1" in refused.value.hint


def test_rows_with_null_in_the_key_are_set_aside_where_rejects_are_allowed(tmp_path: Path) -> None:
    with spooled(tmp_path, "t.csv", "a,b\n1,x\n,y\n", max_rejects=1) as table:
        table.prove("a")
        assert table.spool.rows == 1
        (reject,) = table.rejects.kept
        assert (reject.raw, reject.reason) == ("a=None, b=y", "a is null and in the key")


def test_an_empty_text_may_be_a_part_of_a_partitions_key(tmp_path: Path) -> None:
    with spooled(tmp_path, "t.jsonl", '{"a": 1, "b": ""}\n{"a": 2, "b": "x"}\n') as table:
        table.prove("b,a")
        table.prove("a/b")


def test_a_cell_that_no_mutation_holds_is_a_reject(tmp_path: Path) -> None:
    content = "a,b\n1,x\n2," + "y" * 17_000_000 + "\n3,z\n"
    with spooled(tmp_path, "t.csv", content, max_rejects=1) as table:
        table.prove("a")
        assert table.spool.rows == 2
        (reject,) = table.rejects.kept
        assert "larger than the 16 MiB" in reject.reason
        assert len(reject.raw) <= 10_000


def test_a_key_longer_than_cassandra_takes_is_a_reject(tmp_path: Path) -> None:
    content = "a,b\n1,x\n2," + "y" * 65_536 + "\n3," + "z" * 65_535 + "\n"
    with spooled(tmp_path, "t.csv", content) as table:
        table.prove("b")
        assert table.spool.rows == 2
        with pytest.raises(TooManyRejects, match="longer than 65,535 bytes"):
            table.rejects.check()


@pytest.mark.parametrize(
    ("key", "size", "what"),
    [
        ("a,b", 65_535 - 6, "a, b are in the partition's key"),
        ("n/a,b", 65_535, "a, b are in the key behind the slash"),
        ("n,a,b", 65_535 - 9 - 8, "n, a, b are in the partition's key"),
    ],
)
def test_columns_of_a_key_that_are_too_long_together_are_rejects(
    tmp_path: Path, key: str, size: int, what: str
) -> None:
    rows = (f"{n},{'x' * 30_000},{'y' * (size - 30_000 + n)}\n" for n in (0, 1))
    with spooled(tmp_path, "t.csv", "n,a,b\n" + "".join(rows), max_rejects=1) as table:
        table.prove(key)
        (reject,) = table.rejects.kept
        assert reject.reason == f"{what}, together longer than 65,535 bytes"
        assert reject.raw.startswith("n=1, ")


def test_a_nested_column_cannot_be_in_a_key(tmp_path: Path) -> None:
    with (
        spooled(tmp_path, "t.jsonl", '{"a": [1], "b": 1}\n') as table,
        pytest.raises(KeyRefused, match=r"nested \(frozen<list<bigint>>\)"),
    ):
        table.prove("a")


def _large(rows: int, size: int, count: int) -> list[str]:
    found = proof.Partitions(count, rows, size, rows / 2, ("x",))
    return proof.warnings(parse("a/b"), found, rows * count)


def test_large_and_few_partitions_are_warned_about_with_numbers() -> None:
    assert _large(100_000, 10**8, 10) == []
    assert "a = x has 100,001 rows" in _large(100_001, 10, 10)[0]
    assert "101 MB" in _large(10, 101 * 10**6, 10)[0]
    assert "only 2 partitions for 120,000 rows" in _large(60_000, 10, 2)[0]


def _suggested(table: Spooled) -> str:
    return suggest.refuse(table.spool, table.columns, table.proof).message


def test_suggestions_are_keys_that_hold_on_all_rows(tmp_path: Path) -> None:
    with spooled(tmp_path, "t.csv", READINGS) as table:
        message = _suggested(table)
        keys = [line.split("--key ")[1] for line in message.splitlines() if "--key" in line]
        assert keys[0] == "sensor/at:desc"
        for key in keys:
            table.prove(key)
    assert "30 partitions of 30 rows on average, the largest has 30 rows" in message


def test_a_single_column_that_is_unique_is_suggested_alone(tmp_path: Path) -> None:
    content = "kind,id\n" + "".join(f"k{n % 7},{n}\n" for n in range(1000))
    with spooled(tmp_path, "t.csv", content) as table:
        message = _suggested(table)
    assert "--key id\n" in message
    assert "--key kind/id\n" in message


def test_amounts_are_no_keys_even_where_they_tell_rows_apart(tmp_path: Path) -> None:
    text = "city,day,kwh\nUlm,2024-01-01,5.5\nUlm,2024-01-02,6.25\nBonn,2024-01-01,1.5\n"
    with spooled(tmp_path, "t.csv", text) as table:
        message = _suggested(table)
    assert "--key city/day:desc\n" in message
    assert "kwh" not in message
    assert "bytes" in message  # and not 0.00003 MB


def test_a_near_unique_column_is_not_suggested_alone(tmp_path: Path) -> None:
    """The estimate of distinct values says unique; only the proof finds the one that is not."""
    content = "id,n\n" + "".join(f"{n},{n % 2}\n" for n in range(5000)) + "4999,0\n"
    with spooled(tmp_path, "t.csv", content) as table:
        assert "--key id\n" not in _suggested(table)


def test_rows_that_nothing_tells_apart_get_no_suggestion(tmp_path: Path) -> None:
    with spooled(tmp_path, "t.csv", "a,b\n1,x\n1,x\n") as table:
        assert "tell its 2 rows apart" in _suggested(table)
