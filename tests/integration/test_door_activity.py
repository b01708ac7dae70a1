"""`pg_stat_activity` for who may not see others: one row of the asker's own, in every spelling."""

import re
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from myriad import Myriad
from tests.door_clients import Place, connect, made_place

PERSON = re.compile(r"Réa der \w+")
ONE_ROW = (
    "SELECT usename, query FROM pg_stat_activity",
    "SELECT usename, query FROM pg_catalog.pg_stat_activity",
    'SELECT a.usename, a.query FROM "pg_catalog" . "pg_stat_activity" AS a WHERE a.pid > 0',
    "SELECT pg_stat_activity.usename, query FROM pg_stat_activity * LIMIT 9",
    "SELECT usename, query FROM ONLY pg_stat_activity",
    "SELECT u, query FROM pg_stat_activity AS x (a, b, c, d, e, u)",
    "SELECT usename, query FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)",
    "SELECT usename, query FROM pg_stat_activity WHERE pid = pg_backend_pid()",
    "SELECT s.usename, s.query FROM pg_locks l JOIN pg_stat_activity s USING (pid) LIMIT 1",
    "WITH w AS (SELECT * FROM pg_stat_activity) SELECT usename, query FROM w",
    "SELECT usename, query FROM (SELECT * FROM PG_STAT_ACTIVITY) AS x",
    "SELECT usename, query FROM pg_stat_activity UNION SELECT usename, query FROM pg_stat_activity",
    "SELECT usename, query FROM pg_stat_activity/* é */WHERE query LIKE '%é%'",
    "SELECT usename, query FROM pg_stat_activity FOR UPDATE",
)
TEN = " UNION ALL ".join(["SELECT usename FROM pg_stat_activity"] * 10)


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with made_place(installation) as made:
        yield made


@pytest.mark.parametrize("asked", ONE_ROW)
def test_a_reader_sees_the_row_of_their_own_statement(place: Place, asked: str) -> None:
    with connect(place.writer) as somebody, connect(place.reader) as connection:
        somebody.execute("SELECT 'what somebody else runs'")
        for form in (False, True, True):  # as a simple query, then prepared
            cursor = connection.execute(asked.encode(), prepare=form, binary=form)
            [(name, query)] = cursor.fetchall()
            assert name == place.reader.user
            assert query == asked


def test_the_row_has_the_columns_of_the_view(place: Place) -> None:
    asked = b"TABLE pg_stat_activity"
    with connect(place.reader) as connection, place.direct(place.reader, user="myriad") as every:
        mine, whole = connection.execute(asked), every.execute(asked)
        columns = [(column.name, column.type_code) for column in mine.description or ()]
        assert columns == [(column.name, column.type_code) for column in whole.description or ()]
        row = dict(zip([name for name, _ in columns], mine.fetchone() or (), strict=True))
    assert row["datname"] == place.reader.database
    assert row["state"] == "active"
    assert row["backend_type"] == "client backend"
    assert row["query_start"] is not None
    assert row["client_addr"] is None


def test_one_has_the_own_application_name_and_role(place: Place) -> None:
    with connect(place.reader, application_name="mine") as connection:
        row = connection.execute(
            "SELECT application_name, usename = current_user, usesysid = r.oid"
            " FROM pg_stat_activity JOIN pg_roles r ON rolname = usename"
        ).fetchone()
        assert row == ("mine", True, True)


def test_a_long_statement_is_shown_as_far_as_the_server_shows_it(place: Place) -> None:
    asked = f"SELECT query FROM pg_stat_activity WHERE query <> '{'x' * 5000}é'"
    with connect(place.reader) as connection:
        [(query,)] = connection.execute(asked.encode()).fetchall()
    assert query == asked[:1023]


@pytest.mark.parametrize(
    "asked",
    [
        "SELECT * FROM pg_stat_get_activity(NULL)",
        "SELECT * FROM pg_stat_get_activity(pg_backend_pid())",
        "WITH pg_stat_activity AS (SELECT 1) SELECT * FROM pg_catalog.pg_stat_activity",
        "COPY (SELECT 1 FROM pg_stat_replication) TO STDOUT",
        TEN,
    ],
)
def test_what_the_door_does_not_answer_stays_refused(place: Place, asked: str) -> None:
    with connect(place.reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(asked.encode())


def test_another_relation_of_that_name_is_itself(place: Place) -> None:
    with connect(place.reader) as connection:
        asked = "WITH pg_stat_activity AS (SELECT 7 AS seven) SELECT seven FROM pg_stat_activity"
        assert connection.execute(asked).fetchone() == (7,)
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM public.pg_stat_activity")


def test_who_may_write_copies_no_more_than_the_own_row(place: Place) -> None:
    with connect(place.writer) as connection:
        connection.execute("INSERT INTO note (body) SELECT query FROM pg_stat_activity")
        asked = "UPDATE note SET body = usename FROM pg_stat_activity RETURNING body"
        assert connection.execute(asked).fetchall() == [(place.writer.user,)]
        connection.execute("DELETE FROM note USING pg_stat_activity WHERE body = usename")
        assert connection.execute("SELECT count(*) FROM note").fetchone() == (0,)


def test_owners_see_one_row_in_databases_of_ours_and_all_in_their_own(place: Place) -> None:
    with connect(place.owner, dbname="main") as connection:
        asked = "SELECT usename FROM pg_stat_activity"
        assert connection.execute(asked).fetchall() == [(place.owner.user,)]
    with connect(place.reader) as reader, connect(place.owner) as connection:
        reader.execute("BEGIN")
        every = connection.execute("SELECT pid, query FROM pg_stat_activity").fetchall()
        assert len(every) > 1
        assert "<insufficient privilege>" in {query for _, query in every}


def test_nothing_that_an_owner_does_opens_it_to_readers(place: Place) -> None:
    with connect(place.owner, dbname="main") as connection:
        for attack in (
            "GRANT EXECUTE ON FUNCTION pg_stat_get_activity TO PUBLIC",
            "CREATE OR REPLACE VIEW pg_stat_activity AS SELECT 1",
            "ALTER VIEW pg_stat_activity RENAME TO x",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(attack.encode())
    with (
        closing(place.direct(place.reader)) as reader,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        reader.execute("SELECT * FROM pg_stat_activity")
