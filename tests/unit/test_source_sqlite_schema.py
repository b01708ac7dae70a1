import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from myriad.model import ForeignKey, Index, Kind, Table
from myriad.sources.base import TableSource
from myriad.sources.sqlite import types as sqlite_types
from myriad.sources.sqlite.source import open_sqlite
from tests.source_harness import opened, rows


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.sqlite"


def make(file: Path, script: str) -> None:
    with closing(sqlite3.connect(file)) as con:
        con.executescript(script)


def sources(file: Path) -> dict[str, TableSource]:
    return {source.table.name: source for source in opened(open_sqlite, file)}


def tables(file: Path, script: str) -> dict[str, Table]:
    make(file, script)
    return {name: source.table for name, source in sources(file).items()}


def test_keys_and_indexes_come_along(file: Path) -> None:
    found = tables(
        file,
        """
        CREATE TABLE author (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
        CREATE TABLE "book of" (
            "Author" INT REFERENCES AUTHOR ON DELETE CASCADE ON UPDATE SET NULL,
            nr INT, title TEXT COLLATE NOCASE, sequel_a INT, sequel_n INT,
            PRIMARY KEY ("Author", nr),
            FOREIGN KEY (sequel_a, sequel_n) REFERENCES "book of" (author, NR)
        ) WITHOUT ROWID;
        CREATE TABLE tag (name TEXT PRIMARY KEY, of TEXT REFERENCES author(name)) STRICT;
        CREATE INDEX plain ON "book of" (title, nr DESC);
        CREATE UNIQUE INDEX anycase ON "book of" (title);
        CREATE INDEX part ON tag (of) WHERE of > 'a';
        CREATE INDEX expr ON tag (lower(of));
        INSERT INTO author VALUES (1, 'A');
        INSERT INTO "book of" VALUES (1, 1, 't', NULL, NULL);
        """,
    )
    author, book, tag = found["author"], found["book of"], found["tag"]
    assert author.primary_key == ("id",)
    assert author.column("name").not_null
    assert author.indexes == (Index(("name",), unique=True),)
    assert book.primary_key == ("Author", "nr")
    assert book.foreign_keys == (
        ForeignKey(("Author",), "author", ("id",), "CASCADE", "SET NULL"),
        ForeignKey(("sequel_a", "sequel_n"), "book of", ("Author", "nr")),
    )
    assert book.indexes == (Index(("title", "nr")), Index(("title",), unique=True))
    assert tag.foreign_keys == (ForeignKey(("of",), "author", ("name",)),)
    assert tag.indexes == ()
    notes = "\n".join(note for table in found.values() for note in table.notes)
    assert author.column("id").identity == 1
    for fragment in ("part not carried over: it is partial", "expr not carried"):
        assert fragment in notes
    assert "anycase is unique regardless of case" in notes


def test_foreign_keys_that_do_not_hold_are_named(file: Path) -> None:
    found = tables(
        file,
        """
        CREATE TABLE p (id INTEGER PRIMARY KEY, code TEXT, word);
        CREATE TABLE c (a INT REFERENCES p, b REFERENCES nowhere(x), d TEXT REFERENCES p(code),
                        e TEXT REFERENCES p(id));
        INSERT INTO p VALUES (1, 'x', 'w');
        INSERT INTO c VALUES (2, 1, 'x', '1');
        """,
    )["c"]
    assert found.foreign_keys == ()
    notes = "\n".join(found.notes)
    assert "(a) to p not carried over: 1 row points to a row that is not there" in notes
    assert "(b) to nowhere not carried over: there is no such table" in notes
    assert "(d) to p not carried over: its target is not unique" in notes
    assert "(e) to p not carried over: types differ" in notes


def test_a_primary_key_with_nulls_becomes_unique(file: Path) -> None:
    table = tables(
        file, "CREATE TABLE t (a TEXT PRIMARY KEY); INSERT INTO t VALUES (NULL), (NULL), ('x')"
    )["t"]
    assert (table.primary_key, table.indexes) == ((), (Index(("a",), unique=True),))
    assert any("has nulls" in note for note in table.notes)


