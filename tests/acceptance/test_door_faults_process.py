"""PostgreSQL or the door is killed under load, or all is stopped: nobody is told what is not so."""

import asyncio
import os
import signal
import time
from collections.abc import Callable

import pytest

from benchmarks import load_wire
from myriad.engines.postgres import processes
from myriad.home.home import Home
from tests.crowd import (
    LONG,
    Answer,
    Installation,
    Lost,
    Member,
    installed,
    most_clients,
    run,
    tell,
    until,
    until_answered,
)
from tests.harness import postmaster
from tests.harness import run as command

CLIENTS = 1000
# By night; an eighth of them by day. By hand: MYRIAD_TEST_RECONNECT=10000
RECONNECT = int(os.environ.get("MYRIAD_TEST_RECONNECT", "2000"))
pytestmark = pytest.mark.usefixtures("one_process")  # test_door_two.py has those of several
BACK_SECONDS = 5.0  # within which a new door answers: 2 where the machine does little else
BUSY, TRANSACTIONS, WRITERS = 4, 4, 4


def writable(place: Installation, names: list[str]) -> None:
    place.add(names)
    place.sql("CREATE TABLE done (writer text, n int)")
    place.myriad.people.grant("everybody", "public", write=True)


def names(count: int) -> list[str]:
    return [f"person{number}" for number in range(count)]


