"""Slow down whoever guesses passwords: the answer to a login is delayed, right or wrong.

Failures are counted by name and address, and by address. Nobody is refused for the failures of
others: a password is checked, and the answer given, once the delay is over. So guesses are slow,
and a right password gets in. Whose password was right once from an address is not slowed by what
others from there do.
"""

import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from myriad.door.cache import Cache
from myriad.pgwire.faults import Fault, Refused

FREE = 5  # failures of a name from an address before it is slowed: people mistype
FREE_OF_AN_ADDRESS = 50  # of all names together: many people may come from one address
FIRST_SECONDS = 0.25  # of the delay after that; each failure of a name doubles it
STEP_SECONDS = 0.1  # by which each failure of an address lengthens it
LONGEST_SECONDS = 10.0
APART_SECONDS = 0.25  # answers to logins with one name from one address that wait at once
FORGOTTEN_SECONDS = 600.0
# Logins that wait: a flood must not keep the door's places from others.
SHARE = 4  # one in so many of the places that there are
MOST_OF_A_NAME = 128  # from one address
MOST_BYTES = 4 << 20  # of each of the three things that are remembered
LONGEST_NAME = 63  # that others are told: nobody has a longer one
NETWORK_BITS = 64  # of an IPv6 address: whoever has one has all in that network

TOO_MANY = Fault("53300", "too many failed logins at once", "Try again in a minute.")
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Failures:
    """Failures in a row, when the last one was, and when the last answer that waits is given."""

    count: int = 0
    last: float = 0.0
    answer: float = 0.0


NONE = Failures()


def _weigh(key: Pair, _: object) -> int:
    return len(key[0].encode()) + len(key[1]) + 300  # the strings' and the value's own heads


def _nobody(*_: str | float) -> None:
    """Tell nobody: there is no other process."""


class Throttle:
    """Counts failures, and says how long an answer must wait.

    Attributes:
        failures: the sum of all.
        waiting: logins whose answer waits.
    """

    most_bytes = 3 * MOST_BYTES

    def __init__(self, places: int, tell: Callable[..., object] = _nobody) -> None:
        """`tell` is what other processes of the door are told, and `heard` hears."""
        self.failures = 0
        self._tell = tell
        self.waiting = 0
        self._most_waiting = max(1, places // SHARE)
        self._waiting: Counter[str | Pair] = Counter()  # by address, and by name and address
        self._pairs: Cache[Pair, Failures] = Cache(MOST_BYTES, _weigh)
        self._addresses: Cache[Pair, Failures] = Cache(MOST_BYTES, _weigh)
        self._known: Cache[Pair, bool] = Cache(MOST_BYTES, _weigh)

    @property
    def bytes(self) -> int:
        """What is remembered takes so much memory."""
        return self._pairs.bytes + self._addresses.bytes + self._known.bytes

    @contextmanager
    def attempt(self, name: str, address: str) -> Iterator[float]:
        """Give how many seconds the answer to a login must wait; raises Refused."""
        pair = (name, _network(address))
        seconds = self._delay(pair, time.monotonic())
        if not seconds:
            yield seconds
            return
        # An address may have as many places as are free: the next one finds some, too.
        free = self._most_waiting - self.waiting
        if self._waiting[pair[1]] >= free or self._waiting[pair] >= MOST_OF_A_NAME:
            raise Refused(TOO_MANY)
        self._count(pair, 1)
        try:
            yield seconds
        finally:
            self._count(pair, -1)

    def _count(self, pair: Pair, more: int) -> None:
        self.waiting += more
        for key in (pair, pair[1]):
            self._waiting[key] += more
            if not self._waiting[key]:
                del self._waiting[key]

    def _delay(self, pair: Pair, now: float) -> float:
        """Return the delay, and note when that answer is given."""
        found = self._recent(self._pairs, pair, now)
        over = found.count - FREE
        seconds = 0.0
        if over >= 0:
            alone = FIRST_SECONDS * 2.0 ** min(over, 10)
            seconds = max(alone, found.answer + APART_SECONDS - now)
        if self._known.get(pair) is None:
            others = self._recent(self._addresses, ("", pair[1]), now).count
            seconds = max(seconds, STEP_SECONDS * (others - FREE_OF_AN_ADDRESS))
        seconds = min(seconds, LONGEST_SECONDS)
        if over >= 0:
            self._pairs.put(pair, Failures(found.count, found.last, now + seconds))
            self._tell("slowed", pair[0][:LONGEST_NAME], pair[1], now + seconds)
        return max(0.0, seconds)

    def _recent(self, some: Cache[Pair, Failures], key: Pair, now: float) -> Failures:
        found = some.get(key) or NONE
        return found if now - found.last < FORGOTTEN_SECONDS else NONE

    def failed(self, name: str, address: str) -> None:
        """Count a failure."""
        self.failures += 1
        pair = (name, _network(address))
        self._failed(*pair)
        self._tell("failed", pair[0][:LONGEST_NAME], pair[1])

    def _failed(self, name: str, network: str) -> None:
        now = time.monotonic()
        for some, key in ((self._pairs, (name, network)), (self._addresses, ("", network))):
            found = self._recent(some, key, now)
            some.put(key, Failures(found.count + 1, now, found.answer))

    def passed(self, name: str, address: str) -> None:
        """Forget the failures of somebody who knows the password."""
        pair = (name, _network(address))
        self._passed(*pair)
        self._tell("passed", *pair)

    def _passed(self, name: str, network: str) -> None:
        self._pairs.pop((name, network))
        self._known.put((name, network), True)  # noqa: FBT003 - only that it is there says something

    def _slowed(self, name: str, network: str, until: float) -> None:
        found = self._recent(self._pairs, (name, network), time.monotonic())
        answer = max(found.answer, until)
        self._pairs.put((name, network), Failures(found.count, found.last, answer))

    @property
    def heard(self) -> dict[str, Callable[..., None]]:
        """What to do with what other processes tell: all slow down whom one has to."""
        return {"failed": self._failed, "passed": self._passed, "slowed": self._slowed}


def _network(address: str) -> str:
    """Return what stands for whoever comes from an address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # a socket of the system
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    mapped = found.ipv4_mapped
    return str(mapped or ipaddress.ip_network((int(found), NETWORK_BITS), strict=False))
