"""The protocol, message by message: the door answers as PostgreSQL does, or ends the connection.

What is wrong ends one connection with an ErrorResponse, and nobody else notices. What is right, but
odd, is answered as it is without the door: each stream of bytes is sent to both, in one piece and
byte by byte.
"""

from collections.abc import Iterator
from contextlib import closing

import pytest

from myriad import Myriad
from myriad.pgwire import wire
from tests.door_script import (
    COPY_DONE,
    FLUSH,
    SYNC,
    Answer,
    Ended,
    Place,
    Wire,
    copy_data,
    goes_on,
    shared,
    unit,
)
from tests.door_streams import COPY, HALVES, HASTY, INTRUDERS, SAME, WITHIN, WITHIN_A_UNIT
from tests.harness import wait_until

DATABASE = "protocol"
PEOPLE = ["wire one", "wire two"]
ONE, TWO = PEOPLE
READY = ("Z", "I")
query = wire.query


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with shared(installation, DATABASE, PEOPLE, "CREATE TABLE t (a int, b text)") as found:
        yield found


@pytest.fixture
def session(place: Place) -> Iterator[Wire]:
    with closing(place.door(ONE, DATABASE)) as found:
        yield found


@pytest.fixture(scope="module")
def other(place: Place) -> Iterator[Wire]:
    with closing(place.door(TWO, DATABASE)) as found:
        yield found


def kinds(answers: list[Answer]) -> str:
    return "".join(answer[0] for answer in answers)


def states(answers: list[Answer]) -> list[str]:
    return [answer[2] for answer in answers if answer[0] == "E"]


# What ends a connection

BROKEN = {
    "an unknown kind": b"y\0\0\0\4",
    "a kind of the server's": b"T\0\0\0\4",
    "a kind that is no letter": b"\xff\0\0\0\4",
    "a password after the login": wire.message(b"p", b"secret\0"),
    "a startup message after the login": wire.startup({"user": ONE}),
    "a size below its own": b"Q\0\0\0\3",
    "no size": b"S\0\0\0\0",
    "CopyData with a size below its own": b"d\0\0\0\3",
    "2 GB": b"Q\x80\0\0\0SELECT 1",
    "4 GB": b"B\xff\xff\xff\xff",
    "Parse of what does not end": wire.message(b"P", b"name\0SELECT 1"),
    "Parse without a name's end": wire.message(b"P", b"name"),
    "Bind without a name's end": wire.message(b"B", b"portal"),
    "Bind of what does not end": wire.message(b"B", b"portal\0name"),
    "Describe of nothing": wire.message(b"D", b""),
    "Describe of what does not end": wire.message(b"D", b"Sname"),
    "Close of nothing": wire.message(b"C", b""),
    "Close of what does not end": wire.message(b"C", b"Sname"),
}


@pytest.mark.parametrize("before", [b"", query("BEGIN")], ids=["idle", "in a transaction"])
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_ends_that_connection(
    session: Wire, other: Wire, broken: bytes, before: bytes
) -> None:
    if before:
        session.send(before)
        session.until()
    session.send(broken + query("SELECT 'never'") + SYNC)
    *before_it, error = session.to_the_end()
    assert kinds(before_it) in {"", "1"}
    assert error[:2] == ("E", "FATAL")
    assert error[2] in {"08P01", "54000"}
    goes_on(other)


