"""The real command: started, signalled, killed, and started again."""

import json
import os
import signal
import socket
import stat
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

import myriad
from myriad.engines.postgres import processes, programs
from myriad.errors import StartFailed
from myriad.home import notes
from myriad.home.home import Home
from myriad.machine import process
from myriad.running import door
from tests.harness import (
    COMMAND,
    Up,
    as_admin,
    postmaster,
    run,
    unprivileged_python,
    up,
    wait_until,
)

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def ask(home: Home, query: str) -> object:
    with closing(as_admin(myriad.open(home).server(), "main", autocommit=True)) as connection:
        cursor = connection.execute(query)
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def answers(home: Home) -> bool:
    try:
        return ask(home, "SELECT 1") == 1
    except (psycopg.OperationalError, myriad.errors.NotRunning):
        return False


other_signals = pytest.mark.nightly(
    daily="tests/acceptance/test_up.py::test_a_signal_stops_everything_cleanly[15]"
)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=other_signals),
        signal.SIGTERM,
        pytest.param(signal.SIGHUP, marks=other_signals),
    ],
)
def test_a_signal_stops_everything_cleanly(made_home: Home, number: signal.Signals) -> None:
    with up(made_home) as started:
        started.wait_ready()
        assert started.end(number) == 0
        assert processes.servers(made_home.postgres) == []
    assert "ready on 127.0.0.1 port" in started.said()
    assert started.said().endswith("stopped\n")
    assert "database system is shut down" in (made_home.logs / "postgres.log").read_text()


@pytest.fixture
def endless(folder: Path) -> dict[str, str]:
    """An environment in which making PostgreSQL's data comes to no end."""
    found = programs.find("", folder / "copies", process.engine_user(folder))
    slow = folder / "slow"
    slow.mkdir(mode=0o755)
    for name in ("postgres", "pg_controldata"):
        (slow / name).symlink_to(found.path(name))
    initdb = slow / "initdb"
    initdb.write_text(f'#!/bin/sh\n"{found.path("initdb")}" "$@" && exec sleep 600\n')
    initdb.chmod(0o755)
    return {"MYRIAD_PROGRAMS": str(slow)}


def test_a_signal_during_the_first_start_leaves_nothing_half_made(
    home: Home, endless: dict[str, str]
) -> None:
    with up(home, **endless) as started:
        wait_until(lambda: list(home.folder.glob(".postgres-*/base")))
        assert started.end(signal.SIGTERM) == 0
        assert started.said().endswith("stopped while it started\n")
        assert not home.postgres.exists()
        assert list(home.folder.glob(".postgres-*")) == []


other_points = pytest.mark.nightly(
    daily="tests/acceptance/test_up.py"
    "::test_a_first_start_killed_at_any_point_is_completed_by_the_next[4]"
)


@pytest.mark.parametrize(  # initdb makes three, Myriad two
    "databases", [pytest.param(3, marks=other_points), 4, pytest.param(5, marks=other_points)]
)
def test_a_first_start_killed_at_any_point_is_completed_by_the_next(
    home: Home, databases: int
) -> None:
    with up(home) as first:
        base = home.postgres / "base"
        wait_until(lambda: base.exists() and len(list(base.iterdir())) >= databases)
        kill_everything(first)
    with up(home) as second:
        second.wait_ready()
        with closing(as_admin(myriad.open(home).server())) as connection:
            found = connection.execute(
                "SELECT datname FROM pg_database"
                " WHERE NOT has_database_privilege('public', oid, 'CONNECT') ORDER BY datname"
            ).fetchall()
            assert {"main", "myriad", "postgres", "template1"} <= {name for (name,) in found}
            left = connection.execute("SELECT FROM pg_database WHERE datname LIKE 'new-%'")
            assert left.fetchall() == []


def kill_everything(started: Up) -> None:
    started.process.kill()
    for each in processes.servers(started.home.postgres):
        with suppress(psutil.NoSuchProcess):
            each.kill()
    started.process.wait()


