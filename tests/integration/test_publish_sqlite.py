"""SQLite files come into PostgreSQL with the values, keys and rules they had."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from myriad.errors import SourceError
from myriad.publish.contract import Change
from myriad.sources.sqlite import file as sqlite_file
from tests.catalog import not_null, rules
from tests.publishing import Place

LIBRARY = """
CREATE TABLE Author (
    Id INTEGER PRIMARY KEY,
    FullName TEXT NOT NULL UNIQUE,
    born DATE,
    country VARCHAR(2) DEFAULT 'DE'
);
CREATE TABLE book (
    isbn TEXT NOT NULL,
    edition SMALLINT NOT NULL DEFAULT 1,
    author INTEGER NOT NULL REFERENCES Author (Id) ON DELETE CASCADE,
    price DECIMAL(10, 2),
    cover BLOB,
    rating REAL,
    added DATETIME DEFAULT CURRENT_TIMESTAMP,
    about JSON,
    in_print BOOLEAN DEFAULT 1,
    sold BIGINT DEFAULT -1,
    PRIMARY KEY (isbn, edition),
    UNIQUE (author, added)
) WITHOUT ROWID;
CREATE INDEX by_price ON book (price, rating);
CREATE VIEW cheap AS SELECT * FROM book WHERE price < 5;
"""
AUTHORS = [
    (1, "Šimon O'Brien", date(1969, 2, 28), "CZ"),
    (2, 'the "other"; DROP TABLE author', None, None),
    (2**40, "漢字 🎉", date(1, 1, 1), ""),
]
BOOKS: list[tuple[Any, ...]] = [
    ("007", 1, 1, Decimal("19.90"), bytes(range(256)), 0.1, "2024-02-29 12:30:00", {"p": [1]}),
    ("007", 2, 1, Decimal("0.01"), b"", -1e300, "2024-02-29 12:30:00.25", {"ü": None}),
    ("a, \n\t\\N", 1, 2**40, Decimal("-99999999.99"), None, None, None, None),
]
BOOKS = [
    (*row[:6], row[6] and datetime.fromisoformat(row[6]), row[7], flag, sold)
    for row, flag, sold in zip(BOOKS, (True, False, None), (2**63 - 1, -(2**63), None), strict=True)
]


def _stored(value: object) -> object:
    """Return a value as programs put it into SQLite."""
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else value


def _fill(con: sqlite3.Connection) -> None:
    con.executescript(LIBRARY)
    for table, rows in (("Author", AUTHORS), ("book", BOOKS)):
        marks = ", ".join("?" * len(rows[0]))
        stored = [tuple(map(_stored, row)) for row in rows]
        con.executemany(f"INSERT INTO {table} VALUES ({marks})", stored)
    con.commit()


@pytest.fixture
def library(place: Place) -> Path:
    path = place.folder / "library.sqlite"
    with closing(sqlite3.connect(path)) as con:
        _fill(con)
    return path


def test_sqlite_brings_all_tables_with_their_types_and_values(place: Place, library: Path) -> None:
    report = place.publish(library)
    assert {table.table.name: table.rows for table in report.tables} == {"author": 3, "book": 3}
    assert place.columns("author") == {
        "id": "bigint",
        "full_name": "text",
        "born": "date",
        "country": "text",
    }
    assert place.columns("book") == {
        "isbn": "text",
        "edition": "smallint",
        "author": "bigint",
        "price": "numeric(10,2)",
        "cover": "bytea",
        "rating": "double precision",
        "added": "timestamp without time zone",
        "about": "jsonb",
        "in_print": "boolean",
        "sold": "bigint",
    }
    assert place.ask("SELECT * FROM author ORDER BY id") == AUTHORS
    assert place.ask("SELECT * FROM book ORDER BY isbn, edition") == BOOKS
    assert place.comments("author")["full_name"] == "FullName"
    assert place.ask("SELECT isbn, price FROM cheap ORDER BY price") == [
        (BOOKS[2][0], BOOKS[2][3]),
        ("007", Decimal("0.01")),
    ]


def test_sqlite_brings_its_keys_indexes_and_defaults(place: Place, library: Path) -> None:
    place.publish(library)
    assert rules(place, "author") == {"PRIMARY KEY (id)", "UNIQUE USING btree (full_name)"}
    assert rules(place, "book") == {
        "PRIMARY KEY (isbn, edition)",
        "FOREIGN KEY (author) REFERENCES author(id) ON DELETE CASCADE",
        "UNIQUE USING btree (author, added)",
        "USING btree (price, rating)",
    }
    assert not_null(place, "author") == {"id", "full_name"}
    assert not_null(place, "book") == {"isbn", "edition", "author"}
    place.ask("INSERT INTO author (id, full_name) VALUES (3, 'new')")
    assert place.one("SELECT country FROM author WHERE id = 3") == "DE"
    ((edition, added, in_print, sold),) = place.ask(
        "INSERT INTO book (isbn, author) VALUES ('x', 3) RETURNING edition, added, in_print, sold"
    )
    assert (edition, in_print, sold) == (1, True, -1)
    assert abs((datetime.now(UTC) - added.replace(tzinfo=UTC)).total_seconds()) < 60
    place.ask("DELETE FROM author WHERE id = 3")
    assert place.one("SELECT count(*) FROM book WHERE isbn = 'x'") == 0


def test_a_republished_sqlite_file_has_its_keys_again(place: Place, library: Path) -> None:
    place.publish(library)
    before = rules(place, "author"), rules(place, "book")
    with closing(sqlite3.connect(library)) as con:
        con.execute("UPDATE book SET price = 5 WHERE isbn = '007'")
        con.execute("DELETE FROM book WHERE edition = 2")
        con.commit()
    report = place.publish(library)
    assert [table.action for table in report.tables] == ["replaced", "replaced"]
    assert [table.difference for table in report.tables] == [[], []]
    assert (rules(place, "author"), rules(place, "book")) == before
    prices = [("007", Decimal("5.00")), (BOOKS[2][0], BOOKS[2][3])]
    assert place.ask("SELECT isbn, price FROM book ORDER BY isbn") == prices
    names = {"author", "author_pkey", "author_full_name_key", "book", "book_pkey"}
    names |= {"book_author_added_key", "book_price_rating_idx", "cheap"}
    assert place.relations() == {f"public.{name}" for name in names}


def test_values_that_contradict_the_declared_type_widen_the_column(place: Place) -> None:
    path = place.folder / "loose.db"
    with closing(sqlite3.connect(path)) as con:
        con.execute("CREATE TABLE loose (n INTEGER, d DATE, b BOOLEAN, t TEXT)")
        rows = [(1, "2024-01-01", 1, "x"), ("none", "soon", 2, b"\xff\x00"), (2.5, None, 0, None)]
        con.executemany("INSERT INTO loose VALUES (?, ?, ?, ?)", rows)
        con.commit()
    report = place.publish(path)
    assert place.columns("loose") == {"n": "text", "d": "text", "b": "integer", "t": "bytea"}
    assert place.ask("SELECT * FROM loose") == [
        ("1", "2024-01-01", 1, b"x"),
        ("none", "soon", 2, b"\xff\x00"),
        ("2.5", None, 0, None),
    ]
    why = {column.name: column.why for column in report.tables[0].table.columns}
    assert why["n"].startswith("declared INTEGER, but 1 integers, 1 reals, 1 texts")


def test_rows_still_in_the_write_ahead_log_are_published(place: Place) -> None:
    path = place.folder / "wal.sqlite"
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, what TEXT)")
        writer.execute("INSERT INTO event VALUES (1, 'committed')")
        writer.commit()
        writer.execute("INSERT INTO event VALUES (2, 'not committed')")
        assert path.with_name("wal.sqlite-wal").stat().st_size > 0
        place.publish(path)
        assert place.ask("SELECT * FROM event") == [(1, "committed")]
        writer.commit()
        place.publish(path)
        assert place.one("SELECT count(*) FROM event") == 2


def test_a_sqlite_file_locked_by_a_writer_is_refused_until_it_is_free(
    place: Place, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.2)
    place.publish(library)
    with closing(sqlite3.connect(library)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("DELETE FROM book")
        with pytest.raises(SourceError, match="database is locked") as caught:
            place.publish(library)
        assert "Another program is writing to it" in caught.value.hint
        assert place.one("SELECT count(*) FROM book") == len(BOOKS)
        writer.commit()
    place.publish(library, allow={Change.EMPTY})
    assert place.one("SELECT count(*) FROM book") == 0
