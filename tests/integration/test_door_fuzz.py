"""Whatever bytes come, and however many: the door answers or ends that connection, and goes on."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myriad import Myriad
from myriad.pgwire import wire
from tests.door_script import (
    SYNC,
    TERMINATE,
    Place,
    Wire,
    bind,
    execute,
    goes_on,
    parse,
    shared,
)
from tests.door_streams import SAME
from tests.examples import examples
from tests.harness import wait_until

DATABASE = "fuzz"
PEOPLE = ["fuzz one", "fuzz two"]
ONE, TWO = PEOPLE


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with shared(installation, DATABASE, PEOPLE, "CREATE TABLE t (a int, b text)") as found:
        yield found


@pytest.fixture(scope="module")
def other(place: Place) -> Iterator[Wire]:
    with closing(place.door(TWO, DATABASE)) as found:
        yield found


def test_a_long_pipeline_is_answered_in_order(place: Place, other: Wire) -> None:
    count = 10_000
    names = [f"s{number}" if number < 50 else "" for number in range(count)]
    data = b"".join(
        parse("SELECT $1::int", name) + bind(str(number), name=name) + execute() + SYNC
        for number, name in enumerate(names)
    )
    with closing(place.door(ONE, DATABASE)) as session:
        sender = threading.Thread(target=session.send, args=(data,))
        sender.start()
        answers = session.until(times=count)
        sender.join()
    rows = [answer[1:] for answer in answers if answer[0] == "D"]
    assert "".join(answer[0] for answer in answers) == "12DCZ" * count
    assert rows == [(f"'{number}'",) for number in range(count)]
    goes_on(other)


VALID = list(SAME.values())
FUZZ = examples(daily=25, nightly=200)


@st.composite
def mutated(draw: st.DrawFn, streams: list[bytes]) -> bytes:
    """Take parts of valid streams, and damage some of their bytes."""
    parts = draw(st.lists(st.sampled_from(streams), min_size=1, max_size=4))
    data = bytearray(b"".join(parts)[:2000])
    for _ in range(draw(st.integers(0, 4))):
        if not data:
            break
        place = draw(st.integers(0, len(data) - 1))
        action = draw(st.sampled_from("setcutadd"))
        if action == "s":
            data[place] = draw(st.integers(0, 255))
        elif action == "c":
            del data[place : place + draw(st.integers(1, 8))]
        else:
            data[place:place] = draw(st.binary(min_size=1, max_size=8))
    return bytes(data)


def ends_or_answers(session: Wire) -> None:
    """End our side, and read until the other side has ended its own."""
    with suppress(OSError):
        session.stream.shutdown(socket.SHUT_WR)
    with suppress(OSError):
        while session.stream.recv(1 << 16):
            pass
    session.stream.close()


@FUZZ
@given(sent=st.one_of(mutated(VALID), st.binary(max_size=60)))
def test_whatever_a_client_sends_the_others_go_on(place: Place, other: Wire, sent: bytes) -> None:
    session = place.door(ONE, DATABASE)
    with suppress(OSError):
        session.send(sent)
    ends_or_answers(session)
    goes_on(other)


LOGINS = [
    wire.startup({"user": ONE, "database": DATABASE}),
    wire.ssl_request(),
    wire.startup({"user": ONE, "options": "-c work_mem=1MB"}),
    wire.message(b"p", b"SCRAM-SHA-256\0\0\0\0\x0cn,,n=,r=abcd"),
    wire.message(b"p", b"c=biws,r=abcd,p=AAAA"),
    wire.cancel(1, b"1234"),
    struct.pack("!II", 8, wire.GSS_REQUEST),
    TERMINATE,
]


@FUZZ
@given(sent=st.one_of(mutated(LOGINS), st.binary(max_size=60)))
def test_whatever_a_stranger_sends_the_others_go_on(place: Place, other: Wire, sent: bytes) -> None:
    stranger = place.stranger()
    with suppress(OSError):
        stranger.send(sent)
    ends_or_answers(stranger)
    goes_on(other)


def test_nothing_of_all_that_is_left(place: Place, other: Wire) -> None:
    goes_on(other)
    wait_until(lambda: place.busy() == 0)
    assert "Traceback" not in (place.installation.home.logs / "door.log").read_text()
