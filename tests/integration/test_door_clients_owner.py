"""An owner in their own database, through the door: what stays with a session of theirs."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import psycopg2
import pytest
from psycopg import sql

from myriad import Myriad
from tests.door_clients import LONG, Place, connect, in_thread, keywords, made_place
from tests.harness import wait_until


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with made_place(installation) as made:
        yield made


def test_owner_defines_things(place: Place) -> None:
    with connect(place.owner) as connection:
        connection.execute("CREATE TABLE mine (id serial PRIMARY KEY, body text)")
        connection.execute("DO $$BEGIN INSERT INTO mine (body) VALUES (current_user); END$$")
        assert connection.execute("SELECT * FROM mine").fetchone() == (1, place.owner.user)
        connection.execute("INSERT INTO mine (body) VALUES ('x')")
        assert connection.execute("SELECT currval('mine_id_seq'), lastval()").fetchone() == (2, 2)
        connection.execute("CREATE FUNCTION who() RETURNS text LANGUAGE sql AS 'SELECT user::text'")
        assert connection.execute("SELECT who()").fetchone() == (place.owner.user,)
        connection.execute("CREATE SCHEMA more")
        connection.execute(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA more GRANT SELECT ON TABLES TO PUBLIC"
        )
        connection.execute("VACUUM ANALYZE mine")


def test_owner_drops_a_database_that_others_used(place: Place, installation: Myriad) -> None:
    """The pool of those others still holds connections to it."""
    name = f"gone_{place.owner.database}"
    group = f"write_{place.writer.user.removeprefix('writer_')}"
    with connect(place.owner) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        installation.people.grant(group, "public", name)
        with connect(replace(place.writer, database=name)) as guest:
            assert guest.execute("SELECT 1").fetchone() == (1,)
        connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        connect(replace(place.writer, database=name))


def test_owner_keeps_session_state(place: Place) -> None:
    with connect(place.owner) as connection, connect(place.owner) as other:
        connection.execute("CREATE TEMPORARY TABLE scratch (n int)")
        connection.execute("PREPARE add AS INSERT INTO scratch VALUES (1)")
        connection.execute("SET my.own = 'value'")
        assert connection.execute("SELECT pg_try_advisory_lock(5)").fetchone() == (True,)
        assert other.execute("SELECT pg_try_advisory_lock(5)").fetchone() == (False,)
        connection.execute("EXECUTE add")
        assert connection.execute("SELECT count(*) FROM scratch").fetchone() == (1,)
        assert connection.execute("SELECT current_setting('my.own')").fetchone() == ("value",)
        with pytest.raises(psycopg.errors.UndefinedTable):
            other.execute("SELECT * FROM scratch")
        connection.execute("DISCARD ALL")
        assert other.execute("SELECT pg_try_advisory_lock(5)").fetchone() == (True,)
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM scratch")


def test_an_owners_lock_stays_that_was_taken_before_an_error(place: Place) -> None:
    with connect(place.owner) as connection, connect(place.owner) as other:
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("SELECT pg_advisory_lock(6); SELECT 1/0")
        assert other.execute("SELECT pg_try_advisory_lock(6)").fetchone() == (False,)
        assert connection.execute("SELECT pg_advisory_unlock(6)").fetchone() == (True,)


def test_owner_changes_role(place: Place) -> None:
    with connect(place.owner) as connection:
        role = sql.SQL("SET ROLE {}")
        connection.execute(role.format(sql.Identifier("myriad_owner")))
        found = connection.execute("SELECT current_user, session_user").fetchone()
        assert found == ("myriad_owner", place.owner.user)
        with connect(place.owner) as other:
            assert other.execute("SELECT current_user").fetchone() == (place.owner.user,)
        connection.execute("RESET ROLE")
        assert connection.execute("SELECT current_user").fetchone() == (place.owner.user,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SET ROLE myriad")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SET SESSION AUTHORIZATION myriad")


def test_owner_listens_while_idle_and_in_a_statement(place: Place) -> None:
    with connect(place.owner) as listener, connect(place.owner) as speaker:
        listener.execute("LISTEN news")
        speaker.execute("NOTIFY news, 'while idle'")
        [first] = list(listener.notifies(timeout=10, stop_after=1))
        assert first.payload == "while idle"

        def speak() -> None:
            wait_until(lambda: place.runs(place.owner, LONG))
            speaker.execute("SELECT pg_notify('news', 'while busy')")
            listener.cancel_safe(timeout=10)

        with in_thread(speak), pytest.raises(psycopg.errors.QueryCanceled):
            listener.execute(LONG)
        [second] = list(listener.notifies(timeout=10, stop_after=1))
        assert second.payload == "while busy"
        listener.execute("UNLISTEN *")
        speaker.execute("NOTIFY news, 'to nobody'")
        assert list(listener.notifies(timeout=0.1)) == []


def test_large_objects_by_function_calls(place: Place) -> None:
    """psycopg2's lobject uses the protocol's old function calls."""
    connection = psycopg2.connect(**keywords(place.owner))
    with connection:
        written = connection.lobject(0, "wb")
        assert written.write(b"x" * 1_000_000) == 1_000_000
        written.close()
    with connection:
        read = connection.lobject(written.oid, "rb")
        assert read.seek(999_990) == 999_990
        assert read.read() == b"x" * 10
        read.close()
    with connection:
        connection.lobject(written.oid, "n").unlink()
        with pytest.raises(psycopg2.Error):
            connection.lobject(written.oid, "rb")
    connection.close()
