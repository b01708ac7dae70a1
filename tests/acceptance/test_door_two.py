"""A door of two processes: what holds for a person, and for all, holds over both."""

import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from myriad.control import asking
from myriad.home.home import Home
from myriad.pgwire import wire
from myriad.pgwire.numbers import process_of
from myriad.running import door, status
from tests.crowd import PASSWORD, Installation, installed, installed_copy
from tests.door_inner import Inner
from tests.elsewhere import elsewhere
from tests.harness import wait_until
from tests.two_doors import SOON, Sessions, running, where, works

MOST_CLIENTS, SERVER_CONNECTIONS, AUDIT_ROWS = 60, 9, 1000
HERE = "tests/acceptance/test_door_two.py"


@pytest.fixture(scope="module")
def up(made: Path) -> Iterator[Installation]:
    with installed_copy(
        made,
        door_processes=2,
        max_clients=MOST_CLIENTS,
        server_connections=SERVER_CONNECTIONS,
        pool_size=SERVER_CONNECTIONS,
        audit_rows=AUDIT_ROWS,
    ) as found:
        yield found


@pytest.fixture
def somebody(up: Installation) -> str:
    name = f"p_{uuid.uuid4().hex[:8]}"
    up.add([name])
    return name


@pytest.mark.nightly(daily=f"{HERE}::test_activity_shows_both_and_stop_stops_in_both")
@pytest.mark.timeout(2 * 3600)
def test_all_that_holds_of_one_process_holds_of_two(request: pytest.FixtureRequest) -> None:
    """The door's own tests; what must hold when its one process ends is in test_door_process.py."""
    root = request.config.rootpath
    files = [
        *sorted(root.glob("tests/integration/test_door_*.py")),
        *sorted(root.glob("tests/acceptance/test_door_faults_*.py")),
        *(root / f"tests/integration/test_people_{name}.py" for name in ("limits", "traces")),
    ]
    command = [sys.executable, "-m", "pytest", "-q", "--door-processes", "2", *map(str, files)]
    environment = {n: v for n, v in os.environ.items() if not n.startswith("PYTEST_")}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-30_000:]


@pytest.fixture
def sessions(up: Installation, somebody: str) -> Iterator[Sessions]:
    with ExitStack() as stack:
        yield Sessions(up.place, somebody, stack)


def test_both_take_clients_and_who_has_more_leaves_the_next_to_the_other(
    sessions: Sessions,
) -> None:
    places = [where(sessions.one()) for _ in range(20)]
    assert min(places.count(0), places.count(1)) >= 8


def test_connections_of_a_person_are_counted_over_both(
    up: Installation, sessions: Sessions, somebody: str
) -> None:
    up.myriad.people.set_limits(somebody, {"connections": 6})
    some = [sessions.one() for _ in range(6)]
    assert {where(each) for each in some} == {0, 1}
    for _ in range(4):  # whichever takes it
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            sessions.one()
    some[0].close()
    wait_until(lambda: len(up.myriad.people.activity([somebody])) == 5)
    sessions.one()


def test_statements_of_a_person_at_once_are_counted_over_both_and_have_their_turn(
    up: Installation, sessions: Sessions, somebody: str
) -> None:
    up.myriad.people.set_limits(somebody, {"concurrent": 1})
    one, other = sessions.in_each()
    with running(one) as ended, ThreadPoolExecutor(1) as threads:
        wait_until(lambda: works(up, somebody) == 1, SOON)
        waits = threads.submit(other.execute, "SELECT 1")
        wait_until(lambda: "waiting" in _states(up, somebody), SOON)
        assert not waits.done()
        one.cancel()
        assert waits.result(SOON).fetchall() == [(1,)]
    assert ended == ["57014"]


def _states(up: Installation, name: str) -> set[str]:
    return {each.state for each in up.myriad.people.activity([name])}


def test_nobody_has_more_at_once_than_they_may_and_none_is_left_waiting(
    up: Installation, sessions: Sessions, somebody: str
) -> None:
    up.myriad.people.set_limits(somebody, {"concurrent": 2})
    some = [sessions.one() for _ in range(8)]
    assert {where(each) for each in some} == {0, 1}
    done = threading.Event()
    most = 0

    def look() -> None:
        nonlocal most
        while not done.is_set():
            [(now,)] = up.sql(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
                f" AND pid <> pg_backend_pid() AND query ~ '^SELECT count.* -- {somebody}$'"
            )
            most = max(most, now)

    def work(session: psycopg.Connection) -> None:
        for _ in range(15):
            session.execute(f"SELECT count(*) FROM generate_series(1, 50000) -- {somebody}")

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        with ThreadPoolExecutor(len(some)) as threads:
            for each in [threads.submit(work, session) for session in some]:
                each.result(60)
    finally:
        done.set()
        watcher.join()
    assert 1 <= most <= 2


