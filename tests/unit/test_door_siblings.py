"""What the door's processes count together and tell each other, without processes."""

import asyncio
import os
import random
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from myriad import settings
from myriad.door.siblings import counters
from myriad.door.siblings.accepting import Accepting
from myriad.door.siblings.counters import CLIENTS, RUNNING, SESSIONS, Counters
from myriad.door.siblings.post import MOST_BYTES, MOST_WAITING, Post
from myriad.pgwire import numbers

CLIENTS_AT_MOST = 500


@pytest.fixture
def two() -> Iterator[tuple[Counters, Counters]]:
    file = counters.create(2, CLIENTS_AT_MOST)
    yield Counters(file, 2, CLIENTS_AT_MOST, 0), Counters(file, 2, CLIENTS_AT_MOST, 1)
    os.close(file)


Two = tuple[Counters, Counters]


def test_each_person_has_a_place_of_their_own_and_the_same_in_all_processes(two: Two) -> None:
    people = random.Random(1).sample(range(16384, 1 << 32), CLIENTS_AT_MOST)
    here = [two[0].enter(person) for person in people]
    there = [two[1].enter(person) for person in people]
    for number, place in enumerate(here):
        place.write(SESSIONS, number)
    assert [place.elsewhere(SESSIONS) for place in there] == list(range(CLIENTS_AT_MOST))


def test_a_place_is_free_again_when_nobody_has_a_session_in_any_process(two: Two) -> None:
    for person in range(16384, 16384 + 6 * CLIENTS_AT_MOST):  # many more than there are places
        places = two[0].enter(person), two[1].enter(person)
        assert [place.elsewhere(SESSIONS) for place in places] == [1, 1]
        for place in places:
            place.write(SESSIONS, 0)


def test_a_person_has_no_more_in_all_processes_than_they_may(two: Two) -> None:
    one, other = two[0].enter(7), two[1].enter(7)
    assert one.begin(1, 2)
    assert other.begin(1, 2)
    assert not one.begin(2, 2)
    assert not other.begin(2, 2)
    assert (one.elsewhere(RUNNING), other.elsewhere(RUNNING)) == (1, 1)  # tried, and taken back


def test_who_waits_longer_in_another_process_comes_first_and_is_woken(two: Two) -> None:
    one, other = two[0].enter(7), two[1].enter(7)
    woken: list[int] = []
    two[0].wake = two[1].wake = woken.append
    assert one.begin(1, 1)
    assert not other.begin(1, 1)
    one.end(0)
    assert woken == [1]
    assert not one.begin(1, 1)  # though nobody has anything
    assert other.begin(1, 1)
    other.end(0)
    assert woken == [1, 0]
    one.wait_no_more()
    assert other.begin(1, 1)


def test_who_waits_in_a_process_that_hangs_holds_nobody_up(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two[0].enter(7), two[1].enter(7)
    assert one.begin(1, 1)
    assert not other.begin(1, 1)  # and it is never said again that somebody waits there
    one.end(0)
    assert not one.begin(1, 1)
    later = time.monotonic_ns() + counters.LONGEST_WAITING
    monkeypatch.setattr(counters, "_now", lambda: later)
    assert one.begin(1, 1)


def test_what_a_process_has_written_is_emptied_and_no_more(two: Two) -> None:
    one, other = two[0].enter(7), two[1].enter(7)
    two[0].note(CLIENTS, 3)
    two[1].note(CLIENTS, 4)
    assert two[0].sums([1.5]) == [1.5]
    assert two[1].sums([2.0]) == [3.5]
    two[0].empty(1)
    assert two[0].clients() == 3
    assert (one.elsewhere(SESSIONS), other.elsewhere(SESSIONS)) == (0, 1)
    assert two[0].sums([1.5]) == [1.5]


def test_a_session_of_another_process_is_found_by_its_person_only(two: Two) -> None:
    number = numbers.new(1)
    assert two[0].server_of(number, 7) is None
    two[1].begin_session(number, 7)
    assert two[0].server_of(number, 7) == 0
    two[1].serve(number, 4711)
    assert two[0].server_of(number, 7) == 4711
    assert two[0].server_of(number, 8) is None
    assert two[0].server_of(number + 1, 7) is None
    two[1].end_session(number)
    assert two[0].server_of(number, 7) is None


@pytest.mark.parametrize("number", [0, 1, -1, (1 << 31) - 1, numbers.LAST_NUMBER, 1 << 40])
def test_a_number_that_no_session_has_means_nobody(two: Two, number: int) -> None:
    assert two[0].server_of(number, 7) is None


@pytest.mark.parametrize("process", range(numbers.MOST_PROCESSES))
def test_a_number_says_which_process_has_the_session(process: int) -> None:
    for _ in range(100):
        number = numbers.new(process)
        assert numbers.FIRST_NUMBER <= number <= numbers.LAST_NUMBER
        assert numbers.process_of(number) == process


def test_messages_come_to_whom_they_are_for_and_what_is_too_much_is_lost() -> None:
    asyncio.run(_exchange())


async def _exchange() -> None:
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(3)]
    came: list[tuple[int, int]] = []
    last = 3 * MOST_WAITING - 1
    posts = [
        Post(number, pair[1], [each[0] for each in pairs]) for number, pair in enumerate(pairs)
    ]
    posts[0].tell("said", "x" * MOST_BYTES)  # too long to be sent
    for number in range(3 * MOST_WAITING):  # nobody reads yet
        posts[0].tell("said", number)
    done = asyncio.Event()

    def heard(reader: int, number: int) -> None:
        came.append((reader, number))
        if number == last and {(1, last), (2, last)} <= set(came):
            done.set()

    posts[0].send(7, "said", "nobody")
    for reader, post in enumerate(posts):
        post.begin({"said": partial(heard, reader)})
    await asyncio.wait_for(done.wait(), 20)
    assert {each[0] for each in came} == {1, 2}
    assert len(came) <= 2 * (2 * MOST_WAITING)
    for pair in pairs:
        for each in pair:
            asyncio.get_running_loop().remove_reader(each)
            each.close()


def test_who_has_more_clients_takes_one_nevertheless_if_nobody_else_does() -> None:
    asyncio.run(_come())


async def _come() -> None:
    loop = asyncio.get_running_loop()
    made: asyncio.Future[None] = loop.create_future()

    class Client(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transport.close()
            made.set_result(None)

    listening = socket.create_server(("127.0.0.1", 0))
    accepting = Accepting(listening, Client, loop.create_task, lambda: (100, [0]))
    accepting.begin()
    with socket.create_connection(listening.getsockname()):
        await asyncio.wait_for(made, 20)
    accepting.end()


@pytest.mark.parametrize(("said", "is_so"), [("auto", 0), ("1", 1), ("7", 7)])
def test_how_many_processes_there_are_is_a_number_or_a_word(
    said: str, is_so: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MYRIAD_DOOR_PROCESSES", said)
    assert settings.load(tmp_path).door_processes == is_so
