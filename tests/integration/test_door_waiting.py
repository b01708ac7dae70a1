"""Nobody waits for what never comes: each pause of reading ends, and who is gone holds nothing."""

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from myriad import Myriad
from myriad.door.server import peers
from myriad.pgwire import wire
from tests.door_script import (
    COPY_DONE,
    FLUSH,
    SYNC,
    Answer,
    Ended,
    Place,
    Wire,
    bind,
    copy_data,
    describe,
    execute,
    goes_on,
    owning,
    parse,
    shared,
    unit,
)
from tests.harness import wait_until

DATABASE = "waiting"
PEOPLE = ["wait one", "wait two"]
ONE, TWO = PEOPLE
OWNER, OWN = "wait_owner", "waiting_own"
AT_ONCE = 3.0  # two seconds, and what asking for it takes on a busy machine
KB = 1000


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with (
        shared(installation, DATABASE, PEOPLE, "CREATE TABLE t (a int, b text)") as found,
        owning(found, OWNER, OWN),
    ):
        yield found


@pytest.fixture(scope="module")
def other(place: Place) -> Iterator[Wire]:
    with closing(place.door(TWO, DATABASE)) as found:
        yield found


def plainly(place: Place) -> Wire:
    return place.door(ONE, DATABASE)


def over_tls(place: Place) -> Wire:
    stream = place.stranger().stream
    stream.sendall(wire.ssl_request())
    assert stream.recv(1) == b"S"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    session = Wire(context.wrap_socket(stream))
    session.log_in({"user": ONE, "database": DATABASE}, place.passwords[ONE])
    return session


def states(place: Place, person: str = ONE) -> list[str]:
    return [each.state for each in place.installation.people.activity([person])]


def far_end(session: Wire) -> list[str]:
    """Return the columns of /proc/net/tcp about the other end of a local connection."""
    # Both ports: connections between others, also some that have ended, may have one of them.
    ends = [
        f":{port:04X}"
        for port in (session.stream.getpeername()[1], session.stream.getsockname()[1])
    ]
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    [found] = [fields for fields in lines if [end[-5:] for end in fields[1:3]] == ends]
    return found


# Who sends more than may wait is read on as soon as it has been handled


@pytest.mark.parametrize("cut", [1, 4 * KB, 200 * KB, 249 * KB])
def test_a_long_message_that_ends_together_with_the_next_one_holds_up_nothing(
    place: Place, other: Wire, cut: int
) -> None:
    one = bind("x" * 250 * KB, name="n") + execute()
    with closing(place.door(ONE, DATABASE)) as session:
        session.send(parse("SELECT length($1)", "n") + SYNC)
        session.until()
        session.send(one[:cut])
        goes_on(other)  # the door has seen the first part for itself
        session.send(one[cut:] + one[: 100 * KB])
        goes_on(other)
        session.send(one[100 * KB :] + SYNC)
        assert session.until().count(("D", f"'{250 * KB}'")) == 2
        assert session.rows("SELECT 1") == [("'1'",)]


@pytest.mark.parametrize("size", [300 * KB, 700 * KB, 3000 * KB])
def test_long_messages_follow_one_another(place: Place, size: int) -> None:
    one = parse("SELECT length($1)") + bind("x" * size) + execute() + SYNC
    with closing(place.door(ONE, DATABASE)) as session:
        for _ in range(3):
            session.send(one)
            assert ("D", f"'{size}'") in session.until()


def test_a_pipeline_that_fails_early_is_read_to_its_end(place: Place) -> None:
    with closing(place.door(ONE, DATABASE)) as session:
        session.send(parse("SELECT 1 / length($1)", "n") + bind(name="n") + execute() + FLUSH)
        session.until("E")
        session.send(*[bind("x" * 32 * KB, name="n") + execute()] * 127, SYNC)
        session.until()
        assert session.rows("SELECT 1") == [("'1'",)]


# Who is over a limit, or gives up, is answered at once, whatever the server does


@contextmanager
def limited(place: Place, **limits: float) -> Iterator[Wire]:
    """Give a session under these limits."""
    people = place.installation.people
    people.set_limits([ONE], limits)
    try:
        wait_until(lambda: _serves(place))
        with closing(place.door(ONE, DATABASE)) as session:
            yield session
    finally:
        people.set_limits([ONE], {}, reset=True)


