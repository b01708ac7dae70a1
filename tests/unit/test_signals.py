"""A signal asks `up` to stop, whatever it interrupts."""

import signal
import threading

import pytest

from myriad.running import supervisor


@pytest.mark.timeout(20, method="thread")  # a handler that waits for a lock never comes back
def test_a_signal_is_heeded_that_comes_while_its_own_event_is_locked() -> None:
    stop = threading.Event()
    with supervisor.heeding_signals(stop):
        with stop._cond:  # type: ignore[attr-defined] # noqa: SLF001 - as `wait` holds it
            signal.raise_signal(signal.SIGHUP)
            assert not stop.is_set()
        assert stop.wait(10)
