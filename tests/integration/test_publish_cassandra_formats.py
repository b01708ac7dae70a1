"""Workbooks, documents and typed files come into Cassandra with the values that they hold."""

import datetime as dt
import sqlite3
from contextlib import closing
from typing import Any

from tests.every_format import MAKERS, NAMES, wanted
from tests.keyspaces import Space


def test_every_value_comes_into_cassandra(space: Space) -> None:
    for name, make in MAKERS.items():
        make(path := space.folder / name)
        table = "c_" + name.replace(".", "_")
        space.publish(path, key="id", table=table)
        with space.driver() as session:
            rows = list(session.execute(f"SELECT {', '.join(NAMES)} FROM {table}"))
        found = sorted(tuple(map(_plain, row)) for row in rows)
        assert found == [tuple(map(_plain, row)) for row in wanted(name)], name


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    return value.date() if hasattr(value, "date") else value


def test_rules_of_sqlite_that_cassandra_has_not_are_named(space: Space) -> None:
    path = space.folder / "shop.db"
    with closing(sqlite3.connect(path)) as con:
        con.executescript(
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, n INT CHECK (n > 0));"
            "CREATE VIEW v AS SELECT n FROM t; INSERT INTO t (n) VALUES (1)"
        )
    (table,) = space.publish(path, "id").tables
    assert (
        "not carried over, Cassandra has none: CHECK (n > 0), view v, the counter of id"
        in table.table.notes
    )