def _serves(place: Place) -> bool:
    """Say whether the door has heard what changed before: a session of before that it ends."""
    with closing(place.door(ONE, DATABASE)) as session, suppress(Ended):
        return session.rows("SELECT 1") == [("'1'",)]
    return False


def code(answers: list[Answer]) -> list[str]:
    return [answer[2] for answer in answers if answer[0] == "E"]


MANY = "SELECT generate_series(1, 300)"
OVER_ROWS = {
    "Flush": unit(MANY) + FLUSH,
    "portions": parse(MANY) + bind() + execute(rows=90) + execute(rows=90) + FLUSH,
    "a pipeline": unit("SELECT generate_series(1, 60)") * 3 + FLUSH,
    "COPY": unit(f"COPY ({MANY}) TO STDOUT") + FLUSH,
    "in a transaction": unit("BEGIN") + unit(MANY) + FLUSH,
}


@pytest.mark.parametrize("sent", OVER_ROWS.values(), ids=OVER_ROWS)
def test_a_limit_of_rows_is_told_in_a_unit_that_is_not_ended(place: Place, sent: bytes) -> None:
    with limited(place, rows=100) as session:
        session.send(sent)
        answers = session.until("E")
        assert code(answers) == ["54000"]
        assert sum(answer[0] in "Dd" for answer in answers) <= 100
        session.send(unit("SELECT 1") + SYNC)
        [ready] = session.until()
        session.query("ROLLBACK")
        assert ready[0] == "Z"
        assert session.rows("SELECT 1") == [("'1'",)]


COPY = wire.query("COPY t FROM STDIN")
# What leaves the server idle or waiting, and how many answers a Sync behind it brings to an end.
UNENDED = {
    "a unit": (unit("SELECT 1") + FLUSH, 1),
    "a unit at work": (unit("SELECT count(*) FROM generate_series(1, 10000000000)") + FLUSH, 1),
    "COPY": (COPY, 2),
    "COPY with data": (COPY + copy_data(b"1\ta\n"), 2),
    "COPY, extended": (unit("COPY t FROM STDIN") + SYNC, 1),
    "COPY, extended, with Flush": (unit("COPY t FROM STDIN") + FLUSH, 1),
}


@pytest.mark.parametrize(("sent", "ends"), UNENDED.values(), ids=UNENDED)
def test_a_limit_of_time_is_told_when_the_server_only_waits(
    place: Place, sent: bytes, ends: int
) -> None:
    with limited(place, statement_seconds=0.5) as session:
        session.send(sent)
        answers = session.until("E")  # the server connection would be given up 5 seconds later
        assert code(answers) == ["57014"]
        assert "longer than 0.5 seconds" in answers[-1][3]
        session.send(COPY_DONE + SYNC)
        session.until(times=ends)
        assert session.rows("SELECT count(*) FROM t") == [("'0'",)]


def cancel(place: Place, session: Wire) -> None:
    """Ask as a client does, and return when that is through."""
    with closing(place.stranger().stream) as stream:
        stream.sendall(wire.cancel(session.number, session.key))
        assert stream.recv(1) == b""


WAITING = {
    "a query": (wire.query("SELECT 1"), b""),
    "a unit": (unit("SELECT 1"), SYNC),
    "a statement": (parse("SELECT 1", "n") + describe("S", "n"), SYNC),
}


@pytest.mark.parametrize(("sent", "rest"), WAITING.values(), ids=WAITING)
def test_who_waits_and_gives_up_is_answered(place: Place, sent: bytes, rest: bytes) -> None:
    with limited(place, concurrent=1) as holder, closing(place.door(ONE, DATABASE)) as session:
        holder.query("BEGIN")
        session.send(sent + rest)
        wait_until(lambda: "waiting" in states(place))
        cancel(place, session)
        assert code(session.until()) == ["57014"]
        holder.query("COMMIT")
        for each in (session, holder, session):
            assert each.rows("SELECT 1") == [("'1'",)]


