"""Python's drivers and libraries through the door, as their users use them."""

import asyncio
import itertools
import warnings
from collections.abc import Iterator

import asyncpg
import pandas as pd
import pg8000.dbapi
import psycopg
import psycopg2
import psycopg2.extensions
import psycopg2.extras
import pytest
import sqlalchemy

from myriad import Myriad
from myriad.connect import Target
from tests.door_clients import (
    LONG,
    ROWS,
    Place,
    cancelling,
    connect,
    in_own_loop,
    keywords,
    made_place,
)
from tests.harness import wait_until


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with made_place(installation) as made:
        yield made


# psycopg 3


def test_psycopg_prepares_and_deallocates(place: Place) -> None:
    with connect(place.reader, prepare_threshold=0) as one, connect(place.reader) as two:
        two.prepare_threshold, two.prepared_max = 2, 5
        for number in range(40):
            for connection in (one, two):
                query = f"SELECT %s::int + {number % 8}"
                assert connection.execute(query, [number]).fetchone() == (number + number % 8,)
        one.execute("DEALLOCATE ALL")
        assert one.execute("SELECT %s::int + 1", [1]).fetchone() == (2,)


def test_psycopg_after_an_error_in_a_prepared_statement(place: Place) -> None:
    with connect(place.reader, prepare_threshold=0, autocommit=False) as connection:
        for _ in range(3):
            with pytest.raises(psycopg.errors.DivisionByZero):
                connection.execute("SELECT 1 / %s::int", [0])
            with pytest.raises(psycopg.errors.InFailedSqlTransaction):
                connection.execute("SELECT 1 / %s::int", [1])
            connection.rollback()
            assert connection.execute("SELECT 1 / %s::int", [1]).fetchone() == (1,)


def test_psycopg_pipeline(place: Place) -> None:
    with connect(place.writer, prepare_threshold=0, autocommit=False) as connection:
        with connection.pipeline() as pipeline:
            cursors = [connection.execute("SELECT %s::int", [number]) for number in range(500)]
            pipeline.sync()
            connection.execute("INSERT INTO note (body) VALUES ('p')")
        assert [cursor.fetchone() for cursor in cursors] == [(number,) for number in range(500)]
        with pytest.raises(psycopg.errors.DivisionByZero), connection.pipeline():
            connection.cursor().executemany("SELECT 1/%s::int", [[1], [0], [1]])
        connection.rollback()
        many = connection.cursor()
        many.executemany("INSERT INTO note (body) VALUES (%s)", [["x"]] * 500)
        assert many.rowcount == 500
        many.executemany("SELECT %s::int", [[i] for i in range(5)], returning=True)
        assert [result.fetchone() for result in many.results()] == [(i,) for i in range(5)]
        connection.rollback()


def test_psycopg_cursors_in_the_server(place: Place) -> None:
    with connect(place.reader, autocommit=False) as connection:
        with connection.cursor("named", scrollable=True) as cursor:
            cursor.itersize = 100
            cursor.execute("SELECT id FROM flight ORDER BY id")
            assert sum(1 for _ in cursor) == ROWS
            cursor.scroll(0, mode="absolute")
            assert cursor.fetchmany(2) == [(1,), (2,)]
        held = connection.cursor("held", withhold=True)
        held.execute("SELECT id FROM flight ORDER BY id")
        connection.commit()
        with connect(place.reader) as other:
            other.execute("SELECT 1")
        assert held.fetchmany(3) == [(1,), (2,), (3,)]
        held.close()
        connection.commit()
    with connect(place.reader) as connection:
        text = "SELECT id FROM flight ORDER BY id"
        stream = connection.cursor().stream(text, size=10)
        assert list(itertools.islice(stream, 3)) == [(1,), (2,), (3,)]
        stream.close()  # type: ignore[attr-defined]
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_psycopg_two_phase_and_notices(place: Place) -> None:
    told: list[str | None] = []
    with connect(place.owner) as connection:
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary))
        connection.execute("SET client_min_messages = debug1")
        connection.execute("DO $$BEGIN RAISE NOTICE 'hello %', 1; END$$")
        connection.execute("DROP TABLE IF EXISTS not_there")
    assert "hello 1" in told
    assert 'table "not_there" does not exist, skipping' in told


def test_psycopg_cancel(place: Place) -> None:
    with connect(place.reader) as connection:
        for _ in range(3):
            with cancelling(place, connection), pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute(LONG)
            assert connection.execute("SELECT 1").fetchone() == (1,)
        connection.cancel()
        assert connection.execute("SELECT 2").fetchone() == (2,)


def test_psycopg_async(place: Place) -> None:
    async def work() -> None:
        person = keywords(place.reader)
        some = [
            await psycopg.AsyncConnection.connect(**person, autocommit=True, prepare_threshold=1)
            for _ in range(8)
        ]
        for _ in range(5):
            cursors = await asyncio.gather(*(each.execute("SELECT %s", [7]) for each in some))
            assert [await cursor.fetchone() for cursor in cursors] == [(7,)] * len(some)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(some[0].execute(LONG), 0.3)
        assert await (await some[0].execute("SELECT 1")).fetchone() == (1,)
        for each in some:
            await each.close()

    in_own_loop(work())
    wait_until(lambda: not place.runs(place.reader, LONG))


