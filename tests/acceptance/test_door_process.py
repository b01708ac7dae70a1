"""The door as a process: started with PostgreSQL, watched, started again, stopped before it."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import myriad
from myriad.engines.postgres import processes
from myriad.home.home import Home
from myriad.machine import addresses, process
from myriad.running import door
from myriad.settings import Settings
from tests import harness
from tests.elsewhere import elsewhere
from tests.harness import COMMAND, Up, as_admin, postmaster, run, up, wait_until
from tests.own_ports import copied

pytestmark = pytest.mark.usefixtures("one_process")  # test_door_two.py has those of several
RESTART = 5.0  # seconds within which people reach a new door, on a machine that does much else


def of(home: Home) -> psutil.Process:
    """Return the door's process."""
    found = door.running(home)
    assert found is not None
    return found


def answers(home: Home) -> bool:
    running = home.running()
    return running is not None and addresses.silent(running.host, running.port) is None


def status(home: Home) -> dict[str, object]:
    found = json.loads(run(home, "status", "--json").stdout)
    assert isinstance(found, dict)
    return found


@contextmanager
def ready(home: Home, *arguments: str, **environment: str) -> Iterator[Up]:
    with up(home, *arguments, **environment) as started:
        started.wait_ready()
        yield started


@pytest.fixture(scope="module")
def place(made: Path) -> Iterator[Home]:
    """A home that is up all the time."""
    with copied(made) as home, ready(home):
        yield home


@contextmanager
def frozen(found: psutil.Process) -> Iterator[None]:
    found.suspend()
    try:
        yield
    finally:
        if not process.gone(found):
            found.resume()


@pytest.mark.nightly(
    daily="tests/acceptance/test_door_process.py::"
    "test_who_comes_while_the_door_is_down_waits_for_the_new_one"
)
def test_the_door_is_up_with_postgresql_and_goes_with_it(made_home: Home) -> None:
    with ready(made_home) as started:
        assert answers(made_home)
        found = of(made_home)
        assert status(made_home)["door"] == found.pid
        assert os.getsid(found.pid) == found.pid  # a terminal's Ctrl-C does not reach it
        assert found.cwd() == "/"
        assert started.end() == 0
        assert process.gone(found)
    assert door.running(made_home) is None


def test_postgresql_itself_is_reached_over_its_socket_only(place: Home) -> None:
    head = postmaster(place)
    listening = [
        each.status for one in (head, *head.children()) for each in one.net_connections("tcp")
    ]
    assert psutil.CONN_LISTEN not in listening


def test_who_comes_while_the_door_is_down_waits_for_the_new_one(made_home: Home) -> None:
    with ready(made_home) as started:
        running = made_home.running()
        assert running is not None
        old = of(made_home)
        old.kill()
        wait_until(lambda: process.gone(old))
        assert addresses.silent(running.host, running.port, RESTART) is None
        assert of(made_home) != old
        assert "the door is down (ended by signal 9); starting it again in 0.1 s" in started.said()
        wait_until(lambda: started.said().count("ready on") == 2)
        assert status(made_home)["door"] == of(made_home).pid
        assert started.end() == 0


@pytest.mark.nightly(
    daily="tests/acceptance/test_up.py::test_a_killed_engine_is_started_again_and_said_so"
)
def test_the_door_stays_while_postgresql_is_started_again(made_home: Home) -> None:
    with ready(made_home) as started:
        found = of(made_home)
        postmaster(made_home).kill()
        wait_until(lambda: started.said().count("ready on") == 2)
        assert of(made_home) == found
        assert answers(made_home)


@pytest.mark.nightly(
    daily="tests/acceptance/test_door_process.py::"
    "test_the_door_ends_also_when_the_server_is_killed_and_knows_not_who_ran_what"
)
def test_the_door_ends_when_what_started_it_is_killed(made_home: Home) -> None:
    with ready(made_home) as started:
        found = of(made_home)
        started.process.kill()
        started.process.wait()
        wait_until(lambda: process.gone(found))


def test_the_door_ends_also_when_the_server_is_killed_and_knows_not_who_ran_what(
    made_home: Home,
) -> None:
    with ready(made_home) as started:
        found = of(made_home)
        with closing(psycopg.connect(rose(made_home), autocommit=True)) as connection:
            started.process.send_signal(signal.SIGSTOP)  # it would start another one
            connection.execute("SELECT 1")  # which the audit would have within a second
            head = postmaster(made_home)
            for each in (head, *head.children()):
                each.kill()
        started.process.kill()
        started.process.wait()
        wait_until(lambda: process.gone(found))


