"""Whatever a client does, however it sends and reads: it is answered as without the door, in time.

Each play (`door_plays`) is played straight to PostgreSQL, in one piece, and through the door: cut
into pieces anywhere, read slowly, or not at all until no more can be sent. Then nothing of it is
left in the door: no session, no server connection that somebody has, nothing that is not read.

What is not compared, and why:

- The OIDs of tables in RowDescription, and places in the source code in errors: they say nothing.
- ParameterStatus one by one: the door tells what SET has changed before ReadyForQuery. What they
  say in the end is compared.
- A refused statement is compared with one that is no SQL: it fails at the same place.

What is not played, for a pooler cannot do it, or does otherwise (docs/door.md): currval outside of
its transaction, `'now'` in prepared statements, tables that change, and EXECUTE as a statement of
the protocol: prepared anew, it has the columns of what has that name by then. Nor what PostgreSQL
itself does not survive: see `door_plays`.
"""

import hashlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myriad import Myriad
from myriad.door.ledger import measures
from myriad.pgwire import wire
from tests.door_players import MANNERS, Manner, Player
from tests.door_plays import (
    ENDLESS,
    FLOOD,
    PREPARED_ANEW,
    REFUSED,
    SIZES,
    SMALL,
    WAYS,
    Step,
    copies,
    independent,
    instead,
    long_text,
    plays,
    stream_of,
)
from tests.door_script import Answer, Ended, Place, Wire, goes_on, hold_log, shared
from tests.examples import examples
from tests.harness import wait_until

pytestmark = pytest.mark.timeout(3600)  # at night
DATABASE = "plays"
PEOPLE = ["player", "limited player", "hurried player", "bystander"]
ONE, LIMITED, HURRIED, TWO = PEOPLE
PLAYERS = PEOPLE[:-1]
BEGINS = {"work_mem": "3MB"}  # what RESET brings back
MOST_ROWS = 100
AT_ONCE = 3.0  # two seconds, and what asking for it takes on a busy machine
BOUND = 30.0  # seconds for one answer; most take some milliseconds
OTHERWISE = frozenset(("session_authorization", "is_superuser", "in_hot_standby"))


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with shared(installation, DATABASE, PEOPLE, "CREATE TABLE t (a int, b text)") as found:
        installation.people.set_limits([LIMITED], {"rows": MOST_ROWS})
        installation.people.set_limits([HURRIED], {"statement_seconds": 0.5})
        yield found


@pytest.fixture(scope="module")
def other(place: Place) -> Iterator[Wire]:
    with closing(place.door(TWO, DATABASE)) as found:
        yield found


def hold_clear(place: Place, other: Wire, seconds: float = BOUND) -> None:
    """Hold that nothing is left of a play."""
    if other.status != "I":
        moves(other)
    wait_until(lambda: is_clear(place), seconds)


def is_clear(place: Place) -> bool:
    return not place.installation.people.activity(PLAYERS) and place.busy() == 0


def player_of(session: Wire, manner: Manner, other: Wire) -> Player:
    """Return who plays on a session; another one is served meanwhile."""
    session.stream.settimeout(BOUND)
    return Player(session, manner, lambda: goes_on(other), lambda: moves(other))


def moves(other: Wire) -> None:
    """Take the server connection that was used last and is free, or give it back."""
    other.query("COMMIT" if other.status == "T" else "BEGIN")


many = partial(examples, at_random=True)


LONG = 200
# How the door and PostgreSQL refuse `REFUSED` and what stands for it.
REFUSAL = (
    "42501",
    "LISTEN is not available here: people who share your rights share this connection",
)
NO_SUCH = ("42601", 'syntax error at or near ";"')
Played = list[list[Answer]]


def played(session: Wire, steps: list[Step], player: Player, *, blindly: bool) -> Played:
    """Return what is answered to each step, what the table holds then, and all settings."""
    session.stream.settimeout(BOUND)
    session.query("DELETE FROM t")
    try:
        player.play_blindly(steps) if blindly else player.play(steps)
        player.end()
    except Ended as ended:
        return [[*chain.from_iterable(player.answers), *ended.answers, ("the end",)]]
    rows = sorted(session.query("DELETE FROM t RETURNING a, length(b)"))  # a table has no order
    told = [item for item in sorted(session.parameters.items()) if item[0] not in OTHERWISE]
    return [*player.answers, rows, [*told]]


