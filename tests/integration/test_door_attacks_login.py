"""Somebody guesses passwords, from the address that others come from too."""

import secrets
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from myriad import Myriad
from myriad.door.login import throttle
from myriad.pgwire import wire
from tests.door_attackers import Scene, made_scene
from tests.door_script import Ended, Place, hold_log

PATIENCE = 14.0  # seconds; `login_timeout` is 15
AT_ONCE = 60


@pytest.fixture(scope="module")
def scene(installation: Myriad) -> Iterator[Scene]:
    # From an address of its own: other tests' people would have to wait for their first login.
    with made_scene(Place(installation, source="127.9.9.9")) as made:
        yield made
    hold_log(installation)


def _guess(scene: Scene, name: str) -> float:
    """Try a wrong password; return how long the answer took."""
    began = time.monotonic()
    with closing(scene.place.stranger()) as stranger:
        stranger.stream.settimeout(PATIENCE)
        with pytest.raises(Ended) as refused:
            stranger.log_in({"user": name, "database": scene.database}, secrets.token_hex(4))
    assert "password authentication failed" in str(refused.value)
    return time.monotonic() - began


def _gets_in(scene: Scene, name: str) -> None:
    with closing(scene.place.stranger()) as session:
        session.stream.settimeout(PATIENCE)
        password = scene.place.passwords[name]
        session.log_in({"user": name, "database": scene.database}, password)
        assert session.rows("SELECT 1") == [("'1'",)]


def test_guesses_of_one_password_are_slower_and_slower(scene: Scene) -> None:
    name = f"guessed_{secrets.token_hex(4)}"
    waits = [_guess(scene, name) for _ in range(throttle.FREE + 3)]
    assert waits[-2] > 2 * throttle.FIRST_SECONDS
    assert waits[-1] > 4 * throttle.FIRST_SECONDS


def test_many_wrong_passwords_from_an_address_refuse_nobody_there(scene: Scene) -> None:
    """Rose was in from there before, and is in at once; Eve was not, and waits a moment."""
    _gets_in(scene, scene.rose)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        invented = [f"invented_{secrets.token_hex(4)}" for _ in range(2 * AT_ONCE)]
        assert len(list(pool.map(lambda name: _guess(scene, name), invented))) == len(invented)
        began = time.monotonic()
        for _ in range(3):
            _gets_in(scene, scene.rose)
        assert time.monotonic() - began < PATIENCE / 2
        _gets_in(scene, scene.eve)


def test_a_right_password_gets_in_while_many_guess_at_it_from_there(scene: Scene) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        began = time.monotonic()
        guesses = [pool.submit(_guess, scene, scene.rose) for _ in range(AT_ONCE)]
        _gets_in(scene, scene.rose)
        waits = [each.result() for each in guesses]
    assert time.monotonic() - began < 2 * PATIENCE
    assert statistics.median(waits) > 2 * throttle.FIRST_SECONDS


def _challenge(scene: Scene, name: str) -> float:
    """Return how long it takes until a name has its salt."""
    with closing(scene.place.stranger()) as stranger:
        began = time.perf_counter()
        stranger.send(wire.startup({"user": name, "database": scene.database}))
        stranger.read()
        first = b"n,,n=,r=abcdefghijklmnop"
        size = len(first).to_bytes(4, "big")
        stranger.send(wire.message(b"p", b"SCRAM-SHA-256\0" + size + first))
        assert b"s=" in stranger.read()[1]
        return time.perf_counter() - began


def test_the_time_of_an_answer_does_not_tell_which_names_there_are(scene: Scene) -> None:
    """What is reserved, or nobody's, is looked up as any other name is."""
    names = [scene.rose, f"nobody_{secrets.token_hex(4)}", "myriad", "myriad_nobody", "pg_monitor"]
    took = {name: [] for name in names}  # type: dict[str, list[float]]
    for _ in range(60):
        for name in names:
            took[name].append(_challenge(scene, name))
    quickest = {name: statistics.quantiles(some, n=4)[0] for name, some in took.items()}
    assert max(quickest.values()) < 1.5 * min(quickest.values()), quickest
