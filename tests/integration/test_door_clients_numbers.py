"""Numbers of sessions, as clients know them: who cancels, ends, notifies and asks by them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import asyncpg
import psycopg
import psycopg2
import pytest
from psycopg import ClientCursor, sql

from myriad import Myriad
from myriad.connect import Target
from tests.door_clients import LONG, Place, connect, in_own_loop, in_thread, keywords, made_place
from tests.harness import wait_until

ENDED = (psycopg.errors.AdminShutdown, psycopg.OperationalError)


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with made_place(installation) as made:
        yield made


def number(connection: psycopg.Connection) -> int:
    return connection.info.backend_pid


# How people write a call: with the number in the text, or as a parameter, text and binary.
def by_literal(connection: psycopg.Connection, call: str, who: int) -> psycopg.Cursor:
    return connection.execute(f"SELECT {call}({who})".encode())


def by_parameter(connection: psycopg.Connection, call: str, who: int) -> psycopg.Cursor:
    return connection.execute(f"SELECT {call}(%s)".encode(), [who])


def by_binary(connection: psycopg.Connection, call: str, who: int) -> psycopg.Cursor:
    return connection.execute(f"SELECT pg_catalog.{call}(%b::int) AS x".encode(), [who])


def by_prepared(connection: psycopg.Connection, call: str, who: int) -> psycopg.Cursor:
    return connection.execute(f"SELECT {call}(%s::int)".encode(), [who], prepare=True)


def by_client(connection: psycopg.Connection, call: str, who: int) -> psycopg.Cursor:
    return ClientCursor(connection).execute(f"select {call}(%s)".encode(), [who])


Way = Callable[[psycopg.Connection, str, int], psycopg.Cursor]
WAYS: tuple[Way, ...] = (by_literal, by_parameter, by_binary, by_prepared, by_client)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("database", ["own", "main"])
def test_a_session_ends_itself_by_its_number(place: Place, way: Way, database: str) -> None:
    with connect(place.owner, dbname=place.owner.database if database == "own" else "main") as one:
        one.execute("SELECT 1")
        with pytest.raises(psycopg.errors.AdminShutdown):
            way(one, "pg_terminate_backend", number(one))
        assert one.broken


@pytest.mark.parametrize(
    "text",
    [
        "SELECT pg_terminate_backend(pg_backend_pid())",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = pg_backend_pid()",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {number}",
        "SELECT pg_terminate_backend((SELECT {number})), 1",
        "SELECT 1; SELECT pg_terminate_backend({number})",
        "DO $$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); END$$",
    ],
)
def test_a_session_ends_itself_in_whatever_way_it_asks(place: Place, text: str) -> None:
    with connect(place.owner) as one:
        with pytest.raises(psycopg.errors.AdminShutdown):
            one.execute(text.format(number=number(one)).encode())
        assert one.broken


@pytest.mark.parametrize("way", WAYS)
def test_a_session_cancels_itself_and_goes_on(place: Place, way: Way) -> None:
    with connect(place.owner) as one:
        with pytest.raises(psycopg.errors.QueryCanceled):
            way(one, "pg_cancel_backend", number(one))
        assert one.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", ["idle", "in a transaction", "pinned"])
def test_a_session_ends_another_one_of_the_same_person(place: Place, way: Way, state: str) -> None:
    with connect(place.owner) as one, connect(place.owner) as other:
        other.execute({"idle": "SELECT 1", "pinned": "CREATE TEMP TABLE x ()"}.get(state, "BEGIN"))
        assert way(one, "pg_terminate_backend", number(other)).fetchall() == [(True,)]
        with pytest.raises(ENDED):
            other.execute("SELECT 2")
        assert one.execute("SELECT 3").fetchone() == (3,)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("pg_cancel_backend", psycopg.errors.QueryCanceled),
        ("pg_terminate_backend", psycopg.errors.AdminShutdown),
    ],
)
def test_a_session_signals_another_one_that_works(
    place: Place, call: str, error: type[psycopg.Error]
) -> None:
    def signal() -> None:
        wait_until(lambda: place.runs(place.owner, LONG))
        assert by_parameter(one, call, number(other)).fetchone() == (True,)

    with connect(place.owner) as one, connect(place.owner) as other:
        with in_thread(signal), pytest.raises(error):
            other.execute(LONG)
        assert other.broken is (call == "pg_terminate_backend")
    wait_until(lambda: not place.runs(place.owner, LONG))


def test_an_answer_that_is_under_way_is_ended_with_nothing_that_is_no_message(place: Place) -> None:
    """The client does not read, so the door has passed on the beginning of a row."""
    with connect(place.owner) as one, connect(place.owner) as other:
        other.pgconn.send_query(b"SELECT repeat('x', 1000000) FROM generate_series(1, 50)")
        wait_until(lambda: place.runs(place.owner, "repeat('x'"))
        by_literal(one, "pg_terminate_backend", number(other))
        while other.pgconn.get_result() is not None:
            continue
        assert "lost synchronization" not in other.pgconn.get_error_message()
        assert other.broken


def test_failed_statements_signal_nobody(place: Place) -> None:
    with connect(place.owner) as one, connect(place.owner) as other:
        for failed in ("BEGIN; SELECT 1/0", f"SELECT pg_terminate_backend({number(other)})"):
            with pytest.raises(
                (psycopg.errors.DivisionByZero, psycopg.errors.InFailedSqlTransaction)
            ):
                one.execute(failed.encode())
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            by_parameter(one, "pg_terminate_backend", number(other))
        one.execute("ROLLBACK")
        assert other.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("way", WAYS)
def test_numbers_of_other_people_reach_nobody(place: Place, way: Way) -> None:
    """Neither those of readers, who share connections, nor a guest's in the same database."""
    with connect(place.owner) as one:
        name = sql.Identifier(place.writer.user)
        one.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                sql.Identifier(place.owner.database), name
            )
        )
        guest = replace(place.writer, database=place.owner.database)
        for victim in (place.reader, guest):
            with connect(victim) as other:
                other.execute("BEGIN")
                for call in ("pg_cancel_backend", "pg_terminate_backend"):
                    assert way(one, call, number(other)).fetchall() == [(False,)]
                assert other.execute("SELECT 1").fetchone() == (1,)
                asked = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
                assert one.execute(asked, [number(other)]).fetchone() == (0,)


