"""How a command asks the door: the table, the channels, the bounds. Here the test answers."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from myriad.control import asking
from myriad.engines.postgres.base import CONTROL_DATABASE, Server
from myriad.engines.postgres.embedded import EmbeddedPostgres
from myriad.errors import EngineError, NotRunning, PeopleError
from myriad.home.home import Home
from myriad.people import People
from myriad.people.postgres import roles
from myriad.settings import Settings
from tests.harness import as_admin, reachable_folder, wait_until

Answer = Callable[[str, list[str]], Any]
SESSION = {
    "person": "Rose",
    "database": "main",
    "address": "10.0.0.7",
    "way": "http",
    "state": "active",
    "seconds": 1.5,
    "statement": "SELECT 1",
    "application": "psql",
    "pool": "myriad_pool_0123456789abcdef",
    "rows": 3,
    "bytes": 100,
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL without a door."""
    with reachable_folder() as folder:
        engine = EmbeddedPostgres(Home(folder / "home"), Settings())
        yield engine.start()
        engine.stop()


@pytest.fixture
def people(server: Server) -> People:
    return People(server, Settings())


@pytest.fixture
def rose(people: People) -> Iterator[str]:
    people.add_people(["Rose"])
    yield "Rose"
    if "Rose" in {person.name for person in people.list_people()}:
        people.remove(["Rose"])


@contextmanager
def answering(server: Server, answer: Answer) -> Iterator[None]:
    """Answer as a door does; what `answer` raises LookupError for stays without one."""
    dsn = make_conninfo(server.dsn, dbname=CONTROL_DATABASE, application_name="myriad door")
    with closing(psycopg.connect(dsn, autocommit=True)) as connection:
        connection.execute("LISTEN myriad_door")
        done = threading.Event()
        thread = threading.Thread(target=_answer, args=(connection, answer, done))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
    wait_until(lambda: not asking.is_there(server))


def _answer(connection: psycopg.Connection, answer: Answer, done: threading.Event) -> None:
    while not done.is_set():
        for notice in list(connection.notifies(timeout=0.02)):
            [(what, who)] = connection.execute(
                "SELECT what, who FROM request WHERE id = %s", [notice.payload]
            ).fetchall()
            try:
                said = json.dumps(answer(what, who))
            except LookupError:
                continue
            connection.execute(
                "UPDATE request SET answer = jsonb_build_object('myriad door', %s::jsonb)"
                " WHERE id = %s",
                [said, notice.payload],
            )
            connection.execute("SELECT pg_notify('myriad_answer', %s)", [notice.payload])


def left_over(server: Server) -> list[Any]:
    with closing(as_admin(server, autocommit=True)) as connection:
        return connection.execute("SELECT * FROM request").fetchall()


def test_what_people_do_comes_from_the_door(server: Server, people: People, rose: str) -> None:
    asked: list[tuple[str, list[str]]] = []

    def answer(what: str, who: list[str]) -> Any:
        asked.append((what, who))
        return [{**SESSION, "person": "Ada"}, {**SESSION, "seconds": 9.0, "new": 1}, SESSION]

    with answering(server, answer):
        found = [people.activity(), people.activity([rose])]
    assert asked == [("activity", []), ("activity", [rose])]
    assert [(one.person, one.seconds) for one in found[0]] == [
        ("Ada", 1.5),
        ("Rose", 9.0),
        ("Rose", 1.5),
    ]
    assert left_over(server) == []


def test_stopping_says_how_many_statements_were_cancelled(
    server: Server, people: People, rose: str
) -> None:
    with answering(
        server, lambda what, who: {"stopped": 2 if (what, who) == ("stop", [rose]) else 0}
    ):
        assert people.stop([rose]) == 2
        assert people.stop([]) == 0
        with pytest.raises(PeopleError, match="no person called 'Nobody'"):
            people.stop(["Nobody"])


def test_many_ask_at_once_and_each_gets_their_own_answer(server: Server) -> None:
    answers: dict[int, Any] = {}

    def ask(number: int) -> None:
        answers[number] = asking.ask(server, "stop", [str(number)])

    with answering(server, lambda _, who: {"stopped": int(who[0])}):
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {number: {"stopped": number} for number in range(8)}


def test_without_a_door_the_error_says_so_at_once(people: People) -> None:
    with pytest.raises(NotRunning, match="the door is not up") as error:
        people.activity()
    assert error.value.hint


