"""Parquet and JSON Lines come into PostgreSQL as they are, alone or with other formats."""

import gzip
import json
import sqlite3
import zipfile
from contextlib import closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from myriad.errors import PublishError, SourceError, TooManyRejects
from tests.catalog import not_null, rules
from tests.harness import run
from tests.publishing import Place

INSTANT = datetime(2024, 3, 31, 1, 30, 0, 123456, tzinfo=UTC)
UUIDS = [UUID("12345678-1234-5678-1234-567812345678"), None, None]
# Column: Arrow's type, PostgreSQL's type, the values.
PARQUET: dict[str, tuple[pa.DataType, str, list[Any]]] = {
    "id": (pa.int32(), "integer", [1, 2, 3]),
    "tiny": (pa.int8(), "smallint", [-128, 127, None]),
    "big": (pa.int64(), "bigint", [2**63 - 1, -(2**63), None]),
    "unsigned": (pa.uint64(), "numeric(20,0)", [2**64 - 1, 0, None]),
    "exact": (
        pa.decimal128(38, 10),
        "numeric(38,10)",
        [Decimal("1234567890123456789012345678.0123456789"), Decimal("-0.0000000001"), None],
    ),
    "single": (pa.float32(), "real", [0.5, -0.25, None]),
    "double": (pa.float64(), "double precision", [0.1, 5e-324, None]),
    "flag": (pa.bool_(), "boolean", [True, False, None]),
    "name": (pa.string(), "text", ["", "ü 漢字 🎉\n\\N", None]),
    "kind": (pa.dictionary(pa.int8(), pa.string()), "text", ["a", "b", "a"]),
    "raw": (pa.binary(), "bytea", [b"", bytes(range(256)), None]),
    "day": (pa.date32(), "date", [date(1, 1, 1), date(9999, 12, 31), None]),
    "clock": (pa.time64("us"), "time without time zone", [time(0), time(23, 59, 59, 999), None]),
    "instant": (
        pa.timestamp("us", "Europe/Berlin"),
        "timestamp with time zone",
        [INSTANT, datetime(1900, 1, 1, tzinfo=UTC), None],
    ),
    "local": (
        pa.timestamp("ns"),
        "timestamp without time zone",
        [datetime.fromisoformat(at) for at in ("2024-03-31 02:30:00.000001", "1969-12-31")]
        + [None],
    ),
    "tags": (pa.list_(pa.string()), "jsonb", [["a", None], [], None]),
    "place": (
        pa.struct([("x", pa.int64()), ("y", pa.string())]),
        "jsonb",
        [{"x": 2**53 + 1, "y": "ü"}, {"x": None, "y": ""}, None],
    ),
    "doc": (pa.uuid(), "uuid", UUIDS),
}


def _arrow(kind: pa.DataType, values: list[Any]) -> Any:
    stored = [value.bytes if isinstance(value, UUID) else value for value in values]
    return pa.array(stored, kind)


def test_parquet_brings_every_type_and_value(place: Place) -> None:
    columns = {name: _arrow(kind, values) for name, (kind, _, values) in PARQUET.items()}
    fields = [pa.field(name, a.type, nullable=name != "id") for name, a in columns.items()]
    pq.write_table(pa.table(columns, schema=pa.schema(fields)), place.folder / "things.parquet")
    report = place.publish(place.folder / "things.parquet", keys={"": ("id",)})
    assert report.rows == 3
    assert place.columns("things") == {name: kind for name, (_, kind, _) in PARQUET.items()}
    rows = zip(*(values for _, _, values in PARQUET.values()), strict=True)
    assert place.ask("SELECT * FROM things ORDER BY id") == list(rows)
    assert rules(place, "things") == {"PRIMARY KEY (id)"}
    assert not_null(place, "things") == {"id"}


def test_a_parquet_timestamp_finer_than_microseconds_is_kept_as_text(place: Place) -> None:
    stamps = pa.array([1_700_000_000_000_000_000, 1_700_000_000_000_000_001], pa.timestamp("ns"))
    pq.write_table(pa.table({"at": stamps}), place.folder / "fine.parquet")
    place.publish(place.folder / "fine.parquet")
    assert place.columns("fine") == {"at": "text"}
    assert [row[0][-9:] for row in place.ask("SELECT at FROM fine ORDER BY at")] == [
        "000000000",
        "000000001",
    ]