BEFORE_LOGIN = {
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "08P01"),
    "a size of 0": (b"\0\0\0\0", "08P01"),
    "a size too large": (b"\x7f\xff\xff\xff\0\3\0\0", "08P01"),
    "no parameters": (b"\0\0\0\x08\0\3\0\0", "08P01"),
    "no user": (wire.startup({"database": DATABASE}), "28000"),
    "no end": (b"\0\0\0\x0c\0\3\0\0user", "08P01"),
    "version 2": (b"\0\0\0\x09\0\2\0\0\0", "0A000"),
    "replication": (wire.startup({"user": ONE, "replication": "true"}), "0A000"),
    "a query": (query("SELECT 1"), "08P01"),
    "a query instead of a password": (wire.startup({"user": ONE}) + query("SELECT 1"), "08P01"),
    "a password in the clear": (
        wire.startup({"user": ONE}) + wire.message(b"p", b"secret\0"),
        "08P01",
    ),
    "another mechanism": (
        wire.startup({"user": ONE}) + wire.message(b"p", b"PLAIN\0\0\0\0\0"),
        "08P01",
    ),
    "a password too long": (wire.startup({"user": ONE}) + b"p\x7f\xff\xff\xff", "08P01"),
    "no SCRAM": (
        wire.startup({"user": ONE}) + wire.message(b"p", b"SCRAM-SHA-256\0\0\0\0\3n,,"),
        "08P01",
    ),
}


@pytest.mark.parametrize(("sent", "state"), BEFORE_LOGIN.values(), ids=BEFORE_LOGIN)
def test_what_is_wrong_before_a_login_ends_it(
    place: Place, other: Wire, sent: bytes, state: str
) -> None:
    stranger = place.stranger()
    stranger.send(sent)
    answers = stranger.to_the_end()
    assert kinds(answers) in {"E", "RE"}
    assert answers[-1][1:3] == ("FATAL", state)
    stranger.close()
    goes_on(other)


def test_a_cancel_request_with_a_wrong_key_is_not_answered(place: Place, session: Wire) -> None:
    stranger = place.stranger()
    stranger.send(wire.cancel(session.number, b"xxxx"))
    assert stranger.to_the_end() == []
    stranger.close()
    assert session.query("SELECT 1")[-1] == READY


# What is answered as without the door


def answers_of(session: Wire, sent: bytes, *, pieces: int = 0) -> list[Answer]:
    """Send this and a mark behind it; return everything that is answered up to the mark."""
    mark = query("ROLLBACK") + query("SELECT 'the mark'")
    whole = sent + mark
    for start in range(0, len(whole), pieces or len(whole)):
        session.send(whole[start : start + (pieces or len(whole))])
    answers: list[Answer] = []
    while ("D", "'the mark'") not in answers:
        answers += session.until()
    return answers


@pytest.mark.parametrize("sent", SAME.values(), ids=SAME)
def test_the_door_answers_as_postgresql_does(place: Place, other: Wire, sent: bytes) -> None:
    with closing(place.direct(ONE, DATABASE)) as direct:
        straight = answers_of(direct, sent)
    with closing(place.door(ONE, DATABASE)) as session:
        assert answers_of(session, sent) == straight
    with closing(place.door(ONE, DATABASE)) as session:
        assert answers_of(session, sent, pieces=1) == straight
    goes_on(other)


@pytest.mark.parametrize(("head", "answer", "tail"), HALVES.values(), ids=HALVES)
def test_nothing_of_the_doors_comes_within_a_message(
    place: Place, other: Wire, head: bytes, answer: str, tail: bytes
) -> None:
    def answers(session: Wire) -> list[Answer]:
        session.send(head)
        return session.until(answer) + answers_of(session, tail)

    with closing(place.direct(ONE, DATABASE)) as direct:
        straight = answers(direct)
    with closing(place.door(ONE, DATABASE)) as session:
        assert answers(session) == straight
    goes_on(other)


def to_its_end(session: Wire) -> list[Answer]:
    """Return everything that is still answered, to the end of the connection."""
    answers: list[Answer] = []
    while True:
        try:
            answers += session.until()
        except Ended as ended:
            return answers + ended.answers


