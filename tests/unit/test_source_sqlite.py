import math
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from myriad.errors import SourceError
from myriad.model import Index, Kind, Reject, Type
from myriad.sources.base import TableSource
from myriad.sources.sqlite import file as sqlite_file
from myriad.sources.sqlite.source import open_sqlite
from tests.source_harness import opened, read, rows, types, why

UUID = "6f1e7f3e-8c5b-4a8e-9a67-0a1b2c3d4e5f"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.sqlite"


def make(file: Path, script: str, *inserts: tuple[str, Sequence[Sequence[Any]]]) -> None:
    with closing(sqlite3.connect(file)) as con:
        con.executescript(script)
        for statement, values in inserts:
            con.executemany(statement, values)
        con.commit()


def sources(file: Path) -> dict[str, TableSource]:
    return {source.table.name: source for source in opened(open_sqlite, file)}


def column_of(file: Path, declared: str, *values: Any) -> tuple[str, list[Any], str]:
    """Return the type, the values and the reason of one column declared so."""
    make(
        file, f"CREATE TABLE t (c {declared})", ("INSERT INTO t VALUES (?)", [(v,) for v in values])
    )
    source = sources(file)["t"]
    source.prove()
    found = [value for (value,) in rows(source)]
    source.close()
    return types(source)["c"], found, why(source, "c")


@pytest.mark.parametrize(
    ("declared", "values", "kind", "expected"),
    [
        ("INTEGER", (1, None, -5), "integer", [1, None, -5]),
        ("INTEGER", (2**40,), "bigint", [2**40]),
        ("INT", (-(2**63), 2**63 - 1), "bigint", [-(2**63), 2**63 - 1]),
        ("BIGINT", (1,), "bigint", [1]),
        ("SMALLINT", (1,), "smallint", [1]),
        ("TINYINT", (70000,), "integer", [70000]),
        ("REAL", (1, 2.5, math.inf), "double precision", [1.0, 2.5, math.inf]),
        ("NUMERIC", (1, 2.5), "double precision", [1.0, 2.5]),
        ("DECIMAL(10,2)", (1, 2.5, "3.10"), "numeric(10,2)", [1, Decimal("2.50"), Decimal("3.10")]),
        ("DECIMAL(10,2)", (1, 2.555), "double precision", [1.0, 2.555]),
        ("DECIMAL(38,10)", (123456789.12345679,), "double precision", [123456789.12345679]),
        ("DECIMAL(20)", (-(2**63), 7), "numeric(20,0)", [-(2**63), 7]),
        ("DECIMAL(2)", (99, 100), "integer", [99, 100]),
        ("DECIMAL(2,2)", (1,), "integer", [1]),
        ("DECIMAL(4,2)", (123.5,), "double precision", [123.5]),
        ("TEXT", ("007", 8, "+1", ""), "text", ["007", "8", "+1", ""]),
        ("VARCHAR(3)", ("longer than three",), "text", ["longer than three"]),
        ("BLOB", (b"\x00\xff", b""), "bytea", [b"\x00\xff", b""]),
        ("", ("a", "b"), "text", ["a", "b"]),
        ("", (1, 2), "integer", [1, 2]),
        ("", (1, 2.5), "double precision", [1.0, 2.5]),
        ("", (1, "a", 2.5), "text", ["1", "a", "2.5"]),
        ("", ("a", b"\xff", 1), "bytea", [b"a", b"\xff", b"1"]),
        ("", (2**60 + 1, 2.5), "text", [str(2**60 + 1), "2.5"]),
        ("INTEGER", (1, "abc"), "text", ["1", "abc"]),
        ("DATE", ("2024-02-29", None), "date", [date(2024, 2, 29), None]),
        ("DATE", ("2024-02-30",), "text", ["2024-02-30"]),
        ("DATE", (1700000000,), "integer", [1700000000]),
        ("DATETIME", ("2024-02-29 10:00:00",), "timestamp", [datetime(2024, 2, 29, 10)]),  # noqa: DTZ001
        (
            "DATETIME",
            ("2024-02-29", "2024-02-29 10:00"),
            "text",
            ["2024-02-29", "2024-02-29 10:00"],
        ),
        (
            "TIMESTAMP",
            ("2024-02-29T10:00:00+02:00",),
            "timestamptz",
            [datetime(2024, 2, 29, 8, tzinfo=UTC)],
        ),
        ("BOOLEAN", (0, 1, None), "boolean", [False, True, None]),
        ("BOOLEAN", (0, 1, 2), "integer", [0, 1, 2]),
        ("BOOLEAN", ("true", "false"), "boolean", [True, False]),
        ("JSON", ('{"a": 1}',), "jsonb", [{"a": 1}]),
        ("JSON", ('{"a": 1, "a": 2}',), "text", ['{"a": 1, "a": 2}']),
        ("DATE", (), "date", []),
        ("ANY OLD THING", (), "text", []),
    ],
)
def test_the_declared_type_holds_if_every_value_is_such(
    file: Path, declared: str, values: tuple[Any, ...], kind: str, expected: list[Any]
) -> None:
    assert column_of(file, declared, *values)[:2] == (kind, expected)


