"""SQLite databases and Parquet files that other programs read wrongly."""

import datetime as dt
import random
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.hard_case import Case


def _sqlite(script: str, *inserts: Sequence[Any]) -> Callable[[Path], None]:
    """Return what makes a database; each of `inserts` is a table's name, and its rows."""

    def make(path: Path) -> None:
        with closing(sqlite3.connect(path)) as con:
            con.executescript(script)
            for table, *rows in inserts:
                marks = ", ".join("?" * len(rows[0]))
                con.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
            con.commit()

    return make


PEOPLE = [
    ("Ida", "1950-01-01", "2001-05-05", "Ida <a@x.org>", 51),
    ("bo", "1960-01-01", None, "bo <a@x.org>", None),
]
DATABASES = {
    "texts in a column of integers": Case(
        "t.sqlite",
        _sqlite(
            "CREATE TABLE meters(id integer primary key, gain int)",
            ("meters", (1, 10), (2, ""), (3, "offline"), (4, 12.5), (5, None)),
        ),
        {
            "meters(id integer; gain text) by id": [
                (1, "10"),
                (2, ""),
                (3, "offline"),
                (4, "12.5"),
                (5, None),
            ]
        },
    ),
    "types that are declared oddly": Case(
        "t.sqlite",
        _sqlite(
            "CREATE TABLE odd(a int(5) default '0', b text(100), c intege, d number,"
            " e unsigned big int, f, g nvarchar(20), h tinyint(1), i double precision,"
            ' j native character(70), k "long varchar")',
            (
                "odd",
                (1, "t", 3, 4.25, 2**54, "any", "g", 1, 2.5, "n", "v"),
                (2, None, 4, 5, 1, 2, "h", 0, 1e300, "m", "w"),
            ),
        ),
        {
            "odd(a integer; b text; c integer; d double precision; e bigint; f text; g text;"
            " h smallint; i double precision; j text; k text)": [
                (1, "t", 3, 4.25, 2**54, "any", "g", 1, 2.5, "n", "v"),
                (2, None, 4, 5.0, 1, "2", "h", 0, 1e300, "m", "w"),
            ]
        },
    ),
    "moments in milliseconds": Case(
        "t.sqlite",
        _sqlite(
            "CREATE TABLE events(id integer primary key, at datetime, done timestamp)",
            ("events", (1, 1655208765432, 1655208765), (2, 1631112233445, 1631112233)),
        ),
        {
            "events(id integer; at bigint; done integer) by id": [
                (1, 1655208765432, 1655208765),
                (2, 1631112233445, 1631112233),
            ]
        },
    ),
    "no rowid, and a key in another order": Case(
        "t.sqlite",
        _sqlite(
            "CREATE TABLE links(cluster int not null, visit int not null, score numeric not null,"
            " primary key(visit, cluster)) without rowid",
            ("links", (1, 10, 0.25), (2, 10, 1), (1, 20, 0.5)),
        ),
        {
            "links(cluster integer; visit integer; score double precision) by visit, cluster": [
                (1, 10, 0.25),
                (2, 10, 1.0),
                (1, 20, 0.5),
            ]
        },
    ),
    "an index of full text": Case(
        "t.sqlite",
        _sqlite(
            "CREATE TABLE plants(id integer primary key, name text, mw real);"
            "CREATE VIRTUAL TABLE plants_fts"
            " USING fts5(name, content='plants', content_rowid='id');"
            "CREATE VIEW big AS SELECT * FROM plants WHERE mw > 8",
            ("plants", (1, "Alpha solar", 10.5), (2, "Beta wind", 20.0)),
        ),
        {
            "plants(id integer; name text; mw double precision) by id": [
                (1, "Alpha solar", 10.5),
                (2, "Beta wind", 20.0),
            ]
        },
        notes=("virtual tables not carried over: plants_fts",),
    ),
    "texts that are not UTF-8": Case(
        "t.sqlite",
        _sqlite(
            "CREATE TABLE country(id integer primary key, name text);"
            "INSERT INTO country VALUES (1, 'Aland'), (2, CAST(x'c56c616e64' AS text)),"
            " (3, CAST(x'466f6fa0ff' AS text)), (4, 'Åland')"
        ),
        {"country(id integer; name text) by id": [(1, "Aland"), (4, "Åland")]},
        rejects=dict.fromkeys((2, 3), "name holds text that is not valid UTF-8"),
    ),
    "foreign keys that do not hold": Case(
        "t.sqlite",
        _sqlite(
            "CREATE TABLE authors(id integer primary key);"
            "CREATE TABLE books(id integer primary key, author_id text references authors(id),"
            " press integer references presses(id))",
            ("authors", (1,), (2,)),
            ("books", (1, 1, None), (2, 2, 7), (3, 9, 7)),
        ),
        {
            "authors(id integer) by id": [(1,), (2,)],
            "books(id integer; author_id text; press integer) by id": [
                (1, "1", None),
                (2, "2", 7),
                (3, "9", 7),
            ],
        },
        notes=(
            "(author_id) to authors not carried over: 1 row points to a row that is not there",
            "(press) to presses not carried over: there is no such table",
        ),
    ),
    "partial indexes, generated columns and letters of any case": Case(
        "t.sqlite",
        _sqlite(
            "CREATE TABLE person(login text collate nocase, born text, died text,"
            " label text generated always as (login || ' <a@x.org>') virtual, years integer"
            " generated always as (cast(died as int) - cast(born as int)) stored) strict;"
            "CREATE UNIQUE INDEX one_alive ON person(born) WHERE died IS NULL;"
            "CREATE INDEX low ON person(lower(login));"
            "CREATE UNIQUE INDEX one_login ON person(login);"
            "INSERT INTO person VALUES"
            " ('Ida', '1950-01-01', '2001-05-05'), ('bo', '1960-01-01', NULL)",
        ),
        {"person(login text; born text; died text; label text; years integer)": PEOPLE},
        notes=(
            "label is generated in SQLite",
            "index one_alive not carried over: it is partial",
            "index low not carried over: it is on an expression",
            "one_login is unique regardless of case in SQLite, exactly here",
        ),
    ),
    "counters, and a table that is empty": Case(
        "t.sqlite",
        _sqlite(
            "CREATE TABLE log(id integer primary key autoincrement, msg text);"
            "CREATE TABLE empty_one(id integer primary key autoincrement, x real not null)",
            ("log", (1, "a"), (2, "b")),
        ),
        {
            "log(id integer; msg text) by id": [(1, "a"), (2, "b")],
            "empty_one(id integer; x double precision) by id": [],
        },
    ),
    "an encrypted database": Case(
        "t.sqlite",
        random.Random(13).randbytes(8192),
        error="this is no SQLite database, or it is encrypted",
    ),
}


