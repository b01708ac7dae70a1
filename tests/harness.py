"""What tests share: bounded waiting, and the real `myriad` command."""

import time
from collections.abc import Callable

POLL = 0.02


def wait_until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    """Return when `condition` is true; fail the test if it is not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not so within {timeout} seconds: {condition}"
        time.sleep(POLL)