def compare(place: Place, other: Wire, steps: list[Step], manner: Manner, *, blindly: bool) -> None:
    """Play straight and through the door; everything is the same, and nothing is left."""
    with closing(place.alike(ONE, DATABASE, **BEGINS)) as direct:
        straight = played(direct, instead(steps), Player(direct, Manner()), blindly=blindly)
    with closing(place.door(ONE, DATABASE, **BEGINS)) as session:
        player = player_of(session, manner, other)
        through = played(session, steps, player, blindly=blindly)
    for number, (here, there) in enumerate(zip(through, straight, strict=False)):
        assert shortened(here) == shortened(there), f"step {number} of {steps}"
    assert len(through) == len(straight)
    hold_clear(place, other)


def shortened(answers: list[Answer]) -> list[Answer]:
    """Return answers as they are compared and printed: of a long text its length and digest."""
    return [
        ("E", "refused")
        if one[0] == "E" and one[2:] in {REFUSAL, NO_SUCH}
        else tuple(each if len(each) < LONG else _short(each) for each in one)
        for one in answers
    ]


def _short(text: str) -> str:
    return f"{len(text)} {hashlib.sha256(text.encode()).hexdigest()[:8]} {text[:20]}"


@many(daily=30, nightly=2000)
@given(steps=plays(SMALL), manner=MANNERS)
def test_a_client_is_answered_as_without_the_door(
    place: Place, other: Wire, steps: list[Step], manner: Manner
) -> None:
    compare(place, other, steps, manner, blindly=False)


@many(daily=30, nightly=2000)
@given(steps=plays(SMALL), manner=MANNERS)
def test_so_is_one_that_sends_everything_at_once(
    place: Place, other: Wire, steps: list[Step], manner: Manner
) -> None:
    compare(place, other, steps, manner, blindly=True)


@many(daily=15, nightly=600)
@given(steps=plays(SIZES, 3), manner=MANNERS)
def test_values_may_have_any_size(
    place: Place, other: Wire, steps: list[Step], manner: Manner
) -> None:
    compare(place, other, steps, manner, blindly=False)


@many(daily=3, nightly=100)
@given(size=SIZES, steps=plays(SMALL, 2), manner=MANNERS)
def test_texts_may_have_any_size(
    place: Place, other: Wire, size: int, steps: list[Step], manner: Manner
) -> None:
    compare(place, other, [long_text(size), *steps], manner, blindly=False)


# Who is stopped hears as much as there was, then why; all else is answered as ever


def units_of(answers: Played) -> list[list[Answer]]:
    """Return answers, each ReadyForQuery with those before it."""
    found: list[list[Answer]] = [[]]
    for answer in chain.from_iterable(answers):
        found[-1].append(answer)
        if answer[0] == "Z":
            found.append([])
    return found


def hold_stopped(through: Played, straight: Played, code: str) -> None:
    """Hold that each unit was answered as straight, or begins so and ends with that error."""
    here, there = units_of(through), units_of(straight)
    assert len(here) == len(there)
    for stopped, whole in zip(here, there, strict=True):
        if shortened(stopped) != shortened(whole):
            *before, error, ready = stopped
            assert (error[0], error[2], ready) == ("E", code, ("Z", "I"))
            assert shortened(before) == shortened(whole[: len(before)])


SELVES = (
    "SELECT 1",
    "SELECT $1::text",
    "SELECT generate_series(1, 90)",
    "SELECT generate_series(1, 130)",
    "SELECT repeat('x', 3000) FROM generate_series(1, 100)",
    "SELECT repeat('x', 3000) FROM generate_series(1, 2000)",
    "COPY (SELECT repeat('x', 99) FROM generate_series(1, 120)) TO STDOUT",
    "SELECT 1/0",
    REFUSED,
)
UNITS = st.one_of(
    independent(SELVES, SIZES),
    copies(SIZES, WAYS[:3] + WAYS[-2:]).map(lambda step: [step]),
)
SOME = st.lists(UNITS, min_size=1, max_size=6).map(lambda some: list(chain.from_iterable(some)))


def played_straight(place: Place, person: str, steps: list[Step]) -> Played:
    """Return what PostgreSQL itself answers to each step."""
    with closing(place.alike(person, DATABASE, **BEGINS)) as direct:
        player = Player(direct, Manner())
        player.play(instead(steps))
    return player.answers


@contextmanager
def storm(place: Place, session: Wire, pause: float) -> Iterator[None]:
    """Cancel what a session runs, again and again."""
    over = threading.Event()

    def cancel() -> None:
        while not over.wait(pause):
            with closing(place.stranger()) as stranger, suppress(Ended, OSError):
                stranger.send(wire.cancel(session.number, session.key))
                stranger.read()

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


PAUSES = st.sampled_from([0.001, 0.005, 0.02])


