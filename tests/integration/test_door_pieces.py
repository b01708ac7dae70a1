"""Two clients send messages in pieces, and read answers in between: all as without the door.

Nothing runs that stands in COPY data or in values: see `door_pieces`. Not compared are streams

- at which PostgreSQL 18 itself is out of step: a query in a unit that no Sync has ended;
- that prepare a name again, and so fail a transaction: the statement without a name, which that has
  cost in the server, is not prepared again before the transaction ends.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from myriad import Myriad
from tests.door_pieces import CAUGHT, Client, Draw, Piece, Played, alike, straight
from tests.door_plays import NO_SQL, REFUSED
from tests.door_script import Place, hold_log, owning, shared

DATABASE, OWNED = "pieces", "owned_pieces"
ONE, TWO, OWNER = "pieces one", "pieces two", "pieces owner"
TABLES = f"""
    CREATE TABLE t (a int, b text); CREATE TABLE u (a int, b text);
    CREATE TABLE {CAUGHT} (a text)"""
STUCK = "StartTransactionCommand"  # PostgreSQL's own error there
AT_ONCE = 20  # streams of a test


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with shared(installation, DATABASE, [ONE, TWO], TABLES) as found:
        yield found


def drawn(seed: int, *, calls: bool = False, table: bytes = b"t") -> list[Piece]:
    """Return what a client sends; all of it about that table."""
    pieces = Draw(seed, calls=calls).pieces()
    whole = b"".join(piece for piece, _ in pieces)
    if calls:  # by an owner, who is not refused what others are
        whole = whole.replace(REFUSED.encode(), NO_SQL.encode())
    for word in (b"COPY", b"INTO", b"FROM"):
        whole = whole.replace(word + b" t", word + b" " + table)
    position, found = 0, []
    for piece, waits in pieces:
        found.append((whole[position : position + len(piece)], waits))
        position += len(piece)
    return found


def expected(place: Place, person: str, database: str, pieces: list[Piece]) -> Played:
    with closing(place.alike(person, database)) as direct:
        return straight(direct, pieces)


def is_compared(played: Played) -> bool:
    """Say whether the door has to answer so."""
    codes = {answer[2]: answer[3] for answer in played.answers if answer[0] == "E"}
    taken = "42P05" in codes and ("Z", "E") in played.answers
    return not taken and STUCK not in codes.get("XX000", "")


def empty(place: Place, database: str) -> None:
    with closing(place.admin(database)) as connection:
        connection.execute("TRUNCATE public.t, public.u")


def compare(place: Place, people: list[str], database: str, streams: list[list[Piece]]) -> bool:
    """Play all streams at once through the door, in turns; each is answered as alone without it.

    Returns whether they were compared.
    """
    empty(place, database)
    wanted = [
        expected(place, who, database, each) for who, each in zip(people, streams, strict=True)
    ]
    empty(place, database)
    if not all(map(is_compared, wanted)):
        return False
    with ExitStack() as stack:
        clients = [
            Client(stack.enter_context(closing(place.door(who, database)))) for who in people
        ]
        for turn in range(max(map(len, streams))):
            for client, pieces, played in zip(clients, streams, wanted, strict=True):
                if turn < len(pieces):
                    client.send(pieces[turn][0])
                    client.read_until(played.counts[turn])
        for client, played in zip(clients, wanted, strict=True):
            assert alike(client.end()) == alike(played.answers)
    return True


def hold_uncaught(place: Place, database: str) -> None:
    """Hold that nothing of what stands in data ever ran."""
    with closing(place.admin(database)) as connection:
        assert connection.execute(f"SELECT FROM public.{CAUGHT}").fetchall() == []
    hold_log(place.installation)


@pytest.mark.nightly(by_day=["0"])
@pytest.mark.parametrize("part", range(40))
def test_two_who_share_connections_are_answered_as_each_alone(place: Place, part: int) -> None:
    compared = 0
    for seed in range(part * AT_ONCE, (part + 1) * AT_ONCE):
        streams = [drawn(seed), drawn(seed + 100_000, table=b"u")]
        compared += compare(place, [ONE, TWO], DATABASE, streams)
    assert compared > AT_ONCE / 2
    hold_uncaught(place, DATABASE)


@pytest.fixture(scope="module")
def own(place: Place) -> Iterator[Place]:
    with owning(place, OWNER, OWNED):
        with closing(place.direct(OWNER, OWNED)) as session:
            session.query(TABLES)
        yield place


@pytest.mark.nightly(by_day=["0"])
@pytest.mark.parametrize("part", range(20))
def test_an_owner_is_answered_so_too(own: Place, part: int) -> None:
    compared = 0
    for seed in range(part * AT_ONCE, (part + 1) * AT_ONCE):
        compared += compare(own, [OWNER], OWNED, [drawn(seed + 200_000, calls=True)])
    assert compared > AT_ONCE / 2
    hold_uncaught(own, OWNED)
