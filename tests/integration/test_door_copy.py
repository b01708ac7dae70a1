"""COPY through the door, by each driver that has it, in and out, text and binary."""

import asyncio
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import polars as pl
import psycopg
import psycopg2
import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi

from myriad import Myriad
from tests.door_clients import ROWS, Place, connect, in_own_loop, keywords, made_place

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
MANY = 20_000


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with made_place(installation) as made:
        yield made


@pytest.mark.parametrize("form", ["text", "binary", "csv"])
def test_psycopg_both_ways_at_once(place: Place, form: str) -> None:
    """What one connection reads goes straight into another."""
    with connect(place.reader) as source, connect(place.writer, autocommit=False) as target:
        target.execute("DELETE FROM note")
        target.execute("DELETE FROM flight")
        with (
            source.cursor().copy(f"COPY flight TO STDOUT (FORMAT {form})") as out,
            target.cursor().copy(f"COPY flight FROM STDIN (FORMAT {form})") as into,
        ):
            for block in out:
                into.write(block)
        assert target.execute("SELECT count(*) FROM flight").fetchone() == (ROWS,)
        target.commit()


def test_psycopg_rows_with_types(place: Place) -> None:
    row = (-1, "tab\t\\N \\. 'ü'🦉", Decimal("1.50"), AT)
    with connect(place.writer, autocommit=False) as connection:
        cursor = connection.cursor()
        with cursor.copy("COPY flight FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int4", "text", "numeric", "timestamptz"])
            copy.write_row(row)
        with cursor.copy(
            "COPY (SELECT * FROM flight WHERE id < 0) TO STDOUT (FORMAT binary)"
        ) as out:
            out.set_types(["int4", "text", "numeric", "timestamptz"])
            assert list(out.rows()) == [row]
        connection.rollback()


def copy_in(connection: psycopg.Connection, column: str, lines: Iterable[bytes]) -> None:
    with connection.cursor().copy(f"COPY note ({column}) FROM STDIN") as copy:
        for line in lines:
            copy.write(line)


def copy_one_block_out(connection: psycopg.Connection, query: str) -> None:
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT") as copy:
        assert copy.read()
        raise ZeroDivisionError