def test_a_reader_signals_nobody(place: Place) -> None:
    with connect(place.reader) as one, connect(place.reader) as other:
        for call in ("pg_cancel_backend", "pg_terminate_backend"):
            for who in (number(one), number(other)):
                with pytest.raises(psycopg.errors.FeatureNotSupported):
                    by_literal(one, call, who)
        assert other.execute("SELECT 1").fetchone() == (1,)


def test_processes_that_activity_shows_can_be_signalled(place: Place) -> None:
    asked = "SELECT {}(pid) FROM pg_stat_activity WHERE query = %s AND pid <> pg_backend_pid()"

    def kill(call: str) -> None:
        wait_until(lambda: place.runs(place.owner, LONG))
        assert one.execute(asked.format(call).encode(), [LONG]).fetchall() == [(True,)]

    with connect(place.owner) as one, connect(place.owner) as other:
        with in_thread(kill, "pg_cancel_backend"), pytest.raises(psycopg.errors.QueryCanceled):
            other.execute(LONG)
        with in_thread(kill, "pg_terminate_backend"), pytest.raises(psycopg.errors.AdminShutdown):
            other.execute(LONG)
        assert other.broken


def test_the_own_number_is_the_same_all_the_time_and_means_the_own_process(place: Place) -> None:
    for who in (place.owner, place.reader):
        with connect(who) as one, connect(who) as other:
            for _ in range(3):
                mine = one.execute("SELECT pg_backend_pid(), 1").fetchone()
                assert mine == (number(one), 1)
                other.execute("SELECT 1")
            asked = "SELECT pid = pg_backend_pid() FROM pg_stat_activity WHERE pid = "
            assert one.execute(f"{asked}{number(one)}".encode()).fetchall() == [(True,)]
            assert one.execute(f"{asked}%s".encode(), [number(one)]).fetchall() == [(True,)]
            cursor = one.execute("SELECT pg_backend_pid()::text, pg_catalog.pg_backend_pid() AS x")
            assert [column.name for column in cursor.description or ()] == ["pg_backend_pid", "x"]
            assert cursor.fetchone() == (str(number(one)), number(one))


