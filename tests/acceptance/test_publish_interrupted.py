"""A publish that is cut short leaves the old table and nothing of its own, wherever it was.

A gate stops the server at a chosen point of the publish, so that it is always hit there: event
triggers and a row trigger wait for a lock that the test holds.
"""

import gzip
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

import myriad
from myriad import Myriad
from myriad.engines.postgres import processes
from myriad.home.home import Home
from tests.harness import COMMAND, postmaster, reachable_folder, small_disk, up, wait_until
from tests.publishing import Place

ROWS = 50_000
OLD_ROWS = 500
TABLE = "accounts"
OPTIONS: dict[str, Any] = {"table": TABLE, "keys": {"": ("id",)}}
RELATION_FILE = re.compile(r"(\d{5,})(?:_\w+)?(?:\.\d+)?")
LEAVE_FREE = 2 << 20  # bytes of a disk that is nearly full: less than the new table takes

GATE = """
CREATE SCHEMA gate;
CREATE FUNCTION gate.hold() RETURNS event_trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_advisory_xact_lock_shared(4711); END';
CREATE FUNCTION gate.hold_row() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NEW; END';
CREATE SEQUENCE gate.row CACHE 1000;
"""
# Gives every table that is made a trigger which stops its COPY at one row.
AT_ROW = """
CREATE FUNCTION gate.at_row() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE made record;
BEGIN
    FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE object_type = 'table' LOOP
        EXECUTE format('CREATE TRIGGER gate BEFORE INSERT ON %s FOR EACH ROW'
                       ' WHEN (nextval(''gate.row'') = {row}) EXECUTE FUNCTION gate.hold_row()',
                       made.object_identity);
    END LOOP;
END $$;
CREATE EVENT TRIGGER gate ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
EXECUTE FUNCTION gate.at_row();
"""
AT_STATEMENT = """
CREATE EVENT TRIGGER gate ON ddl_command_start WHEN TAG IN ('{tag}') EXECUTE FUNCTION gate.hold();
"""
TAKE_GATE = "SELECT pg_advisory_xact_lock(4711)"


@dataclass(frozen=True)
class Point:
    """A place in a publish: how to stop it there, and what the server then does."""

    query: str
    prepare: str = ""
    take: str = TAKE_GATE
    loaded: int = 0
    waits: bool = True


def _row(number: int) -> Point:
    return Point("COPY", AT_ROW.format(row=number), loaded=number - 1)


def _statement(tag: str) -> Point:
    return Point(tag, AT_STATEMENT.format(tag=tag))