@many(daily=10, nightly=1000)
@given(steps=SOME, manner=MANNERS, pause=PAUSES)
def test_who_cancels_is_answered_and_nothing_later_is_hit(
    place: Place, other: Wire, steps: list[Step], manner: Manner, pause: float
) -> None:
    straight = played_straight(place, ONE, steps)
    with closing(place.door(ONE, DATABASE, **BEGINS)) as session:
        player = player_of(session, manner, other)
        with storm(place, session, pause):
            player.play(steps)
        hold_stopped(player.answers, straight, "57014")
        player.end()
    hold_clear(place, other)


@many(daily=6, nightly=1000)
@given(steps=plays(SMALL) | st.just(PREPARED_ANEW * 5), manner=MANNERS, pause=PAUSES)
def test_who_cancels_anything_goes_on(
    place: Place, other: Wire, steps: list[Step], manner: Manner, pause: float
) -> None:
    with closing(place.door(ONE, DATABASE, **BEGINS)) as session:
        player = player_of(session, manner, other)
        with storm(place, session, pause):
            player.play(steps)
        player.end()
    hold_clear(place, other)


ENDING = independent([ENDLESS, FLOOD], SMALL)


@many(daily=6, nightly=200)
@given(before=SOME, steps=ENDING, manner=MANNERS)
def test_what_never_ends_can_be_cancelled(
    place: Place, other: Wire, before: list[Step], steps: list[Step], manner: Manner
) -> None:
    with closing(place.door(ONE, DATABASE, **BEGINS)) as session:
        player = player_of(session, manner, other)
        player.play(before)
        with storm(place, session, 0.02):
            player.play(steps)
        hold_all_stopped(player.answers[len(before) :], "canceling statement due to user request")
        player.end()
    hold_clear(place, other)


@many(daily=4, nightly=100)
@given(steps=ENDING, manner=MANNERS)
def test_what_never_ends_is_ended_by_a_limit(
    place: Place, other: Wire, steps: list[Step], manner: Manner
) -> None:
    with closing(place.door(HURRIED, DATABASE)) as session:
        player = player_of(session, manner, other)
        player.play(steps)
        hold_all_stopped(player.answers, "canceling statement: it took longer than 0.5 seconds")
        player.end()
    hold_clear(place, other)


def hold_all_stopped(answers: Played, why: str) -> None:
    """Hold that each unit ended so, and only so."""
    for *_, error, ready in filter(None, units_of(answers)):
        assert (error, ready) == (("E", "ERROR", "57014", why), ("Z", "I"))


@many(daily=15, nightly=1000)
@given(steps=SOME, manner=MANNERS)
def test_who_is_over_a_limit_hears_of_it(
    place: Place, other: Wire, steps: list[Step], manner: Manner
) -> None:
    straight = played_straight(place, LIMITED, steps)
    with closing(place.door(LIMITED, DATABASE, **BEGINS)) as session:
        player = player_of(session, manner, other)
        player.play(steps)
        hold_stopped(player.answers, straight, "54000")
        for here, there in zip(units_of(player.answers), units_of(straight), strict=True):
            assert rows(here) <= MOST_ROWS
            assert (rows(there) > MOST_ROWS) == any(answer[2:3] == ("54000",) for answer in here)
        player.end()
    hold_clear(place, other)


def rows(answers: list[Answer]) -> int:
    return sum(answer[0] in "Dd" for answer in answers)


# Who hangs up, anywhere


def says_no_more(session: Wire) -> None:
    session.stream.shutdown(socket.SHUT_WR)


@many(daily=30, nightly=1000)
@given(
    steps=st.one_of(plays(SIZES, 3), ENDING),
    part=st.floats(0, 1),
    manner=MANNERS,
    hang_up=st.sampled_from([Wire.close, Wire.vanish, says_no_more]),
)
def test_who_hangs_up_anywhere_leaves_nothing(
    place: Place,
    other: Wire,
    steps: list[Step],
    part: float,
    manner: Manner,
    hang_up: Callable[[Wire], None],
) -> None:
    data = stream_of(steps)
    with closing(place.door(ONE, DATABASE, **BEGINS)) as session:
        with suppress(Ended):
            player_of(session, manner, other).send(data[: round(part * len(data))])
        hang_up(session)
        hold_clear(place, other, AT_ONCE)
    goes_on(other)


def test_nothing_of_all_that_is_left(place: Place, other: Wire) -> None:
    goes_on(other)
    wait_until(lambda: set(held_back(place)) == {"0.0"}, 4 * measures.WRITE_SECONDS)
    hold_log(place.installation)


def held_back(place: Place) -> list[str]:
    """Return how many clients and server connections the door does not read from."""
    text = (place.installation.home.folder / "metrics.prom").read_text()
    return re.findall(r"^myriad_door_(?:waiting|\w+_busy|\w+_unread) (.+)", text, re.MULTILINE)
