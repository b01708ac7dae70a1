"""Rows by token range: what was sent, and what the cluster has."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import local

import numpy as np
from numpy.typing import NDArray

from myriad.cql.bulk.cluster import Cluster
from myriad.cql.bulk.encode import Partitions
from myriad.cql.connection import Consistency
from myriad.cql.names import qualified, quoted
from myriad.cql.session import Session
from myriad.cql.tokens import FIRST, LAST
from myriad.errors import CqlError

SLICES = 4096  # ranges are split so finely that a count of one is never too much for one question
ROWS = 25_000  # about so many are counted by one question: it has to end within 10 seconds
THREADS = 4
PAGE = 5000
TIMEOUT = 30.0  # seconds; a node gives up by itself after 10 (`range_request_timeout`)


@dataclass(frozen=True)
class Range:
    """Tokens above `start` up to `end`, and how many rows they should have."""

    start: int
    end: int
    rows: int


class Counts:
    """Numbers of rows by range of tokens. `ends` are the ends of the ring's ranges, ascending.

    Attributes:
        once: no row was sent more than once.
    """

    def __init__(self, ends: NDArray[np.int64]) -> None:
        self.once = True
        step = (1 << 64) // SLICES
        even = np.array([FIRST + step * number for number in range(1, SLICES)], np.int64)
        self._ends = np.unique(np.concatenate((ends, even, np.array([LAST], np.int64))))
        self._rows = np.zeros(len(self._ends), np.int64)

    @property
    def rows(self) -> int:
        """How many there are in all."""
        return int(self._rows.sum())

    def add(self, partitions: Partitions) -> None:
        """Count the rows of partitions."""
        at = np.searchsorted(self._ends, partitions.tokens, side="left")
        np.add.at(self._rows, at, partitions.rows)

    @property
    def ranges(self) -> list[Range]:
        """Neighbouring ranges in one, as long as it has not too many rows for one question."""
        found: list[Range] = []
        start, rows = FIRST, 0
        for end, more in zip(self._ends.tolist(), self._rows.tolist(), strict=True):
            rows += more
            if rows >= ROWS or end == LAST:
                found.append(Range(start, end, rows))
                start, rows = end, 0
        return found


@dataclass(frozen=True)
class Mismatch:
    """A range that has another number of rows than it should have."""

    wanted: Range
    rows: int

    def __str__(self) -> str:
        start, end, rows = self.wanted.start, self.wanted.end, self.wanted.rows
        return f"tokens {start} to {end}: {self.rows} rows instead of {rows}"


@dataclass(frozen=True)
class Counted:
    """A table whose rows are counted, by the columns of its partition key."""

    cluster: Cluster
    keyspace: str
    table: str
    partition: Sequence[str]
    consistency: Consistency

    def rows(self, ranges: Sequence[Range]) -> list[int]:
        """Return how many rows each range has; raises CqlError, NotRunning."""
        counting = _Counting(self)
        with ThreadPoolExecutor(THREADS) as threads:
            try:
                return list(threads.map(counting.rows, ranges))
            finally:
                counting.close()

    def difference(self, ranges: Sequence[Range]) -> list[Mismatch]:
        """Return the ranges that have other numbers of rows than they say. Raises as `rows`."""
        pairs = zip(ranges, self.rows(ranges), strict=True)
        return [Mismatch(wanted, rows) for wanted, rows in pairs if rows != wanted.rows]

    @property
    def where(self) -> str:
        """FROM and WHERE of what is asked of a range; its values are start and end."""
        key = ", ".join(map(quoted, self.partition))
        table = qualified(self.keyspace, self.table)
        return f"FROM {table} WHERE token({key}) > ? AND token({key}) <= ?"


class _Counting:
    """Counts ranges; each thread has a session of its own."""

    def __init__(self, counted: Counted) -> None:
        self._cluster = counted.cluster
        self._count = f"SELECT count(*) {counted.where}"
        self._list = f"SELECT {quoted(counted.partition[0])} {counted.where}"
        self._consistency = counted.consistency
        self._own = local()
        self._sessions: list[Session] = []

    def close(self) -> None:
        for each in self._sessions:
            each.close()

    def rows(self, wanted: Range) -> int:
        session, values = self._session(), (wanted.start, wanted.end)
        try:
            found = session.query(
                self._count, values, consistency=self._consistency, timeout=TIMEOUT
            )
            return int(found[0][0])
        except CqlError as error:
            if error.code != CqlError.READ_TIMEOUT:
                raise
        # A partition with millions of rows: page by page each question has its own time.
        pages = session.pages(
            self._list, values, consistency=self._consistency, timeout=TIMEOUT, rows=PAGE
        )
        return sum(map(len, pages))

    def _session(self) -> Session:
        if not hasattr(self._own, "session"):
            self._own.session = self._cluster.session()
            self._sessions.append(self._own.session)
        found: Session = self._own.session
        return found