def test_server_connections_are_never_more_than_all_may_have(
    up: Installation, sessions: Sessions, somebody: str
) -> None:
    up.myriad.people.set_limits(somebody, {"concurrent": 0})
    some = [sessions.one() for _ in range(24)]
    with running(*some):
        wait_until(lambda: _served(up) >= SERVER_CONNECTIONS * 2 // 3, SOON)
        for _ in range(20):
            assert _served(up) <= SERVER_CONNECTIONS


def _served(up: Installation) -> int:
    [(count,)] = up.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " AND usename ~ '^myriad_pool_'"
    )
    return int(count)


def test_a_cancel_works_whichever_process_takes_it(
    up: Installation, sessions: Sessions, somebody: str
) -> None:
    for session in sessions.in_each() * 2:
        more = [sessions.one() for _ in range(3)]
        for extra in more:  # whoever has fewer now takes the cancel
            if where(extra) != where(session):
                extra.close()
        with running(session) as ended:
            wait_until(lambda: works(up, somebody) == 1, SOON)
            session.cancel()
            wait_until(lambda: ended, SOON)
        assert ended == ["57014"]
        assert session.execute("SELECT 1").fetchall() == [(1,)]


def test_a_wrong_key_cancels_nothing_through_the_other(
    up: Installation, sessions: Sessions, somebody: str
) -> None:
    one, _ = sessions.in_each()
    with running(one) as ended:
        wait_until(lambda: works(up, somebody) == 1, SOON)
        for number in range(10):
            key = number.to_bytes(4, "big") if number else b"k" * 200
            with socket.create_connection((up.place.host, up.place.port), SOON) as stranger:
                stranger.sendall(wire.cancel(one.info.backend_pid, key))
                assert stranger.recv(1) == b""
        assert works(up, somebody) == 1
        assert not ended


def test_activity_shows_both_and_stop_stops_in_both(
    up: Installation, sessions: Sessions, somebody: str
) -> None:
    some = sessions.in_each()
    with running(*some) as ended:
        wait_until(lambda: works(up, somebody) == 2, SOON)
        assert up.myriad.people.stop([somebody]) == 2
        wait_until(lambda: len(ended) == 2, SOON)
    assert ended == ["57014"] * 2


def test_who_is_removed_has_no_session_in_either(
    up: Installation, sessions: Sessions, somebody: str
) -> None:
    some = sessions.in_each()
    up.myriad.people.remove([somebody])
    for each in some:
        with pytest.raises(psycopg.OperationalError):
            each.execute("SELECT 1")


def test_programs_of_ours_come_to_both_and_an_id_ends_its_sessions_in_both(
    up: Installation, somebody: str
) -> None:
    with ExitStack() as stack:
        sessions = [
            stack.enter_context(closing(Inner(up.myriad).enter(somebody, "main", id="one")))
            for _ in range(6)
        ]
        assert {process_of(session.number) for session in sessions} == {0, 1}
        assert all(session.rows("SELECT 1") == [("'1'",)] for session in sessions)
        assert asking.ask(up.server, "end_ids", ["one"]) == {"ended": len(sessions)}
        assert all("withdrawn" in str(session.to_the_end()) for session in sessions)


def test_who_guesses_is_slowed_by_what_both_have_seen(up: Installation, somebody: str) -> None:
    dsn = make_conninfo(
        host=up.place.host, port=up.place.port, user=somebody, password="x", dbname="main"
    )
    begin = time.monotonic()
    for _ in range(9):
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            psycopg.connect(dsn, sslmode="disable")
    # 0.25 + 0.5 + 1 + 2 seconds after five that are free; of two that each see a half, none
    assert time.monotonic() - begin > 3.5


def test_clients_are_no_more_than_the_setting_says_over_both(
    up: Installation, sessions: Sessions, somebody: str
) -> None:
    wait_until(lambda: not up.myriad.people.activity(), SOON)
    some = [sessions.one() for _ in range(MOST_CLIENTS)]
    assert {where(each) for each in some} == {0, 1}
    for encrypted in ("disable", "prefer", "require"):  # and so the reason, as clients show it
        for _ in range(4):
            with pytest.raises(psycopg.OperationalError, match="too many clients"):
                sessions.one(encrypted)
    with running(some[0]) as ended:
        wait_until(lambda: works(up, somebody) == 1, SOON)
        some[0].cancel()  # which is one connection more
        wait_until(lambda: ended, SOON)
    wait_until(lambda: status.look(up.home).clients == MOST_CLIENTS, SOON)  # measured each 5 s
    assert status.look(up.home).state == status.UP
    assert "myriad_door_people 1.0" in (up.home.folder / "metrics.prom").read_text()


def test_the_audit_has_what_both_ran_and_begins_its_other_table_once(
    up: Installation, sessions: Sessions, somebody: str
) -> None:
    some = sessions.in_each()

    def run(count: int) -> None:
        for number in range(count):
            some[number % 2].execute("SELECT 1")

    def seen() -> int:
        [(count,)] = up.sql(
            "SELECT count(*) FROM (TABLE audit_0 UNION ALL TABLE audit_1) AS a"
            f" WHERE person = '{somebody}' AND statement = 'SELECT 1'",
            "myriad",
        )
        return int(count)

    half = AUDIT_ROWS // 2
    until_full = 1 + half - max(_audited(up))
    run(until_full)
    wait_until(lambda: seen() == until_full, SOON)
    run(100)
    wait_until(lambda: seen() == until_full + 100, SOON)

    def other_is_begun() -> bool:  # a moment later if somebody reads just then, as this test does
        run(2)
        return min(_audited(up)) > 0

    wait_until(other_is_begun, SOON)
    assert max(_audited(up)) >= half > min(_audited(up))


