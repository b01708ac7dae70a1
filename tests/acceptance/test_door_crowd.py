"""Many people at once: everybody gets their own answer, nobody another's."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from myriad.connect import Target
from myriad.home.home import Home
from myriad.people import NewPerson
from tests.crowd import (
    PASSWORD,
    Installation,
    Member,
    installed,
    installed_copy,
    most_clients,
    run,
    tell,
)

MANY, MOST, GROUPS = 200, 10_000, 20
PERSONAL = 50
HOGS = 4
HEAVY = "SELECT count(*) FROM own, generate_series(1, 300000)"


def group_of(number: int) -> int:
    return number % GROUPS


def names(count: int) -> list[str]:
    return [f"person{number}" for number in range(count)]


@dataclass(frozen=True)
class Crowd:
    """Everybody in a group with a dataset of its own, in which each person has a line.

    Attributes:
        passwords: that were made for them.
    """

    place: Installation
    count: int
    passwords: dict[str, str]


ten_thousand = pytest.mark.nightly(
    daily=f"tests/acceptance/test_door_crowd.py::test_a_crowd_is_answered_at_once[{MANY}]"
)


@pytest.fixture(scope="module", params=[MANY, pytest.param(MOST, marks=ten_thousand)])
def crowd(made: Path, request: pytest.FixtureRequest) -> Iterator[Crowd]:
    count = most_clients(request.param)
    with installed_copy(made) as place:
        began = time.monotonic()
        passwords = populate(place, count)
        tell(f"made in {time.monotonic() - began:.1f} s")
        yield Crowd(place, count, passwords)


def populate(place: Installation, count: int) -> dict[str, str]:
    """Add people, groups and datasets; return the passwords that were made."""
    people = place.myriad.people
    passwords = people.add(
        [NewPerson(name, (f"team{group_of(number)}",)) for number, name in enumerate(names(count))]
    )
    with closing(place.connect()) as connection:
        for group in range(GROUPS):
            connection.execute(
                f"CREATE SCHEMA data{group};"
                f" CREATE TABLE data{group}.secret AS SELECT 'person' || n AS person,"
                f" md5('{group} ' || n) AS own"
                f" FROM generate_series({group}, {count - 1}, {GROUPS}) n;"
                f" CREATE TABLE data{group}.team AS SELECT 'secret of team {group}' AS word"
            )
    for group in range(GROUPS):
        people.grant(f"team{group}", f"data{group}")
    return dict(passwords)


def md5s(place: Installation, count: int) -> list[str]:
    rows = place.sql(
        f"SELECT md5((n % {GROUPS}) || ' ' || n) FROM generate_series(0, {count - 1}) n ORDER BY n"
    )
    return [value for (value,) in rows]


async def check(member: Member, number: int, own: str) -> str:
    """Return what is wrong with what a person gets to see, empty if nothing."""
    group = group_of(number)
    answer = await member.ask(
        "SELECT current_user, own, word, (SELECT count(*) FROM pg_stat_activity WHERE false)"
        f" FROM data{group}.secret, data{group}.team WHERE person = current_user",
        120,
    )
    if answer.rows != [[f"person{number}", own, f"secret of team {group}", "0"]]:
        return f"{member.name} got {answer}"
    other = await member.ask(f"SELECT * FROM data{(group + 1) % GROUPS}.secret", 120)
    return "" if other.errors == ["42501"] and not other.rows else f"{member.name} got {other}"


async def everybody(place: Installation, count: int, expected: list[str]) -> None:
    began = time.monotonic()
    members = await place.place.enter_all(names(count))
    entered = time.monotonic()
    assert len({member.transport.get_extra_info("sockname") for member in members}) == count
    wrong = await asyncio.gather(
        *(check(member, number, expected[number]) for number, member in enumerate(members))
    )
    answered = time.monotonic()
    tell(f"{count} people: logged in {entered - began:.1f} s, answered {answered - entered:.1f} s")
    assert [problem for problem in wrong if problem][:3] == []
    assert not any(member.lost.done() for member in members)
    for member in members:
        member.close()


def test_a_crowd_is_added_at_once(crowd: Crowd) -> None:
    place, passwords = crowd.place, crowd.passwords
    assert list(passwords) == names(crowd.count)
    assert len(set(passwords.values())) == crowd.count
    members = {group.name: group.members for group in place.myriad.people.list_groups()}
    assert members == {"everybody": 0} | {
        f"team{group}": len(range(group, crowd.count, GROUPS)) for group in range(GROUPS)
    }
    (name, password) = list(passwords.items())[-1]
    target = Target(place.server.host, place.server.port, "main", name, password)
    psycopg.connect(target.uri(with_password=True)).close()


def test_a_crowd_is_answered_at_once(crowd: Crowd) -> None:
    place, everyone = crowd.place, names(crowd.count)
    place.myriad.people.set_password(everyone[0], PASSWORD)
    place.same_passwords(everyone)
    run(everybody(place, crowd.count, md5s(place, crowd.count)), 150)


def private(place: Installation, count: int) -> None:
    """A table that shows each person their own rows only: nobody may share a connection there."""
    place.add(names(count))
    place.sql(
        "CREATE TABLE own AS SELECT 'person' || n AS person, md5(n::text) AS secret"
        f" FROM generate_series(0, {count - 1}) n;"
        " ALTER TABLE own ENABLE ROW LEVEL SECURITY;"
        " CREATE POLICY own ON own USING (person = current_user)"
    )
    place.myriad.people.apply("main", "public")


async def own_secret(member: Member) -> str:
    answer = await member.ask("SELECT person, secret FROM own", 100)
    assert [row[0] for row in answer.rows] == [member.name], answer
    return str(answer.rows[0][1])


def test_where_nobody_may_share_all_are_answered_too(made_home: Home) -> None:
    async def test(place: Installation) -> None:
        began = time.monotonic()
        members = await place.place.enter_all(names(PERSONAL))
        entered = time.monotonic()
        for _ in range(2):
            secrets = await asyncio.gather(*(own_secret(member) for member in members))
            assert len(set(secrets)) == PERSONAL
        answered = time.monotonic()
        tell(
            f"{PERSONAL} people who share nothing: logged in {entered - began:.1f} s,"
            f" two answers each {answered - entered:.1f} s"
        )
        for member in members:
            member.close()

    with installed(made_home) as place:
        private(place, PERSONAL)
        run(test(place), 100)


@pytest.mark.nightly(
    daily="tests/integration/test_door_attacks_limits.py::"
    "test_a_long_queue_of_one_person_does_not_hold_back_another"
)
def test_who_never_stops_asking_starves_nobody(made_home: Home) -> None:
    async def hog(members: list[Member], over: asyncio.Event) -> None:
        async def on_and_on(member: Member) -> None:
            while not over.is_set():  # long enough that the others of the person always wait
                assert not (await member.ask(HEAVY)).errors

        await asyncio.gather(*(on_and_on(member) for member in members))

    async def test(place: Installation) -> None:
        over = asyncio.Event()
        hogs = [[await place.place.enter(name) for _ in range(3)] for name in names(HOGS)]
        hogging = [asyncio.create_task(hog(members, over)) for members in hogs]
        others = names(2 * HOGS)[HOGS:]
        began = time.monotonic()
        for other in others:
            member = await asyncio.wait_for(place.place.enter(other), 10)
            await own_secret(member)
            member.close()
        tell(f"{len(others)} newcomers were served in {time.monotonic() - began:.1f} s")
        over.set()
        await asyncio.gather(*hogging)
        for member in [each for members in hogs for each in members]:
            member.close()

    with installed(made_home, server_connections=HOGS) as place:
        private(place, 2 * HOGS)
        run(test(place), 60)
