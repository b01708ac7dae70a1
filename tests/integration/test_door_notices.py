"""Notices reach the client whole, and tell nothing of what the door itself does."""

import secrets
from collections.abc import Iterator
from contextlib import closing

import pytest

from myriad import Myriad
from tests.door_attackers import Scene, made_scene
from tests.door_script import (
    SYNC,
    Place,
    Wire,
    bind,
    close,
    describe,
    execute,
    hold_log,
    owning,
    parse,
    unit,
)

OURS = ("myriad_", "set_config", "current_setting", "pg_settings")
MB = 1 << 20


@pytest.fixture(scope="module")
def scene(installation: Myriad) -> Iterator[Scene]:
    with made_scene(Place(installation)) as made:
        yield made
    hold_log(installation)


@pytest.fixture(scope="module")
def owner(scene: Scene) -> Iterator[Wire]:
    """A session of an owner in a database of theirs, where everything may be done."""
    name = f"oscar_{secrets.token_hex(4)}"
    place = scene.place
    with owning(place, name, name), closing(place.door(name, name)) as session:
        yield session


def _all_that_happens(session: Wire) -> str:
    """Do what makes the door prepare, refuse, end and ask by itself; return all answers."""
    told = []
    messages = [
        parse("SELECT 1", "one") + describe("S", "one") + bind(name="one") + execute() + SYNC,
        unit("SELECT 2") + SYNC,
        bind("too much", name="one") + SYNC,
        parse("SELECT 'x'", "one") + SYNC,
        unit("LISTEN eve") + unit("SELECT 'skipped'") + SYNC,
        close("S", "one") + SYNC,
        parse("SELECT 3", "three") + SYNC,
        unit("DEALLOCATE three") + SYNC,
        unit("SET work_mem = '3MB'") + SYNC,
        unit("RESET work_mem") + SYNC,
    ]
    for message in messages:
        session.send(message)
        told += session.until()
    for text in ("LISTEN eve", "SET work_mem = '2MB'", "SELECT 1", "DISCARD ALL"):
        told += session.query(text)
    return str(told)


@pytest.mark.parametrize("level", ["debug1", "debug2", "debug5", "log"])
def test_notices_for_developers_tell_nothing_of_the_door(scene: Scene, level: str) -> None:
    settings = {"options": f"-c client_min_messages={level} -c debug_print_parse=on"}
    with closing(scene.wire(scene.eve, **settings)) as eve:
        told = _all_that_happens(eve)
        assert "('N', " in told
        for word in OURS:
            assert word not in told, word


def test_the_clients_own_name_stands_where_the_servers_was(scene: Scene) -> None:
    with closing(scene.wire(scene.eve, options="-c client_min_messages=debug2")) as eve:
        eve.send(parse("SELECT 1", "mine") + SYNC)
        told = str(eve.until())
        eve.send(bind(name="mine") + SYNC)
        told += str(eve.until())
        assert "bind <unnamed> to mine" in told


def test_notices_come_in_order_and_whole(owner: Wire) -> None:
    raised = "RAISE NOTICE 'before'; RAISE NOTICE '%', repeat('x', 100000); RAISE WARNING 'after'"
    answers = owner.query(f"DO $$ BEGIN {raised}; END $$; SELECT 1")
    assert [answer[0] for answer in answers] == [*"NNNCTDCZ"]
    assert [len(answer[3]) for answer in answers[:3]] == [6, 100_000, 5]


@pytest.mark.parametrize("size", [MB - 200, MB, 3 * MB])
def test_a_notice_that_is_too_long_is_left_out_and_said_so(owner: Wire, size: int) -> None:
    answers = owner.query(f"DO $$ BEGIN RAISE NOTICE '%', repeat('x', {size}); END $$; SELECT 1")
    assert [answer[0] for answer in answers] == [*"NCTDCZ"]
    assert (len(answers[0][3]) == size) or "is left out" in answers[0][3]
    assert owner.rows("SELECT 2") == [("'2'",)]
