"""Guesses wait longer and longer; what others do from the same address refuses nobody."""

from contextlib import ExitStack, suppress
from types import SimpleNamespace

import pytest

from myriad.door.login import throttle
from myriad.door.login.throttle import (
    APART_SECONDS,
    FIRST_SECONDS,
    FORGOTTEN_SECONDS,
    FREE,
    FREE_OF_AN_ADDRESS,
    LONGEST_SECONDS,
    MOST_OF_A_NAME,
    Throttle,
)
from myriad.pgwire.faults import Refused

HERE, THERE = "10.0.0.1", "10.0.0.2"


class Clock:
    """A clock that goes on when it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(throttle, "time", SimpleNamespace(monotonic=found.monotonic))
    return found


@pytest.fixture
def counted(clock: Clock) -> Throttle:  # noqa: ARG001 - it stands still
    return Throttle(1000)


def fail(counted: Throttle, times: int, name: str = "ann", address: str = HERE) -> None:
    for _ in range(times):
        counted.failed(name, address)


def wait(counted: Throttle, name: str = "ann", address: str = HERE) -> float:
    with counted.attempt(name, address) as seconds:
        return seconds


def test_people_may_mistype_some_times(counted: Throttle) -> None:
    fail(counted, FREE - 1)
    assert wait(counted) == 0
    fail(counted, 1)
    assert wait(counted) == FIRST_SECONDS
    assert wait(counted, "bob") == wait(counted, "ann", THERE) == 0


def test_each_failure_doubles_the_delay_up_to_the_longest(counted: Throttle, clock: Clock) -> None:
    waits = []
    for _ in range(10):
        fail(counted, 1)
        waits.append(wait(counted))
        clock.now += LONGEST_SECONDS
    assert waits[FREE - 1 :] == [0.25, 0.5, 1, 2, 4, 8][: 10 - FREE + 1]
    fail(counted, 30)
    assert wait(counted) == LONGEST_SECONDS


def test_guesses_that_come_at_once_are_answered_one_after_the_other(counted: Throttle) -> None:
    fail(counted, FREE)
    with ExitStack() as stack:
        waits = [stack.enter_context(counted.attempt("ann", HERE)) for _ in range(100)]
        assert waits[:4] == [FIRST_SECONDS + n * APART_SECONDS for n in range(4)]
        assert max(waits) == LONGEST_SECONDS


def test_who_knows_the_password_starts_anew(counted: Throttle) -> None:
    fail(counted, 30)
    counted.passed("ann", HERE)
    assert wait(counted) == 0


def test_failures_are_forgotten_in_time(counted: Throttle, clock: Clock) -> None:
    fail(counted, FREE_OF_AN_ADDRESS + 10)
    clock.now += FORGOTTEN_SECONDS
    assert wait(counted) == 0
    fail(counted, FREE - 1)
    assert wait(counted) == 0


def test_one_address_that_tries_all_names_is_slower_and_slower(counted: Throttle) -> None:
    for number in range(FREE_OF_AN_ADDRESS):
        fail(counted, 1, f"name{number}")
    assert wait(counted, "somebody else") == 0
    waits = []
    for number in range(200):
        fail(counted, 1, f"another{number}")
        waits.append(wait(counted, "somebody else"))
    assert waits[0] < waits[50] < waits[90] <= waits[-1] == LONGEST_SECONDS
    assert wait(counted, "somebody else", THERE) == 0


def test_whom_an_address_knows_is_not_slowed_by_others_there(counted: Throttle) -> None:
    counted.passed("ann", HERE)
    for number in range(500):
        fail(counted, 1, f"name{number}")
    assert wait(counted, "ann") == 0
    assert wait(counted, "bob") == LONGEST_SECONDS


def test_logins_that_wait_leave_places_for_others(counted: Throttle) -> None:
    """An address may have as many as are free, so the next one finds some, too."""
    for address in (HERE, THERE):
        for number in range(FREE_OF_AN_ADDRESS + 5):
            fail(counted, 1, f"name{number}", address)
    waiting = {HERE: 0, THERE: 0}
    with ExitStack() as stack:
        for address in (HERE, THERE):
            with suppress(Refused):
                for number in range(1000):
                    stack.enter_context(counted.attempt(f"other{number}", address))
                    waiting[address] += 1
        assert waiting[HERE] + waiting[THERE] == counted.waiting < 1000 / throttle.SHARE
        assert waiting[HERE] > waiting[THERE] > 10
    assert counted.waiting == 0
    assert wait(counted, "other1") > 0  # places are given back


def test_one_name_from_one_address_has_so_many_places(clock: Clock) -> None:
    assert clock.now
    counted = Throttle(100_000)
    fail(counted, FREE)
    with ExitStack() as stack:
        for _ in range(MOST_OF_A_NAME):
            stack.enter_context(counted.attempt("ann", HERE))
        with pytest.raises(Refused):
            stack.enter_context(counted.attempt("ann", HERE))
        assert wait(counted, "ann", THERE) == 0


def test_what_is_remembered_has_a_bound_in_bytes(counted: Throttle) -> None:
    fail(counted, 30, "x" * 63, HERE)
    for number in range(60_000):
        counted.failed(f"{number}" * 10, f"10.0.{number % 250}.{number // 250}")
    assert counted.failures == 60_030
    assert counted.bytes < counted.most_bytes


@pytest.mark.parametrize(
    ("one", "same", "another"),
    [
        ("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"),
        ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"),
        ("fe80::1%eth0", "fe80::2%eth0", "::1"),
        ("local", "local", "::1"),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(
    counted: Throttle, one: str, same: str, another: str
) -> None:
    fail(counted, 10, "ann", one)
    assert wait(counted, "ann", same) > wait(counted, "ann", another) == 0