def test_uuids_are_uuids(file: Path) -> None:
    kind, (value,), _ = column_of(file, "UUID", UUID)
    assert (kind, str(value)) == ("uuid", UUID)


def test_values_that_contradict_the_declared_type_are_reported(file: Path) -> None:
    _, _, why = column_of(file, "INTEGER", *range(16), "abc", "def")
    assert why == "declared INTEGER, but 16 integers, 2 texts; first text: 'abc' in row 17"


def test_a_late_contradiction_widens_the_column(file: Path) -> None:
    values = [(number,) for number in range(60_000)]
    values[30_000] = ("x",)  # type: ignore[assignment]
    make(file, "CREATE TABLE t (c INTEGER)", ("INSERT INTO t VALUES (?)", values))
    source = sources(file)["t"]
    assert types(source) == {"c": "integer"}
    found = rows(source)
    assert types(source) == {"c": "text"}
    assert (len(found), found[0], found[30_000]) == (60_000, ("0",), ("x",))


def test_hostile_names_are_just_names(file: Path) -> None:
    name, column = 'x"; DROP TABLE y; --', "Robert'); \" DROP \u2028"
    quoted = '"' + name.replace('"', '""') + '"'
    make(
        file,
        f'CREATE TABLE {quoted} ("{column.replace(chr(34), chr(34) * 2)}" INT, "rowid" TEXT,'
        f' "select" INT); CREATE INDEX "i""" ON {quoted} ("select");'
        f"INSERT INTO {quoted} VALUES (1, 'a', 2)",
    )
    source = sources(file)[name]
    assert list(types(source)) == [column, "rowid", "select"]
    assert rows(source) == [(1, "a", 2)]
    source.prove()
    assert source.table.indexes == (Index(("select",)),)


@pytest.mark.parametrize("name", ["a?b#c%20d.db", "with space & mode=rw.db", "ünï.db"])
def test_hostile_paths_are_just_paths(tmp_path: Path, name: str) -> None:
    make(tmp_path / name, "CREATE TABLE t (a INT); INSERT INTO t VALUES (1)")
    assert rows(sources(tmp_path / name)["t"]) == [(1,)]


def test_text_that_postgresql_cannot_hold_is_rejected_by_row(file: Path) -> None:
    make(
        file,
        """
        CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT);
        INSERT INTO t VALUES (5, 'good'), (6, 'a' || char(0) || 'b'), (7, CAST(x'61ff' AS TEXT)),
                             (8, 'fine');
        """,
    )
    with pytest.raises(
        SourceError, match=r"t, row 7: c holds text that is not valid UTF-8"
    ) as raised:
        rows(sources(file)["t"])
    assert "--max-rejects" in raised.value.hint
    rejects: list[Reject] = []
    assert read(sources(file)["t"], rejects=rejects) == [(5, "good"), (8, "fine")]
    assert [
        (r.line, r.reason.split(" holds ")[1][:10]) for r in sorted(rejects, key=lambda r: r.line)
    ] == [
        (6, "a NUL char"),
        (7, "text that "),
    ]


def test_text_that_is_not_utf8_late_in_a_table_loses_no_row(file: Path) -> None:
    make(
        file,
        """
        CREATE TABLE t (c TEXT);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO t SELECT CASE i WHEN 13000 THEN CAST(x'ff' AS TEXT) ELSE i END FROM n;
        """,
    )
    rejects: list[Reject] = []
    found = read(sources(file)["t"], rejects=rejects)
    assert [reject.line for reject in rejects] == [13000]
    assert [int(value) for (value,) in found] == [n for n in range(1, 20001) if n != 13000]


def test_given_types_refuse_what_does_not_fit(file: Path) -> None:
    make(file, "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2.5), (70000), ('x'), (3.0)")
    rejects: list[Reject] = []
    assert read(sources(file)["t"], [Type(Kind.SMALLINT)], rejects) == [(1,), (3,)]
    assert [reject.line for reject in rejects] == [2, 3, 4]


def test_without_rowid_rejects_are_counted(file: Path) -> None:
    make(
        file, "CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO t VALUES ('x'), ('y')"
    )
    rejects: list[Reject] = []
    assert read(sources(file)["t"], [Type(Kind.DATE)], rejects) == []
    assert [reject.line for reject in rejects] == [1, 2]