def test_detached_it_stays_up_until_down(made_home: Home) -> None:
    began = run(made_home, "up", "--detach", "--json")
    assert (began.returncode, began.stderr) == (0, "")
    try:
        where = json.loads(began.stdout)
        shown = json.loads(run(made_home, "status", "--json").stdout)
        assert shown["state"] == "up"
        assert shown["engine"] == "embedded"
        assert shown["port"] == where["port"]
        assert {"main", "myriad"} <= {entry["name"] for entry in shown["databases"]}
        assert shown["size"] > 10_000_000
        assert 0 <= shown["uptime"] < 60
        assert "ready to accept connections" in run(made_home, "logs", "-n", "50").stdout
    finally:
        assert run(made_home, "down").stdout == "stopped\n"
    assert notes.started(shown["pid"]) is None
    assert run(made_home, "down").stdout == "nothing was up\n"
    after = run(made_home, "status", "--json")
    assert (after.returncode, json.loads(after.stdout)["state"]) == (3, "down")


@pytest.mark.nightly(daily="tests/acceptance/test_up.py::test_detached_it_stays_up_until_down")
def test_settings_given_in_python_reach_the_detached_process(made_home: Home) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    installed = myriad.open(made_home, port=port, max_connections=33)
    try:
        assert installed.up_detached().port == port
        assert ask(made_home, "SHOW max_connections") == "33"
    finally:
        installed.down()


def test_a_failed_detached_start_shows_the_engines_words_and_leaves_nothing(
    made_home: Home,
) -> None:
    with (made_home.postgres / "postgresql.conf").open("a") as file:
        file.write("work_mem = 'plenty'\n")
    failed = run(made_home, "up", "--detach")
    assert failed.returncode == 1
    assert 'invalid value for parameter "work_mem": "plenty"' in failed.stderr
    assert "Traceback" not in failed.stderr
    assert processes.servers(made_home.postgres) == []
    assert made_home.holder() is None
    with pytest.raises(StartFailed):
        myriad.open(made_home).up_detached()


@pytest.mark.nightly(
    daily="tests/acceptance/test_up.py::"
    "test_a_signal_during_the_first_start_leaves_nothing_half_made"
)
def test_an_interrupted_detached_start_leaves_nothing(home: Home, endless: dict[str, str]) -> None:
    command = [*COMMAND, "up", "--detach", "--home", str(home.folder)]
    environment = {**os.environ, **endless}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as starting:
        assert starting.stderr is not None
        assert "PostgreSQL" in starting.stderr.readline()  # what it does is told
        wait_until(lambda: list(home.folder.glob(".postgres-*/base")))
        starting.send_signal(signal.SIGINT)
        _, said = starting.communicate(timeout=60)
    assert (starting.returncode, said.splitlines()[-1]) == (130, "interrupted")
    assert home.holder() is None
    assert not home.postgres.exists()


def test_after_a_kill_of_the_supervisor_the_next_up_works(made_home: Home) -> None:
    with up(made_home) as first:
        first.wait_ready()
        old = postmaster(made_home)
        first.process.kill()
        first.process.wait()
        assert not process.gone(old)
        status = run(made_home, "status")
        assert status.returncode == 1
        assert "abandoned" in status.stdout
        with up(made_home) as second:
            second.wait_ready()
            assert process.gone(old)
            assert answers(made_home)


@pytest.mark.nightly(
    daily="tests/acceptance/test_up.py::test_after_a_kill_of_the_supervisor_the_next_up_works"
)
def test_down_stops_what_a_killed_supervisor_left(made_home: Home) -> None:
    with up(made_home) as first:
        first.wait_ready()
        first.process.kill()
        first.process.wait()
        assert run(made_home, "down").stdout == "stopped\n"
        assert processes.servers(made_home.postgres) == []


def _restarted(started: Up, times: int) -> bool:
    said = started.said()
    return said.count("PostgreSQL is down") == times and said.count("ready on") == times + 1


