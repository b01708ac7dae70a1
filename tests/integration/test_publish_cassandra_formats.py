"""Every format comes into Cassandra with the values that it holds."""

import datetime as dt
import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from cassandra.util import Date, Time

from myriad.publish.keys import parse_keys
from myriad.publish.options import Options
from tests.every_format import MAKERS, made, names, wanted
from tests.keyspaces import Space

# All that one format or another can say; PostgreSQL gets every format every day.
SAY_ALL = ("csv", "xlsx", "avro", "bson")


@pytest.mark.nightly(by_day=["some"])
@pytest.mark.parametrize("kinds", [SAY_ALL, tuple(MAKERS)], ids=["some", "all"])
def test_every_value_comes_into_cassandra(space: Space, kinds: tuple[str, ...]) -> None:
    (folder := space.folder / "every").mkdir()
    for kind in kinds:
        made(kind, folder)
    keys = parse_keys([f"{kind}=id" for kind in kinds])
    options = Options(to="cassandra", dataset=space.dataset, keys=keys)
    space.installation.publish([folder], options)
    with space.driver() as session:
        for kind in kinds:
            rows = session.execute(f"SELECT {', '.join(names(kind))} FROM {kind}")
            found = sorted(tuple(map(_plain, row)) for row in rows)
            assert found == [tuple(map(_plain, row)) for row in wanted(kind)], kind


def _plain(value: Any) -> Any:
    """Return a value as both sides can have it: moments in UTC, documents taken apart."""
    match value:
        case dt.datetime():
            return value.replace(tzinfo=None)
        case Date():
            return value.date()
        case Time():
            return value.time()
        case str() if value.startswith("{"):
            return json.loads(value)
    return value


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
