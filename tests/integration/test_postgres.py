"""PostgreSQL that Myriad itself starts and stops."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from myriad.engines.postgres import processes, programs
from myriad.engines.postgres.base import Server
from myriad.engines.postgres.embedded import EmbeddedPostgres
from myriad.errors import HomeError, MyriadError, StartFailed
from myriad.home.home import Home
from myriad.machine import process
from myriad.settings import Settings
from tests.harness import as_admin, postmaster, wait_until

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@contextmanager
def running(home: Home, settings: Settings | None = None) -> Iterator[Server]:
    engine = EmbeddedPostgres(home, settings or Settings())
    server = engine.start()
    try:
        yield server
    finally:
        engine.stop()


def ask(server: Server, query: str, database: str = "main") -> object:
    with closing(as_admin(server, database, autocommit=True)) as connection:
        cursor = connection.execute(query)
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def kill_all(home: Home) -> None:
    found = processes.servers(home.postgres)
    assert found
    for each in found:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    wait_until(lambda: all(process.gone(each) for each in found))


def test_a_first_start_makes_a_cluster_that_loses_no_commit(home: Home) -> None:
    with running(home) as server:
        for name in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
            assert ask(server, f"SHOW {name}") == "on"
        assert ask(server, "SHOW password_encryption") == "scram-sha-256"
        assert ask(server, "SHOW server_encoding") == "UTF8"
        assert ask(server, "SELECT lower('ÄÖ') || initcap('été')") == "äöÉté"


def test_an_existing_home_is_ready_when_start_returns(made_home: Home) -> None:
    with running(made_home) as server:
        assert ask(server, "SELECT pg_is_in_recovery()") is False


def test_a_stopped_engine_leaves_no_process(made_home: Home) -> None:
    with running(made_home):
        assert processes.servers(made_home.postgres)
    assert processes.servers(made_home.postgres) == []


def test_an_interrupted_first_start_leaves_nothing_half_made(home: Home) -> None:
    cancelled = threading.Event()
    failed: list[MyriadError] = []

    def start() -> None:
        try:
            EmbeddedPostgres(home, Settings(), cancelled).start()
        except MyriadError as error:
            failed.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    wait_until(lambda: list(home.folder.glob(".postgres-*/base")))
    cancelled.set()
    thread.join()
    assert failed
    assert not home.postgres.exists()
    assert list(home.folder.glob(".postgres-*")) == []


def test_debris_of_a_killed_first_start_is_removed(home: Home) -> None:
    home.create()
    debris = home.folder / ".postgres-debris"
    debris.mkdir()
    with running(home):
        assert not debris.exists()


def as_rose(server: Server) -> str:
    return make_conninfo(host=server.host, port=server.port, user="rose", dbname="main")


def test_it_listens_on_its_socket_only_and_lets_us_in_as_anybody(made_home: Home) -> None:
    with running(made_home) as server:
        ask(server, "CREATE ROLE rose LOGIN")
        ask(server, "GRANT CONNECT ON DATABASE main TO rose")
        # As the door enters for people: without a password, because of who we are.
        with closing(psycopg.connect(as_rose(server))) as rose:
            assert rose.info.user == "rose"
        everything = postmaster(made_home).net_connections("all")
        listening = [each for each in everything if each.status == psutil.CONN_LISTEN]
        assert listening == []
        assert (server.host, server.port) == (str(made_home.socket_folder()), 5432)


def test_people_cannot_fill_the_disk_with_temporary_files_and_myriad_can(made_home: Home) -> None:
    with running(made_home) as server:
        assert ask(server, "SHOW temp_file_limit") == "-1"
        ask(server, "CREATE ROLE rose LOGIN")
        ask(server, "GRANT CONNECT ON DATABASE main TO rose")
        limit = "SELECT setting::int FROM pg_settings WHERE name = 'temp_file_limit'"
        with closing(psycopg.connect(as_rose(server), autocommit=True)) as rose:
            [(kilobytes,)] = rose.execute(limit).fetchall()
            assert 0 < kilobytes * 1024 < shutil.disk_usage(made_home.folder).total / 10
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                rose.execute("SET temp_file_limit = -1")


@only_root
def test_another_user_of_the_system_is_not_let_in_over_the_socket(made_home: Home) -> None:
    with running(made_home) as server:
        user = process.engine_user(made_home.postgres)
        assert user is not None
        found = programs.find("", made_home.folder / "programs", user)
        dsn = make_conninfo(server.dsn, dbname="main")
        code, said = process.run([found.path("psql"), dsn, "-c", "SELECT 1"], user)
    assert code != 0
    assert "peer authentication failed" in said.lower()


def test_data_of_another_major_version_is_refused_with_what_to_do(made_home: Home) -> None:
    (made_home.postgres / "PG_VERSION").write_text("14\n")
    with pytest.raises(StartFailed, match="is of PostgreSQL 14") as caught:
        EmbeddedPostgres(made_home, Settings()).start()
    assert "Install PostgreSQL 14" in caught.value.hint


def test_a_failed_start_shows_the_engines_own_words_and_leaves_nothing(made_home: Home) -> None:
    with (made_home.postgres / "postgresql.conf").open("a") as file:
        file.write("work_mem = 'plenty'\n")
    with pytest.raises(StartFailed, match='invalid value for parameter "work_mem"'):
        EmbeddedPostgres(made_home, Settings()).start()
    assert processes.servers(made_home.postgres) == []


@pytest.mark.parametrize(
    "name",
    [
        "with spaces, a comma, 'quotes' and \"more\"",
        "δεδομένα 🐘",
        "very-long-" * 20 + "/" + "even-longer-" * 16,
    ],
)
def test_any_path_will_do_as_home(made: Path, folder: Path, name: str) -> None:
    home = Home(folder / name)
    home.folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", made, home.folder], check=True)
    with running(home) as server:
        assert ask(server, "SELECT 1") == 1
    assert processes.servers(home.postgres) == []
    assert not home.socket_folder().exists()


@only_root
def test_a_home_that_the_engines_user_cannot_reach_is_refused(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(HomeError, match=f"may not pass {closed}"):
        EmbeddedPostgres(Home(closed / "home"), Settings()).start()


@only_root
def test_a_full_disk_is_said_and_nothing_is_left(folder: Path) -> None:
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m,mode=755", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        home = Home(disk / "home")
        with pytest.raises(StartFailed, match=r"No space left on device|wrote only"):
            EmbeddedPostgres(home, Settings()).start()
        assert not home.postgres.exists()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_committed_rows_survive_the_kill_of_every_process(made_home: Home) -> None:
    with running(made_home) as server, closing(as_admin(server, "main")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        connection.commit()
        connection.execute("INSERT INTO kept SELECT 0")
        kill_all(made_home)
    with running(made_home) as server:
        assert ask(server, "SELECT sum(n) FROM kept") == 500500
        assert ask(server, "SELECT count(*) FROM kept") == 1000


def test_sessions_that_outlive_a_killed_server_do_not_hinder_the_next(made_home: Home) -> None:
    engine = EmbeddedPostgres(made_home, Settings())
    server = engine.start()
    with closing(as_admin(server, "main", autocommit=True)) as connection:
        pid = connection.info.backend_pid
        busy = threading.Thread(target=_ignore, args=(_busy, connection))
        busy.start()
        wait_until(lambda: psutil.Process(pid).cpu_times().user > 0.1)
        head = postmaster(made_home)
        head.kill()
        wait_until(lambda: process.gone(head))
        assert psutil.pid_exists(pid)
        with running(made_home) as again:
            assert ask(again, "SELECT 1") == 1
            assert not psutil.pid_exists(pid) or process.gone(psutil.Process(pid))
        busy.join()
    engine.stop()


def test_replaying_a_long_log_is_waited_for(made_home: Home) -> None:
    with running(made_home) as server:
        with closing(as_admin(server, "main", autocommit=True)) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept SELECT generate_series(1, 1000000)")
        kill_all(made_home)
    engine = EmbeddedPostgres(made_home, Settings(start_timeout=1.0))
    started: list[Server] = []
    thread = threading.Thread(target=lambda: started.append(engine.start()))
    thread.start()
    wait_until(lambda: _startups(made_home))
    replaying = _startups(made_home)
    replaying[0].suspend()
    thread.join(2.0)  # twice the time that a start may take
    assert thread.is_alive()
    replaying[0].resume()
    thread.join()
    assert ask(started[0], "SELECT count(*) FROM kept") == 1000000
    engine.stop()


def _startups(home: Home) -> list[psutil.Process]:
    found = processes.servers(home.postgres)
    return [each for each in found if "startup" in " ".join(each.cmdline())]


def _ignore(work: Callable[[psycopg.Connection], None], connection: psycopg.Connection) -> None:
    with suppress(psycopg.OperationalError):
        work(connection)


def _busy(connection: psycopg.Connection) -> None:
    connection.execute("SELECT count(*) FROM generate_series(1, 2000000000)")


def test_a_server_left_by_a_killed_supervisor_is_stopped_before_a_new_start(
    made_home: Home,
) -> None:
    left = EmbeddedPostgres(made_home, Settings())
    left.start()
    old = postmaster(made_home)
    with running(made_home) as server:
        assert process.gone(old)
        assert ask(server, "SELECT 1") == 1
    left.stop()


def test_a_recycled_process_number_is_not_taken_for_our_server(made_home: Home) -> None:
    stranger = subprocess.Popen(["sleep", "60"], cwd=made_home.postgres)
    try:
        lines = [str(stranger.pid), str(made_home.postgres), str(int(time.time())), "6432"]
        pid_file = made_home.postgres / "postmaster.pid"
        pid_file.write_text("\n".join([*lines, ""]))
        shutil.copystat(made_home.postgres / "PG_VERSION", pid_file)
        assert processes.running(made_home.postgres) is None
        processes.clear(made_home.postgres, grace=1)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
