"""Long texts that are looked at beside: who gives up meanwhile waits for nothing of them."""

import select
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from myriad import Myriad
from myriad.door.verdict.verdict_cache import LONG_BYTES
from myriad.pgwire import wire
from tests.door_script import Ended, Place, Wire, shared

DATABASE = "studied"
PEOPLE = ["study one", "study two"]
ONE, TWO = PEOPLE
PATIENCE = 30.0  # a process begins for each such text


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with shared(installation, DATABASE, PEOPLE, "CREATE TABLE t (a int)") as found:
        installation.people.set_limits(ONE, {"concurrent": 1})
        yield found


def long_text(number: int) -> bytes:
    """Return a text that takes a while: more than a megabyte, of which the process ends."""
    return wire.query(f"SELECT {number} IN ({'2,' * (20 * LONG_BYTES)}{number})")


def cancel(place: Place, session: Wire) -> None:
    """Cancel until there is an answer: the first time the text may not be there yet."""
    while not select.select([session.stream], [], [], 0)[0]:
        with closing(place.stranger()) as stranger:
            stranger.send(wire.cancel(session.number, session.key))
            with suppress(Ended):
                stranger.read()


def test_who_cancels_while_their_text_is_looked_at_waits_for_their_turn_once(place: Place) -> None:
    with (
        closing(place.door(ONE, DATABASE)) as holder,
        closing(place.door(ONE, DATABASE)) as waiter,
        closing(place.door(TWO, DATABASE)) as other,
    ):
        other.stream.settimeout(PATIENCE)
        holder.query("BEGIN")
        waiter.send(long_text(1))
        cancel(place, waiter)
        assert "57014" in waiter.until()[0]
        waiter.send(wire.query("SELECT 1"))
        other.send(long_text(2))
        other.until()  # what was cancelled would have been found before that
        holder.query("COMMIT")
        assert waiter.until()[-1] == ("Z", "I")
        assert holder.rows("SELECT 3") == [("'3'",)]


def test_who_loses_what_their_session_holds_while_their_text_is_looked_at_hears_of_it(
    place: Place,
) -> None:
    with (
        closing(place.door(TWO, DATABASE)) as session,
        closing(place.admin(DATABASE)) as admin,
    ):
        session.query("DECLARE c CURSOR WITH HOLD FOR SELECT 1")
        session.send(long_text(1))
        ended = admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DECLARE c%'"
        ).fetchall()
        assert ended == [(True,)]
        session.stream.settimeout(PATIENCE)
        assert "57P01" in session.to_the_end()[0]
