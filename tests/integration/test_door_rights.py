"""Rights that change while people are logged in: one person's trouble keeps nobody from theirs."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import psycopg
import pytest
from psycopg import sql

from myriad import Myriad
from myriad.door.control.databases import pool_role
from myriad.people import People
from tests.door_attackers import Scene, made_scene
from tests.door_script import Place, hold_log
from tests.harness import as_admin, wait_until

WITHIN = 20  # seconds to connect, on a busy machine
TROUBLE = "is a member of role"  # the server's word for what nobody can mend


@pytest.fixture(scope="module")
def scene(installation: Myriad) -> Iterator[Scene]:
    with made_scene(Place(installation)) as made:
        yield made
    hold_log(installation)


@pytest.fixture
def made(people: People) -> Iterator[list[str]]:
    """Three groups and two people, to be given rights; all are removed at the end."""
    mark = uuid.uuid4().hex[:8]
    groups, names = [f"g{number}_{mark}" for number in range(3)], [f"ann_{mark}", f"bob_{mark}"]
    people.add_groups(groups)
    yield [*groups, *names]
    people.remove([each.name for each in people.list_people() if each.name in names])
    for group in groups:
        people.remove_group(group)


@contextmanager
def no_pool_for(scene: Scene, groups: Sequence[str]) -> Iterator[None]:
    """Have a role in the place of these groups' pool that can be a member of none of them."""
    role = sql.Identifier(pool_role(tuple(sorted(groups))))
    with closing(as_admin(scene.place.installation.server(), autocommit=True)) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        admin.execute(sql.SQL("GRANT {} TO {}").format(role, sql.Identifier(groups[0])))
        try:
            yield
        finally:
            admin.execute(sql.SQL("DROP ROLE {}").format(role))


def ended(session: psycopg.Connection, text: str) -> bool:
    """Say whether somebody can do that no more."""
    try:
        session.execute(text.encode())
    except psycopg.Error:
        return True
    return False


def test_who_cannot_be_let_in_hears_why(scene: Scene, people: People, made: list[str]) -> None:
    group, _, _, ann, _ = made
    people.grant(group, "public", scene.database)
    scene.place.passwords.update(people.add_people([ann], [group]))
    with no_pool_for(scene, [group]), pytest.raises(psycopg.OperationalError, match=TROUBLE):
        scene.connect(ann, connect_timeout=WITHIN)


def test_a_session_whose_new_rights_cannot_be_given_ends_and_others_get_theirs(
    scene: Scene, people: People, made: list[str]
) -> None:
    first, second, third, ann, bob = made
    people.grant(third, "public", scene.database)
    people.grant(first, "public", scene.database)
    people.grant(second, "public", scene.database)
    scene.place.passwords.update(people.add_people([ann], [first]))
    scene.place.passwords.update(people.add_people([bob], [third]))
    with ExitStack() as stack:
        hers, his = (
            stack.enter_context(closing(scene.connect(name, connect_timeout=WITHIN)))
            for name in (ann, bob)
        )
        for session in (hers, his):
            session.execute("SELECT 1")
        with no_pool_for(scene, [first, second]):
            people.join(second, [ann])
            people.leave(third, [bob])
            wait_until(lambda: ended(his, "SELECT 1"), WITHIN)
            wait_until(lambda: ended(hers, "SELECT 1"), WITHIN)