class Writer:
    """Commits rows one after the other until an error; knows which commits were told."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.told = 0
        self.asked = 0
        self.last: Answer | None = None
        self.stopped = False  # it may have been between two statements, and goes on

    async def write(self) -> None:
        while not self.stopped:
            self.asked, self.last = self.asked + 1, None
            text = f"INSERT INTO done VALUES ('{self.member.name}', {self.asked})"
            try:
                self.last = await self.member.ask(text)
            except Lost:
                return
            if self.last.errors:
                return
            self.told = self.asked


def committed(place: Installation, writer: Writer) -> int:
    return int(place.sql(f"SELECT count(*) FROM done WHERE writer = '{writer.member.name}'")[0][0])


async def in_transaction(member: Member) -> None:
    await member.ask("BEGIN")
    await member.ask(f"INSERT INTO done VALUES ('{member.name}', -1)")


async def answer_or_lost(answering: "asyncio.Future[Answer]") -> Answer | None:
    try:
        return await asyncio.wait_for(answering, 60)
    except Lost:
        return None


def class_57(answer: Answer | None) -> bool:
    return answer is None or answer.error[:2] == "57"


async def works(member: Member) -> bool:
    answer = await member.ask("SELECT current_user", 60)
    return answer.rows == [[member.name]]


class Crowd:
    """Many people: some commit, some are in a transaction, some run long, some wait."""

    def __init__(self, place: Installation, members: list[Member]) -> None:
        self.place = place
        self.members = members
        self.writers = [Writer(member) for member in members[:WRITERS]]
        self.inside = members[10 : 10 + TRANSACTIONS]
        self.busy: list[asyncio.Future[Answer]] = []
        self._writing: list[asyncio.Future[None]] = []

    async def begin(self) -> None:
        """Return when all of them are at work."""
        for member in self.inside:
            await in_transaction(member)
        self._writing = [asyncio.ensure_future(writer.write()) for writer in self.writers]
        self.busy = asked(self.members[20 : 20 + BUSY], LONG)
        await until(lambda: all(writer.told for writer in self.writers), 20)

    async def stop_writing(self) -> None:
        """Return when each writer knows what became of the last row."""
        for writer in self.writers:
            writer.stopped = True
        await asyncio.wait_for(asyncio.gather(*self._writing), 30)
        assert all(each.told == each.asked or class_57(each.last) for each in self.writers)

    async def check_commits(self, member: Member) -> None:
        """What was told is there, and nothing of open transactions."""
        for writer in self.writers:
            count = await asyncio.to_thread(committed, self.place, writer)
            assert writer.told <= count <= writer.asked
        answer = await member.ask("SELECT count(*) FROM done WHERE n = -1")
        assert answer.rows == [["0"]]


def asked(members: list[Member], text: str) -> list["asyncio.Future[Answer]"]:
    return [member.begin(load_wire.query(text)) for member in members]


async def answered(asked: list["asyncio.Future[Answer]"], value: str) -> int:
    """Return how many were answered; the others must have been told that they were not."""
    answers = await asyncio.gather(*(answer_or_lost(each) for each in asked))
    assert all(each and (each.rows == [[value]] or class_57(each)) for each in answers)
    return sum(each is not None and each.rows == [[value]] for each in answers)


async def ended_with_a_word(members: list[Member]) -> None:
    for member in members:
        await asyncio.wait_for(member.lost, 30)
        assert member.unasked.severities == ["FATAL"]
        assert class_57(member.unasked)


async def all_work(members: list[Member]) -> bool:
    return all(await asyncio.gather(*(works(member) for member in members)))


async def survive_postgresql(place: Installation, people: list[str]) -> None:
    members = await place.place.enter_all(people)
    crowd = Crowd(place, members)
    await crowd.begin()
    waiting = asked(members[100:150], "SELECT 5")
    postmaster(place.home).kill()
    killed = time.monotonic()
    meanwhile = asked(members[200:250], "SELECT 6")
    assert all([class_57(await answer_or_lost(each)) for each in crowd.busy])
    await crowd.stop_writing()
    await ended_with_a_word(crowd.inside)
    await answered(waiting, "5")
    served = await answered(meanwhile, "6")
    tell(
        f"answers again {time.monotonic() - killed:.1f} s after the kill; {served} of"
        f" {len(meanwhile)} who asked meanwhile waited and got theirs"
    )
    alive = [member for member in members if not member.lost.done()]
    assert len(alive) == len(people) - TRANSACTIONS
    new = await place.place.enter("person10")
    assert await all_work([*alive, new])
    await crowd.check_commits(new)


@pytest.mark.nightly(
    daily="tests/acceptance/test_door_faults_process.py::test_the_door_is_killed_under_load"
)
def test_postgresql_is_killed_under_load(made_home: Home) -> None:
    people = names(CLIENTS)
    with installed(made_home, server_connections=30, pool_size=24) as place:
        writable(place, people)
        run(survive_postgresql(place, people), 100)


async def first_answer(place: Installation) -> float:
    """Return the seconds until somebody new is answered."""
    began = time.monotonic()
    await until_answered(lambda: place.place.lets_in("person0"), 30)
    member = await place.place.enter("person0")
    assert await works(member)
    member.close()
    return time.monotonic() - began


async def survive_the_door(place: Installation, people: list[str]) -> None:
    members = await place.place.enter_all(people)
    crowd = Crowd(place, members)
    await crowd.begin()
    place.door.kill()
    took = await first_answer(place)
    began = time.monotonic()
    assert [await answer_or_lost(each) for each in crowd.busy] == [None] * BUSY
    await crowd.stop_writing()
    await asyncio.wait_for(asyncio.wait([member.lost for member in members]), 10)
    again = await place.place.enter_all(people)
    entered = time.monotonic() - began
    assert await all_work(again)
    tell(
        f"the door answers {took:.2f} s after its kill; {len(people)} people came back in"
        f" {entered:.1f} s, all answered {time.monotonic() - began:.1f} s"
    )
    assert took < BACK_SECONDS
    await crowd.check_commits(again[0])
    await until(place.is_quiet, 10)


def test_the_door_is_killed_under_load(made_home: Home, by_day: Callable[[int], int]) -> None:
    people = names(most_clients(by_day(RECONNECT)))
    with installed(made_home, server_connections=30, pool_size=24) as place:
        writable(place, people)
        run(survive_the_door(place, people), 150)


@pytest.mark.parametrize(
    "way",
    [
        "down",
        pytest.param(
            "signal",
            marks=pytest.mark.nightly(
                daily="tests/acceptance/test_door_faults_process.py"
                "::test_who_works_may_end_and_others_are_told_when_all_stops"
            ),
        ),
    ],
)
def test_who_works_may_end_and_others_are_told_when_all_stops(made_home: Home, way: str) -> None:
    stopping = []

    async def test(place: Installation) -> None:
        idle, finishes, lingers, busy = [
            await place.place.enter(name) for name in ("person0", "person1", "person2", "person3")
        ]
        await in_transaction(finishes)
        await in_transaction(lingers)
        answering = busy.begin(load_wire.query("SELECT count(*) FROM generate_series(1, 1000000)"))
        if way == "signal":
            place.process.process.send_signal(signal.SIGTERM)
        else:
            stopping.append(asyncio.create_task(asyncio.to_thread(command, made_home, "down")))
        await asyncio.wait_for(idle.lost, 10)
        assert (idle.unasked.errors, idle.unasked.severities) == (["57P01"], ["FATAL"])
        assert (await asyncio.wait_for(answering, 10)).rows == [["1000000"]]
        await asyncio.wait_for(busy.lost, 10)
        with pytest.raises((OSError, load_wire.LoginFailed)):
            await asyncio.wait_for(place.place.enter("person0"), 0.5)
        assert (await finishes.ask("INSERT INTO done VALUES ('told', 1)")).status == "T"
        assert (await finishes.ask("COMMIT")).tags == ["COMMIT"]
        await asyncio.wait_for(finishes.lost, 10)
        await asyncio.wait_for(lingers.lost, 10)
        assert lingers.unasked.errors == ["57P01"]
        for task in stopping:
            assert (await task).returncode == 0
        assert await asyncio.to_thread(place.process.process.wait, 30) == 0

    with installed(made_home, drain_timeout=5) as place:
        writable(place, names(4))
        run(test(place), 60)
        assert processes.servers(made_home.postgres) == []
    with installed(made_home) as place:
        assert sorted(place.sql("SELECT * FROM done")) == [("person1", -1), ("told", 1)]


def test_who_does_not_end_loses_the_transaction_not_the_servers_peace(made_home: Home) -> None:
    """A statement that takes longer than the time to drain is ended, in the server too."""

    async def test(place: Installation) -> None:
        busy = await place.place.enter("person0")
        answering = busy.begin(load_wire.query(LONG))
        await until(lambda: not place.is_quiet(), 5)
        began = time.monotonic()
        place.process.process.send_signal(signal.SIGTERM)
        answer = await answer_or_lost(answering)
        assert class_57(answer)
        assert await asyncio.to_thread(place.process.process.wait, 30) == 0
        tell(f"stopped in {time.monotonic() - began:.1f} s")
        assert time.monotonic() - began < 8

    with installed(made_home, drain_timeout=0.5) as place:
        writable(place, names(1))
        run(test(place), 40)