def test_a_door_that_does_not_answer_is_not_waited_for_without_end(server: Server) -> None:
    def silent(*_: object) -> Any:
        raise LookupError

    with (
        answering(server, silent),
        pytest.raises(NotRunning, match=r"did not answer within 0\.2 seconds") as error,
    ):
        asking.ask(server, "activity", within=0.2)
    assert error.value.hint
    assert left_over(server) == []


def test_a_door_that_refuses_is_an_error(server: Server, people: People) -> None:
    with (
        answering(server, lambda what, _: {"error": f"no request {what!r}"}),
        pytest.raises(EngineError, match="no request 'activity'"),
    ):
        people.activity()


def test_removing_ends_the_sessions_at_the_door_before_the_role_goes(
    server: Server, people: People, rose: str
) -> None:
    seen: list[tuple[str, list[str], Any]] = []

    def answer(what: str, who: list[str]) -> Any:
        with closing(as_admin(server, autocommit=True)) as connection:
            login = connection.execute(
                "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [who[0]]
            ).fetchone()
        seen.append((what, who, login))
        return {"ended": 2 if len(seen) == 1 else 0}

    with answering(server, answer):
        people.remove([rose])
    assert seen == [("end", [rose], (False,))] * 2  # until there are none
    assert people.list_people() == []


@pytest.mark.parametrize("ended", [None, 1])
def test_nobody_is_removed_whose_sessions_do_not_end(
    server: Server, people: People, rose: str, ended: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "SESSIONS_END_WITHIN", 0.3)

    def answer(*_: object) -> Any:
        if ended is None:
            raise LookupError
        return {"ended": ended}

    with (
        answering(server, answer),
        pytest.raises((NotRunning, PeopleError), match=r"did not (answer|end) within"),
    ):
        people.remove([rose])
    with closing(as_admin(server, autocommit=True)) as connection:
        login = connection.execute(
            "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [rose]
        ).fetchone()
    assert login == (True,)


def test_a_removal_that_fails_lets_nobody_in_who_was_disabled(
    server: Server, people: People, rose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "SESSIONS_END_WITHIN", 0.3)
    people.disable([rose])
    with (
        answering(server, lambda *_: {"ended": 1}),
        pytest.raises(PeopleError, match="did not end within"),
    ):
        people.remove([rose])
    assert [each.disabled for each in people.list_people() if each.name == rose] == [True]


def test_a_busy_door_that_answers_late_is_heard(
    server: Server, people: People, rose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "SESSIONS_END_WITHIN", 0.1)
    late = time.monotonic() + 0.4

    def answer(*_: object) -> dict[str, int]:
        wait_until(lambda: time.monotonic() > late)
        return {"ended": 1}

    with answering(server, answer), pytest.raises(PeopleError, match="did not end within"):
        people.disable([rose])


def test_who_is_disabled_stays_so_where_a_session_does_not_end(
    server: Server, people: People, rose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "SESSIONS_END_WITHIN", 0.3)
    with (
        answering(server, lambda *_: {"ended": 1}),
        pytest.raises(PeopleError, match="did not end within"),
    ):
        people.disable([rose])
    assert [each.disabled for each in people.list_people() if each.name == rose] == [True]


def test_the_audit_comes_newest_first_of_somebody_and_since(server: Server, people: People) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    rows = [
        (f"audit_{number % 2}", now - timedelta(minutes=number), ("Rose", "Ada")[number % 2])
        for number in range(6)
    ]
    with closing(as_admin(server, autocommit=True)) as connection:
        connection.execute("DELETE FROM administration")
        for table, at, person in rows:
            connection.execute(
                f"INSERT INTO {table} VALUES (%s, %s, 'main', '10.0.0.7', 0.5, 1, 2, '00000', 'x')",
                [at, person],
            )
    assert [ran.at for ran in people.audit()] == [at for _, at, _ in rows]
    assert [ran.person for ran in people.audit(last=2)] == ["Rose", "Ada"]
    assert {ran.person for ran in people.audit("Ada")} == {"Ada"}
    assert len(people.audit(since=now - timedelta(minutes=2))) == 3
    first = people.audit(last=1)[0]
    assert (first.database, first.seconds, first.rows, first.bytes) == ("main", 0.5, 1, 2)
    assert (first.outcome, first.statement) == ("00000", "x")