RECORDS = """\
{"id": 1, "small": 7, "huge": 123456789012345678901234567890, "price": 0.10, "flag": true, \
"at": "2024-03-31T02:30:00+02:00", "doc": {"b": [1.10, 1e2, null], "a": "ü"}, \
"uid": "12345678-1234-5678-1234-567812345678", "day": "2024-02-29", "text": "", "ratio": 1e-30}
{"id": 2, "small": -7, "huge": -1, "price": -99999999999999999.99, "flag": null, \
"at": "1999-12-31 23:59:59.5Z", "doc": [], "uid": null, "text": "a\\tb\\n\\\\N 🎉", "ratio": 2.5}

{"later": 9223372036854775807, "id": 3}
"""
COLUMNS = {
    "id": "bigint",
    "small": "bigint",
    "huge": "numeric",
    "price": "numeric",
    "flag": "boolean",
    "at": "timestamp with time zone",
    "doc": "jsonb",
    "uid": "uuid",
    "day": "date",
    "text": "text",
    "ratio": "double precision",
    "later": "bigint",
}
ROWS: list[tuple[Any, ...]] = [
    (
        *(1, 7, Decimal(123456789012345678901234567890), Decimal("0.10"), True),
        datetime(2024, 3, 31, 0, 30, tzinfo=UTC),
        {"b": [1.1, 100, None], "a": "ü"},
        *(UUIDS[0], date(2024, 2, 29), "", 1e-30, None),
    ),
    (
        *(2, -7, Decimal(-1), Decimal("-99999999999999999.99"), None),
        datetime(1999, 12, 31, 23, 59, 59, 500000, tzinfo=UTC),
        *([], None, None, "a\tb\n\\N 🎉", 2.5, None),
    ),
    (3, *[None] * 10, 2**63 - 1),
]


def test_json_lines_bring_every_type_and_value(place: Place) -> None:
    report = place.publish(place.write("records.jsonl", RECORDS), keys={"records": ("id",)})
    assert report.rows == 3
    assert place.columns("records") == COLUMNS
    assert place.ask("SELECT * FROM records ORDER BY id") == ROWS
    assert place.one("SELECT doc::text FROM records WHERE id = 1") == (
        '{"a": "ü", "b": [1.10, 100, null]}'  # numeric inside too
    )
    assert rules(place, "records") == {"PRIMARY KEY (id)"}


@pytest.mark.parametrize("name", ["records.jsonl.gz", "records.json", "records.ndjson"])
def test_json_comes_compressed_too_and_as_one_array(place: Place, name: str) -> None:
    data = RECORDS.encode()
    if name.endswith(".gz"):
        data = gzip.compress(data)
    elif name.endswith(".json"):
        data = b"[" + data.replace(b"\n\n", b"\n").strip().replace(b"}\n{", b"},\n{") + b"]"
    place.publish(place.write(name, data))
    assert place.columns("records") == COLUMNS
    assert place.ask("SELECT * FROM records ORDER BY id") == ROWS


BROKEN = '{"id": 1}\n{"id": 2\n\n{"id": 3}\n[4]\n{"id": 5}\n'
REJECTED = [(2, '{"id": 2'), (5, "[4]")]


def test_rejects_are_kept_with_line_raw_text_and_reason(place: Place) -> None:
    path = place.write("broken.jsonl", BROKEN)
    home = place.installation.home
    arguments = ["publish", str(path), "--database", place.database, "--max-rejects", "2"]
    done = run(home, *arguments, "--json")
    assert done.returncode == 3, done.stderr
    report = json.loads(done.stdout)
    assert (report["rows"], report["rejects"]) == (3, 2)
    assert place.ask("SELECT id FROM broken ORDER BY id") == [(1,), (3,), (5,)]
    kept = Path(report["rejects_file"])
    assert kept.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [(line["line"], line["raw"]) for line in lines] == REJECTED
    rows = place.ask("SELECT line, raw, source, table_name, reason FROM myriad.reject")
    assert sorted(row[:2] for row in rows) == REJECTED
    assert {row[2:4] for row in rows} == {(str(path), "broken")}
    assert [line["reason"] for line in lines] == [row[4] for row in sorted(rows)]
    assert lines[0]["reason"].startswith("not valid JSON")


def test_without_leave_for_rejects_nothing_is_published(place: Place) -> None:
    path = place.write("broken.jsonl", BROKEN)
    with pytest.raises(TooManyRejects, match="2 records do not fit, 0 are allowed") as caught:
        place.publish(path)
    assert f"{path}, line 2: not valid JSON" in str(caught.value)
    assert f"{path}, line 5: " in str(caught.value)
    assert place.relations() == set()


def test_several_formats_come_with_one_command_and_all_or_none(place: Place) -> None:
    with closing(sqlite3.connect(place.folder / "library.sqlite")) as con:
        con.execute("CREATE TABLE author (id INTEGER PRIMARY KEY)")
        con.execute("CREATE TABLE book (author INTEGER REFERENCES author)")
    place.write("records.jsonl", RECORDS)
    place.write("towns.csv", "name,people\nBrno,400000\n")
    pq.write_table(pa.table({"n": [1, 2]}), place.folder / "numbers.parquet")
    names = ("library.sqlite", "records.jsonl", "towns.csv", "numbers.parquet")
    paths = [str(place.folder / name) for name in names]
    home = place.installation.home
    done = run(home, "publish", "--json", "--database", place.database, *paths)
    assert done.returncode == 0, done.stderr
    tables = {table["table"]: table["rows"] for table in json.loads(done.stdout)["tables"]}
    assert tables == {"author": 0, "book": 0, "records": 3, "towns": 1, "numbers": 2}
    assert {name: place.one(f"SELECT count(*) FROM {name}") for name in tables} == tables
    assert "FOREIGN KEY (author) REFERENCES author(id)" in rules(place, "book")

    place.write("towns.csv", "name,people\nZlín,70000\n")
    place.write("records.jsonl", '{"id": 1}\n[]\n')
    with pytest.raises(TooManyRejects):
        place.publish(*paths[::-1], contract="free")
    assert {name: place.one(f"SELECT count(*) FROM {name}") for name in tables} == tables
    assert place.one("SELECT people FROM towns") == 400_000


