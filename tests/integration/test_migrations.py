"""What Myriad keeps in databases is brought up to date, whole, once, and only where it is ours."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pglast
import psycopg
import pytest

from myriad import Myriad
from myriad.engines.postgres.base import Server
from myriad.errors import EngineError, TooNew
from myriad.migrations.migrations import CONTROL, RECORD, Migrations
from tests.harness import wait_until

# One that works, and one that does a lot before it waits for a lock.
FILES = {
    "0001_initial.sql": "CREATE TABLE myriad.a (n int); INSERT INTO myriad.a VALUES (1);",
    "0002_more.sql": "ALTER TABLE myriad.a ADD m int; CREATE TABLE myriad.b ();"
    "UPDATE myriad.a SET m = 2; TRUNCATE myriad.held; CREATE TABLE myriad.c ();",
}
KINDS = {"control": CONTROL, "record": RECORD}


@pytest.fixture
def server(installation: Myriad) -> Server:
    return installation.server()


@pytest.fixture
def admin(server: Server, database: str) -> Iterator[psycopg.Connection]:
    with closing(server.connect(database, autocommit=True)) as connection:
        yield connection


@pytest.fixture
def two(tmp_path: Path) -> Migrations:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return Migrations(tmp_path)


@pytest.fixture
def halfway(admin: psycopg.Connection, two: Migrations) -> psycopg.Connection:
    """A database after the first of two, with a table that the second needs."""
    Migrations(_only_first(two)).bring_up_to_date(admin)
    admin.execute("CREATE TABLE myriad.held ()")
    return admin


def _only_first(two: Migrations) -> Path:
    folder = Path(str(two.folder)) / "first"
    folder.mkdir()
    (folder / "0001_initial.sql").write_text(FILES["0001_initial.sql"])
    return folder


def _tables(connection: psycopg.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'myriad'::regnamespace"
        " AND relkind = 'r' ORDER BY 1"
    )
    return [name for (name,) in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_numbered_without_a_gap(kind: str) -> None:
    steps = KINDS[kind].steps
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert len(list(KINDS[kind].folder.iterdir())) == len(steps)


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_counts_and_a_second_run_does_nothing(
    kind: str, admin: psycopg.Connection
) -> None:
    assert KINDS[kind].number(admin) is None
    KINDS[kind].bring_up_to_date(admin)
    query = "SELECT number, at FROM myriad.migration ORDER BY number"
    ran = admin.execute(query).fetchall()
    assert [number for number, _ in ran] == [step.number for step in KINDS[kind].steps]
    KINDS[kind].bring_up_to_date(admin)
    assert admin.execute(query).fetchall() == ran


def test_nobody_else_may_look_at_what_was_made(admin: psycopg.Connection) -> None:
    RECORD.bring_up_to_date(admin)
    found = admin.execute(
        "SELECT has_schema_privilege('public', 'myriad', 'USAGE'),"
        " has_table_privilege('public', 'myriad.run', 'SELECT')"
    ).fetchone()
    assert found == (False, False)


def test_nothing_that_is_set_on_the_database_counts(
    server: Server, admin: psycopg.Connection, database: str
) -> None:
    admin.execute("CREATE SCHEMA other")
    for setting in (
        "search_path = other, pg_catalog",
        "default_transaction_read_only = on",
        "default_transaction_isolation = serializable",
        "lock_timeout = 1",
    ):
        admin.execute(f"ALTER DATABASE {database} SET {setting}")
    with closing(server.connect(database)) as connection:
        RECORD.bring_up_to_date(connection)
    assert _tables(admin) == [
        "description", "kept", "migration", "numbered", "published", "recipe", "reject", "run",
        "version",
    ]  # fmt: skip


def test_many_at_once_run_each_step_once(server: Server, database: str, two: Migrations) -> None:
    failures: list[Exception] = []
    barrier = Barrier(6)
    (Path(str(two.folder)) / "0002_more.sql").write_text("UPDATE myriad.a SET n = n + 1;")

    def migrate() -> None:
        try:
            with closing(server.connect(database)) as connection:
                barrier.wait(30)
                two.bring_up_to_date(connection)
        except Exception as error:  # noqa: BLE001 - any is one too many
            failures.append(error)

    threads = [Thread(target=migrate) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    with closing(server.connect(database)) as connection:
        assert connection.execute("TABLE myriad.a").fetchall() == [(2,)]


def test_a_step_that_fails_leaves_what_was(admin: psycopg.Connection, two: Migrations) -> None:
    Migrations(_only_first(two)).bring_up_to_date(admin)
    with pytest.raises(psycopg.errors.UndefinedTable, match="held"):
        two.bring_up_to_date(admin)
    assert two.number(admin) == 1
    assert _tables(admin) == ["a", "migration"]
    assert admin.execute("TABLE myriad.a").fetchall() == [(1,)]


def test_a_command_killed_in_the_middle_of_a_step_leaves_what_was_and_the_next_ends_it(
    server: Server, halfway: psycopg.Connection, database: str, two: Migrations
) -> None:
    text = (
        "import sys, pathlib, psycopg; from myriad.migrations.migrations import Migrations;"
        "two = Migrations(pathlib.Path(sys.argv[1]));"
        "two.bring_up_to_date(psycopg.connect(sys.stdin.read()))"
    )
    name = f"killed {database}"
    with closing(server.connect(database)) as holder:
        holder.execute("LOCK TABLE myriad.held")
        started = subprocess.Popen(
            [sys.executable, "-c", text, str(two.folder)], stdin=subprocess.PIPE, text=True
        )
        assert started.stdin
        started.stdin.write(f"{server.dsn} dbname={database} application_name='{name}'")
        started.stdin.close()
        sessions = f"SELECT FROM pg_stat_activity WHERE application_name = '{name}'"
        waiting = f"{sessions} AND wait_event_type = 'Lock' AND query LIKE '%myriad.held%'"
        wait_until(lambda: halfway.execute(waiting).fetchall(), 30)
        started.send_signal(signal.SIGKILL)
        started.wait(30)
        holder.rollback()
        wait_until(lambda: not halfway.execute(sessions).fetchall(), 30)
    assert two.number(halfway) == 1
    assert _tables(halfway) == ["a", "held", "migration"]
    two.bring_up_to_date(halfway)
    assert two.number(halfway) == 2
    assert halfway.execute("TABLE myriad.a").fetchall() == [(1, 2)]


def test_it_waits_for_a_lock_within_a_bound(
    server: Server, halfway: psycopg.Connection, database: str, two: Migrations
) -> None:
    (Path(str(two.folder)) / "0002_more.sql").write_text(
        "SET LOCAL lock_timeout = '10ms'; TRUNCATE myriad.held;"
    )
    with closing(server.connect(database)) as holder:
        holder.execute("LOCK TABLE myriad.held")
        with pytest.raises(EngineError, match=f"{database} could not be brought up to date"):
            two.bring_up_to_date(halfway)


@pytest.mark.parametrize("kind", KINDS)
def test_a_database_of_a_newer_version_is_refused_by_name(
    kind: str, admin: psycopg.Connection, database: str
) -> None:
    KINDS[kind].bring_up_to_date(admin)
    newest = len(KINDS[kind].steps)
    admin.execute(f"INSERT INTO myriad.migration VALUES ({newest + 1}, 'of_tomorrow')")
    said = f"database {database} was written by a newer Myriad (migration {newest + 1})"
    with pytest.raises(TooNew, match=re.escape(said)):
        KINDS[kind].bring_up_to_date(admin)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_after_any_statement_leaves_what_was(
    kind: str, admin: psycopg.Connection, tmp_path: Path
) -> None:
    """No file ends its own transaction, or has a statement that cannot run in one."""
    for step in KINDS[kind].steps:
        for end in _ends(step.text):
            cut = tmp_path / f"{step.number:04}_{step.name}.sql"
            cut.write_text(f"{step.text[:end]}; SELECT 1 / 0")
            before = _objects(admin)
            with pytest.raises(psycopg.errors.DivisionByZero):
                Migrations(tmp_path).bring_up_to_date(admin)
            assert _objects(admin) == before
            cut.write_text(step.text)
        Migrations(tmp_path).bring_up_to_date(admin)
    assert KINDS[kind].number(admin) == len(KINDS[kind].steps)


def _ends(text: str) -> list[int]:
    """Return where each statement ends, in characters."""
    ends = [found.stop for found in pglast.parser.split(text, only_slices=True)]
    return [len(text.encode()[:end].decode()) for end in ends]


def _objects(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT n.nspname, c.relname, a.attname FROM pg_namespace n"
        " LEFT JOIN pg_class c ON c.relnamespace = n.oid"
        " LEFT JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE n.nspname IN ('public', 'myriad') ORDER BY 1, 2, 3"
    ).fetchall()


def test_a_command_does_not_change_what_an_older_one_of_our_own_runs_on(
    admin: psycopg.Connection, database: str
) -> None:
    with pytest.raises(EngineError, match=f"{database} has migration 0 of") as caught:
        CONTROL.require(admin)
    assert "myriad down" in caught.value.hint
    assert CONTROL.number(admin) is None
    CONTROL.bring_up_to_date(admin)
    CONTROL.require(admin)
