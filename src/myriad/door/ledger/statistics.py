"""What statements cost: for each shape how often, how long, how many rows, by how many people.

Counted in memory from what the audit writes, and added to one row for each shape and day. Nothing
of a value is in a shape; nobody's name is kept, only how many there were.
"""

import hashlib
from bisect import bisect_right
from functools import lru_cache
from itertools import islice

from myriad.door.control.control import SQL, Control
from myriad.door.ledger.buckets import BOUNDS, BUCKETS, MOST_PEOPLE, NUMBERS
from myriad.door.ports import SUCCESS, Ended

WRITE_SECONDS = 10.0
# Until they are written; beyond that, shapes that are new are not counted.
MOST_SHAPES = 1000
AT_ONCE = 100  # rows in one statement
MOST_SEEN = 64  # people who are remembered by name until the next look
TALLY_BYTES = 8 * BUCKETS + 40 * MOST_PEOPLE + 300 * MOST_SEEN + 1000
# Outcomes after which a shape may become known: what it names is there. A text that failed may have
# a value between double quotes, where PostgreSQL wants names.
KNOWS = frozenset((SUCCESS, "57014", "54000"))


class Tally:
    """What was counted of one shape."""

    __slots__ = ("calls", "errors", "people", "rows", "seconds", "seen", "text", "times")

    def __init__(self, text: str) -> None:
        self.text = text
        self.calls = self.errors = self.rows = 0
        self.seconds = 0.0
        self.times = [0] * BUCKETS
        self.seen: set[bytes] = set()
        self.people: list[int] = []

    def meet(self, who: bytes) -> None:
        """Count a person, and forget names if they are many."""
        self.seen.add(who)
        if len(self.seen) >= MOST_SEEN:
            self.settle()

    def settle(self) -> None:
        """Keep numbers in place of names."""
        most = self.people[-1] if len(self.people) == MOST_PEOPLE else NUMBERS
        smaller = [number for number in map(_number, self.seen) if number < most]
        if smaller:  # of a crowd that is known, none is
            self.people = sorted({*self.people, *smaller})[:MOST_PEOPLE]
        self.seen.clear()


@lru_cache(maxsize=10_000)
def _number(who: bytes) -> int:
    """Return the number of a person, of 63 bits; `who` begins with the name, see `ports.Ended`."""
    name = who.split(b"\t", 1)[0]
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") >> 1


class Tallies:
    """Tallies by shape, until they are taken to be written.

    Attributes:
        dropped: statements that were not counted, because too many shapes were new.
    """

    most_bytes = 2 * MOST_SHAPES * TALLY_BYTES

    def __init__(self) -> None:
        self._tallies: dict[int, Tally] = {}
        self._taken: dict[int, Tally] = {}
        self.dropped = 0

    @property
    def bytes(self) -> int:
        """How much memory they take, about, with those that were taken last."""
        return (len(self._tallies) + len(self._taken)) * TALLY_BYTES

    def count(self, some: list[Ended]) -> None:
        """Count statements that have ended."""
        tallies = self._tallies
        for _, who, seconds, rows, _, outcome, shape, _ in some:
            if shape is None:
                continue
            tally = tallies.get(shape[0]) or self._tally(shape, outcome)
            if tally is None:
                continue
            weight = shape[2]
            tally.calls += weight
            tally.rows += weight * rows
            tally.seconds += weight * seconds
            tally.times[bisect_right(BOUNDS, seconds)] += weight
            if outcome != SUCCESS:
                tally.errors += weight
            if who not in tally.seen:
                tally.meet(who)

    def _tally(self, shape: tuple[int, str, int], outcome: str) -> Tally | None:
        if outcome not in KNOWS:
            return None
        if len(self._tallies) >= MOST_SHAPES:
            self.dropped += 1
            return None
        found = self._tallies[shape[0]] = Tally(shape[1])
        return found

    def take(self) -> dict[int, Tally]:
        """Return them all, and begin anew; those taken before are written by now, or never."""
        self._taken, self._tallies = self._tallies, {}
        for tally in self._taken.values():
            tally.settle()
        return self._taken

    def written(self) -> None:
        """Let go of those that were taken."""
        self._taken = {}


class Statistics(Tallies):
    """Tallies that are added to what the control database keeps."""

    def __init__(self, control: Control) -> None:
        super().__init__()
        self._control = control

    async def write(self) -> None:
        """Add what was counted, and let go of what is too old or too much."""
        taken = self.take()
        left = iter(taken.items())
        try:
            while some := dict(islice(left, AT_ONCE)):
                await self._add(some)
            if taken:
                await self._control.execute(SQL["forget_statements"])
        finally:
            self.written()

    async def _add(self, some: dict[int, Tally]) -> None:
        tallies = some.values()
        await self._control.execute(
            SQL["add_statements"],
            list(some),
            [tally.text for tally in tallies],
            [tally.calls for tally in tallies],
            [tally.errors for tally in tallies],
            [tally.rows for tally in tallies],
            [tally.seconds for tally in tallies],
            [_written(tally.times) for tally in tallies],
            [_written(tally.people) for tally in tallies],
        )


def _written(numbers: list[int]) -> str:
    """Return an array as PostgreSQL reads it: arrays of arrays must all have one length."""
    return "{" + ",".join(map(str, numbers)) + "}"