def test_another_session_that_works_is_found_by_its_number(place: Place) -> None:
    asked = "SELECT query FROM pg_stat_activity WHERE pid = "
    with connect(place.owner) as one, connect(place.owner) as other:
        other.execute("BEGIN")
        [(query,)] = one.execute(f"{asked}%s".encode(), [number(other)]).fetchall()
        assert query == "BEGIN"
        assert one.execute(f"{asked}{number(other)}".encode()).fetchall() == [("BEGIN",)]
        other.execute("COMMIT")
        assert one.execute(f"{asked}%s".encode(), [number(other)]).fetchall() == []


def test_notifications_name_the_session_that_their_sender_knows(place: Place) -> None:
    with connect(place.owner) as one, connect(place.owner) as other:
        one.execute("LISTEN news")
        other.execute("LISTEN news")
        for sender in (one, other, one):
            sender.execute("SELECT pg_notify('news', 'x')")
            for listener in (one, other):
                [heard] = listener.notifies(timeout=10, stop_after=1)
                assert heard.pid == number(sender)
        other.execute("UNLISTEN *")
        with connect(place.owner) as third:
            third.execute("NOTIFY news, 'y'")
            [heard] = one.notifies(timeout=10, stop_after=1)
            assert heard.pid == number(third)


def test_notifications_of_one_transaction_come_as_one_batch(place: Place) -> None:
    with connect(place.owner) as one, connect(place.owner) as other:
        one.execute("LISTEN news")
        with other.transaction():
            for payload in "abc":
                other.execute("SELECT pg_notify('news', %s)", [payload])
        heard = list(one.notifies(timeout=10, stop_after=1))
        assert [notify.payload for notify in heard] == ["a", "b", "c"]
        assert {notify.pid for notify in heard} == {number(other)}


def test_asyncpg_hears_whom_it_knows_and_closes_what_was_ended(place: Place) -> None:
    in_own_loop(_asyncpg(place.owner))


async def _asyncpg(who: Target) -> None:
    heard: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
    ended = asyncio.Event()
    one = await asyncpg.connect(**keywords(who, "database"))
    pool = await asyncpg.create_pool(**keywords(who, "database"), min_size=1, max_size=1)
    try:
        async with pool.acquire() as other:
            await one.add_listener("news", lambda _, pid, __, text: heard.put_nowait((pid, text)))
            await other.execute("NOTIFY news, 'x'")
            assert await heard.get() == (other.get_server_pid(), "x")
            first = await other.fetchval("SELECT pg_backend_pid()")
            other.add_termination_listener(lambda _: ended.set())
        assert await one.fetchval("SELECT pg_terminate_backend($1)", first) is True
        await ended.wait()
        async with pool.acquire() as other:  # a new one: the pool saw that the first has ended
            assert await other.fetchval("SELECT pg_backend_pid()") != first
    finally:
        await one.close()
        await pool.close()


def test_psycopg2_ends_itself(place: Place) -> None:
    with closing(psycopg2.connect(**keywords(place.owner))) as one, one.cursor() as cursor:
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("SELECT pg_terminate_backend(%s)", [one.get_backend_pid()])
        assert one.closed