def test_an_error_on_either_side_ends_only_the_copy(place: Place) -> None:
    with connect(place.writer) as connection:
        with pytest.raises(ZeroDivisionError):
            copy_in(connection, "body", (bytes(1 // (5 - number)) for number in range(10)))
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            copy_in(connection, "flight", (b"nonsense\n" * 100 for _ in range(MANY)))
        with (
            pytest.raises(psycopg.errors.DivisionByZero),
            connection.cursor().copy(
                f"COPY (SELECT 1/(i - {MANY}) FROM generate_series(1, {MANY}) i) TO STDOUT"
            ) as out,
        ):
            for _ in out:
                pass
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            connection.cursor().copy("COPY pg_authid TO STDOUT"),
        ):
            pass
        assert connection.execute("SELECT count(*) FROM note").fetchone() == (0,)


def test_leaving_a_copy_early(place: Place) -> None:
    with connect(place.reader) as connection:
        huge = "SELECT repeat('x', 1000) FROM generate_series(1, 5000000)"
        with pytest.raises(ZeroDivisionError):
            copy_one_block_out(connection, huge)
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_reader_may_not_copy_in(place: Place) -> None:
    with connect(place.reader) as connection:
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            connection.cursor().copy("COPY note (body) FROM STDIN"),
        ):
            pass
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_psycopg2_copy_expert_from_and_to(place: Place) -> None:
    connection = psycopg2.connect(**keywords(place.writer))
    with connection, connection.cursor() as cursor:
        cursor.copy_expert("COPY note (body) FROM STDIN", io.StringIO("ä\n" * MANY))
        out = io.StringIO()
        cursor.copy_expert("COPY note (body) TO STDOUT", out)
        assert out.getvalue() == "ä\n" * MANY
        cursor.copy_from(io.StringIO("x\t1\n"), "note", columns=("body", "flight"))
        cursor.copy_to(out, "note", columns=("flight",))
        cursor.execute("DELETE FROM note")
    connection.close()


def test_asyncpg_copies(place: Place) -> None:
    async def copies() -> None:
        connection = await asyncpg.connect(**keywords(place.writer, "database"))
        rows = [(-i, f"c{i}", Decimal(i), AT) for i in range(1, MANY + 1)]
        transaction = connection.transaction()
        await transaction.start()
        assert await connection.copy_records_to_table("flight", records=rows) == f"COPY {MANY}"
        out = io.BytesIO()
        await connection.copy_from_query("SELECT id FROM flight WHERE id < $1", 0, output=out)
        assert len(out.getvalue().split()) == MANY
        with pytest.raises(asyncpg.UniqueViolationError):
            async with connection.transaction():
                await connection.copy_records_to_table("flight", records=rows[:1])
        source = io.BytesIO(b"5\tx\n")
        await connection.copy_to_table("note", source=source, columns=["flight", "body"])
        await connection.copy_from_table("flight", output=out, format="binary")
        await transaction.rollback()
        assert await connection.fetchval("SELECT count(*) FROM flight WHERE id < 0") == 0
        await connection.close()

    in_own_loop(copies())


def test_cancelling_an_asyncpg_copy(place: Place) -> None:
    async def copies() -> None:
        connection = await asyncpg.connect(**keywords(place.reader, "database"))

        async def slow(_: bytes) -> None:
            await asyncio.Event().wait()

        huge = "SELECT repeat('x', 1000) FROM generate_series(1, 5000000)"
        with pytest.raises(TimeoutError):
            await connection.copy_from_query(huge, output=slow, timeout=0.2)
        assert await connection.fetchval("SELECT 7") == 7
        await connection.close()

    in_own_loop(copies())


def test_adbc_reads_and_ingests(place: Place) -> None:
    """The driver reads every result by binary COPY, and writes by it."""
    with dbapi.connect(place.reader.uri(with_password=True)) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT id, carrier, at FROM flight ORDER BY id")
        table = cursor.fetch_arrow_table()
        assert (table.num_rows, table.column("id")[0].as_py()) == (ROWS, 1)
        cursor.execute("SELECT $1::int + 1 AS more", (41,))
        assert cursor.fetchone() == (42,)
        schema = connection.adbc_get_table_schema("flight")
        assert schema.names == ["id", "carrier", "delay", "at"]
        cursor.close()
    with dbapi.connect(place.owner.uri(with_password=True)) as connection:
        data = pa.table({"a": list(range(MANY)), "b": ["ü"] * MANY})
        with connection.cursor() as cursor:
            assert cursor.adbc_ingest("ingested", data, mode="create") == MANY
        connection.commit()
    with connect(place.owner) as plain:
        assert plain.execute("SELECT count(*) FROM ingested").fetchone() == (MANY,)


def test_polars_reads_and_writes(place: Place) -> None:
    uri = place.reader.uri(with_password=True)
    frame = pl.read_database_uri("SELECT id, carrier FROM flight", uri, engine="adbc")
    assert frame.shape == (ROWS, 2)
    with connect(place.reader) as connection:
        other = pl.read_database("SELECT id, carrier FROM flight", connection)
        assert other.sort("id").rows() == frame.sort("id").rows()
    own = place.owner.uri(with_password=True)
    assert frame.write_database("frames", own, engine="adbc") == ROWS
    assert pl.read_database_uri("SELECT * FROM frames", own, engine="adbc").shape == (ROWS, 2)


def test_flow_is_held_back_in_both_directions(place: Place) -> None:
    """100 MB through the door and back, in step: nothing is gathered anywhere."""
    block = b"x" * 1000 + b"\n"
    with connect(place.writer, autocommit=False) as connection:
        with connection.cursor().copy("COPY note (body) FROM STDIN") as copy:
            for _ in range(50):
                copy.write(block * 1000)
        size = 0
        with connection.cursor().copy("COPY note (body) TO STDOUT") as out:
            for part in out:
                size += len(part)
        assert size == 50 * 1000 * len(block)
        connection.rollback()
