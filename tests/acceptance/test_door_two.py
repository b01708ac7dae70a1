"""A door of two processes: what holds for a person, and for all, holds over both."""

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from myriad.control import asking
from myriad.pgwire import wire
from myriad.pgwire.numbers import process_of
from myriad.running import door, status
from tests.crowd import LONG, PASSWORD, Installation, installed_copy
from tests.door_inner import Inner
from tests.harness import wait_until

MOST_CLIENTS, SERVER_CONNECTIONS, AUDIT_ROWS = 60, 9, 1000
SOON = 20.0  # seconds, on a busy machine


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


class Sessions:
    """Some of one person, by the process that has them; closed at the end."""

    def __init__(self, up: Installation, name: str, stack: ExitStack) -> None:
        self._place, self._name, self._stack = up.place, name, stack

    def one(self) -> psycopg.Connection:
        """Log in."""
        dsn = make_conninfo(
            host=self._place.host,
            port=self._place.port,
            user=self._name,
            password=PASSWORD,
            dbname="main",
            sslmode="disable",
        )
        return self._stack.enter_context(
            psycopg.connect(dsn, autocommit=True, prepare_threshold=None)
        )

    def in_each(self) -> list[psycopg.Connection]:
        """Log in until each process has one: who has more clients leaves the next to the other."""
        found: dict[int, psycopg.Connection] = {}
        for _ in range(20):
            session = self.one()
            found.setdefault(where(session), session)
            if len(found) == 2:
                return [found[0], found[1]]
        raise AssertionError(f"all come to process {list(found)}")


def where(session: psycopg.Connection) -> int:
    """Return which process of the door has a session."""
    return process_of(session.info.backend_pid)


@pytest.fixture
def sessions(up: Installation, somebody: str) -> Iterator[Sessions]:
    with ExitStack() as stack:
        yield Sessions(up, somebody, stack)


@contextmanager
def running(*some: psycopg.Connection) -> Iterator[list[str]]:
    """Let each run what takes minutes; give the SQLSTATEs that they end with, as they come."""
    ended: list[str] = []

    def run(session: psycopg.Connection) -> None:
        try:
            session.execute(LONG)
        except psycopg.Error as error:
            ended.append(error.sqlstate or "lost")

    threads = [threading.Thread(target=run, args=(each,)) for each in some]
    for thread in threads:
        thread.start()
    try:
        yield ended
    finally:
        end = time.monotonic() + SOON
        while any(thread.is_alive() for thread in threads):
            assert time.monotonic() < end, "not cancelled"
            for session, thread in zip(some, threads, strict=True):
                if thread.is_alive():  # a cancel that comes just before its statement is nothing
                    session.cancel()


def works(up: Installation, name: str) -> int:
    """Return how many statements of somebody's are at work in the server."""
    found = up.myriad.people.activity([name])
    return sum(each.state == "active" for each in found)


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
            _ends(ended)
        assert ended == ["57014"]
        assert session.execute("SELECT 1").fetchall() == [(1,)]


def _ends(ended: list[str]) -> None:
    wait_until(lambda: ended, SOON)


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
    up: Installation, sessions: Sessions
) -> None:
    wait_until(lambda: not up.myriad.people.activity(), SOON)
    some = [sessions.one() for _ in range(MOST_CLIENTS)]
    assert {where(each) for each in some} == {0, 1}
    for _ in range(4):
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            sessions.one()
    wait_until(lambda: status.look(up.home).clients == MOST_CLIENTS, SOON)  # measured each 5 s
    assert "myriad_door_people 1.0" in (up.home.folder / "metrics.prom").read_text()


def test_the_audit_has_what_both_ran_and_begins_its_other_table_once(
    up: Installation, sessions: Sessions, somebody: str
) -> None:
    some = sessions.in_each()
    before = _audited(up)

    def written() -> int:
        return sum(now - then for now, then in zip(_audited(up), before, strict=True))

    half = AUDIT_ROWS // 2
    more = 1 + half - max(before)  # until the table is full, and the other one begins
    for number in range(more):
        some[number % 2].execute("SELECT 1")
    wait_until(lambda: min(_audited(up)) == 0 or written() >= more, SOON)
    for number in range(100):
        some[number % 2].execute("SELECT 2")

    def seen() -> int:
        [(count,)] = up.sql(
            "SELECT count(*) FROM (TABLE audit_0 UNION ALL TABLE audit_1) AS a"
            f" WHERE person = '{somebody}' AND statement ~ '^SELECT [12]$'",
            "myriad",
        )
        return int(count)

    wait_until(lambda: seen() == more + 100, SOON)
    assert max(_audited(up)) >= half > min(_audited(up)) > 0


def _audited(up: Installation) -> list[int]:
    return [
        int(up.sql(f"SELECT count(*) FROM audit_{table}", "myriad")[0][0]) for table in range(2)
    ]


def test_a_process_that_is_killed_costs_only_its_own_sessions_and_comes_back(
    up: Installation, sessions: Sessions, somebody: str
) -> None:
    some = sessions.in_each()
    with running(*some) as ended:
        wait_until(lambda: works(up, somebody) == 2, SOON)
        killed = door.running(up.home, 1)
        assert killed is not None
        killed.kill()
        wait_until(lambda: len(ended) == 1, SOON)
        left = len(up.myriad.people.activity([somebody]))
        up.myriad.people.set_limits(somebody, {"connections": left + 1})
        assert sessions.one().execute("SELECT 1").fetchall() == [(1,)]  # what it counted is gone
        wait_until(lambda: up.process.said().count("ready on") == 2, SOON)
        assert len(door.all_running(up.home)) == 2
        assert works(up, somebody) == 1
        assert len(ended) == 1
    assert some[0].execute("SELECT 1").fetchall() == [(1,)]
    up.myriad.people.set_limits(somebody, {"connections": None})
    sessions.in_each()
    assert "the door is down (process 1: ended by signal 9); starting it" in up.process.said()
