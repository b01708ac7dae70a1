"""Pauses between starts grow with each failure, and begin anew when it went well for long."""

import time

import pytest

from myriad.machine import pauses


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_they_grow_however_long_the_first_start_was_ago(clock: list[float]) -> None:
    waits = pauses.Pauses((1.0, 2.0, 5.0))
    clock[0] += 10 * pauses.FINE_AFTER
    found = []
    for _ in range(4):
        found.append(waits.after_failure())
        clock[0] += found[-1] + 5
    assert found == [1.0, 2.0, 5.0, 5.0]


def test_they_begin_anew_after_it_went_well(clock: list[float]) -> None:
    waits = pauses.Pauses((1.0, 2.0))
    assert (waits.after_failure(), waits.after_failure()) == (1.0, 2.0)
    waits.started()
    clock[0] += pauses.FINE_AFTER + 1
    assert waits.after_failure() == 1.0
