"""JSON documents: where their records are, and what becomes of what is nested in them."""

import datetime as dt
import json
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from myriad.errors import SourceError
from tests.apart import notes, opened, rejected, table, tables

ORDERS = {
    "count": 2,
    "results": [
        {"id": 7, "who": {"name": "Rose", "at": "2024-01-02"}, "items": [{"n": 1}, {"n": 2}]},
        {"id": 8, "who": {"name": "Bo"}, "items": []},
    ],
}


def written(folder: Path, text: str | object, name: str = "d.json") -> Path:
    path = folder / name
    path.write_text(text if isinstance(text, str) else json.dumps(text, indent=1))
    return path


@pytest.mark.parametrize(
    "text",
    [
        '[{"a": 1}, {"a": 2}]',
        '{"a": 1}\n{"a": 2}\n',
        '{"a": 1}{"a": 2}',
        '{\n "a": 1\n}\n{\n "a": 2\n}',
        '{"a": 1}\n\n{\n "a": 2\n}\n',
        '{"next": null, "data": [{"a": 1}, {"a": 2}]}',
        '{"data": {"rows": [\n{"a": 1},\n{"a": 2}\n]}, "more": {"x": [1, 2]}}',
        '["a"]\n[1]\n[2]\n',
        '[["a"], [1], [2]]',
        '\ufeff{"data":\r\n[{"a": 1},\r\n{"a": 2}]}\r\n',
    ],
    ids=[
        "array",
        "lines",
        "in a row",
        "pretty",
        "a line, then pretty",
        "within",
        "deep",
        "arrays",
        "arrays in one",
        "mark",
    ],
)
def test_records_are_found_however_they_stand(text: str, tmp_path: Path) -> None:
    assert table(written(tmp_path, text), tmp_path / "w") == ({"a": "bigint"}, [(1,), (2,)])


def test_one_object_without_a_list_is_one_record(tmp_path: Path) -> None:
    path = written(tmp_path, {"a": 1, "b": {"c": [1, 2]}})
    assert table(path, tmp_path / "w")[1] == [(1, {"c": [1, 2]})]


def test_a_line_of_a_file_of_lines_stays_one_record(tmp_path: Path) -> None:
    path = written(tmp_path, '{"id": 1, "items": [{"n": 1}, {"n": 2}]}\n', "d.jsonl")
    assert table(path, tmp_path / "w")[1] == [(1, [{"n": 1}, {"n": 2}])]


def test_several_lists_must_be_chosen_among(tmp_path: Path) -> None:
    path = written(tmp_path, {"a": [{"x": 1}], "b.c": [{"y": 2}], "d": {"e": [{"z": 3}]}})
    work = tmp_path / "w"
    with pytest.raises(SourceError, match=r"several lists of records: a, /b\.c, d\.e") as caught:
        opened(path, work)
    assert "--records a" in caught.value.hint
    assert table(path, work, records="d.e")[1] == [(3,)]
    assert table(path, work, records="/b.c")[1] == [(2,)]
    assert len(table(path, work, records=".")[0]) == 3
    with pytest.raises(SourceError, match="no list of objects at 'd'"):
        opened(path, work, records="d")


def test_what_was_left_out_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, ORDERS)
    told = notes(path, tmp_path / "w")
    assert "the records are those of results" in told
    assert "nested values are jsonb" in told


def test_objects_become_columns(tmp_path: Path) -> None:
    kinds, values = table(written(tmp_path, ORDERS), tmp_path / "w", nested="columns")
    assert kinds == {"id": "bigint", "who.name": "text", "who.at": "date", "items": "jsonb"}
    assert values[0] == (7, "Rose", dt.date(2024, 1, 2), [{"n": 1}, {"n": 2}])


def test_keys_with_dots_and_empty_objects_lose_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, [{"a.b": 1, "a": {"b": 2, "c": {}}}, {"a": {"b": 3}}])
    kinds, values = table(path, tmp_path / "w", nested="columns")
    assert list(kinds) == ["a.b", "a.b_", "a.c"]
    assert values == [(1, 2, {}), (None, 3, None)]