def test_big_values_come_in_small_batches(file: Path) -> None:
    make(file, "CREATE TABLE t (b BLOB)", ("INSERT INTO t VALUES (zeroblob(?))", [(4 << 20,)] * 12))
    (source,) = opened(open_sqlite, file, memory_mb=64)
    sizes = [batch.num_rows for batch in source.read([Type(Kind.BYTEA)], None)]
    assert (sum(sizes), max(sizes) <= 2) == (12, True)
    assert source.progress() == 1.0


def test_a_file_in_wal_mode_is_read_with_what_is_not_yet_checkpointed(file: Path) -> None:
    with closing(sqlite3.connect(file)) as con:
        con.execute("PRAGMA journal_mode = WAL")
        con.execute("CREATE TABLE t (a INT)")
        con.execute("INSERT INTO t VALUES (1)")
        con.commit()
        source = sources(file)["t"]
        con.execute("INSERT INTO t VALUES (2)")
        con.commit()
        assert rows(source) == [(1,)]  # one moment, whatever is written meanwhile
        source.close()
        assert rows(sources(file)["t"]) == [(1,), (2,)]
    assert rows(sources(file)["t"]) == [(1,), (2,)]


def test_a_file_in_wal_mode_is_read_where_nothing_can_be_written(file: Path) -> None:
    make(file, "PRAGMA journal_mode = WAL; CREATE TABLE t (a INT); INSERT INTO t VALUES (1)")
    # Permissions do not stop root; a link to nowhere where SQLite wants its file stops anybody.
    file.with_name("data.sqlite-shm").symlink_to("/nowhere/at/all")
    assert rows(sources(file)["t"]) == [(1,)]


def test_a_file_in_wal_mode_whose_wal_cannot_be_used_is_refused(file: Path) -> None:
    make(file, "PRAGMA journal_mode = WAL; CREATE TABLE t (a INT); INSERT INTO t VALUES (1)")
    file.with_name("data.sqlite-shm").symlink_to("/nowhere/at/all")
    file.with_name("data.sqlite-wal").write_bytes(b"pending")
    with pytest.raises(SourceError, match="unable to open") as raised:
        sources(file)
    assert "-wal" in raised.value.hint


def test_a_writer_that_stays_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.2)
    make(file, "CREATE TABLE t (a INT)")
    script = (
        "import sqlite3, sys; con = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "con.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"locked\n"
        with pytest.raises(SourceError, match="locked") as raised:
            sources(file)
        writer.communicate()
    assert "Another program" in raised.value.hint
    assert list(sources(file)) == ["t"]


def test_the_file_is_never_changed(file: Path) -> None:
    make(file, "CREATE TABLE t (a INT); INSERT INTO t VALUES (1)")
    before = file.read_bytes()
    source = sources(file)["t"]
    source.prove()
    rows(source)
    source.close()
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir() if "sqlite" in path.name] == [file.name]


def test_reading_in_wal_mode_leaves_nothing_beside_the_file(file: Path) -> None:
    make(file, "PRAGMA journal_mode = WAL; CREATE TABLE t (a INT); INSERT INTO t VALUES (1)")
    source = sources(file)["t"]
    assert rows(source) == [(1,)]
    source.close()
    assert list(file.parent.glob("data.sqlite*")) == [file]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"id,name\n1,x\n", "no SQLite database"),
        (b"SQLite format 3\0" + b"\xff" * 4096, "cannot read it"),
        (b"SQLite format 3\0", "cannot read it"),
    ],
)
def test_what_is_no_database_is_named(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(SourceError, match=message) as raised:
        sources(file)
    assert raised.value.hint


def test_a_database_without_tables_is_named(file: Path) -> None:
    make(file, "CREATE VIEW v AS SELECT 1")
    with pytest.raises(SourceError, match="no table in it; it has v"):
        sources(file)


def test_damage_in_the_middle_is_an_error(file: Path, tmp_path: Path) -> None:
    make(
        file,
        "CREATE TABLE t (c TEXT)",
        ("INSERT INTO t VALUES (?)", [(f"value number {n}",) for n in range(50_000)]),
    )
    data = bytearray(file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 8192] = b"\xa5" * 8192
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(data)
    with pytest.raises(SourceError, match="malformed") as raised:
        rows(sources(damaged)["t"])
    assert ".recover" in raised.value.hint


def test_a_truncated_file_is_an_error(file: Path, tmp_path: Path) -> None:
    make(file, "CREATE TABLE t (c TEXT)", ("INSERT INTO t VALUES (?)", [("x" * 100,)] * 5_000))
    short = tmp_path / "short.db"
    shutil.copy(file, short)
    with short.open("r+b") as target:
        target.truncate(file.stat().st_size // 2)
    with pytest.raises(SourceError):
        rows(sources(short)["t"])


def test_a_schema_that_lies_is_an_error(file: Path) -> None:
    make(
        file,
        """
        CREATE TABLE t (a INT);
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a INT, , b';
        """,
    )
    with pytest.raises(SourceError, match="malformed database schema"):
        sources(file)