@pytest.mark.parametrize(
    ("declared", "kind", "expected"),
    [
        ("INT DEFAULT 5", Kind.INTEGER, "5"),
        ("INT DEFAULT -5", Kind.INTEGER, "-5"),
        ("INT DEFAULT (+7)", Kind.INTEGER, "7"),
        ("INT DEFAULT true", Kind.INTEGER, "1"),
        ("INT DEFAULT NULL", Kind.INTEGER, None),
        ("REAL DEFAULT 1.5e3", Kind.DOUBLE, "1500"),
        ("BOOLEAN DEFAULT 1", Kind.BOOLEAN, "true"),
        ("BOOLEAN DEFAULT FALSE", Kind.BOOLEAN, "false"),
        ("TEXT DEFAULT 'it''s'", Kind.TEXT, "'it''s'"),
        ('TEXT DEFAULT "x"', Kind.TEXT, "'x'"),
        ("TEXT DEFAULT 5", Kind.TEXT, "'5'"),
        (
            "DATETIME DEFAULT CURRENT_TIMESTAMP",
            Kind.TIMESTAMP,
            "(CURRENT_TIMESTAMP AT TIME ZONE 'UTC')",
        ),
        ("DATE DEFAULT '2024-01-01'", Kind.DATE, "'2024-01-01'"),
    ],
)
def test_defaults_are_translated(
    file: Path, declared: str, kind: Kind, expected: str | None
) -> None:
    column = tables(file, f"CREATE TABLE t (c {declared})")["t"].column("c")
    assert (column.type.kind, column.default) == (kind, expected)


@pytest.mark.parametrize(
    "declared",
    [
        "INT DEFAULT 'abc'",
        "INT DEFAULT 1.5",
        "TEXT DEFAULT (lower('X'))",
        "BLOB DEFAULT x'00'",
        "TEXT DEFAULT CURRENT_TIMESTAMP",
        "DATE DEFAULT 'soon'",
        "TEXT DEFAULT ((1) || (2))",
    ],
)
def test_defaults_that_cannot_be_translated_are_named(file: Path, declared: str) -> None:
    table = tables(file, f"CREATE TABLE t (c {declared})")["t"]
    assert table.column("c").default is None
    assert any("default of c not carried over" in note for note in table.notes)


def test_what_has_no_table_is_named(file: Path) -> None:
    found = tables(
        file,
        """
        CREATE TABLE t (a INT CHECK (a > 0), b AS (a + 1), c AS (a * 2) STORED);
        CREATE VIEW v AS SELECT load_extension('x') FROM t;
        CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM t; END;
        CREATE VIRTUAL TABLE words USING fts5(body);
        CREATE VIRTUAL TABLE boxes USING rtree(id, a, b);
        """,
    )
    assert list(found) == ["t"]
    notes = "\n".join(found["t"].notes)
    for fragment in (
        "view v not carried over: it calls load_extension()",
        "virtual tables not carried over: boxes, words",
        "triggers not carried over: tr",
        "b is generated",
        "c is generated",
    ):
        assert fragment in notes


def test_generated_columns_carry_their_values(file: Path) -> None:
    make(file, "CREATE TABLE t (a INT, b AS (a + 1)); INSERT INTO t(a) VALUES (1)")
    assert rows(sources(file)["t"]) == [(1, 2)]


@pytest.mark.parametrize(
    ("text", "base", "decimal"),
    [
        ("decimal ( 10 , 2 )", "DECIMAL", "numeric(10,2)"),
        ("NUMERIC(5)", "NUMERIC", "numeric(5,0)"),
        ("NUMERIC(50,2)", "NUMERIC", "numeric(50,2)"),
        ("NUMERIC(1001)", "NUMERIC", None),
        ("timestamp(6) with time zone", "TIMESTAMP WITH TIME ZONE", None),
        ("UNSIGNED  BIG INT", "UNSIGNED BIG INT", None),
        ("(", "(", None),
    ],
)
def test_declared_types_are_taken_apart(text: str, base: str, decimal: str | None) -> None:
    found = sqlite_types.declared(text)
    assert (found.base, str(found.decimal) if found.decimal else None) == (base, decimal)