def test_a_republished_json_file_shows_what_changed(place: Place) -> None:
    place.publish(place.write("items.jsonl", '{"id": 1, "price": 5}\n{"id": 2, "old": true}\n'))
    path = place.write("items.jsonl", '{"id": 1, "price": 5.50}\n{"id": 70000, "name": "x"}\n')
    (table,) = place.publish(path, contract="free").tables
    assert table.action == "replaced"
    assert sorted(table.difference) == [
        "+ name text",
        "- old boolean",
        "~ price bigint → numeric",
    ]
    rows = [(1, Decimal("5.50"), None), (70000, None, "x")]
    assert place.ask("SELECT id, price, name FROM items ORDER BY id") == rows


def _workbook(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")


@pytest.mark.parametrize("name", ["sales.xlsx", "sales.csv", "sales.jsonl", "sales.parquet"])
def test_a_workbook_that_is_none_is_refused_whatever_it_is_called(place: Place, name: str) -> None:
    _workbook(place.folder / name)
    with pytest.raises(SourceError, match="this is no workbook that can be read") as caught:
        place.publish(place.folder / name)
    assert name in str(caught.value)
    assert caught.value.hint
    assert place.relations() == set()


NULLS: dict[str, tuple[pa.DataType, Any]] = {
    "n": (pa.int64(), 7),
    "d": (pa.decimal128(30, 9), Decimal("1.5")),
    "t": (pa.timestamp("us", tz="UTC"), datetime(2024, 2, 29, tzinfo=UTC)),
    "day": (pa.date32(), date(2024, 2, 29)),
    "yes": (pa.bool_(), True),
    "raw": (pa.binary(), b"\0\1"),
    "parts": (pa.list_(pa.int64()), [1, 2]),
    "word": (pa.string(), "x"),
}


@pytest.mark.parametrize("first", ["nulls", "values"])
def test_a_column_of_nothing_in_one_file_has_the_type_of_the_next(first: str, place: Place) -> None:
    typed = pa.table({name: pa.array([value], kind) for name, (kind, value) in NULLS.items()})
    empty = pa.table({name: pa.nulls(2) for name in NULLS})
    tables = {"nulls": empty, "values": typed}
    for number, name in enumerate([first, *(name for name in tables if name != first)]):
        pq.write_table(tables[name], place.folder / f"{number}.parquet")
    place.publish(place.folder / "0.parquet", place.folder / "1.parquet", table="t")
    assert place.columns("t") == {
        "n": "bigint",
        "d": "numeric(30,9)",
        "t": "timestamp with time zone",
        "day": "date",
        "yes": "boolean",
        "raw": "bytea",
        "parts": "jsonb",
        "word": "text",
    }
    assert place.one("SELECT count(*) FROM t WHERE n = 7 AND day = '2024-02-29'") == 1
    assert (
        place.one("SELECT count(*) FROM t WHERE num_nulls(n, d, t, day, yes, raw, parts) = 7") == 2
    )


def test_files_of_one_table_go_together_by_the_names_of_their_columns(place: Place) -> None:
    one = place.write("1.csv", "id,name,total\n1,a,1.5\n2,b,2\n")
    two = place.write("2.csv", "total,id,name\n3.25,3,c\n")
    three = place.folder / "3.parquet"
    pq.write_table(pa.table({"name": ["d"], "total": [4], "id": [4]}), three)
    (table,) = place.publish(one, two, three, table="t", exclude=("name",)).tables
    assert f"put together by their names: {two}, {three}" in " ".join(table.table.notes)
    assert place.ask("SELECT id, total::float8 FROM t ORDER BY id") == [
        (1, 1.5), (2, 2), (3, 3.25), (4, 4),
    ]  # fmt: skip
    place.publish(one, two, three, table="u", columns=("total", "name", "id"))
    assert place.ask("SELECT * FROM u ORDER BY id") == [
        (Decimal("1.5"), "a", 1), (2, "b", 2), (Decimal("3.25"), "c", 3), (4, "d", 4),
    ]  # fmt: skip
    for text in ("id,name\n1,a\n", "id,name,other\n1,a,2\n"):
        with pytest.raises(PublishError, match="other columns than"):
            place.publish(one, place.write("4.csv", text), table="t")
    twice = place.write("5.csv", "a,b,a\n1,2,3\n"), place.write("6.csv", "a,a,b\n1,2,3\n")
    with pytest.raises(PublishError, match="other columns than"):
        place.publish(*twice, table="v")