def test_a_door_that_a_kill_left_does_not_hinder_the_next_up(made_home: Home) -> None:
    with ready(made_home) as first:
        running = made_home.running()
        assert running is not None
        left = of(made_home)
        with frozen(left):
            first.process.kill()
            first.process.wait()
            with ready(made_home, "--port", str(running.port)):
                assert process.gone(left)
                assert answers(made_home)


@pytest.mark.nightly(
    daily="tests/acceptance/test_door_process.py::"
    "test_a_door_that_a_kill_left_does_not_hinder_the_next_up"
)
def test_down_ends_a_door_that_a_kill_left(made_home: Home) -> None:
    with ready(made_home) as started:
        left = of(made_home)
        with frozen(left):
            started.process.kill()
            started.process.wait()
            assert run(made_home, "down").stdout == "stopped\n"
            assert process.gone(left)


def test_a_strangers_process_is_not_taken_for_the_door(made_home: Home) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (made_home.folder / "door.json").write_text(
            json.dumps({"pid": stranger.pid, "started": 1.0})
        )
        assert not door.clear(made_home)
        assert stranger.poll() is None
        stranger.kill()


def test_a_door_that_does_not_answer_is_broken_and_the_doctor_says_so(place: Home) -> None:
    with frozen(of(place)):
        shown = status(place)
        assert shown["state"] == "broken"
        assert "the door hangs: no answer on" in str(shown["problem"])
        findings = json.loads(run(place, "doctor", "--json").stdout)
        [port] = [entry for entry in findings if entry["check"] == "ports"]
        assert port["state"] == "wrong"


PATIENT_FOR = "1.5"  # seconds, in place of pulse.HANGS_SECONDS
IMPATIENT = f"""
from myriad.running import door, pulse
door.HANGS_SECONDS = pulse.HANGS_SECONDS = {PATIENT_FOR}
from myriad.__main__ import run
run()
"""


one_alone = pytest.mark.nightly(
    daily="tests/acceptance/test_door_process.py"
    "::test_a_process_that_hangs_is_ended_and_started_again[2]"
)


@pytest.mark.parametrize("processes", [pytest.param(1, marks=one_alone), 2])
def test_a_process_that_hangs_is_ended_and_started_again(
    made_home: Home, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setattr(harness, "COMMAND", (sys.executable, "-c", IMPATIENT))
    with ready(made_home, MYRIAD_DOOR_PROCESSES=str(processes)) as started:
        *left, hangs = door.all_running(made_home)
        hangs.suspend()
        wait_until(lambda: process.gone(hangs))
        wait_until(lambda: started.said().count("ready on") == 2)
        assert f"it did nothing for {PATIENT_FOR} s; ended by signal 9" in started.said()
        assert answers(made_home)
        *stayed, new = door.all_running(made_home)
        assert stayed == left
        assert new != hangs
        assert started.end() == 0


@pytest.mark.nightly(
    daily="tests/acceptance/test_door_process.py::"
    "test_a_door_that_a_kill_left_does_not_hinder_the_next_up"
)
def test_a_door_that_does_not_end_is_killed(made_home: Home) -> None:
    with ready(made_home, MYRIAD_DRAIN_TIMEOUT="0") as started:
        found = of(made_home)
        with frozen(found):
            assert started.end() == 0
            assert process.gone(found)
        assert "the door does not end; it is killed" in started.said()


@pytest.mark.nightly(
    daily="tests/acceptance/test_door_process.py::"
    "test_who_comes_while_the_door_is_down_waits_for_the_new_one"
)
def test_people_come_back_to_the_same_port(made_home: Home) -> None:
    (made_home.folder / "port").unlink()  # nobody was told one yet
    with socket.socket() as other:
        # Connections of before, which have ended, do not hinder it.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # then somebody else has it
            other.bind(("127.0.0.1", Settings().port))
            other.listen()
        with ready(made_home) as started:
            first = made_home.running()
            started.end()
    with ready(made_home):
        again = made_home.running()
    assert first is not None
    assert again is not None
    assert again.port == first.port > Settings().port


@pytest.mark.nightly(
    daily="tests/acceptance/test_door_two.py::"
    "test_on_an_attached_server_all_processes_log_in_by_the_same_passwords"
)
def test_an_attached_server_gets_a_door_too(folder: Path) -> None:
    mine = Home(folder / "mine")
    with elsewhere() as server, ready(mine, MYRIAD_POSTGRES_AT=server.dsn):
        assert answers(mine)
        here = mine.running()
        assert here is not None
        assert (here.host, here.port) != (server.host, server.port)
        with closing(as_admin(myriad.open(mine).server(), "main")) as connection:
            assert connection.info.port == server.port


def test_a_certificate_that_will_not_do_is_said_before_anybody_can_come(made_home: Home) -> None:
    failed = run(
        made_home,
        *("up", "--detach"),
        environment={"MYRIAD_TLS_CERTIFICATE": "/no/such", "MYRIAD_TLS_KEY": "/no/such"},
    )
    assert failed.returncode == 2
    assert "error: /no/such cannot be read" in failed.stderr
    assert "hint: " in failed.stderr
    assert made_home.holder() is None
    assert processes.servers(made_home.postgres) == []


def rose(home: Home) -> str:
    """Make somebody who may write in `main`; return how she connects."""
    installed = myriad.open(home)
    installed.people.add_people(["rose"], ["readers"], passwords={"rose": "a secret"})
    installed.people.grant("readers", "public", "main")
    server = installed.server()
    return make_conninfo(
        host=server.host, port=server.port, user="rose", password="a secret", dbname="main"
    )


def test_the_certificate_is_verified_and_bound_to_the_login(place: Home) -> None:
    dsn = make_conninfo(
        rose(place),
        sslmode="verify-full",
        sslrootcert=str(place.secrets / "door.crt"),
        channel_binding="require",
    )
    with closing(psycopg.connect(dsn)) as connection:
        assert connection.execute("SELECT session_user").fetchone() is not None
        assert connection.pgconn.ssl_in_use


@pytest.mark.nightly(
    daily="tests/acceptance/test_door_faults_process.py::"
    "test_who_works_may_end_and_others_are_told_when_all_stops[down]"
)
def test_who_is_in_a_transaction_may_end_it_before_all_stops(made_home: Home) -> None:
    with ready(made_home) as started, closing(psycopg.connect(rose(made_home))) as session:
        session.execute("SELECT 1")
        started.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in started.said())
        wait_until(lambda: addresses.silent(session.info.host, session.info.port, 0.1))
        assert session.execute("SELECT 2").fetchone() == (2,)
        session.commit()
        assert started.process.wait(30) == 0


