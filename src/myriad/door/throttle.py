"""Slow down whoever guesses passwords: failures are counted by name and address."""

import time
from collections import OrderedDict

from myriad.door.wire import Fault

FREE = 5  # failures in a row before anybody must wait: people mistype
FREE_OF_AN_ADDRESS = 50  # of all names together: many people may come from one address
LONGEST_SECONDS = 60.0
FORGOTTEN_SECONDS = 600.0
MOST_KEPT = 20_000


class TooMany(Exception):
    """There were too many failures; the next try is possible later."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.fault = Fault(
            "28P01",
            "too many failed logins",
            f"Try again in {max(1, round(seconds))} seconds.",
        )


class Throttle:
    """Counts failures, and says who must wait; `failures` is the sum of all."""

    def __init__(self) -> None:
        self.failures = 0
        self._failures: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def check(self, name: str, address: str) -> None:
        """Raise TooMany if there were too many failures of late."""
        now = time.monotonic()
        for key, free in (((name, address), FREE), (("", address), FREE_OF_AN_ADDRESS)):
            count, last = self._failures.get(key, (0, 0.0))
            if count >= free:
                wait = min(LONGEST_SECONDS, 2.0 ** min(count - free, 10)) - (now - last)
                if wait > 0:
                    raise TooMany(wait)

    def failed(self, name: str, address: str) -> None:
        """Count a failure."""
        self.failures += 1
        now = time.monotonic()
        for key in ((name, address), ("", address)):
            count, last = self._failures.pop(key, (0, now))
            if now - last > FORGOTTEN_SECONDS:
                count = 0
            self._failures[key] = (count + 1, now)
        while len(self._failures) > MOST_KEPT:
            self._failures.popitem(last=False)

    def passed(self, name: str, address: str) -> None:
        """Forget the failures of somebody who knows the password."""
        self._failures.pop((name, address), None)
