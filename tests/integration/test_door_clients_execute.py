"""SQL's EXECUTE of statements that a client has prepared by the protocol."""

from collections.abc import Iterator

import asyncpg
import psycopg
import pytest

from myriad import Myriad
from myriad.connect import Target
from tests.door_clients import Place, connect, in_own_loop, keywords, made_place

FORMS = (False, True)  # EXECUTE as a simple query, and by the extended protocol


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with made_place(installation) as made:
        yield made


def prepare(connection: psycopg.Connection, name: str, text: str) -> None:
    result = connection.pgconn.prepare(name.encode(), text.encode())
    assert not result.error_message


def close(connection: psycopg.Connection, name: str) -> None:
    assert not connection.pgconn.close_prepared(name.encode()).error_message


def run(connection: psycopg.Connection, text: str, *, extended: bool) -> list[tuple[object, ...]]:
    return connection.execute(text.encode(), prepare=extended, binary=extended).fetchall()


@pytest.mark.parametrize("extended", FORMS)
@pytest.mark.parametrize("who", ["owner", "reader"])
def test_each_session_executes_its_own(place: Place, who: str, *, extended: bool) -> None:
    person: Target = getattr(place, who)
    with connect(person) as one, connect(person) as other:
        prepare(one, "mine", "SELECT $1::int + 1")
        prepare(other, "mine", "SELECT 'other ' || $1")
        for _ in range(2):
            assert run(one, "EXECUTE mine(1)", extended=extended) == [(2,)]
            assert run(other, "EXECUTE mine(1)", extended=extended) == [("other 1",)]
        with connect(person) as third, pytest.raises(psycopg.errors.InvalidSqlStatementName):
            run(third, "EXECUTE mine(1)", extended=extended)


@pytest.mark.parametrize("extended", FORMS)
def test_what_is_closed_or_prepared_anew_is_not_what_was(place: Place, *, extended: bool) -> None:
    with connect(place.owner) as one:
        prepare(one, "mine", "SELECT 1")
        assert run(one, "EXECUTE mine", extended=extended) == [(1,)]
        close(one, "mine")
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            run(one, "EXECUTE mine", extended=extended)
        prepare(one, "mine", "SELECT 2, 3")
        assert run(one, "EXPLAIN EXECUTE mine", extended=extended)
        with one.cursor() as cursor:  # another text: psycopg has prepared the first one
            assert cursor.execute("EXECUTE mine /* */").fetchall() == [(2, 3)]


@pytest.mark.parametrize("extended", FORMS)
def test_what_cannot_be_prepared_any_more_fails_as_it_does_there(
    place: Place, *, extended: bool
) -> None:
    with connect(place.owner) as one, connect(place.owner) as other:
        one.execute("CREATE TABLE passing (a int)")
        prepare(one, "mine", "SELECT a FROM passing")
        other.execute("DROP TABLE passing")
        with pytest.raises(psycopg.errors.UndefinedTable):
            run(one, "EXECUTE mine", extended=extended)
        assert one.execute("SELECT 1").fetchone() == (1,)


def test_in_a_transaction_and_a_pipeline(place: Place) -> None:
    with connect(place.owner) as one:
        prepare(one, "mine", "SELECT 5")
        with one.transaction():
            assert one.execute("EXECUTE mine").fetchall() == [(5,)]
        with one.pipeline():
            found = [one.execute("EXECUTE mine") for _ in range(3)]
        assert [cursor.fetchall() for cursor in found] == [[(5,)]] * 3


def test_asyncpg_executes_by_name(place: Place) -> None:
    async def execute(who: Target) -> None:
        one = await asyncpg.connect(**keywords(who, "database"))
        try:
            prepared = await one.prepare("SELECT 1", name="mine")
            assert await one.fetchval("EXECUTE mine") == 1
            assert await prepared.fetchval() == 1
            with pytest.raises(asyncpg.DuplicatePreparedStatementError):
                await one.prepare("SELECT 1", name="mine")
        finally:
            await one.close()

    in_own_loop(execute(place.owner))