def _audited(up: Installation) -> list[int]:
    return [
        int(up.sql(f"SELECT count(*) FROM audit_{table}", "myriad")[0][0]) for table in range(2)
    ]


def test_a_process_that_is_killed_costs_only_its_own_sessions_and_comes_back(
    up: Installation, sessions: Sessions, somebody: str
) -> None:
    some, starts = sessions.in_each(), up.process.said().count("ready on")
    with running(*some) as ended:
        wait_until(lambda: works(up, somebody) == 2, SOON)
        killed = door.running(up.home, 1)
        assert killed is not None
        killed.kill()
        wait_until(lambda: len(ended) == 1, SOON)
        left = len(up.myriad.people.activity([somebody]))
        up.myriad.people.set_limits(somebody, {"connections": left + 1})
        # What it counted is gone as soon as `up` has seen that it has ended.
        wait_until(sessions.may_enter, SOON)
        wait_until(lambda: up.process.said().count("ready on") > starts, SOON)
        assert len(door.all_running(up.home)) == 2
        assert (works(up, somebody), len(ended)) == (1, 1)
    assert some[0].execute("SELECT 1").fetchall() == [(1,)]
    up.myriad.people.set_limits(somebody, {"connections": None})
    sessions.in_each()
    assert "the door is down (process 1: ended by signal 9); starting it" in up.process.said()


def test_a_process_answers_what_was_asked_before_it_heard_anything(up: Installation) -> None:
    wait_until(lambda: len(door.all_running(up.home)) == 2, SOON)
    killed = door.running(up.home, 1)
    assert killed is not None
    killed.kill()
    killed.wait(SOON)
    [(number,)] = up.sql(
        "INSERT INTO request (what, who) VALUES ('activity', '{}') RETURNING id", "myriad"
    )
    answered = f"SELECT answer ? 'myriad door 1' FROM request WHERE id = {number}"
    try:
        wait_until(lambda: up.sql(answered, "myriad") == [(True,)], SOON)
    finally:
        up.sql(f"DELETE FROM request WHERE id = {number}", "myriad")


@pytest.fixture
def owners(up: Installation) -> Iterator[tuple[Sessions, Sessions]]:
    """Two people with a database each: their sessions have server connections of their own."""
    names = [f"o_{uuid.uuid4().hex[:8]}" for _ in range(2)]
    passwords = dict.fromkeys(names, PASSWORD)
    up.myriad.people.add_people(names, owner=True, passwords=passwords)
    for name in names:
        up.sql(f"CREATE DATABASE {name} OWNER {name}")
    with ExitStack() as stack:
        one, other = (Sessions(up.place, name, stack, name) for name in names)
        yield one, other


def test_an_owner_finds_cancels_and_ends_a_session_of_theirs_in_the_other_process(
    owners: tuple[Sessions, Sessions],
) -> None:
    one, other = owners[0].in_each()
    number = other.info.backend_pid
    asked = b"SELECT state FROM pg_stat_activity WHERE pid = %d" % number
    with running(other) as ended:
        wait_until(lambda: one.execute(asked).fetchall() == [("active",)], SOON)
        assert one.execute("SELECT pg_cancel_backend(%s)", [number]).fetchall() == [(True,)]
        wait_until(lambda: ended, SOON)
    assert ended == ["57014"]
    assert one.execute(asked).fetchall() == []  # nobody serves it now
    assert one.execute(b"SELECT pg_terminate_backend(%d)" % number).fetchall() == [(True,)]
    with pytest.raises(psycopg.OperationalError):
        wait_until(lambda: not other.execute("SELECT 1"), SOON)


def test_numbers_of_others_mean_nothing_in_the_other_process_either(
    owners: tuple[Sessions, Sessions],
) -> None:
    mine, theirs = owners[0].in_each(), owners[1].in_each()
    with running(*theirs) as ended:
        for one in mine:
            for number in (each.info.backend_pid for each in theirs):
                for function in ("pg_cancel_backend", "pg_terminate_backend"):
                    done = one.execute(f"SELECT {function}({number})".encode()).fetchall()
                    assert done == [(False,)]
        assert not ended
    assert ended == ["57014"] * 2


def test_on_an_attached_server_all_processes_log_in_by_the_same_passwords(folder: Path) -> None:
    mine = Home(folder / "mine")
    with elsewhere() as server, installed(mine, postgres_at=server.dsn, door_processes=2) as found:
        found.add(["rose"])
        with ExitStack() as stack:
            rose = Sessions(found.place, "rose", stack)
            for _ in range(2):
                for session in rose.in_each():
                    assert session.execute("SELECT current_user").fetchall() == [("rose",)]
                    session.close()
                found.add([f"p_{uuid.uuid4().hex[:8]}"])  # all is looked at anew