def test_a_function_call_that_waits_and_is_given_up_is_answered(place: Place) -> None:
    call = wire.message(b"F", (1219).to_bytes(4, "big") + b"\0\0" * 3)  # a wrong count of arguments
    names = place.installation.people
    names.set_limits([OWNER], {"concurrent": 1})
    with closing(place.door(OWNER, OWN)) as holder, closing(place.door(OWNER, OWN)) as session:
        holder.query("BEGIN")
        session.send(call)
        wait_until(lambda: "waiting" in states(place, OWNER))
        cancel(place, session)
        assert code(session.until()) == ["57014"]
        holder.query("COMMIT")
        assert session.rows("SELECT 1") == [("'1'",)]


def test_a_long_text_that_is_given_up_while_it_is_looked_at_holds_nothing_later(
    place: Place, other: Wire
) -> None:
    long = "SELECT " + "1, " * 200 * KB + "1"
    with limited(place, concurrent=1) as holder, closing(place.door(ONE, DATABASE)) as session:
        session.send(wire.query(long))
        wait_until(lambda: "waiting" in states(place))
        cancel(place, session)
        assert code(session.until()) == ["57014"]
        holder.query("BEGIN")
        session.send(wire.query("SELECT 1"))
        other.stream.settimeout(60)
        other.query(long + " /* looked at after the other */")
        holder.query("COMMIT")
        session.until()
        for each in (holder, session, holder):
            assert each.rows("SELECT 1") == [("'1'",)]


# Who is gone is gone, whether the door was reading or not


def sends_more_than_may_wait(place: Place, other: Wire, session: Wire) -> None:
    """Send so much behind a long statement that the door leaves some of it unread."""
    session.send(wire.query("SELECT count(*) FROM generate_series(1, 10000000000)"))
    session.send(b"Q" + (60 << 20).to_bytes(4, "big"))

    def is_left_unread() -> bool:
        session.send(bytes(128 << 10))
        goes_on(other)  # the door has had its turn
        return int(far_end(session)[4].split(":")[1], 16) > 0

    wait_until(is_left_unread)
    assert place.busy() > 0


def reads_nothing(place: Place, _: Wire, session: Wire) -> None:
    """Let the server wait until somebody reads what it answers."""
    before = waiting_servers(place)
    session.send(wire.query("SELECT repeat('x', 1000) FROM generate_series(1, 1000000)"))
    wait_until(lambda: waiting_servers(place) > before)


def waiting_servers(place: Place) -> int:
    with closing(place.admin("myriad")) as connection:
        [(count,)] = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite'"
        ).fetchall()
    return int(count)


def closes(session: Wire) -> None:
    session.stream.close()


def sends_no_more(session: Wire) -> None:
    socket.socket.shutdown(session.stream, socket.SHUT_WR)


@pytest.mark.nightly(by_day=["sends_more_than_may_wait-plainly", "reads_nothing-over_tls"])
@pytest.mark.parametrize("log_in", [plainly, over_tls])
@pytest.mark.parametrize("doing", [sends_more_than_may_wait, reads_nothing])
def test_who_hangs_up_leaves_nothing_behind(
    place: Place,
    other: Wire,
    doing: Callable[[Place, Wire, Wire], None],
    log_in: Callable[[Place], Wire],
) -> None:
    ends = (closes, Wire.vanish, sends_no_more)
    sessions = [log_in(place) for _ in ends]
    for session in sessions:
        doing(place, other, session)
    for session, end in zip(sessions, ends, strict=True):
        end(session)
    wait_until(lambda: not place.installation.people.activity([ONE]), AT_ONCE)
    wait_until(lambda: place.busy() == 0, AT_ONCE)
    sessions[-1].stream.close()


def test_the_system_asks_idle_clients_for_a_sign_of_life(place: Place) -> None:
    with closing(place.door(ONE, DATABASE)) as session:
        session.rows("SELECT 1")
        wait_until(lambda: keepalive_seconds(session) > 0)
        assert 1 < keepalive_seconds(session) <= peers.KEEPALIVE["TCP_KEEPIDLE"]


def keepalive_seconds(session: Wire) -> float:
    """Return in how many seconds a client is asked for a sign of life; 0: never."""
    kind, when = far_end(session)[5].split(":")
    return int(when, 16) / os.sysconf("SC_CLK_TCK") if kind == "02" else 0
