"""Sessions with Myriad's own rights begin the same in every database, whatever its owner set."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

import myriad
from myriad.door.control.control import Control
from myriad.door.control.databases import Databases, Facts
from tests.hostile import Owner, door_login, each_owner

SETTINGS = """
    SELECT name, setting FROM pg_settings
    WHERE context = 'user' AND name NOT IN ('application_name') AND name NOT LIKE 'plpgsql.%'"""
# Only superusers may set the others.
LEFT = """
    SELECT name FROM pg_settings
    WHERE source IN ('database', 'user', 'database user') AND context = 'user'"""
WHO = "SELECT current_user::text, session_user::text, current_setting('role')"
OPENS = re.compile(r"\b(psycopg|asyncpg)\.connect\(")


@pytest.fixture(scope="module", params=["embedded", "attached"])
def owner(request: pytest.FixtureRequest) -> Iterator[Owner]:
    yield from each_owner(request)


@pytest.fixture(scope="module")
def odd(owner: Owner) -> set[str]:
    """The names of all that an owner may set, and did; Myriad may do what they may."""
    with closing(owner.server.connect(autocommit=True)) as connection:
        connection.execute(f"GRANT {owner.name} TO CURRENT_USER".encode())
    return owner.set_everything()


def test_an_owner_may_set_a_lot(odd: set[str]) -> None:
    assert len(odd) > 100
    assert {"role", "search_path", "local_preload_libraries", "statement_timeout"} <= odd


def test_nothing_of_it_is_in_effect_in_our_sessions(owner: Owner, odd: set[str]) -> None:
    with closing(owner.server.connect()) as connection:
        here, user = _settings(connection), connection.info.user
        boot = _settings(connection, "boot_val")
    with closing(owner.server.connect(owner.database)) as connection:
        left = connection.execute(LEFT).fetchall()
        [who] = connection.execute(WHO).fetchall()
        there = _settings(connection)
    assert left == []
    assert who == (user, user, "none")
    assert len(odd & {name.lower() for name in there}) > 100
    assert {
        name: there[name] for name in there if there[name] not in (here[name], boot[name])
    } == {}


def _settings(connection: psycopg.Connection, column: LiteralString = "setting") -> dict[str, str]:
    rows = connection.execute(SETTINGS.replace("setting", column, 1))
    return {name: str(value).replace('"', "") for name, value in rows}


def test_the_door_enters_in_the_same_way(owner: Owner, odd: set[str]) -> None:
    with closing(owner.server.connect(owner.database)) as connection:
        expected = _settings(connection)
    address, login = door_login(owner.server)

    async def enter() -> tuple[dict[str, str], tuple[str, ...]]:
        connection = await Control(address, login).enter(owner.database)
        try:
            found = dict(await connection.fetch(SETTINGS))
            return found, tuple(await connection.fetchrow(WHO))
        finally:
            await connection.close()

    found, who = asyncio.run(enter())
    assert odd
    assert {name: value.replace('"', "") for name, value in found.items()} == expected
    assert who == (login.user, login.user, "none")


def test_a_database_is_ours_by_its_owner_and_not_by_the_role_it_sets(
    owner: Owner, odd: set[str]
) -> None:
    address, login = door_login(owner.server)
    oid = "SELECT oid FROM pg_database WHERE datname = $1"

    async def facts(database: str) -> Facts:
        control = Control(address, login)
        keeping = asyncio.create_task(control.keep())
        try:
            [(number,)] = await control.fetch(oid, database)
            return await Databases(control).of(database, number)
        finally:
            keeping.cancel()

    assert "role" in odd
    assert not asyncio.run(facts(owner.database)).ours
    assert asyncio.run(facts("main")).ours


def test_there_is_one_way_in() -> None:
    source = Path(myriad.__file__).parent
    found = {
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if OPENS.search(path.read_text("utf-8"))
    }
    # Two that use `administrator`; the tour goes in as a person; lines for people to paste.
    assert found == {
        "engines/postgres/base.py",
        "door/control/control.py",
        "demo/tour.py",
        "connect/postgres.py",
    }