def test_a_killed_engine_is_started_again_and_said_so(made_home: Home) -> None:
    with up(made_home) as started:
        started.wait_ready()
        ask(made_home, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        stays = door.running(made_home)
        postmaster(made_home).kill()
        wait_until(lambda: _restarted(started, 1))
        assert ask(made_home, "SELECT sum(n) FROM kept") == 500500

        with closing(as_admin(myriad.open(made_home).server(), "main")) as session:
            psutil.Process(session.info.backend_pid).kill()
            wait_until(lambda: _restarted(started, 2))
        assert ask(made_home, "SELECT sum(n) FROM kept") == 500500
        assert stays == door.running(made_home) is not None
        assert "starting it again in 0.5 s" in started.said()
        assert "starting it again in 1 s" in started.said()
        assert started.end() == 0


def test_committed_rows_survive_the_kill_of_everything(made_home: Home) -> None:
    with up(made_home) as started:
        started.wait_ready()
        ask(made_home, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        kill_everything(started)
    with up(made_home) as again:
        again.wait_ready()
        assert ask(made_home, "SELECT sum(n) FROM kept") == 500500


@pytest.mark.nightly(
    daily="tests/acceptance/test_up.py::test_after_a_kill_of_the_supervisor_the_next_up_works"
)
def test_a_lock_left_by_a_power_cut_is_stale(made_home: Home) -> None:
    (made_home.folder / "lock").write_text("")
    stale = {"pid": os.getpid(), "started": 1.0}
    (made_home.folder / "lock.holder").write_text(json.dumps(stale))
    state = {"engine": "embedded", "host": "127.0.0.1", "port": 1, "dsn": "host=/nowhere"}
    (made_home.folder / "running.json").write_text(json.dumps({**stale, **state}))
    assert json.loads(run(made_home, "status", "--json").stdout)["state"] == "down"
    with up(made_home) as started:
        started.wait_ready()
        assert answers(made_home)


def as_nobody(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        python, environment = unprivileged_python()
    except LookupError as reason:
        pytest.skip(str(reason))
    return subprocess.run(
        [python, "-m", "myriad", *arguments, "--home", home.folder],
        user=65534,
        group=65534,
        extra_groups=[],
        env={"PATH": os.environ["PATH"], "HOME": str(home.folder.parent), **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@only_root
def test_it_runs_without_root(home: Home) -> None:
    home.folder.mkdir()
    os.chown(home.folder, 65534, 65534)
    began = as_nobody(home, "up", "--detach", "--json")
    assert began.returncode == 0, began.stderr
    try:
        shown = json.loads(as_nobody(home, "status", "--json").stdout)
        assert shown["state"] == "up"
        assert postmaster(home).username() == "nobody"
        assert stat.S_IMODE(home.folder.stat().st_mode) == 0o700
    finally:
        assert as_nobody(home, "down").stdout == "stopped\n"


@only_root
def test_a_home_that_may_not_be_written_is_said_plainly(home: Home) -> None:
    failed = as_nobody(home, "up", "--detach")
    assert failed.returncode == 1
    assert failed.stderr == (
        f"error: cannot use {home.folder} as home: Permission denied\n"
        "hint: Give another folder with --home or MYRIAD_HOME.\n"
    )
    findings = json.loads(as_nobody(home, "doctor", "--json").stdout)
    assert "permissions" in {entry["check"] for entry in findings if entry["state"] == "wrong"}


@pytest.mark.nightly(daily="tests/acceptance/test_door_process.py::test_the_doors_log_is_shown")
def test_logs_follow_what_the_engine_says(made_home: Home) -> None:
    with up(made_home) as started:
        started.wait_ready()
        output = made_home.folder.parent / "followed"
        command = [*COMMAND, "logs", "--follow", "--home", str(made_home.folder)]
        with output.open("wb") as file:
            following = subprocess.Popen(command, stdout=file)
        try:
            # It begins at the end of what it finds: only what is said later shows that it follows.
            wait_until(lambda: "ready to accept connections" in output.read_text())
            wait_until(lambda: _complained(made_home) and "nowhere" in output.read_text())
            following.send_signal(signal.SIGINT)
            assert following.wait(10) == 130
        finally:
            following.kill()


def _complained(home: Home) -> bool:
    with suppress(psycopg.errors.UndefinedTable):
        ask(home, "SELECT FROM nowhere")
    return True