def test_the_doors_log_is_shown(place: Home) -> None:
    with (place.logs / "door.log").open("a") as file:
        file.write("a line of the door\n")
    assert run(place, "logs", "--door", "-n", "1").stdout == "a line of the door\n"


@pytest.mark.nightly(
    daily="tests/acceptance/test_door_process.py"
    "::test_who_comes_while_the_door_is_down_waits_for_the_new_one"
)
def test_too_few_files_are_said_by_up_and_by_the_doctor(made_home: Home) -> None:
    def limited(*arguments: str) -> str:
        shell = ["sh", "-c", 'ulimit -n 500 && exec "$@"', "sh"]
        command = [*shell, *COMMAND, *arguments, "--home", str(made_home.folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr

    fitting = "256"  # 500, less 180 connections to PostgreSQL and 64 other files
    assert f"{fitting} connections of people fit, not max_clients = 15,000" in limited("doctor")
    try:
        limited("up", "--detach")
        said = (made_home.logs / "myriad.log").read_text()
        assert f"enough for {fitting} connections of people, not for max_clients = 15000" in said
        assert answers(made_home)
    finally:
        run(made_home, "down")


@pytest.mark.nightly(
    daily="tests/acceptance/test_door_process.py::"
    "test_who_comes_while_the_door_is_down_waits_for_the_new_one"
)
def test_a_soft_limit_of_files_is_raised(made_home: Home) -> None:
    shell = ["sh", "-c", 'ulimit -Sn 256 && exec "$@"', "sh"]
    command = [*shell, *COMMAND, "up", "--detach", "--home", str(made_home.folder)]
    subprocess.run(command, timeout=60, check=True)
    try:
        soft, hard = of(made_home).rlimit(psutil.RLIMIT_NOFILE)
        assert soft == hard > 256
    finally:
        run(made_home, "down")


terminated = pytest.mark.nightly(
    daily="tests/acceptance/test_door_process.py"
    "::test_a_signal_while_the_door_starts_leaves_nothing[2]"
)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=terminated)])
def test_a_signal_while_the_door_starts_leaves_nothing(
    made_home: Home, number: signal.Signals
) -> None:
    with up(made_home) as started:
        wait_until(lambda: door.running(made_home))
        assert started.end(number) == 0
        assert door.running(made_home) is None
        assert processes.servers(made_home.postgres) == []