@pytest.mark.parametrize("intruder", [*INTRUDERS, *HASTY])
def test_what_cannot_come_within_a_copy_ends_the_connection(
    place: Place, other: Wire, intruder: str
) -> None:
    behind = {**INTRUDERS, **HASTY}[intruder] + SYNC + query("SELECT 'never'")
    for name, within in (WITHIN if intruder in HASTY else {**WITHIN, **WITHIN_A_UNIT}).items():
        with closing(place.direct(ONE, DATABASE)) as direct:
            direct.send(within + behind)
            straight = to_its_end(direct)
        if name in WITHIN:
            with closing(place.door(ONE, DATABASE)) as session:
                session.send(within + behind)
                assert to_its_end(session) == straight, name
        with closing(place.door(ONE, DATABASE)) as session:
            session.send(within)
            before = session.until("G")  # so the door knows, too, that the server waits for data
            session.send(behind)
            assert before + to_its_end(session) == straight, name
    wait_until(lambda: place.busy() == 0)
    goes_on(other)


# What only the door does


def test_a_refusal_fails_in_its_place_of_a_pipeline(session: Wire, other: Wire) -> None:
    session.send(
        unit("INSERT INTO t VALUES (99, 'before')")
        + unit("LISTEN channel")
        + unit("INSERT INTO t VALUES (99, 'behind')")
        + SYNC
        + unit("SELECT count(*) FROM t WHERE a = 99")
        + SYNC
    )
    answers = session.until(times=2)
    assert kinds(answers) == "12nCEZ12TDCZ"
    assert states(answers) == ["42501"]
    assert ("D", "'0'") in answers
    goes_on(other)


def test_a_refusal_at_the_begin_of_a_pipeline_skips_the_rest_of_it(session: Wire) -> None:
    session.send(unit("LISTEN channel"), FLUSH, unit("SELECT 1"), query("SELECT 2"), SYNC)
    answers = session.until()
    assert (kinds(answers), states(answers)) == ("EZ", ["42501"])
    assert answers[-1] == READY
    assert session.query("SELECT 1")[-1] == READY


@pytest.mark.parametrize("sent", [query("LISTEN channel"), unit("LISTEN channel") + SYNC])
def test_a_refusal_leaves_a_transaction_failed(session: Wire, sent: bytes) -> None:
    session.query("BEGIN")
    session.query("INSERT INTO t VALUES (98, 'x')")
    session.send(sent)
    answers = session.until()
    assert (kinds(answers), states(answers)) == ("EZ", ["42501"])
    assert session.status == "E"
    assert states(session.query("SELECT 1")) == ["25P02"]
    assert session.query("COMMIT")[0] == ("C", "ROLLBACK\0")
    assert session.rows("SELECT count(*) FROM t WHERE a = 98") == [("'0'",)]


def test_calls_of_functions_by_their_number_are_refused(session: Wire) -> None:
    session.send(wire.message(b"F", b"\0\0\0\0" + b"\0\0" * 3))
    answers = session.until()
    assert (kinds(answers), states(answers)) == ("EZ", ["0A000"])
    assert session.query("SELECT 1")[-1] == READY


@pytest.mark.parametrize("begin", ["SELECT 1", "BEGIN", f"BEGIN; {COPY}"])
def test_what_hides_in_copy_data_never_reaches_the_server_as_a_message(
    session: Wire, other: Wire, begin: str
) -> None:
    session.send(query(begin))
    session.until("ZG")
    hidden = query("SET application_name = 'hidden'") * 3
    head = copy_data(b"x" * 50 + hidden)[:55]
    session.send(head)
    goes_on(other)  # the door has seen the first part for itself
    session.send(hidden)
    goes_on(other)
    session.send(COPY_DONE + query("ROLLBACK"))
    session.until(times=2 if COPY in begin else 1)
    assert session.rows("SHOW application_name") == [("''",)]


def test_a_query_with_more_behind_its_nul_is_refused(session: Wire) -> None:
    session.send(wire.message(b"Q", b"SELECT 1\0LISTEN channel\0"))
    answers = session.until()
    assert (kinds(answers), answers[-1]) == ("EZ", READY)
