"""Nobody waits for what never comes: each pause of reading ends, and who is gone holds nothing."""

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from myriad import Myriad
from myriad.door import peers, wire
from tests.door_script import (
    FLUSH,
    SYNC,
    Place,
    Wire,
    bind,
    execute,
    goes_on,
    parse,
    shared,
)
from tests.harness import wait_until

DATABASE = "waiting"
PEOPLE = ["wait one", "wait two"]
ONE, TWO = PEOPLE
AT_ONCE = 3.0  # two seconds, and what asking for it takes on a busy machine
KB = 1000


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with shared(installation, DATABASE, PEOPLE, "CREATE TABLE t (a int, b text)") as found:
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


def far_end(session: Wire) -> list[str]:
    """Return the columns of /proc/net/tcp about the other end of a local connection."""
    port = f":{session.stream.getsockname()[1]:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()
    [found] = [fields for fields in map(str.split, lines) if fields[2].endswith(port)]
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


# Who is gone is gone, whether the door was reading or not


def sends_more_than_may_wait(place: Place, other: Wire, session: Wire) -> None:
    """Send so much behind a long statement that the door leaves some of it unread."""
    session.send(wire.query("SELECT count(*) FROM generate_series(1, 10000000000)"))
    session.send(b"Q" + (60 << 20).to_bytes(4, "big"))

    def is_left_unread() -> bool:
        session.send(bytes(32 << 10))
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
