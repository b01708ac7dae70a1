"""What a crash leaves on the disk, and what is removed of it."""

import os
from contextlib import closing, suppress
from pathlib import Path

import psutil
import psycopg

from myriad.engines.postgres import processes
from myriad.engines.postgres.base import Server
from myriad.engines.postgres.databases import create_database
from myriad.engines.postgres.embedded import EmbeddedPostgres
from myriad.engines.postgres.sweep import sweep
from myriad.home.home import Home
from myriad.machine import process
from myriad.settings import Settings
from tests.harness import as_admin, postmaster, wait_until

ROWS = b"".join(b"%d\ta line of text that fills the table\n" % n for n in range(5000))
ENOUGH = 10_000_000  # bytes


def _file_of(connection: psycopg.Connection, table: str, data: Path) -> Path:
    row = connection.execute("SELECT pg_relation_filepath(%s)", [table]).fetchone()
    assert row is not None
    return data / str(row[0])


def _commit_tables(connection: psycopg.Connection, data: Path) -> list[Path]:
    connection.execute("CREATE TABLE kept (n int PRIMARY KEY, t text)")
    connection.execute("INSERT INTO kept SELECT n, n::text FROM generate_series(1, 9999) n")
    connection.execute("CREATE UNLOGGED TABLE quick AS SELECT 1 AS n")
    connection.commit()
    return [_file_of(connection, name, data) for name in ("kept", "kept_pkey", "quick")]


def _kill_amid_copy(server: Server, home: Home) -> tuple[list[Path], Path]:
    """Return the files of committed tables, and the one of a table whose COPY was not."""
    with closing(as_admin(server, "main")) as connection:
        kept = _commit_tables(connection, home.postgres)
        connection.execute("CREATE TABLE lost (n int, t text)")
        lost = _file_of(connection, "lost", home.postgres)
        with suppress(psycopg.OperationalError), connection.cursor() as cursor:  # noqa: SIM117
            with cursor.copy("COPY lost FROM STDIN") as copy:
                for _ in range(200):
                    copy.write(ROWS)
                wait_until(lambda: lost.stat().st_size > ENOUGH)
                _kill_everything(home)
    return kept, lost


def _kill_everything(home: Home) -> None:
    head = postmaster(home)
    for each in processes.servers(home.postgres):
        with suppress(psutil.NoSuchProcess):
            each.kill()
    wait_until(lambda: process.gone(head))


def test_files_of_a_copy_that_died_with_the_server_are_removed(made_home: Home) -> None:
    engine = EmbeddedPostgres(made_home, Settings())
    kept, lost = _kill_amid_copy(engine.start(), made_home)
    engine.stop()
    assert lost.stat().st_size > ENOUGH
    # As a table beyond 1 GB has, and one with a free space map.
    for name in (f"{lost.name}.1", f"{lost.name}_fsm"):
        (lost.parent / name).write_bytes(b"\0" * 8192)

    again = EmbeddedPostgres(made_home, Settings())
    server = again.start()
    try:
        assert list(lost.parent.glob(f"{lost.name}*")) == []
        assert all(path.exists() for path in kept)
        with closing(as_admin(server, "main")) as connection:
            row = connection.execute("SELECT count(*), sum(n) FROM kept").fetchone()
            assert row == (9999, 49995000)
            assert connection.execute("SELECT * FROM quick").fetchall() == []
    finally:
        again.stop()


def test_files_of_transactions_that_run_are_left_alone(made_home: Home) -> None:
    engine = EmbeddedPostgres(made_home, Settings())
    server = engine.start()
    try:
        with closing(as_admin(server, "main")) as connection:
            connection.execute("CREATE TABLE now AS SELECT generate_series(1, 1000) AS n")
            path = _file_of(connection, "now", made_home.postgres)
            assert sweep(server, made_home.postgres) == []
            assert path.exists()
            connection.commit()
            assert connection.execute("SELECT count(*) FROM now").fetchone() == (1000,)
    finally:
        engine.stop()


def test_what_an_owner_set_on_a_database_neither_runs_nor_stops_the_sweep(made_home: Home) -> None:
    engine = EmbeddedPostgres(made_home, Settings())
    server = engine.start()
    for name in ("trap", "slow"):
        create_database(server, name)
    with closing(as_admin(server, "trap", autocommit=True)) as connection:
        connection.execute("CREATE SCHEMA evil")
        connection.execute(
            "CREATE FUNCTION evil.pg_filenode_relation(oid, oid) RETURNS regclass LANGUAGE plpgsql"
            " AS 'BEGIN CREATE TABLE evil.ran (); RETURN NULL; END'"
        )
        connection.execute("ALTER DATABASE trap SET search_path = evil, pg_catalog")
        connection.execute("CREATE TABLE public.kept AS SELECT 1 AS n")
        connection.execute("ALTER DATABASE slow SET statement_timeout = '1ms'")
        connection.execute("CHECKPOINT")  # else the replay writes to the file, and it is young
    _kill_everything(made_home)
    engine.stop()

    again = EmbeddedPostgres(made_home, Settings())
    server = again.start()
    try:
        with closing(as_admin(server, "trap")) as connection:
            assert connection.execute("SELECT to_regclass('evil.ran')").fetchone() == (None,)
            assert connection.execute("SELECT n FROM public.kept").fetchone() == (1,)
    finally:
        again.stop()


def test_a_clean_start_sweeps_nothing(made_home: Home) -> None:
    base = made_home.postgres / "base"
    stray = next(path for path in base.iterdir() if int(path.name) > 16384) / "99999"
    stray.write_bytes(b"somebody put this here")
    os.utime(stray, (1, 1))
    engine = EmbeddedPostgres(made_home, Settings())
    engine.start()
    engine.stop()
    assert stray.exists()
