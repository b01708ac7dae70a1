"""A process that hangs is told from one that was not looked at."""

import pytest

from myriad.running import pulse
from myriad.running.pulse import HANGS_SECONDS, MOST_SECONDS, Pulse


class Clock:
    """Seconds that go by when a test says so."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pulse, "time", clock)
    return clock


def test_who_counts_no_further_hangs_after_a_while(clock: Clock) -> None:
    seen = Pulse()
    looks = 0
    while not seen.hangs(7):
        clock.now += 0.5
        looks += 1
    assert looks * 0.5 == pytest.approx(HANGS_SECONDS, abs=1.0)


def test_who_counts_does_not_hang_however_slowly(clock: Clock) -> None:
    seen = Pulse()
    for beats in range(5):
        for _ in range(int(HANGS_SECONDS) - 1):
            clock.now += 1.0
            assert not seen.hangs(beats)


def test_a_time_without_a_look_says_little(clock: Clock) -> None:
    """The machine slept, or we stood still as well."""
    seen = Pulse()
    for _ in range(int(HANGS_SECONDS / MOST_SECONDS)):
        clock.now += 1000.0
        assert not seen.hangs(0)
    clock.now += 1000.0
    assert seen.hangs(0)
