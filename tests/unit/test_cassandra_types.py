"""Which types of CQL columns get: only those that every value comes back from."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from myriad.cql import text
from myriad.cql.values import decode
from myriad.publish.cassandra.look import nested
from myriad.publish.cassandra.look.kinds import staged
from tests.spooling import spooled


def test_plain_values_get_the_types_of_cql(tmp_path: Path) -> None:
    uuid = "0b2a3c60-0000-4000-8000-00000000000f"
    content = (
        "small,big,huge,money,ratio,day,clock,at,id,yes,name\n"
        f"1,5000000000,{10**20},1.50,1e5,2024-02-29,x,2024-01-01T00:00:00.123Z,{uuid},true,é\n"
    )
    with spooled(tmp_path, "t.csv", content) as table:
        assert table.types() == {
            "small": "bigint",
            "big": "bigint",
            "huge": "varint",
            "money": "decimal",
            "ratio": "text",  # may be a name
            "day": "date",
            "clock": "text",
            "at": "timestamp",
            "id": "uuid",
            "yes": "boolean",
            "name": "text",
        }
        assert table.values("money") == [Decimal("1.50")]
        assert table.values("at") == [datetime(2024, 1, 1, microsecond=123_000, tzinfo=UTC)]


def test_microseconds_make_a_timestamp_text_because_cassandra_would_cut_them(
    tmp_path: Path,
) -> None:
    content = "at,zoned\n2024-01-01 00:00:00.000001,2024-01-01T02:00:00.123456+02:00\n"
    with spooled(tmp_path, "t.csv", content) as table:
        assert table.types() == {"at": "text", "zoned": "text"}
        assert table.values("at") == ["2024-01-01T00:00:00.000001"]
        assert table.values("zoned") == ["2024-01-01T00:00:00.123456Z"]
        assert "milliseconds, 1 values hold more" in table.why("at")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["10.0.0.1", "255.255.255.0"], "inet"),
        (["10.0.0.1", "2001:db8::1", "::"], "inet"),
        (["10.0.0.1", ""], "inet"),
        (["10.0.0.01"], "text"),
        (["256.0.0.1"], "text"),
        (["10.0.0.1", "host"], "text"),
        (["2001:DB8::1"], "text"),
        (["2001:db8:0::1"], "text"),
        (["::ffff:1.2.3.4"], "text"),  # Java makes 1.2.3.4 of it
        (["1.2.3"], "text"),
    ],
)
def test_addresses_are_inet_only_if_all_are_read_back_as_written(
    tmp_path: Path, values: list[str], kind: str
) -> None:
    content = "n,at\n" + "".join(f"{number},{value}\n" for number, value in enumerate(values))
    with spooled(tmp_path, "t.csv", content) as table:
        assert table.types()["at"] == kind
        if kind == "inet":
            (column,) = [column for column in table.columns if column.name == "at"]
            read = [decode(column.type, value) for value in table.values("at")]
            assert [str(value) if value else "" for value in read] == values


def _column(tmp_path: Path, values: list[Any]) -> tuple[str, str, list[Any]]:
    """Return the type that a column of JSON values gets, why, and the values from their bytes."""
    content = "".join(json.dumps({"n": n, "v": v}) + "\n" for n, v in enumerate(values))
    with spooled(tmp_path, "t.jsonl", content) as table:
        (column,) = [column for column in table.columns if column.name == "v"]
        made = table.values("v")
        read = [decode(column.type, value) for value in made] if column.nested else made
        return text.plain(column.type), column.why, read


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([["a", "b"], [], ["b", "a"], None], "frozen<list<text>>"),
        ([[1, 2**40], [3]], "frozen<list<bigint>>"),
        ([[2**70]], "frozen<list<varint>>"),
        ([[True], [False, True]], "frozen<list<boolean>>"),
        ([[[1], [2, 3]], []], "frozen<list<frozen<list<bigint>>>>"),
        ([{"a": 1, "b": "x"}, {"b": "y"}], "frozen<t_v>"),
        ([{"a": 1, "b": None}, {"a": 2, "b": None}], "frozen<t_v>"),
        ([[{"a": 1}], [{"a": 2}, {"a": 3}]], "frozen<list<frozen<t_v>>>"),
        ([{"2024-01-01": 1}, {"2024-01-02": 2}], "frozen<map<text, bigint>>"),
        ([{f"k{n}": [n]} for n in range(100)], "frozen<map<text, frozen<list<bigint>>>>"),
        ([["a", 1], ["b", None], [None, 2]], "frozen<tuple<text, bigint>>"),
        ([["a", "b"]] * 30, "frozen<set<text>>"),
        ([["a", "b"]] * 29 + [["b", "b"]], "frozen<list<text>>"),
    ],
)
def test_nested_json_becomes_types_from_which_it_comes_back(
    tmp_path: Path, values: list[Any], kind: str
) -> None:
    chosen, _, read = _column(tmp_path, values)
    assert chosen == kind
    assert [_plain(value) for value in read] == [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    """Return a value without nulls in objects, which are as good as missing; sets as lists."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items() if one is not None}
    if isinstance(value, (list, tuple, set, frozenset)):
        made = [_plain(one) for one in value]
        return sorted(made) if isinstance(value, (set, frozenset)) else made
    return value


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([["a", 1], ["b"]], "mixed"),
        ([[1, None], [2]], "a null in an array"),
        ([{"a": 1}, {"a": None}, {"b": 1}], "'a' is null in 1 and missing in 1"),
        ([{"a": 1}, ["a"]], "mixed: 1 objects, 1 arrays"),
        ([{f"k{n}": None if n % 2 else n} for n in range(100)], "which a map cannot hold"),
        ([{"a b": 1}, {"a b": "x"}], "mixed"),
        ([[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]], "nested deeper"),
    ],
)
def test_what_no_type_holds_stays_json_text_and_says_why(
    tmp_path: Path, values: list[Any], reason: str
) -> None:
    chosen, why, read = _column(tmp_path, values)
    assert chosen == "text"
    assert reason in why
    assert [json.loads(value) for value in read] == values


def test_decimals_in_json_stay_exact() -> None:
    found = nested.infer(["[1.10, 2]", "[0.1000000000000000000000001]"], "ks", "t_v")
    assert str(found.type) == "frozen<list<decimal>>"
    made = found.convert(nested.parse("[1.10, 2]"))
    assert made == [Decimal("1.10"), 2]
    assert str(made[0]) == "1.10"


def test_numbers_with_exponents_in_json_are_doubles_or_text() -> None:
    assert str(nested.infer(["[1e5, 2.5]"], "ks", "v").type) == "frozen<list<double>>"
    with pytest.raises(nested.NotNested, match="exponents"):
        nested.infer(["[1e5]", "[2.50000000000000000001, 1]"], "ks", "v")


def test_types_of_objects_are_made_from_the_inside_and_staged_as_tuples() -> None:
    found = nested.infer(['{"a": {"b": 1}, "c": [{"d": "x"}]}'], "ks", "t_v")
    assert text.create_types([found.type]) == [
        'CREATE TYPE IF NOT EXISTS "ks"."t_v_a" ("b" bigint)',
        'CREATE TYPE IF NOT EXISTS "ks"."t_v_c" ("d" text)',
        (
            'CREATE TYPE IF NOT EXISTS "ks"."t_v"'
            ' ("a" frozen<"ks"."t_v_a">, "c" frozen<list<frozen<"ks"."t_v_c">>>)'
        ),
    ]
    assert (
        str(staged(found.type))
        == "frozen<tuple<frozen<tuple<bigint>>, frozen<list<frozen<tuple<text>>>>>>"
    )
