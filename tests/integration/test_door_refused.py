"""A statement that is refused, or fails, has no effect: not on others, and not on its session."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from tests.door_attackers import Scene, made_scene
from tests.door_script import (
    SYNC,
    Place,
    Wire,
    add_own_database,
    bind,
    parse,
    unit,
    up_with,
)

# Who has all connections of a pool at once cannot be sure to if two processes have a part each.
pytestmark = pytest.mark.usefixtures("one_process")
CONNECTIONS = 3  # of the pool
LASTING = """
ALTER SYSTEM SET work_mem = '1MB'
ALTER SYSTEM RESET ALL
ALTER ROLE CURRENT_USER SET work_mem = '1MB'
ALTER ROLE ALL SET work_mem = '1MB'
ALTER ROLE myriad SET work_mem = '1MB'
ALTER DATABASE {database} SET work_mem = '1MB'
ALTER DATABASE myriad RESET ALL
ALTER DATABASE nowhere SET work_mem = '1MB'
ALTER ROLE nobody IN DATABASE {database} SET no.such = '1MB'
""".strip().splitlines()


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with up_with(pool_size=CONNECTIONS) as place, made_scene(place) as made:
        yield made


@contextmanager
def _owner(place: Place) -> Iterator[Wire]:
    """Give a session of an owner in a database of theirs."""
    name = f"oscar_{secrets.token_hex(4)}"
    place.passwords.update(place.installation.people.add_people([name], owner=True))
    add_own_database(place, name, name)
    with closing(place.door(name, name)) as session:
        yield session
    with closing(place.admin("postgres")) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    place.installation.people.remove([name])


def _processes(scene: Scene) -> set[int]:
    """Return the server connections that the pool of Rose and Eve has."""
    with ExitStack() as stack:
        each = [stack.enter_context(closing(scene.wire(scene.rose))) for _ in range(CONNECTIONS)]
        for session in each:
            session.query("BEGIN")
        with closing(scene.place.admin("myriad")) as admin:
            asked = (
                "SELECT pid FROM pg_stat_activity WHERE datname = %s AND usename ~ 'myriad_pool'"
            )
            found = {pid for (pid,) in admin.execute(asked, [scene.database]).fetchall()}
    assert len(found) == CONNECTIONS
    return found


def _ways(text: str) -> list[bytes]:
    return [
        unit(text) + SYNC,
        unit("BEGIN") + unit(text) + SYNC,
        parse(text) + bind() + SYNC,  # and never executed
        unit("SELECT 1") + unit(f"SELECT 1; {text}") + SYNC,
    ]


@pytest.mark.nightly(
    by_day=[
        "ALTER SYSTEM SET work_mem = '1MB'",
        "ALTER ROLE CURRENT_USER SET work_mem = '1MB'",
        "ALTER DATABASE {database} SET work_mem = '1MB'",
    ]
)
@pytest.mark.parametrize("attack", LASTING)
def test_a_refused_change_of_later_settings_replaces_nobodys_connection(
    scene: Scene, attack: str
) -> None:
    text = attack.format(database=scene.database)
    before = _processes(scene)
    with closing(scene.wire(scene.eve)) as eve:
        assert "E" in [answer[0] for answer in eve.query(text)]
        assert "E" in [answer[0] for answer in eve.query(f"SELECT 1; {text}")]
        for message in _ways(text):
            eve.send(message)
            eve.until()
            eve.query("ROLLBACK")
    assert _processes(scene) == before


def test_what_an_owner_sets_for_their_own_database_replaces_nobody_elses_connection(
    scene: Scene,
) -> None:
    before = _processes(scene)
    with _owner(scene.place) as oscar:
        [(name,)] = oscar.rows("SELECT current_database()")
        name = name.strip("'")
        for text in (
            f"ALTER DATABASE {name} SET work_mem = '7MB'",
            f"ALTER ROLE {name} SET work_mem = '8MB'",
            f"ALTER DATABASE {name} RESET work_mem; ALTER DATABASE {name} SET work_mem = '9MB'",
        ):
            assert [answer[0] for answer in oscar.query(text)][-2:] == ["C", "Z"], text
        for message in _ways(f"ALTER DATABASE {scene.database} SET work_mem = '1MB'"):
            oscar.send(message)
            oscar.until()
            oscar.query("ROLLBACK")
        # The next session begins with it, as on a direct connection; at once
        oscar.query("ALTER ROLE CURRENT_USER RESET work_mem")
        with closing(scene.place.door(name, name)) as next_one:
            assert next_one.rows("SHOW work_mem") == [("'9MB'",)]
        oscar.query(f"BEGIN; ALTER DATABASE {name} SET work_mem = '11MB'; COMMIT")
        with closing(scene.place.door(name, name)) as next_one:
            assert next_one.rows("SHOW work_mem") == [("'11MB'",)]
    assert _processes(scene) == before


PINNING = """
PREPARE p AS SELECT no_such_column
DECLARE c CURSOR WITH HOLD FOR SELECT no_such_column
CREATE TEMP TABLE t (a int)
SELECT pg_advisory_lock(1)
SELECT setseed(7)
SET eve.mark TO
""".strip().splitlines()


@pytest.mark.parametrize("attack", PINNING)
def test_what_was_refused_keeps_no_server_connection(scene: Scene, attack: str) -> None:
    """Also in a transaction: it ends with it."""
    with ExitStack() as stack:
        for _ in range(CONNECTIONS + 1):
            eve = stack.enter_context(closing(scene.wire(scene.eve)))
            assert "E" in [answer[0] for answer in eve.query(attack)]
            eve.query("BEGIN")
            assert "E" in [answer[0] for answer in eve.query(attack)]
            eve.query("ROLLBACK")
        assert len(_processes(scene)) == CONNECTIONS  # all can be had


def test_what_was_made_before_an_error_is_kept_with_its_transaction(scene: Scene) -> None:
    with _owner(scene.place) as oscar:
        oscar.query("BEGIN")
        answers = oscar.query("CREATE TEMP TABLE t (a int); SAVEPOINT s; SELECT 1/0")
        assert "E" in [answer[0] for answer in answers]
        oscar.query("ROLLBACK TO s")
        oscar.query("COMMIT")
        assert oscar.rows("SELECT count(*) FROM t") == [("'0'",)]