def test_transactions_and_savepoints(place: Place) -> None:
    with connect(place.writer) as connection:
        with connection.transaction():
            connection.execute("INSERT INTO note (body) VALUES ('kept')")
            with pytest.raises(psycopg.errors.ForeignKeyViolation), connection.transaction():
                connection.execute("INSERT INTO note (flight) VALUES (-5)")
            assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        found = connection.execute("DELETE FROM note RETURNING body").fetchall()
        assert found == [("kept",)]
        connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        connection.read_only = True
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), connection.transaction():
            connection.execute("INSERT INTO note (body) VALUES ('never')")


# psycopg2


def test_psycopg2(place: Place) -> None:
    connection = psycopg2.connect(**keywords(place.writer))
    with connection, connection.cursor() as cursor:
        rows = [("a", number) for number in range(1, 900)]
        text = "INSERT INTO note (body, flight) VALUES %s RETURNING flight"
        found = psycopg2.extras.execute_values(cursor, text, rows, fetch=True)
        assert [number for (number,) in found] == [number for _, number in rows]
        psycopg2.extras.execute_batch(cursor, "UPDATE note SET body = %s WHERE flight = %s", rows)
    with connection, connection.cursor("named") as named:
        named.itersize = 50
        named.execute("SELECT id FROM flight ORDER BY id")
        assert sum(1 for _ in named) == ROWS
    with connection, connection.cursor() as cursor:
        cursor.execute("PREPARE one (int) AS SELECT $1 + 1")
        cursor.execute("EXECUTE one (41)")
        assert cursor.fetchone() == (42,)
        cursor.execute("DELETE FROM note")
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction), connection.cursor() as cursor:
        cursor.execute("DELETE FROM note")
    connection.reset()
    connection.close()


# asyncpg


def test_asyncpg_statements_and_cursors(place: Place) -> None:
    async def work() -> None:
        connection = await asyncpg.connect(**keywords(place.reader, "database"))
        statement = await connection.prepare("SELECT id, delay FROM flight WHERE id = $1")
        for number in range(1, 100):
            assert (await statement.fetchrow(number))["id"] == number
        assert [each.name for each in statement.get_attributes()] == ["id", "delay"]
        with pytest.raises(asyncpg.DivisionByZeroError):
            await connection.fetchval("SELECT 1 / $1::int", 0)
        async with connection.transaction():
            seen = [row async for row in connection.cursor("SELECT * FROM flight", prefetch=70)]
            assert len(seen) == ROWS
            cursor = await connection.cursor("SELECT id FROM flight ORDER BY id")
            await cursor.forward(10)
            assert (await cursor.fetchrow())["id"] == 11
        for text in ("SELECT 5", "SELECT nothing"):  # it flushes, and goes on without a Sync
            if text == "SELECT nothing":
                with pytest.raises(asyncpg.UndefinedColumnError):
                    await connection.prepare(text)
            else:
                statement = await connection.prepare(text)
            assert await connection.execute("SELECT 1; SELECT 2") == "SELECT 1"
        assert await statement.fetchval() == 5
        await connection.close()

    in_own_loop(work())


def test_asyncpg_times_out_and_goes_on(place: Place) -> None:
    async def work() -> None:
        connection = await asyncpg.connect(**keywords(place.reader, "database"))
        for _ in range(5):
            with pytest.raises(TimeoutError):
                await connection.fetchval(LONG, timeout=0.1)
            assert await connection.fetchval("SELECT $1::int", 5, timeout=10) == 5
        async with connection.transaction():
            assert await connection.fetchval("SELECT 1") == 1
        await connection.close()

    in_own_loop(work())
    wait_until(lambda: not place.runs(place.reader, LONG))


@pytest.mark.parametrize("who", ["writer", "owner"])
def test_asyncpg_pool(place: Place, who: str) -> None:
    """At each return to the pool it sends RESET ALL, CLOSE ALL, UNLISTEN *, unlocks all."""
    person: Target = getattr(place, who)

    async def work() -> None:
        async with asyncpg.create_pool(
            **keywords(person, "database"), min_size=2, max_size=8, max_queries=20
        ) as pool:

            async def one(number: int) -> None:
                async with pool.acquire() as connection:
                    await connection.execute("SET work_mem = '7MB'")
                    assert await connection.fetchval("SHOW work_mem") == "7MB"
                    assert await connection.fetchval("SELECT $1::int", number) == number
                async with pool.acquire() as connection:
                    assert await connection.fetchval("SHOW work_mem") != "7MB"

            await asyncio.gather(*(one(number) for number in range(60)))

    in_own_loop(work())


