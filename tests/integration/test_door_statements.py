"""Prepared statements mean what they meant when they were prepared, or are refused.

Tables are replaced, altered and dropped under them, and they move between server connections.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path

import asyncpg
import psycopg
import pytest

from myriad import Myriad
from myriad.publish.options import Options
from tests.door_clients import in_own_loop
from tests.door_script import Place, owning, shared

DATABASE, ALICE, BOB, OWNER = "door statements", "alice of words", "bob of words", "otto of words"
OWN = "own_of_words"
NUMBERS = count()
OUT_OF_DATE = {"0A000", "XX000"}
CHANGED = "0A000"  # feature_not_supported: "cached plan must not change result type"


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    people, nothing = [ALICE, BOB], "CREATE TABLE nothing ()"
    with shared(installation, DATABASE, people, nothing) as found, owning(found, OWNER, OWN):
        yield found


@pytest.fixture
def table() -> str:
    return f"t{next(NUMBERS)}"


def connect(place: Place, person: str, database: str = DATABASE) -> psycopg.Connection:
    server = place.server
    return psycopg.connect(
        host=server.host, port=server.port, user=person, password=place.passwords[person],
        dbname=database, autocommit=True,
    )  # fmt: skip


def asyncpg_connect(place: Place, person: str, database: str = DATABASE) -> "asyncpg.Connection":
    server = place.server
    return asyncpg.connect(
        host=server.host, port=server.port, user=person, password=place.passwords[person],
        database=database, ssl=False,
    )  # fmt: skip


def owner(place: Place) -> psycopg.Connection:
    return connect(place, OWNER, OWN)


def outcome(connection: psycopg.Connection, text: str, *values: object) -> object:
    """Return the rows of a prepared statement, or its SQLSTATE."""
    try:
        return connection.execute(text.encode(), values or None, prepare=True).fetchall()
    except psycopg.Error as error:
        return error.sqlstate


@contextmanager
def held(place: Place, person: str, database: str = DATABASE) -> Iterator[None]:
    """Hold the server connection that was used last: who comes next has another one."""
    with closing(connect(place, person, database)) as connection:
        connection.execute("BEGIN")
        yield
        connection.execute("COMMIT")


# Tables that change


def test_after_publishing_other_columns_sessions_old_and_new_read_them(
    place: Place, tmp_path: Path, table: str
) -> None:
    def publish(body: str) -> None:
        source = tmp_path / f"{table}.csv"
        source.write_text(body)
        place.installation.publish([source], Options(database=DATABASE, contract="free"))

    publish("id,v\n1,a\n")
    with ExitStack() as stack:
        old = [stack.enter_context(connect(place, who)) for who in (ALICE, BOB) * 2]
        for connection in old:
            connection.execute("BEGIN")  # each has a server connection
        for connection in old:
            assert outcome(connection, f"SELECT * FROM {table}") == [(1, "a")]
            assert outcome(connection, f"SELECT v FROM {table} WHERE id = %s", "1") == [("a",)]
        for connection in old:
            connection.execute("COMMIT")
        publish("id,v,w\nx1,a,b\n")
        for connection in [*old, *(connect(place, BOB) for _ in range(4))] * 2:
            assert outcome(connection, f"SELECT * FROM {table}") == [("x1", "a", "b")]
        for connection in (connect(place, BOB) for _ in range(4)):
            with connection:
                text = f"SELECT v FROM {table} WHERE id = %s"
                assert outcome(connection, text, "x1") == [("a",)]


Step = tuple[str, str]  # who; what, prepared unless it begins with `!`
SCHEDULES: dict[str, list[Step]] = {
    "a column's type": [
        ("a", "!CREATE TABLE {t} (k int, v text); INSERT INTO {t} VALUES (1, 'x')"),
        ("a", "SELECT * FROM {t}"),
        ("b", "!ALTER TABLE {t} ALTER k TYPE bigint"),
        *((who, "SELECT * FROM {t}") for who in "bcacd"),
    ],
    "a column more": [
        ("a", "!CREATE TABLE {t} (k int)"),
        ("a", "SELECT * FROM {t}"),
        ("b", "!ALTER TABLE {t} ADD v text"),
        *((who, "SELECT * FROM {t}") for who in "bca"),
    ],
    "a view": [
        ("a", "!CREATE VIEW {t} AS SELECT 1 AS a"),
        ("a", "SELECT * FROM {t}"),
        ("b", "!CREATE OR REPLACE VIEW {t} AS SELECT 1 AS a, 2 AS b"),
        *((who, "SELECT * FROM {t}") for who in "bca"),
    ],
    "a type": [
        ("a", "!CREATE TYPE {t} AS enum ('x', 'y')"),
        ("a", "SELECT 'x'::{t}::text"),
        ("b", "!DROP TYPE {t}"),
        ("b", "!CREATE TYPE {t} AS enum ('x', 'z')"),
        *((who, "SELECT 'x'::{t}::text") for who in "bca"),
    ],
    "a function": [
        ("a", "!CREATE FUNCTION {t}(i int) RETURNS int LANGUAGE sql AS 'SELECT i'"),
        ("a", "SELECT {t}(1)"),
        ("b", "!CREATE OR REPLACE FUNCTION {t}(i int) RETURNS int LANGUAGE sql AS 'SELECT 2'"),
        ("c", "SELECT {t}(1)"),
        ("b", "!DROP FUNCTION {t}(int)"),
        ("b", "!CREATE FUNCTION {t}(int) RETURNS text LANGUAGE sql AS $$SELECT 'new'$$"),
        ("d", "SELECT {t}(1)"),
    ],
    "a function that fits better": [
        ("a", "!CREATE FUNCTION {t}(text) RETURNS text LANGUAGE sql AS $$SELECT 'text'$$"),
        ("a", "SELECT {t}('1')"),
        ("b", "!CREATE FUNCTION {t}(char) RETURNS text LANGUAGE sql AS $$SELECT 'char'$$"),
        ("c", "SELECT {t}('1')"),
    ],
    "a temporary table in its place": [
        ("a", "!CREATE TABLE {t} (k int); INSERT INTO {t} VALUES (1)"),
        ("a", "SELECT * FROM {t}"),
        ("a", "!CREATE TEMP TABLE {t} (k int); INSERT INTO {t} VALUES (99)"),
        ("a", "SELECT * FROM {t}"),
        ("b", "SELECT * FROM {t}"),
        ("a", "!DISCARD ALL"),
        ("c", "SELECT * FROM {t}"),
    ],
    "a search path": [
        ("a", "!CREATE SCHEMA {t}; CREATE TABLE {t}.{t} AS SELECT 'q' AS k"),
        ("a", "!CREATE TABLE {t} (k int)"),
        ("a", "SELECT * FROM {t}"),
        ("b", "!SET search_path = {t}"),
        ("b", "SELECT * FROM {t}"),
        ("a", "SELECT * FROM {t}"),
        ("c", "SELECT * FROM {t}"),
    ],
    "row security": [
        ("a", "!CREATE TABLE {t} (k int); INSERT INTO {t} VALUES (1)"),
        ("a", "SELECT * FROM {t}"),
        ("b", "!ALTER TABLE {t} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"),
        ("a", "SELECT * FROM {t}"),
        ("c", "SELECT * FROM {t}"),
    ],
    "statements ended by SQL": [
        ("a", "!PREPARE p AS SELECT 1"), ("a", "!EXECUTE p"), ("b", "!EXECUTE p"),
        ("a", "!DEALLOCATE p"), ("a", "!EXECUTE p"), ("a", "!PREPARE p AS SELECT 2"),
        ("a", "!EXECUTE p"), ("a", "!DEALLOCATE ALL"), ("a", "!EXECUTE p"),
    ],
}  # fmt: skip


def run(schedule: list[Step], make: Callable[[], psycopg.Connection], table: str) -> list[object]:
    found: list[object] = []
    with ExitStack() as stack:
        sessions = {who: stack.enter_context(make()) for who in "abcd"}
        for who, text in schedule:
            written = text.lstrip("!").format(t=table)
            try:
                cursor = sessions[who].execute(written.encode(), prepare=not text.startswith("!"))
                found.append(cursor.fetchall() if cursor.description else "done")
            except psycopg.Error as error:
                found.append(error.sqlstate)
    return found


@pytest.mark.parametrize("name", SCHEDULES)
def test_sessions_get_what_a_direct_connection_gives_or_rows_instead_of_an_old_plan(
    place: Place, name: str, table: str
) -> None:
    def straight() -> psycopg.Connection:
        dsn = place.server.dsn
        return psycopg.connect(dsn, user=OWNER, dbname=OWN, options="", autocommit=True)

    direct = run(SCHEDULES[name], straight, f"{table}d")
    door = run(SCHEDULES[name], lambda: owner(place), f"{table}p")
    for here, there in zip(door, direct, strict=True):
        assert here == there or (there in OUT_OF_DATE and isinstance(here, list)), (door, direct)
    assert not OUT_OF_DATE.intersection(each for each in door if isinstance(each, str))


# What a session was told


def test_a_session_never_gets_other_types_than_it_was_told(place: Place, table: str) -> None:
    """asyncpg keeps what it was told, and reads the bytes of int8 as it reads those of int4."""

    async def work() -> None:
        with closing(owner(place)) as other:
            other.execute(f"CREATE TABLE {table} (k int); INSERT INTO {table} VALUES (7)".encode())
            session = await asyncpg_connect(place, OWNER, OWN)
            statement = await session.prepare(f"SELECT k FROM {table} WHERE k = $1")
            assert await statement.fetchval(7) == 7
            other.execute(f"ALTER TABLE {table} ALTER k TYPE bigint".encode())
            with held(place, OWNER, OWN), pytest.raises(asyncpg.InvalidCachedStatementError):
                await statement.fetchval(7)  # on another server connection: prepared anew there
            assert await session.fetchval(f"SELECT k FROM {table} WHERE k = $1", 7) == 7
            await session.close()

    in_own_loop(work())


def test_asyncpg_prepares_again_by_itself_after_a_change(place: Place, table: str) -> None:
    async def work() -> None:
        with closing(owner(place)) as other:
            other.execute(f"CREATE TABLE {table} (k int); INSERT INTO {table} VALUES (7)".encode())
            session = await asyncpg_connect(place, OWNER, OWN)
            text = f"SELECT * FROM {table}"
            for kind in ("int", "bigint", "text", "numeric"):
                other.execute(f"ALTER TABLE {table} ALTER k TYPE {kind} USING k::{kind}".encode())
                for _ in range(3):
                    [(value,)] = await session.fetch(text)
                    assert str(value) == "7"
            await session.close()

    in_own_loop(work())


def test_in_a_transaction_block_an_old_plan_is_refused_and_the_next_parse_works(
    place: Place, table: str
) -> None:
    with closing(owner(place)) as session, closing(owner(place)) as other:
        other.execute(f"CREATE TABLE {table} (k int)".encode())
        text = f"SELECT * FROM {table}"
        assert outcome(session, text) == []
        other.execute(f"ALTER TABLE {table} ADD v text".encode())
        session.execute("BEGIN")
        assert outcome(session, text) == CHANGED
        session.execute("ROLLBACK")
        assert outcome(session, text) == []
        assert outcome(session, f"{text} -- anew") == []


def test_what_was_passed_on_is_not_sent_again(place: Place, table: str) -> None:
    """What changes the table comes past the door: the session keeps its server connection."""
    with closing(owner(place)) as session, closing(place.admin(OWN)) as other:
        session.execute(f"CREATE TABLE {table} AS SELECT 1 AS k".encode())  # nothing to reset
        text = f"SELECT * FROM {table}"
        assert outcome(session, text) == [(1,)]
        assert outcome(session, "SELECT 'first'") == [("first",)]
        other.execute(f"ALTER TABLE public.{table} ADD v text".encode())
        first = session.cursor()

        def both() -> None:
            with session.pipeline():
                first.execute("SELECT 'first'", prepare=True)
                session.execute(text.encode(), prepare=True)

        with pytest.raises(psycopg.errors.FeatureNotSupported):
            both()
        assert first.fetchone() == ("first",)
        assert outcome(session, text) == [(1, None)]
