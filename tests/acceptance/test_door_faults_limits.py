"""Limits hold from end to end: set by the command's own functions, met by a bare client."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load_wire import SYNC, query
from tests.crowd import (
    LONG,
    SOON,
    Answer,
    Installation,
    Member,
    execute,
    installed_copy,
    parse_bind,
    run,
    until,
    until_answered,
)
from tests.harness import run as command

SHORT = "SELECT count(*) FROM generate_series(1, 2000000)"  # some 0.2 seconds; sleep is refused
ROWS = "SELECT repeat('x', 90) FROM generate_series(1, {})"


@pytest.fixture(scope="module")
def place(made: Path) -> Iterator[Installation]:
    with installed_copy(made, pool_size=8) as found:
        found.add(["ada", "bob", "cleo"])
        yield found


@pytest.fixture(autouse=True)
def no_limits(place: Installation) -> Iterator[None]:
    yield
    place.myriad.people.set_limits(["ada", "bob", "cleo"], {}, reset=True)
    assert place.is_quiet()


def set_limits(place: Installation, name: str, **limits: float) -> None:
    place.myriad.people.set_limits(name, limits)


async def limited(place: Installation, name: str, **limits: float) -> Member:
    """Log in, and then get limits: they hold in sessions that are open."""
    member = await place.place.enter(name)
    await asyncio.to_thread(set_limits, place, name, **limits)
    if "rows" in limits:
        await until_limited(member, f"SELECT generate_series(0, {int(limits['rows'])})")
    return member


async def until_limited(member: Member, sql: str) -> None:
    """Return when the door has heard of a limit that this statement is over."""

    async def refused() -> bool:
        return bool((await member.ask(sql)).errors)

    await until_answered(refused, SOON)


def over(answer: Answer, code: str, hint: str) -> bool:
    """Whether one proper error ended it."""
    return answer.errors == [code] and hint in answer.hints[0] and answer.severities == ["ERROR"]


def test_a_statement_that_takes_too_long_ends_in_the_server_each_time(place: Installation) -> None:
    async def test() -> None:
        member = await limited(place, "ada", statement_seconds=0.3)
        for _ in range(3):
            answer = await member.ask(LONG)
            assert over(answer, "57014", "myriad person limit"), answer
            assert "longer than 0.3 seconds" in answer.messages[0]
            assert answer.status == "I"
            assert (await member.ask("SELECT 1")).rows == [["1"]]
        await until(place.is_quiet)
        member.close()

    run(test())


def test_it_ends_without_sync_and_in_a_pipeline_too(place: Installation) -> None:
    async def test() -> None:
        member = await limited(place, "ada", statement_seconds=0.3, idle_seconds=0)
        flush = b"H\0\0\0\4"
        long = parse_bind(LONG) + execute()
        answering = member.begin(parse_bind("SELECT 1") + execute() + long + flush)
        await until(lambda: member.so_far.errors)
        member.transport.write(SYNC)
        answer = await asyncio.wait_for(answering, SOON)
        assert answer.rows == [["1"]]
        assert over(answer, "57014", "myriad person limit"), answer
        member.close()

    run(test())


@pytest.mark.parametrize("way", ["simple", "extended", "copy", "binary copy", "many statements"])
def test_more_rows_than_allowed_are_an_error(place: Installation, way: str) -> None:
    text = ROWS.format(5000)
    ways = {
        "simple": query(text),
        "extended": parse_bind(text) + execute() + SYNC,
        "copy": query(f"COPY ({text}) TO STDOUT"),
        "binary copy": query(f"COPY ({text}) TO STDOUT (FORMAT binary)"),
        "many statements": query("; ".join([ROWS.format(300)] * 5)),
    }

    async def test() -> None:
        member = await limited(place, "bob", rows=1000)
        answer = await member.send(ways[way])
        assert over(answer, "54000", "WHERE, LIMIT"), answer
        assert len(answer.rows) <= 1000
        assert answer.status == "I"
        assert len((await member.ask(ROWS.format(1000))).rows) == 1000
        member.close()

    run(test())


async def fetched(member: Member) -> tuple[int, Answer]:
    count = 0
    while True:
        answer = await member.ask("FETCH 100 FROM c")
        count += len(answer.rows)
        if answer.errors or count > 2000:
            return count, answer


def test_a_cursor_does_not_get_round_the_rows(place: Installation) -> None:
    async def test() -> None:
        member = await limited(place, "bob", rows=1000)
        await member.ask("BEGIN")
        await member.ask(f"DECLARE c CURSOR FOR {ROWS.format(5000)}")
        count, answer = await fetched(member)
        assert over(answer, "54000", "WHERE, LIMIT"), answer
        assert count == 1000
        assert answer.status == "E"
        assert (await member.ask("ROLLBACK")).status == "I"
        member.close()

    run(test())


def test_a_portal_in_parts_does_not_get_round_the_rows(place: Installation) -> None:
    async def test() -> None:
        member = await limited(place, "bob", rows=1000)
        await member.ask("BEGIN")
        answer = await member.send(parse_bind(ROWS.format(5000), "p") + execute(100, "p") + SYNC)
        count = len(answer.rows)
        while not answer.errors and count < 2000:
            answer = await member.send(execute(100, "p") + SYNC)
            count += len(answer.rows)
        assert over(answer, "54000", "WHERE, LIMIT"), answer
        assert count == 1000
        await member.ask("ROLLBACK")
        member.close()

    run(test())


def test_a_pipeline_of_small_results_does_not_get_round_the_rows(place: Installation) -> None:
    one = parse_bind(ROWS.format(100)) + execute()

    async def test() -> None:
        member = await limited(place, "bob", rows=1000)
        answer = await member.send(one * 30 + SYNC)
        assert over(answer, "54000", "WHERE, LIMIT"), answer
        assert len(answer.rows) <= 1000
        assert (await member.ask("SELECT 1")).rows == [["1"]]
        member.close()

    run(test())


def test_more_megabytes_than_allowed_are_an_error(place: Installation) -> None:
    async def test() -> None:
        member = await limited(place, "bob", megabytes=1, rows=1_000_000)
        for text in (ROWS.format(50_000), f"COPY ({ROWS.format(50_000)}) TO STDOUT"):
            answer = await member.ask(text)
            assert over(answer, "54000", "WHERE, LIMIT"), answer
            assert "more than 1 MB" in answer.messages[0]
        assert not (await member.ask(ROWS.format(5_000))).errors
        member.close()

    run(test())


def test_rows_that_are_longer_than_a_packet_end_whole(place: Installation) -> None:
    async def test() -> None:
        member = await limited(place, "bob", megabytes=1)
        await until_limited(member, ROWS.format(50_000))
        for text in ("SELECT repeat('x', 300000) FROM generate_series(1, 20)", ROWS.format(50_000)):
            answer = await member.ask(text)
            assert over(answer, "54000", "WHERE, LIMIT"), answer.errors
            assert {len(str(value)) for (value,) in answer.rows} <= {90, 300_000}
            assert answer.status == "I"
            assert (await member.ask("SELECT 1")).rows == [["1"]]
        member.close()

    run(test())


def test_statements_above_the_limit_wait_for_one_another(place: Installation) -> None:
    async def test() -> None:
        await asyncio.to_thread(set_limits, place, "ada", concurrent=2)
        members = [await place.place.enter("ada") for _ in range(9)]
        other = await place.place.enter("bob")
        for _ in range(2):  # so that there are idle server connections besides
            await asyncio.gather(*(member.ask("SELECT 1") for member in [*members, other]))
        asked = [asyncio.ensure_future(member.ask(SHORT)) for member in members]
        await until(lambda: len(place.working()) == 2)
        for _ in range(5):  # somebody else is not held up
            assert (await other.ask("SELECT 2")).rows == [["2"]]
        answers = await asyncio.gather(*asked)
        assert [answer.error for answer in answers] == [""] * 9
        for member in [*members, other]:
            member.close()

    run(test())


def test_who_waits_too_long_is_told(place: Installation) -> None:
    async def test() -> None:
        await asyncio.to_thread(set_limits, place, "ada", concurrent=1, queue_seconds=0.3)
        first, second = await place.place.enter("ada"), await place.place.enter("ada")
        await first.ask("BEGIN")
        answer = await second.ask("SELECT 1")
        assert over(answer, "53300", "run less at once"), answer
        assert answer.status == "I"
        await first.ask("COMMIT")
        assert (await second.ask("SELECT 1")).rows == [["1"]]
        first.close()
        second.close()

    run(test())


def test_who_does_nothing_in_a_transaction_is_sent_away(place: Installation) -> None:
    async def test() -> None:
        outside, inside = await place.place.enter("ada"), await place.place.enter("ada")
        await outside.ask("SELECT 1")
        await sent_away(place, inside)
        assert inside.unasked.errors == ["25P03"]
        assert inside.unasked.severities == ["FATAL"]
        await until(place.is_quiet)
        # Silent for longer, but in no transaction.
        assert (await outside.ask("SELECT 1")).rows == [["1"]]
        outside.close()

    run(test())


async def sent_away(place: Installation, member: Member) -> None:
    """Do nothing in a transaction until that ends the session."""
    await member.ask("BEGIN")
    await asyncio.to_thread(set_limits, place, member.name, idle_seconds=0.3)
    await asyncio.wait_for(member.lost, SOON)


def test_a_pipeline_without_sync_is_no_idle_transaction(place: Installation) -> None:
    async def test() -> None:
        member, other = await place.place.enter("ada"), await place.place.enter("ada")
        answering = member.begin(parse_bind("SELECT 1") + execute() + b"H\0\0\0\4")
        await until(lambda: member.so_far.tags)
        await sent_away(place, other)  # it began later
        member.transport.write(SYNC)
        assert (await asyncio.wait_for(answering, SOON)).errors == []
        member.close()

    run(test())


def test_more_connections_than_allowed_are_refused(place: Installation) -> None:
    async def test() -> None:
        await asyncio.to_thread(set_limits, place, "ada", connections=2)
        members = [await place.place.enter("ada") for _ in range(2)]
        assert await place.place.refusal("ada") == "53300"
        members.pop().close()
        await until_answered(lambda: place.place.lets_in("ada"), SOON)
        members.pop().close()

    run(test())


def test_stop_ends_what_runs_and_activity_shows_it(place: Installation) -> None:
    async def test() -> None:
        busy, idle = await place.place.enter("ada"), await place.place.enter("bob")
        answering = asyncio.ensure_future(busy.ask(f"{LONG} /* here */"))
        await until(lambda: not place.is_quiet())
        shown = await asyncio.to_thread(place.myriad.people.activity)
        found = {(each.person, each.state): each.statement for each in shown}
        assert "here" in found["ada", "active"]
        assert ("bob", "idle") in found
        said = await asyncio.to_thread(command, place.home, "people", "stop", "ada")
        assert said.returncode == 0, said.stderr
        answer = await asyncio.wait_for(answering, SOON)
        assert answer.errors == ["57014"]
        assert (await busy.ask("SELECT 1")).rows == [["1"]]
        await until(place.is_quiet)
        busy.close()
        idle.close()

    run(test())


def test_who_is_removed_is_gone_at_once(place: Installation) -> None:
    async def test() -> None:
        place.add(["gone"])
        idle, busy = await place.place.enter("gone"), await place.place.enter("gone")
        inside = await place.place.enter("gone")
        await inside.ask("BEGIN")
        answering = asyncio.ensure_future(busy.ask(LONG))
        await until(lambda: not place.is_quiet())
        await asyncio.to_thread(place.myriad.people.remove, ["gone"])
        await asyncio.wait_for(asyncio.gather(idle.lost, busy.lost, inside.lost), SOON)
        assert (await answering).errors == ["57P01"]
        assert idle.unasked.errors == ["57P01"]
        assert await place.place.refusal("gone") == "28P01"
        await until(place.is_quiet)

    run(test())


def test_rights_that_are_taken_are_gone_from_open_sessions(place: Installation) -> None:
    place.sql("CREATE SCHEMA taken; CREATE TABLE taken.t AS SELECT 1 AS a")
    people = place.myriad.people
    people.add_groups(["takers"])
    people.join("takers", ["cleo", "bob"])
    people.grant("takers", "taken")

    async def refused(member: Member) -> None:
        async def now() -> bool:
            return (await member.ask("SELECT * FROM taken.t")).error == "42501"

        await until_answered(now, SOON)

    async def test() -> None:
        cleo, bob = await place.place.enter("cleo"), await place.place.enter("bob")
        await cleo.ask("SET statement_timeout = '77s'")
        for member in (cleo, bob):
            assert (await member.ask("SELECT * FROM taken.t")).rows == [["1"]]
        await asyncio.to_thread(people.leave, "takers", ["cleo"])
        await refused(cleo)
        assert (await cleo.ask("SHOW statement_timeout")).rows == [["77s"]]
        assert (await bob.ask("SELECT * FROM taken.t")).rows == [["1"]]
        await asyncio.to_thread(people.revoke, "takers", "taken")
        assert (await bob.ask("SELECT * FROM taken.t")).error == "42501"
        cleo.close()
        bob.close()

    run(test())
    people.remove_group("takers")
    place.sql("DROP SCHEMA taken CASCADE")


def test_an_old_password_no_longer_does(place: Installation) -> None:
    place.add(["fay"])

    async def test() -> None:
        member = await place.place.enter("fay")
        await asyncio.to_thread(place.myriad.people.set_password, "fay", "another one")
        assert await place.place.refusal("fay") == "28P01"
        assert (await member.ask("SELECT 1")).rows == [["1"]]
        member.close()

    run(test())
    place.myriad.people.remove(["fay"])