def test_arrays_of_objects_become_tables_with_the_key_of_their_record(tmp_path: Path) -> None:
    records = [
        {"id": 7, "items": [{"n": 1, "off": [{"p": 0.5}, {"p": 2}]}, {"n": 2}], "tags": ["x"]},
        {"id": 8, "items": []},
        {"id": 9, "items": [{"n": 3, "off": None}]},
    ]
    path = written(tmp_path, records)
    found = {
        name: values for name, (_, values) in tables(path, tmp_path / "w", nested="tables").items()
    }
    assert found == {
        "d": [(7, ["x"]), (8, None), (9, None)],
        "d_items": [(7, 1, 1), (7, 2, 2), (9, 1, 3)],
        "d_items_off": [(7, 1, 1, Decimal("0.5")), (7, 1, 2, Decimal(2))],
    }
    keys = [source.table for source in opened(path, tmp_path / "w", nested="tables")]
    assert [t.primary_key for t in keys] == [
        ("id",),
        ("d.id", "position"),
        ("d.id", "items.position", "position"),
    ]
    assert [(k.table, k.columns, k.target) for t in keys for k in t.foreign_keys] == [
        ("d", ("d.id",), ("id",)),
        ("d_items", ("d.id", "items.position"), ("d.id", "position")),
    ]


@pytest.mark.parametrize(
    ("records", "options", "key"),
    [
        ([{"id": 1, "l": [{"x": 1}]}, {"id": 1, "l": []}], {}, ("record",)),
        ([{"id": 1, "l": [{"x": 1}]}, {"l": []}], {}, ("record",)),
        ([{"record": 5, "l": [{"x": 1}]}], {}, ("record_",)),
        ([{"_id": "a", "id": 1, "l": [{"x": 1}]}], {}, ("_id",)),
        ([{"Nr": 1, "id": 2, "l": [{"x": 1}]}], {"key": ("nr",)}, ("Nr",)),
    ],
    ids=["twice", "missing", "taken", "two", "said"],
)
def test_what_names_a_record_is_its_id_what_was_said_or_a_number(
    records: Any, options: Any, key: tuple[str, ...], tmp_path: Path
) -> None:
    first, second = opened(written(tmp_path, records), tmp_path / "w", nested="tables", **options)
    assert first.table.primary_key == key
    assert len(second.table.columns) == 3


def test_arrays_with_anything_but_objects_stay_as_they_are(tmp_path: Path) -> None:
    records = [{"id": n, "l": [{"x": 1}]} for n in range(20_000)]
    records.append({"id": -1, "l": [{"x": 1}, 5]})
    found = tables(written(tmp_path, records), tmp_path / "w", nested="tables")
    assert list(found) == ["d"]
    assert found["d"][1][-1] == (-1, [{"x": 1}, 5])


@pytest.mark.parametrize("other", ["none", "", 5, False, {}, [5]], ids=repr)
def test_what_is_an_array_in_one_record_and_something_else_in_another_loses_nothing(
    other: Any, tmp_path: Path
) -> None:
    records = [{"id": 1, "l": [{"x": 1}]}, {"id": 2, "l": other}]
    found = tables(written(tmp_path, records), tmp_path / "w", nested="tables")
    assert {name: rows for name, (_, rows) in found.items()} == {"d": [(1, [{"x": 1}]), (2, other)]}


def test_numbers_that_are_none_are_doubles(tmp_path: Path) -> None:
    kinds, values = table(
        written(tmp_path, '{"v": 1.5}\n{"v": -Infinity}\n{"v": NaN}\n'), tmp_path / "w"
    )
    assert kinds == {"v": "double precision"}
    assert str(values) == "[(1.5,), (-inf,), (nan,)]"
    path = written(tmp_path, '{"v": [NaN]}\n{"v": {"a": 1}}\n')
    assert table(path, tmp_path / "w")[1] == [(["NaN"],), ({"a": 1},)]


