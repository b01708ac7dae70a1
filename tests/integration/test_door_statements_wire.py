"""Statements without a name, and those that end others, on the bare wire."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from myriad import Myriad
from myriad.pgwire import wire
from tests.door_script import Answer, Place, Wire, bind, execute, parse, shared

DATABASE, ALICE, BOB = "door endings", "alice of endings", "bob of endings"


TABLES = """
    CREATE SCHEMA q; CREATE TABLE q.p AS SELECT 1 AS v; CREATE TABLE q.news (a int);
    CREATE TABLE q.changing (one int); CREATE TABLE q.halved AS SELECT 1 AS one
"""


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with shared(installation, DATABASE, [ALICE, BOB], TABLES) as place:
        installation.people.grant(f"{DATABASE} group", "q", DATABASE, write=True)
        yield place


@contextmanager
def held(place: Place) -> Iterator[None]:
    """Let Bob hold the server connection that was used last: who comes next has another one."""
    with closing(place.door(BOB, DATABASE)) as bob:
        bob.query("BEGIN")
        yield
        bob.query("COMMIT")


def ask(session: Wire, *messages: bytes) -> list[str]:
    """Send messages and Sync; return the rows and SQLSTATEs that come back."""
    session.send(*messages, wire.SYNC)
    answers = session.until()
    return [answer[2 if answer[0] == "E" else 1] for answer in answers if answer[0] in "DE"]


def test_the_unnamed_statement_survives_what_the_door_does_between(place: Place) -> None:
    with closing(place.door(ALICE, DATABASE)) as alice, closing(place.door(BOB, DATABASE)) as bob:
        set_it = parse("SET work_mem = '5MB'", "n")
        assert ask(alice, parse("SELECT 'mine'"), set_it) == []
        assert ask(alice, bind(name="n"), execute()) == []
        assert ask(alice, bind(), execute()) == ["'mine'"]
        bob.query("SET work_mem = '7MB'")
        assert ask(alice, bind(), execute()) == ["'mine'"]
        with held(place):
            assert ask(alice, bind(), execute()) == ["'mine'"]
        alice.query("SELECT 1")
        assert ask(alice, bind(), execute()) == ["26000"]


ENDING = {
    "DEALLOCATE ALL": "DEALLOCATE ALL",
    "one by its name": "DEALLOCATE kept",
    "DISCARD ALL": "DISCARD ALL",
}


@pytest.mark.parametrize("what", ENDING)
def test_statements_end_when_that_is_executed_and_not_before(place: Place, what: str) -> None:
    with closing(place.door(ALICE, DATABASE)) as alice:
        assert ask(alice, parse("SELECT 'kept'", "kept"), parse(ENDING[what], "end")) == []
        assert ask(alice, bind(name="end")) == []
        assert ask(alice, bind(name="kept"), execute()) == ["'kept'"]
        assert ask(alice, parse("SELECT 1/0"), bind(), execute(), bind(name="end")) == ["22012"]
        assert ask(alice, bind(name="kept"), execute()) == ["'kept'"]
        with held(place):
            assert ask(alice, bind(name="kept"), execute()) == ["'kept'"]
        assert ask(alice, bind(name="end"), execute()) == []
        assert ask(alice, bind(name="kept"), execute()) == ["26000"]
        assert ask(alice, parse("SELECT 'anew'", "kept"), bind(name="kept"), execute()) == [
            "'anew'"
        ]


def test_a_name_is_free_again_behind_what_ends_it_in_the_same_unit(place: Place) -> None:
    with closing(place.door(ALICE, DATABASE)) as alice:
        assert ask(alice, parse("SELECT 'kept'", "kept"), parse("DEALLOCATE ALL", "end")) == []
        again = parse("SELECT 'anew'", "kept"), bind(name="kept"), execute()
        assert ask(alice, bind(name="end"), execute(), *again) == ["'anew'"]


@pytest.mark.parametrize("text", ["DEALLOCATE kept", "DEALLOCATE ALL"])
def test_what_ends_statements_is_waited_for_behind_something_else(place: Place, text: str) -> None:
    other = parse("SELECT 'other'"), bind(), execute()
    again = parse("SELECT 'anew'", "kept"), bind(name="kept"), execute()
    with closing(place.door(ALICE, DATABASE)) as alice:
        assert ask(alice, parse("SELECT 'kept'", "kept"), parse(text, "end")) == []
        answers = ask(alice, *other, bind(name="end"), execute(), *again)
        assert answers == ["'other'", "'anew'"]
        assert ask(alice, bind(name="kept"), execute()) == ["'anew'"]


@pytest.mark.parametrize("text", ["DEALLOCATE kept", "DEALLOCATE ALL", "DISCARD ALL"])
def test_a_simple_query_ends_statements_when_it_succeeds(place: Place, text: str) -> None:
    with closing(place.door(ALICE, DATABASE)) as alice:
        assert ask(alice, parse("SELECT 'kept'", "kept")) == []
        alice.query("BEGIN")
        alice.query("SELECT 1/0")
        assert alice.rows(text)[0][1] == "25P02"
        alice.query("ROLLBACK")
        assert ask(alice, bind(name="kept"), execute()) == ["'kept'"]
        with held(place):
            assert ("C", text.removesuffix(" kept") + "\0") in alice.query(text)
        assert ask(alice, bind(name="kept"), execute()) == ["26000"]


def test_what_an_error_passes_over_was_neither_parsed_nor_closed(place: Place) -> None:
    with closing(place.door(ALICE, DATABASE)) as alice:
        assert ask(alice, parse("SELECT 'kept'", "kept")) == []
        fails = parse("SELECT 1/0"), bind(), execute()
        close = wire.close_statement(b"kept")
        assert ask(alice, *fails, close, parse("SELECT 2", "kept"), parse("S", "more")) == ["22012"]
        assert ask(alice, bind(name="kept"), execute()) == ["'kept'"]
        assert ask(alice, bind(name="more"), execute()) == ["26000"]
        assert ask(alice, parse("SELECT 3", "kept")) == ["42P05"]


def test_statements_prepared_by_sql_are_nobody_elses(place: Place) -> None:
    with closing(place.door(ALICE, DATABASE)) as alice, closing(place.door(BOB, DATABASE)) as bob:
        alice.query("PREPARE secret AS SELECT 'alice'")
        assert alice.rows("EXECUTE secret") == [("'alice'",)]
        assert ask(alice, bind(name="secret"), execute()) == ["'alice'"]
        assert bob.rows("EXECUTE secret")[0][1] == "26000"
        assert ask(bob, bind(name="secret"), execute()) == ["26000"]


def test_statements_of_a_session_are_bounded_in_bytes(place: Place) -> None:
    with closing(place.door(ALICE, DATABASE)) as alice:
        alice.stream.settimeout(60)
        long = f"SELECT 1 /*{'x' * (15 << 20)}*/"
        told = [ask(alice, parse(long, f"s{number}")) for number in range(5)]
        assert told == [[], [], [], [], ["54000"]]
        assert ask(alice, bind(name="s0"), execute()) == ["'1'"]
        assert ask(alice, wire.close_statement(b"s0"), parse(long, "s5")) == []


def test_many_sessions_prepare_and_move_between_few_server_connections(place: Place) -> None:
    """Each has its own text and one that all have; each always gets its own answer."""
    with ExitStack() as stack:
        sessions = [stack.enter_context(closing(place.door(ALICE, DATABASE))) for _ in range(12)]
        for number, session in enumerate(sessions):
            own = parse(f"SELECT {number}", "own")
            assert ask(session, own, parse("SELECT 'all'", "all")) == []
        for session in sessions * 3:
            session.send(bind(name="own"), execute(), bind(name="all"), execute(), wire.SYNC)
        for number, session in [*enumerate(sessions)] * 3:
            rows = [answer[1] for answer in session.until() if answer[0] == "D"]
            assert rows == [f"'{number}'", "'all'"]


Step = bytes | str  # what is sent; or "move": from now on another server connection serves


def answered(session: Wire, steps: list[Step], place: Place) -> list[Answer]:
    """Return all answers; each step but a move has one ReadyForQuery."""
    answers: list[Answer] = []
    with ExitStack() as stack:
        for step in steps:
            if isinstance(step, str):
                stack.enter_context(held(place))
            else:
                session.send(step)
                answers += session.until()
    return answers


TOLD = parse("SELECT v FROM p", "k") + wire.describe_statement(b"k") + wire.SYNC
RUN = bind(name="k") + execute() + wire.SYNC
FAILED = wire.query("SELECT 1/0")
ROLLBACK = parse("ROLLBACK") + bind() + execute() + wire.SYNC
SERIALIZABLE = parse("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "i")
RUN_I = bind(name="i") + execute() + wire.SYNC
SHOW = wire.query("SHOW transaction_isolation")
STREAMS: dict[str, list[Step]] = {
    "an error comes before what is prepared anew": [
        wire.query("SET search_path = q"), TOLD, "move", parse("no SQL") + RUN, RUN,
    ],
    "an error and Flush come before what is prepared anew": [
        wire.query("SET search_path = q"), TOLD, "move",
        parse("no SQL") + wire.FLUSH + RUN, RUN,
    ],
    "what is prepared anew has no table any more": [
        wire.query("SET search_path = q"), TOLD, wire.query("SET search_path = none"),
        "move", RUN, RUN,
    ],
    "that, behind something else": [
        wire.query("SET search_path = q"), TOLD, wire.query("SET search_path = none"),
        "move", parse("SELECT 5") + bind() + execute() + RUN, RUN,
    ],
    "what was to end a statement was not bound": [
        parse("DEALLOCATE ALL", "k") + wire.SYNC, wire.query("BEGIN"),
        parse("") + bind(portal="p") + wire.SYNC, FAILED,
        bind(name="k", portal="p") + execute("p") + wire.SYNC,
        execute("p") + wire.SYNC, wire.query("ROLLBACK"),
    ],
    "what SQL prepared is described before what the door describes by itself": [
        wire.query("PREPARE by_sql AS SELECT 1 AS one"),
        wire.describe_statement(b"by_sql") + parse("SELECT 'x' AS other", "k") + wire.SYNC,
        wire.describe_statement(b"by_sql") + wire.describe_statement(b"none") + wire.SYNC,
    ],
    "a failed transaction with a setting of its own ends": [
        wire.query("BEGIN; SET LOCAL work_mem = '1MB'"), FAILED, ROLLBACK, SHOW,
    ],
    "a failed transaction with a setting of the session ends": [
        wire.query("BEGIN; SET work_mem = '1MB'"), FAILED, ROLLBACK, SHOW,
    ],
    "a failed transaction is ended by a statement of other settings": [
        parse("ROLLBACK", "k") + wire.SYNC, wire.query("SET datestyle = 'German'"), "move",
        wire.query("BEGIN; SELECT 1/0"), RUN, SHOW,
    ],
    "nothing else runs in a failed transaction": [
        parse("SELECT '1.2.2024'::date", "k") + wire.SYNC, wire.query("SET datestyle = 'German'"),
        "move", wire.query("BEGIN; SELECT 1/0"), RUN, wire.query("ROLLBACK"), RUN,
    ],
    "a transaction gets its level behind a setting": [
        wire.query("BEGIN"), wire.query("SET LOCAL work_mem = '2MB'"), SERIALIZABLE + RUN_I, SHOW,
        wire.query("ROLLBACK"),
    ],
    "a transaction gets its level by a statement of other settings": [
        SERIALIZABLE + wire.SYNC, wire.query("SET datestyle = 'German'"), "move",
        wire.query("BEGIN"), RUN_I, SHOW, wire.query("ROLLBACK"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("steps", STREAMS.values(), ids=STREAMS)
def test_what_is_prepared_anew_is_answered_as_on_a_direct_connection(
    place: Place, steps: list[Step]
) -> None:
    with (
        closing(place.door(ALICE, DATABASE)) as alice,
        closing(place.direct(ALICE, DATABASE)) as direct,
    ):
        assert answered(alice, steps, place) == answered(direct, steps, place)


def test_a_snapshot_is_not_taken_before_the_first_query(place: Place) -> None:
    with closing(place.door(ALICE, DATABASE)) as alice, closing(place.door(BOB, DATABASE)) as bob:
        alice.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL work_mem = '1MB'")
        assert ask(alice, parse("SAVEPOINT s"), bind(), execute()) == []
        bob.query("INSERT INTO q.news VALUES (1)")
        assert alice.rows("SELECT a FROM q.news") == [("'1'",)]
        alice.query("ROLLBACK")


def test_what_a_failed_query_left_is_not_executed(place: Place) -> None:
    """PostgreSQL 18 reads memory there that it has freed, and crashes with all sessions."""
    with closing(place.door(ALICE, DATABASE)) as alice, closing(place.door(BOB, DATABASE)) as bob:
        bob.query("BEGIN")
        for end in (wire.query("ROLLBACK"), ROLLBACK):
            alice.query("BEGIN")
            alice.query("ROLLBACK TO nothing")
            alice.query(f"SELECT '{'x' * 5000}'")
            assert ask(alice, parse("SELECT * FROM q.p", "s")) == ["25P02"]
            assert ask(alice, execute()) == ["34000"]
            alice.send(end)
            assert alice.until()[-1] == ("Z", "I")
        assert bob.rows("SELECT 'still here'") == [("'still here'",)]


def test_who_described_a_portal_in_a_later_unit_never_gets_other_columns(place: Place) -> None:
    with closing(place.door(ALICE, DATABASE)) as alice, closing(place.admin(DATABASE)) as admin:
        assert ask(alice, parse("SELECT * FROM q.changing", "kept")) == []
        alice.query("BEGIN")
        assert ask(alice, bind(name="kept", portal="portal")) == []
        describe = wire.message(b"D", b"Pportal\0")
        assert ask(alice, describe, execute("portal")) == []
        alice.query("COMMIT")
        admin.execute("ALTER TABLE q.changing ADD two int")
        with held(place):
            assert ask(alice, bind(name="kept"), execute()) == ["0A000"]
        assert ask(alice, parse("SELECT * FROM q.changing"), bind(), execute()) == []


def test_a_statement_that_was_not_closed_after_all_is_executed_by_its_name(place: Place) -> None:
    with closing(place.door(ALICE, DATABASE)) as alice:
        alice.query("BEGIN")
        assert ask(alice, parse("SELECT 'kept'", "kept")) == []
        assert alice.rows("EXECUTE kept") == [("'kept'",)]
        alice.query("SAVEPOINT a")
        close = wire.close_statement(b"kept")
        assert ask(alice, parse("SELECT 1/0"), bind(), execute(), close) == ["22012"]
        alice.query("ROLLBACK TO a")
        assert alice.rows("EXECUTE kept") == [("'kept'",)]
        alice.query("ROLLBACK")


def test_what_a_failed_query_left_is_not_executed_after_a_bind_that_failed(place: Place) -> None:
    with closing(place.door(ALICE, DATABASE)) as alice, closing(place.door(BOB, DATABASE)) as bob:
        bob.query("BEGIN")
        assert ask(alice, parse("SELECT * FROM q.p", "kept")) == []
        alice.query("BEGIN")
        alice.query("ROLLBACK TO nothing")
        alice.query(f"SELECT '{'x' * 5000}'")
        assert ask(alice, bind(name="kept")) == ["25P02"]
        assert ask(alice, execute()) == ["34000"]
        alice.query("ROLLBACK")
        assert bob.rows("SELECT 'still here'") == [("'still here'",)]


def test_a_unit_that_is_sent_again_leaves_half_a_message_behind_it_alone(place: Place) -> None:
    """COPY data that belongs nowhere: what is sent again would be taken for the rest of it."""
    head, tail = (data := wire.message(b"d", wire.query("SELECT 'hidden'")))[:7], data[7:]
    with closing(place.door(ALICE, DATABASE)) as alice, closing(place.admin(DATABASE)) as admin:
        prepared = parse("SELECT * FROM q.halved", "n")
        assert ask(alice, prepared, bind(name="n"), execute()) == ["'1'"]
        admin.execute("DROP TABLE q.halved; CREATE TABLE q.halved AS SELECT text 'new' AS one")
        admin.execute(f'GRANT SELECT ON q.halved TO "{DATABASE} group"')
        alice.send(bind(name="n"), execute(), wire.SYNC, head)
        assert alice.until() == [("2", ""), ("D", "'new'"), ("C", "SELECT 1\0"), ("Z", "I")]
        alice.send(tail, wire.query("SELECT 'next'"))
        assert ("D", "'next'") in alice.until()
