"""What a client asks for at its login: a version of the protocol, settings to begin with."""

import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from myriad import Myriad
from myriad.pgwire import wire
from tests.door_attackers import Scene, made_scene
from tests.door_script import SYNC, Place, Wire, hold_log, unit, up_with

CONNECTIONS = 4  # of the pool; two sessions may keep one each

# Server connections are counted here, and each process of the door would have a part of them.
pytestmark = pytest.mark.usefixtures("one_process")


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with up_with(pool_size=CONNECTIONS) as place, made_scene(place) as made:
        yield made


@pytest.fixture(scope="module")
def plain(installation: Myriad) -> Iterator[Scene]:
    with made_scene(Place(installation)) as made:
        yield made
    hold_log(installation)


def _first_answer(session: Wire, minor: int, **startup: str) -> tuple[str, bytes]:
    pairs = b"".join(wire.text(name) + wire.text(value) for name, value in startup.items())
    body = struct.pack("!HH", 3, minor) + pairs + b"\0"
    session.send(struct.pack("!I", len(body) + 4) + body)
    return session.read()


@pytest.mark.parametrize("minor", [0, 1, 2, 3, 9999])
@pytest.mark.parametrize("unknown", [(), ("_pq_.x",), ("_pq_.x", "_pq_.y")])
def test_a_version_and_options_are_negotiated_as_postgresql_does(
    plain: Scene, minor: int, unknown: tuple[str, ...]
) -> None:
    who = {"user": plain.eve, "database": plain.database, **dict.fromkeys(unknown, "1")}
    with ExitStack() as stack:
        direct = Wire(plain.place.stream())
        stack.callback(direct.close)
        expected = _first_answer(direct, minor, **who)
        through = plain.place.stranger()
        stack.callback(through.close)
        answered = _first_answer(through, minor, **who)
    assert answered[0] == expected[0]
    if expected[0] == "v":
        assert answered == expected
    else:  # who it is, each asks in its own way
        assert expected[0] == "R"


def _custom(scene: Scene) -> list[str]:
    """Return what Rose sees of Eve's setting on each server connection: it must be unknown."""
    asked = "SELECT current_setting('eve.word', true) IS NULL"
    return [str(rows) for rows in scene.everywhere(asked, CONNECTIONS - 1)]


@pytest.mark.nightly(by_day=["options"])
@pytest.mark.parametrize("way", ["options", "parameter"])
def test_a_custom_setting_from_the_login_stays_with_its_session(scene: Scene, way: str) -> None:
    asked = "SELECT current_setting('eve.word', true)"
    startup = {"options": "-c eve.word=secret"} if way == "options" else {"eve.word": "secret"}
    with closing(scene.wire(scene.eve, **startup)) as eve:
        assert set(_custom(scene)) == {"[(True,)]"}
        for _ in range(3):
            assert eve.rows(asked) == [("'secret'",)]
            assert set(_custom(scene)) == {"[(True,)]"}
        eve.send(unit(asked) + SYNC)
        assert ("D", "'secret'") in eve.until()
        eve.query("SET eve.word = 'changed'")
        assert eve.rows(asked) == [("'changed'",)]
        for reset in ("RESET eve.word", "RESET ALL", "DISCARD ALL", "SET eve.word TO DEFAULT"):
            eve.query("SET eve.word = 'changed'")
            eve.query(reset)
            assert eve.rows(asked) == [("'secret'",)], reset
            eve.query(
                f"BEGIN; SET eve.word = 'changed'; {reset}" if "ALL" not in reset else "BEGIN"
            )
            eve.query("ROLLBACK")
            assert eve.rows(asked) == [("'secret'",)], reset
    assert set(_custom(scene)) == {"[(True,)]"}


def test_sessions_with_custom_settings_from_the_login_keep_no_more_than_others(
    scene: Scene,
) -> None:
    with ExitStack() as stack:
        some = [
            stack.enter_context(closing(scene.wire(scene.eve, **{"eve.word": str(number)})))
            for number in range(CONNECTIONS)
        ]
        answers = [eve.rows("SELECT current_setting('eve.word')")[0] for eve in some]
        kept = CONNECTIONS // 2
        assert answers[:kept] == [(repr(str(number)),) for number in range(kept)]
        assert [answer[1] for answer in answers[kept:]] == ["53300"] * (CONNECTIONS - kept)
        some[-1].send(unit("SELECT 1") + unit("SELECT 2") + SYNC)
        assert [answer[0] for answer in some[-1].until()] == ["E", "Z"]
        with closing(scene.wire(scene.rose)) as rose:
            assert rose.rows("SELECT 1") == [("'1'",)]
        some[0].close()
        assert some[-1].rows("SELECT current_setting('eve.word')") == [(repr("3"),)]
