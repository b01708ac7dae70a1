"""Rights change while somebody logs in: who was looked up before has none that were taken."""

import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest

from myriad import Myriad
from myriad.people import People
from myriad.pgwire import scram, wire
from tests.door_attackers import Scene, made_scene
from tests.door_script import Ended, Place, Wire, hold_log
from tests.harness import wait_until

CHALLENGE, FINAL = 11, 12  # SASLContinue, SASLFinal: what the server says of a proof


@pytest.fixture(scope="module")
def scene(installation: Myriad) -> Iterator[Scene]:
    with made_scene(Place(installation)) as made:
        yield made
    hold_log(installation)


@pytest.fixture
def somebody(scene: Scene, people: People) -> Iterator[tuple[str, str]]:
    """A person, and a group of theirs that may read."""
    name, group = (f"{each}_{uuid.uuid4().hex[:8]}" for each in ("kim", "some"))
    people.add_groups([group])
    people.grant(group, "public", scene.database)
    scene.place.passwords.update(people.add_people([name], [group]))
    yield name, group
    if name in {each.name for each in people.list_people()}:
        people.remove([name])
    people.remove_group(group)


def _knock(scene: Scene, name: str) -> tuple[Wire, bytes]:
    """Begin to log in; return what would end that."""
    session, client = scene.place.stranger(), scram.Client(scene.place.passwords[name])
    session.send(wire.startup({"user": name, "database": scene.database}))
    session.read()
    first = client.first()
    session.send(wire.message(b"p", wire.text(scram.PLAIN) + len(first).to_bytes(4, "big") + first))
    kind, body = session.read()
    assert (kind, int.from_bytes(body[:4], "big")) == ("R", CHALLENGE)
    return session, wire.message(b"p", client.final(body[4:]))


def _has_no_session(session: Wire) -> bool:
    """Ask for something until the session has ended."""
    try:
        session.query("SELECT 1")
    except (Ended, OSError):
        return True
    return False


def test_who_is_removed_while_they_log_in_has_no_session(
    scene: Scene, people: People, somebody: tuple[str, str]
) -> None:
    session, proof = _knock(scene, somebody[0])
    with closing(session):
        people.remove([somebody[0]])
        session.send(proof)
        wait_until(lambda: _has_no_session(session))
    assert somebody[0] not in {each.person for each in people.activity()}


def test_who_leaves_a_group_while_they_log_in_has_nothing_of_its_rights(
    scene: Scene, people: People, somebody: tuple[str, str]
) -> None:
    name, group = somebody
    session, proof = _knock(scene, name)
    with closing(session):
        people.leave(group, [name])
        session.send(proof)
        wait_until(lambda: _has_no_session(session))