def _parquet(table: pa.Table, **options: Any) -> Callable[[Path], None]:
    return lambda path: pq.write_table(table, path, **options)


def _typed(**columns: tuple[pa.DataType, list[Any]]) -> pa.Table:
    return pa.table({name: pa.array(values, kind) for name, (kind, values) in columns.items()})


def _months(path: Path) -> None:
    for month, first in (("01", 10), ("02", 20), ("12", 120)):
        (folder := path / f"month={month}").mkdir(parents=True)
        pq.write_table(pa.table({"id": [first, first + 1]}), folder / "part.parquet")


FAR = ["9999-12-31 03:00:00", "2020-10-11 04:05:06", "0001-01-01 00:00:00"]
UUID = uuid.UUID("00010203-0405-0607-0809-0a0b0c0d0e0f")
ROLES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
LONG = "123456789012345678901234567890123456789012345678.0123456789"
COLUMNS = {
    "moments of 96 bits in far years": Case(
        "t.parquet",
        _parquet(
            pa.table({"at": pa.array(FAR).cast(pa.timestamp("us"))}),
            use_deprecated_int96_timestamps=True,
        ),
        {"t(at timestamp)": [(at,) for at in FAR]},
    ),
    "unsigned numbers, times and days as milliseconds": Case(
        "t.parquet",
        _parquet(
            _typed(
                u8=(pa.uint8(), [255]),
                u32=(pa.uint32(), [2**32 - 1]),
                u64=(pa.uint64(), [2**64 - 1]),
                t32=(pa.time32("ms"), [dt.time(1, 2, 3)]),
                t64=(pa.time64("us"), [dt.time(23, 59, 59, 999_999)]),
                d64=(pa.date64(), [dt.date(2024, 2, 29)]),
            )
        ),
        {
            "t(u8 smallint; u32 bigint; u64 numeric(20,0); t32 time; t64 time; d64 date)": [
                (255, 2**32 - 1, 2**64 - 1, "01:02:03", "23:59:59.999999", "2024-02-29")
            ]
        },
    ),
    "decimals of 38 and 58 digits": Case(
        "t.parquet",
        _parquet(
            _typed(
                d9=(
                    pa.decimal128(38, 9),
                    [Decimal("12345678901234567890123456789.123456789"), Decimal("-1E-9")],
                ),
                d0=(pa.decimal128(38, 0), [Decimal(10**37), None]),
                d256=(pa.decimal256(60, 10), [Decimal(LONG), Decimal(-1)]),
            )
        ),
        {
            "t(d9 numeric(38,9); d0 numeric(38,0); d256 numeric(60,10))": [
                (Decimal("12345678901234567890123456789.123456789"), 10**37, LONG),
                (Decimal("-1E-9"), None, "-1.0000000000"),
            ]
        },
    ),
    "names that differ in case, and come twice": Case(
        "t.parquet",
        _parquet(
            pa.Table.from_arrays(
                [pa.array([1]), pa.array([4]), pa.array(["x"]), pa.array(["p"])],
                names=["column", "COLUMN", "tag", "tag"],
            )
        ),
        {"t(column bigint; COLUMN bigint; tag text; tag text)": [(1, 4, "x", "p")]},
        named="column column_2 tag tag_2",
    ),
    "no rows at all": Case(
        "t.parquet",
        _parquet(
            _typed(
                id=(pa.int64(), []),
                name=(pa.string(), []),
                at=(pa.timestamp("us", "UTC"), []),
                n=(pa.null(), []),
            )
        ),
        {"t(id bigint; name text; at timestamptz; n text)": []},
    ),
    "lists of structs, and maps": Case(
        "t.parquet",
        _parquet(
            _typed(
                messages=(ROLES, [[{"role": "user", "content": None}], []]),
                meta=(pa.map_(pa.string(), pa.string()), [[("k", "v"), ("n", None)], None]),
                tags=(pa.list_(pa.string()), [["a", None, "c"], None]),
                p=(pa.struct([("x", pa.int32())]), [{"x": 1}, None]),
            )
        ),
        {
            "t(messages jsonb; meta jsonb; tags jsonb; p jsonb)": [
                (
                    [{"role": "user", "content": None}],
                    {"k": "v", "n": None},
                    ["a", None, "c"],
                    {"x": 1},
                ),
                ([], None, None, None),
            ]
        },
    ),
    "UUIDs of 16 bytes": Case(
        "t.parquet",
        _parquet(
            _typed(u=(pa.uuid(), [UUID.bytes, None]), h=(pa.binary(4), [b"\0\1\2\3", b"abcd"]))
        ),
        {"t(u uuid; h bytea)": [(UUID, b"\0\1\2\3"), (None, b"abcd")]},
    ),
    "a text with the character 0": Case(
        "t.parquet",
        _parquet(_typed(name=(pa.string(), ["ok", "be\0ta", "fine"]))),
        {"t(name text)": [("ok",), ("fine",)]},
        rejects={2: "name holds a NUL character, which Myriad takes into neither engine"},
    ),
    "a folder for each month": Case(
        "sales",
        _months,
        {
            "sales(id bigint; month text)": [
                *((n, "01") for n in (10, 11)),
                *((n, "02") for n in (20, 21)),
                *((n, "12") for n in (120, 121)),
            ]
        },
    ),
}