SLOW_ANALYZE = """
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET vacuum_cost_delay = 1', current_database());
    EXECUTE format('ALTER DATABASE %I SET vacuum_cost_limit = 10', current_database());
END $$
"""
POINTS = {
    "the first row": _row(1),
    "the middle of the load": _row(ROWS // 2),
    "the last row": _row(ROWS),
    "its key": _statement("ALTER TABLE"),
    "its index": _statement("CREATE INDEX"),
    "its statistics": Point("ANALYZE", SLOW_ANALYZE, take="SELECT", waits=False),
    "readers of the old table": Point("LOCK TABLE", take=f"SELECT FROM {TABLE}"),
    "dropping the old table": _statement("DROP TABLE"),
    "the old table, put away": Point("WITH away AS", take="LOCK TABLE myriad.kept IN SHARE MODE"),
    "the record, after the swap": Point(
        "INSERT INTO myriad.published", take="LOCK TABLE myriad.published IN SHARE MODE"
    ),
}


def _write(path: Path, rows: int, note: str) -> Path:
    lines = (f"{n},{n * 7},{note} {n % 1000}\n" for n in range(1, rows + 1))
    path.write_text("id,amount,note\n" + "".join(lines))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    _write(folder / "old.csv", OLD_ROWS, "old")
    new = _write(folder / "new.csv", ROWS, "new and with some more text in every row")
    (folder / "new.csv.gz").write_bytes(gzip.compress(new.read_bytes(), 1))
    return folder


State = tuple[object, ...]


class Case(Place):
    """A database with the old table in it, and a publish over it that something ends."""

    def begin(self) -> State:
        """Publish the old table; return all that must stay as it is."""
        self.publish(self.folder / "old.csv", **OPTIONS)
        self.ask(f"CREATE INDEX by_hand ON {TABLE} (amount)")
        return self.state()

    def state(self) -> State:
        """Return the old table's identity, rows and indexes, and what the record says of it."""
        return (
            self.ask("SELECT relname, oid FROM pg_class WHERE relname ~ %s", [f"{TABLE}|by_hand"]),
            self.ask(f"SELECT * FROM {TABLE} ORDER BY id"),
            self.ask("SELECT name, rows, run FROM myriad.published ORDER BY name"),
        )

    def start(self, name: str = "new.csv", *before: str) -> "subprocess.Popen[str]":
        """Start the real command."""
        publish = [*COMMAND, "publish", str(self.folder / name), "--table", TABLE, "--key", "id"]
        place = ["--database", self.database, "--home", str(self.installation.home.folder)]
        return subprocess.Popen(
            [*before, *publish, *place],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    @contextmanager
    def at(self, point: Point) -> "Iterator[tuple[subprocess.Popen[str], int]]":
        """Run the command up to `point`; give it and the process number of its server process."""
        if point.prepare:
            self.ask(GATE)
            self.ask(point.prepare)
        with closing(self.connect(autocommit=False)) as gate, closing(self.connect()) as look:
            gate.execute(point.take.encode())
            with self.start() as command:
                try:
                    yield command, _await(command, look, point)
                finally:
                    command.kill()
        if point.prepare:
            self.ask("DROP SCHEMA gate CASCADE")
            self.ask(f"ALTER DATABASE {self.database} RESET ALL")

    def files(self) -> set[Path]:
        """Return the files of tables in this database."""
        number = self.one("SELECT oid FROM pg_database WHERE datname = current_database()")
        base = self.installation.home.postgres / "base" / str(number)
        return {path for path in base.iterdir() if RELATION_FILE.fullmatch(path.name)}

    def orphans(self) -> set[Path]:
        """Return the files that belong to no table of this database."""
        self.ask("CHECKPOINT")  # until then the files of what was dropped stay, empty
        known = {
            str(node) for (node,) in self.ask("SELECT pg_relation_filenode(oid) FROM pg_class")
        }
        return {path for path in self.files() if re.split(r"[_.]", path.name)[0] not in known}

    def check_untouched(self, before: State) -> None:
        """Fail unless the old table is as it was and nothing of the new one is left."""
        assert self.state() == before
        assert (
            self.ask(
                "SELECT relname FROM pg_class"
                " WHERE relname ~ '^(new|key|index|version)_[0-9a-f]{16}'"
                " AND NOT EXISTS (SELECT FROM myriad.kept WHERE starts_with(relname, relation))"
            )
            == []
        )
        assert self.orphans() == set()

    def check_succeeds(self) -> None:
        """Fail unless the same publish now replaces the table, and tidies up."""
        report = self.publish(self.folder / "new.csv", **OPTIONS)
        assert report.tables[0].action == "replaced"
        total = ROWS * (ROWS + 1) // 2
        query = f"SELECT count(*), sum(id), sum(amount) FROM {TABLE}"
        assert self.ask(query) == [(ROWS, total, 7 * total)]
        assert list(self.installation.home.temporary.iterdir()) == []
        assert self.orphans() == set()


def _await(command: "subprocess.Popen[str]", look: psycopg.Connection, point: Point) -> int:
    """Wait until a server process is at `point`, and return it."""
    found: list[int] = []

    def there() -> bool:
        found.extend(_found(look, point))
        return bool(found) or command.poll() is not None

    wait_until(there, 30)
    assert found, command.communicate()
    return found[0]


def _found(look: psycopg.Connection, point: Point) -> list[int]:
    rows = look.execute(
        "SELECT a.pid FROM pg_stat_activity a LEFT JOIN pg_stat_progress_copy c USING (pid)"
        " WHERE a.datname = current_database() AND a.state = 'active' AND starts_with(query, %s)"
        " AND coalesce(tuples_processed, 0) >= %s AND (wait_event_type = 'Lock' OR NOT %s)",
        [point.query, point.loaded, point.waits],
    )
    return [pid for (pid,) in rows]


@pytest.fixture
def case(installation: Myriad, database: str, files: Path) -> Case:
    return Case(installation, database, files)


def _interrupt(command: "subprocess.Popen[str]", how: signal.Signals) -> tuple[int, str]:
    command.send_signal(how)
    said = command.communicate(timeout=20)[1]
    assert "Traceback" not in said
    return command.returncode, said


nightly = pytest.mark.nightly(
    daily="tests/acceptance/test_publish_interrupted.py"
    "::test_a_signal_leaves_the_old_table_and_no_debris[9-the middle of the load]"
)
# Every day: before the swap and after it, and while it waits.
DAILY = [
    (signal.SIGKILL, "the middle of the load"),
    (signal.SIGKILL, "the record, after the swap"),
    (signal.SIGINT, "readers of the old table"),
    (signal.SIGTERM, "its key"),
]
INTERRUPTED = ("the middle of the load", "its index", "the record, after the swap")
NIGHTLY = [(signal.SIGINT, name) for name in INTERRUPTED] + [(signal.SIGTERM, "the last row")]
NIGHTLY += [(signal.SIGKILL, name) for name in POINTS if (signal.SIGKILL, name) not in DAILY]
SIGNALLED = DAILY + [pytest.param(*each, marks=nightly) for each in NIGHTLY]


@pytest.mark.parametrize(("how", "where"), SIGNALLED)
def test_a_signal_leaves_the_old_table_and_no_debris(
    case: Case, how: signal.Signals, where: str
) -> None:
    before = case.begin()
    with case.at(POINTS[where]) as (command, pid):
        code, said = _interrupt(command, how)
    if how is signal.SIGINT:  # who waits long for readers says so before
        assert (code, said.splitlines()[-1]) == (130, "interrupted")
    else:
        assert code == -how
    wait_until(lambda: not psutil.pid_exists(pid))
    case.check_untouched(before)
    (run, *_) = case.installation.history(TABLE, case.database)
    assert run["outcome"] == ("failed" if how is signal.SIGINT else "killed")
    case.check_succeeds()


@pytest.mark.parametrize(
    "where",
    [
        "the middle of the load",
        pytest.param("readers of the old table", marks=nightly),
        pytest.param("the record, after the swap", marks=nightly),
    ],
)
def test_a_session_that_is_terminated_leaves_the_old_table_and_no_debris(
    case: Case, where: str
) -> None:
    before = case.begin()
    with case.at(POINTS[where]) as (command, pid):
        case.ask("SELECT pg_terminate_backend(%s)", [pid])
        said = command.communicate(timeout=20)[1]
    assert command.returncode == 1
    assert "error: PostgreSQL: " in said
    assert "hint: " in said
    assert "Traceback" not in said
    case.check_untouched(before)
    case.check_succeeds()


def _kill_session(home: Home, pid: int) -> None:  # noqa: ARG001 - all ways look alike
    psutil.Process(pid).kill()


def _kill_postmaster(home: Home, pid: int) -> None:  # noqa: ARG001 - all ways look alike
    postmaster(home).kill()


@contextmanager
def _killed(home: Home, kill: Callable[[Home, int], None], pid: int) -> Iterator[None]:
    """Kill PostgreSQL; at the end it is up again, by its supervisor."""
    old = postmaster(home)
    kill(home, pid)
    yield

    def again() -> bool:
        new = processes.running(home.postgres)
        return new is not None and new.pid != old.pid and home.running() is not None

    wait_until(again, 30)


@pytest.mark.nightly(
    daily="tests/acceptance/test_up.py::test_committed_rows_survive_the_kill_of_everything"
)
def test_a_server_that_is_killed_comes_back_with_the_old_table_and_no_orphaned_files(
    made_home: Home, files: Path
) -> None:
    with up(made_home) as running:
        running.wait_ready()
        case = Case(myriad.open(made_home), "main", files)
        before = case.begin()
        for where, kill in (
            ("the middle of the load", _kill_postmaster),
            ("the record, after the swap", _kill_session),
        ):
            there = case.files()
            with case.at(POINTS[where]) as (command, pid):
                new = case.files() - there
                assert sum(path.stat().st_size for path in new) > 1_000_000, where
                with _killed(made_home, kill, pid):
                    said = command.communicate(timeout=20)[1]
            assert command.returncode == 1
            assert "error: PostgreSQL: " in said
            assert "Traceback" not in said
            case.check_untouched(before)
            assert [path for path in new if path.exists()] == []
        case.check_succeeds()


def _fails_for_want_of_space(command: "subprocess.Popen[str]", reason: str) -> None:
    said = command.communicate(timeout=30)[1]
    assert command.returncode == 1, said
    assert reason in said
    assert "hint: " in said
    assert "Traceback" not in said


def test_a_limit_on_temporary_files_fails_and_leaves_the_old_table(case: Case) -> None:
    before = case.begin()
    limited = ["sh", "-c", 'ulimit -f 1000; exec "$@"', "sh"]  # blocks of 512 bytes
    with case.start("new.csv.gz", *limited) as command:
        _fails_for_want_of_space(command, "File too large")
    assert list(case.installation.home.temporary.iterdir()) == []
    case.check_untouched(before)
    case.check_succeeds()


def test_a_full_disk_for_temporary_files_fails_and_leaves_the_old_table(case: Case) -> None:
    before = case.begin()
    temporary = case.installation.home.temporary
    with small_disk(temporary, 1 << 20):
        with case.start("new.csv.gz") as command:
            _fails_for_want_of_space(command, "No space left on device")
        assert list(temporary.iterdir()) == []
    case.check_untouched(before)
    case.check_succeeds()


def test_a_full_disk_under_the_database_fails_and_leaves_the_old_table(
    made: Path, files: Path
) -> None:
    taken = sum(path.lstat().st_size for path in made.rglob("*") if path.is_file())
    with reachable_folder() as folder, small_disk(folder, taken + (100 << 20)):
        home = Home(folder / "home")
        subprocess.run(["cp", "-a", made, home.folder], check=True)
        with up(home) as running:
            running.wait_ready()
            case = Case(myriad.open(home), "main", files)
            before = case.begin()
            filler = folder / "filler"
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - LEAVE_FREE)
            with case.start() as command:
                _fails_for_want_of_space(command, "No space left on device")
            filler.unlink()
            case.check_untouched(before)
            case.check_succeeds()
            assert running.process.poll() is None
