"""Limits of people and groups, and that the door hears of every change."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from myriad import Myriad
from myriad.errors import PeopleError
from myriad.limits import NAMES
from myriad.people import People
from tests.harness import as_admin


@pytest.fixture
def people(installation: Myriad) -> People:
    return installation.people


@pytest.fixture
def tag() -> str:
    return uuid.uuid4().hex[:8]


@pytest.fixture
def told(installation: Myriad) -> Iterator[Callable[[], bool]]:
    """Say whether the door would have heard of a change since the last question."""
    with closing(as_admin(installation.server(), autocommit=True)) as connection:
        connection.execute("LISTEN myriad_people")

        def heard() -> bool:
            # Notices of before come with this answer, or have come already.
            connection.execute("SELECT")
            return bool(list(connection.notifies(timeout=0)))

        yield heard


def held(people: People, name: str) -> dict[str, tuple[float, str]]:
    return {limit.name: (limit.value, limit.origin) for limit in people.limits(name)}


def test_without_limits_of_their_own_the_settings_hold(people: People, tag: str) -> None:
    people.add_people([f"a{tag}"])
    found = held(people, f"a{tag}")
    assert tuple(found) == NAMES
    assert found["statement_seconds"] == (600, "default")
    assert found["rows"] == (0, "default")


def test_an_own_limit_wins_else_the_most_generous_group(people: People, tag: str) -> None:
    name, some, others = f"a{tag}", f"g{tag}", f"h{tag}"
    people.add_people([name], [some, others])
    people.set_group_limits(some, {"rows": 10, "megabytes": 0, "concurrent": 2, "connections": 5})
    people.set_group_limits(others, {"rows": 20, "megabytes": 1.5})
    people.set_limits(name, {"concurrent": 1})
    found = held(people, name)
    assert found["rows"] == (20, f"group {others}")
    assert found["megabytes"] == (0, f"group {some}")
    assert found["connections"] == (5, f"group {some}")
    assert found["concurrent"] == (1, "own")
    people.leave(others, [name])
    assert held(people, name)["rows"] == (10, f"group {some}")


def test_limits_are_changed_taken_back_and_reset(people: People, tag: str) -> None:
    names = [f"a{tag}", f"b{tag}"]
    people.add_people(names)
    people.set_limits(names, {"rows": 10, "idle_seconds": 0.5})
    people.set_limits(names, {"rows": None, "queue_seconds": 3})
    for name in names:
        own = {limit: found for limit, found in held(people, name).items() if found[1] == "own"}
        assert own == {"idle_seconds": (0.5, "own"), "queue_seconds": (3, "own")}
    people.set_limits(names[0], {"rows": 7}, reset=True)
    own = {limit: found for limit, found in held(people, names[0]).items() if found[1] == "own"}
    assert own == {"rows": (7, "own")}
    assert held(people, names[1])["idle_seconds"] == (0.5, "own")


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"rows": -1}, "must not be negative"),
        ({"rows": 1.5}, "must be a whole number"),
        ({"statement_seconds": float("nan")}, "must be a number"),
        ({"megabytes": float("inf")}, "must be a number"),
        ({"connections": 10**10}, "must not be more than"),
        ({"shoes": 3}, "there is no limit called 'shoes'"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(
    people: People, tag: str, limits: dict[str, float], said: str
) -> None:
    people.add_people([f"a{tag}"], [f"g{tag}"])
    with pytest.raises(PeopleError, match=said) as error:
        people.set_limits(f"a{tag}", limits)
    assert error.value.hint
    with pytest.raises(PeopleError, match=said):
        people.set_group_limits(f"g{tag}", limits)
    assert {origin for _, origin in held(people, f"a{tag}").values()} == {"default"}


def test_limits_of_nobody_are_refused_and_nothing_is_changed(people: People, tag: str) -> None:
    people.add_people([f"a{tag}"])
    people.add_groups([f"g{tag}"])
    with pytest.raises(PeopleError, match=f"no person called 'b{tag}'"):
        people.set_limits([f"a{tag}", f"b{tag}"], {"rows": 1})
    with pytest.raises(PeopleError, match="no person called"):
        people.set_limits(f"g{tag}", {"rows": 1})
    with pytest.raises(PeopleError, match="no person called"):
        people.limits(f"g{tag}")
    with pytest.raises(PeopleError, match="no group called"):
        people.set_group_limits(f"a{tag}", {"rows": 1})
    assert held(people, f"a{tag}")["rows"] == (0, "default")


def test_a_name_that_is_used_again_has_no_old_limits(people: People, tag: str) -> None:
    people.add_people([f"a{tag}"], [f"g{tag}"])
    people.set_limits(f"a{tag}", {"rows": 1})
    people.set_group_limits(f"g{tag}", {"rows": 2}, pool="session")
    people.remove_group(f"g{tag}")
    people.remove([f"a{tag}"])
    people.add_people([f"g{tag}"], [f"a{tag}"])
    assert held(people, f"g{tag}")["rows"] == (0, "default")
    assert {limit.origin for limit in people.group_limits(f"a{tag}")} == {"default"}
    assert next(each for each in people.list_groups() if each.name == f"a{tag}").pool == (
        "transaction"
    )


def test_a_group_says_how_its_sessions_are_pooled(people: People, tag: str) -> None:
    people.add_groups([f"g{tag}"])
    people.set_group_limits(f"g{tag}", {}, pool="session")
    assert {each.name: each.pool for each in people.list_groups()}[f"g{tag}"] == "session"
    with pytest.raises(PeopleError, match="no way to pool"):
        people.set_group_limits(f"g{tag}", {}, pool="statement")


def test_the_door_hears_of_every_change_and_of_none_that_failed(
    people: People, told: Callable[[], bool], tag: str
) -> None:
    name, group = f"a{tag}", f"g{tag}"
    changes: list[Callable[[], object]] = [
        lambda: people.add_people([name]),
        lambda: people.add_groups([group]),
        lambda: people.join(group, [name]),
        lambda: people.grant(group, "public"),
        lambda: people.set_limits(name, {"rows": 1}),
        lambda: people.set_group_limits(group, {"rows": 1}),
        lambda: people.set_password(name),
        lambda: people.revoke(group, "public"),
        lambda: people.leave(group, [name]),
        lambda: people.remove([name]),
        lambda: people.remove_group(group),
    ]
    for number, change in enumerate(changes):
        assert not told()
        change()
        assert told(), number
    with pytest.raises(PeopleError):
        people.remove([name])
    assert not told()


def test_the_verifier_stands_beside_the_roles(
    installation: Myriad, people: People, tag: str
) -> None:
    people.add_people([f"a{tag}"])
    people.add_people([f"b{tag}"], passwords={f"b{tag}": "typed"})
    people.add_people([f"c{tag}"])
    people.set_password(f"c{tag}")
    with closing(as_admin(installation.server(), autocommit=True)) as connection:
        different = connection.execute(
            "SELECT name FROM person LEFT JOIN pg_authid ON rolname = name"
            " WHERE verifier IS DISTINCT FROM rolpassword"
        ).fetchall()
    assert different == []


def test_a_group_goes_though_a_pools_role_is_a_member(
    installation: Myriad, people: People, database: str, tag: str
) -> None:
    pool, group = f"myriad_pool_{uuid.uuid4().hex[:16]}", f"g{tag}"
    people.add_people([f"a{tag}"], [group])
    people.grant(group, "public", database, write=True)
    server = installation.server()
    with closing(as_admin(server, autocommit=True)) as connection:
        connection.execute(f'CREATE ROLE {pool} LOGIN IN ROLE "{group}"')
    assert next(each for each in people.list_groups() if each.name == group).members == 1
    assert pool not in {person.name for person in people.list_people()}
    dsn = make_conninfo(server.dsn, dbname=database, user=pool, options="")
    with closing(psycopg.connect(dsn)) as session:
        session.execute("SELECT")
        people.remove_group(group)
    with pytest.raises(PeopleError, match="cannot be the name"):
        people.add_people([pool])
    with closing(as_admin(server, autocommit=True)) as connection:
        connection.execute(f"DROP ROLE {pool}")