def test_asyncpg_types_are_looked_up(place: Place) -> None:
    """Composite types, enums, arrays: asyncpg reads the catalogs about them."""

    async def work() -> None:
        connection = await asyncpg.connect(**keywords(place.reader, "database"))
        row = await connection.fetchval("SELECT f FROM flight f WHERE id = 1")
        assert row["carrier"] == "carrier 1"
        assert await connection.fetchval("SELECT array[1, 2]::int[]") == [1, 2]
        await connection.reload_schema_state()
        await connection.close()

    in_own_loop(work())


# Others


def test_pg8000(place: Place) -> None:
    connection = pg8000.dbapi.connect(**keywords(place.writer, "database"))
    cursor = connection.cursor()
    for number in range(20):
        cursor.execute("SELECT %s::int, current_user", (number,))
        assert cursor.fetchone() == [number, place.writer.user]
    cursor.executemany("INSERT INTO note (body) VALUES (%s)", [("x",)] * 50)
    with pytest.raises(pg8000.dbapi.DatabaseError):
        cursor.execute("SELECT 1/0")
    connection.rollback()
    connection.autocommit = True
    cursor.execute("SELECT count(*) FROM note")
    assert cursor.fetchone() == [0]
    connection.close()


def url(who: Target, driver: str) -> sqlalchemy.URL:
    return sqlalchemy.URL.create(
        f"postgresql+{driver}", who.user, who.password, who.host, who.port, who.database
    )


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_sqlalchemy_reflects(place: Place, driver: str) -> None:
    engine = sqlalchemy.create_engine(url(place.writer, driver), pool_size=5)
    meta = sqlalchemy.MetaData()
    meta.reflect(engine, views=True)
    assert set(meta.tables) == {"flight", "note", "late"}
    flight, note = meta.tables["flight"], meta.tables["note"]
    assert [key.column.table.name for key in note.foreign_keys] == ["flight"]
    inspector = sqlalchemy.inspect(engine)
    assert inspector.get_indexes("flight")[0]["column_names"] == ["carrier"]
    assert inspector.get_schema_names()
    with engine.begin() as connection:
        joined = sqlalchemy.select(flight.c.carrier).where(flight.c.id == 3)
        assert connection.scalar(joined) == "carrier 3"
        connection.execute(sqlalchemy.insert(note), [{"body": "a"}, {"body": "b"}])
        assert connection.execute(sqlalchemy.delete(note)).rowcount == 2
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert connection.execute(sqlalchemy.text("SELECT 1")).scalar() == 1
    with engine.connect() as connection:
        streamed = connection.execution_options(yield_per=100).execute(sqlalchemy.select(flight))
        assert sum(len(part) for part in streamed.partitions()) == ROWS
    engine.dispose()


def test_sqlalchemy_with_asyncpg(place: Place) -> None:
    pytest.importorskip("greenlet", reason="SQLAlchemy is asynchronous only with greenlet")
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - fails without it

    async def work() -> None:
        engine = create_async_engine(url(place.reader, "asyncpg"), pool_size=4)
        meta = sqlalchemy.MetaData()
        async with engine.connect() as connection:
            await connection.run_sync(meta.reflect)
            flights = meta.tables["flight"]
            assert len((await connection.execute(sqlalchemy.select(flights))).all()) == ROWS

        async def one(number: int) -> None:
            async with engine.connect() as connection:
                found = await connection.scalar(sqlalchemy.select(sqlalchemy.literal(number)))
                assert found == number

        await asyncio.gather(*(one(number) for number in range(30)))
        await engine.dispose()

    in_own_loop(work())


def test_pandas_reads_and_writes(place: Place) -> None:
    engine = sqlalchemy.create_engine(url(place.reader, "psycopg"))
    frame = pd.read_sql("SELECT * FROM flight", engine, parse_dates=["at"])
    assert frame.shape == (ROWS, 4)
    assert len(pd.read_sql_table("late", engine)) > 0
    chunks = pd.read_sql("SELECT * FROM flight", engine, chunksize=300)
    assert sum(len(chunk) for chunk in chunks) == ROWS
    own = sqlalchemy.create_engine(url(place.owner, "psycopg"))
    for how in ("replace", "append"):
        frame.to_sql("frame", own, if_exists=how, method="multi", chunksize=500)
    assert pd.read_sql("SELECT count(*) FROM frame", own).iloc[0, 0] == 2 * ROWS
    write = sqlalchemy.create_engine(url(place.writer, "psycopg"))
    notes = pd.DataFrame({"body": ["x", "y"]})
    notes.to_sql("note", write, if_exists="append", index=False)
    with connect(place.writer) as connection:
        assert connection.execute("DELETE FROM note").rowcount == 2
    with warnings.catch_warnings(), connect(place.reader) as connection:
        warnings.simplefilter("ignore")
        assert len(pd.read_sql("SELECT * FROM flight", connection)) == ROWS
    for each in (engine, own, write):
        each.dispose()