MARKED = {
    "_id": {"$oid": "65a1b2c3d4e5f60718293a4b"},
    "when": {"$date": {"$numberLong": "1704164645006"}},
    "iso": {"$date": "2024-01-02T03:04:05Z"},
    "long": {"$numberLong": "1152921504606846976"},
    "price": {"$numberDecimal": "1.10"},
    "ratio": {"$numberDouble": "NaN"},
    "data": {"$binary": {"base64": "eHl6", "subType": "00"}},
    "old": {"$binary": "eHl6", "$type": "00"},
    "u": {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAQ==", "subType": "04"}},
    "sub": {"at": {"$date": "2024-01-02T03:04:05Z"}, "b": {"$binary": "eHl6", "$type": "00"}},
}


def test_what_mongoexport_writes_becomes_what_it_stands_for(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps(MARKED) + "\n")
    kinds, values = table(path, tmp_path / "w")
    assert list(kinds.values()) == [
        *("text", "timestamptz", "timestamptz", "bigint", "numeric", "double precision"),
        *("bytea", "bytea", "uuid", "jsonb"),
    ]
    moment = dt.datetime(2024, 1, 2, 3, 4, 5, 6000, tzinfo=dt.UTC)
    assert values[0][:2] == ("65a1b2c3d4e5f60718293a4b", moment)
    assert values[0][3:5] == (2**60, Decimal("1.10"))
    assert values[0][6:] == (
        b"xyz",
        b"xyz",
        uuid.UUID(int=1),
        {"at": "2024-01-02T03:04:05Z", "b": "eHl6"},
    )
    assert "Extended JSON" in notes(path, tmp_path / "w")


def test_a_record_that_is_only_a_value_of_mongodb_is_a_reject(tmp_path: Path) -> None:
    path = written(tmp_path, '{"a": {"$numberLong": "1"}}\n{"$numberLong": "2"}\n')
    count, rejects = rejected(path, tmp_path / "w")
    assert (count, [(each.line, each.reason) for each in rejects]) == (1, [(2, "not an object")])


def test_values_of_mongodb_in_an_array_are_no_records(tmp_path: Path) -> None:
    path = written(tmp_path, {"l": [{"$numberInt": "1"}, {"$oid": "65a1b2c3d4e5f60718293a4b"}]})
    assert table(path, tmp_path / "w")[1] == [([1, "65a1b2c3d4e5f60718293a4b"],)]


@pytest.mark.parametrize(
    "value",
    [
        {"$date": "soon"},
        {"$numberLong": "x"},
        {"$binary": {"base64": "?"}},
        {"$oid": 7},
        {"$numberDecimal": {"a": 1}},
        {"$date": {"$numberLong": None}},
    ],
)
def test_an_extended_value_that_is_none_is_a_reject(value: Any, tmp_path: Path) -> None:
    lines = [{"a": {"$numberLong": "1"}}, {"a": value}, {"a": {"$numberLong": "3"}}]
    path = written(tmp_path, "".join(json.dumps(line) + "\n" for line in lines))
    count, rejects = rejected(path, tmp_path / "w")
    assert (count, [reject.line for reject in rejects]) == (2, [2])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"data": [{"a": 1}, {"a": 2}', "expected ',' or ']', found the end of the file"),
        ('{"data": [{"a": 1}, {"a": ]}', "not valid JSON"),
        ('{"data": [{"a": 1}]', "found the end of the file"),
        ('{\n"a": 1,\n}', "not valid JSON"),
        ('{"a": 1}{"a": 2}{"a"', "not valid JSON"),
        ('{\n"a": 1\n', "found the end of the file"),
        ('{\n"a" 1}', "expected ':'"),
        ('[["a", "b"], [1, 2], [3]]', "has 1 value for 2 columns"),
        ("{" + '"a":{' * 500 + "}" * 501, "nested"),
        ('[{"a": 1}] [{"a": 2}]', "more after the array"),
    ],
)
def test_a_broken_document_is_refused_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="line") as caught:
        table(written(tmp_path, text), tmp_path / "w")
    assert said in caught.value.message
    assert caught.value.hint


def test_a_document_of_any_size_is_read_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    with path.open("w") as file:
        file.write('{"other": [' + "1," * 1_000_000 + '1], "data": [')
        file.write(",".join(f'{{"id": {n}, "t": "[{{,"}}' for n in range(10_000)) + "]}")
    kinds, values = table(path, tmp_path / "w")
    assert (list(kinds), len(values), values[-1]) == (["id", "t"], 10_000, (9_999, "[{,"))


def test_too_many_tables_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, [{f"l{n}": [{"x": 1}] for n in range(150)}])
    with pytest.raises(SourceError, match="more than 100 tables"):
        opened(path, tmp_path / "w", nested="tables")
