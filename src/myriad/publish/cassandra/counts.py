"""Rows by token range: what was sent, and what the cluster has."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import local

import numpy as np
from numpy.typing import NDArray

from myriad.cql.connection import Consistency
from myriad.cql.names import qualified, quoted
from myriad.cql.session import Session
from myriad.cql.tokens import FIRST, LAST
from myriad.engines.cassandra.base import Cluster
from myriad.errors import CqlError
from myriad.publish.cassandra.encode import Partitions

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
    """Numbers of rows by range of tokens. `ends` are the ends of the ring's ranges, ascending."""

    def __init__(self, ends: NDArray[np.int64]) -> None:
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
    def ranges(self) -> Iterator[Range]:
        """Neighbouring ranges in one, as long as it has not too many rows for one question."""
        start, rows = FIRST, 0
        for end, more in zip(self._ends.tolist(), self._rows.tolist(), strict=True):
            rows += more
            if rows >= ROWS or end == LAST:
                yield Range(start, end, rows)
                start, rows = end, 0


def difference(
    cluster: Cluster,
    keyspace: str,
    table: str,
    partition_columns: Sequence[str],
    counts: Counts,
    *,
    consistency: Consistency,
) -> list[str]:
    """Count the rows of a table; return a line on each range of tokens that has other numbers.

    Raises CqlError, NotRunning.
    """
    key = ", ".join(map(quoted, partition_columns))
    where = f"FROM {qualified(keyspace, table)} WHERE token({key}) > ? AND token({key}) <= ?"
    counting = _Counting(cluster, quoted(partition_columns[0]), where, consistency)
    with ThreadPoolExecutor(THREADS) as threads:
        try:
            found = list(threads.map(counting.check, counts.ranges))
        finally:
            counting.close()
    return [line for line in found if line]


class _Counting:
    """Counts ranges; each thread has a session of its own."""

    def __init__(self, cluster: Cluster, column: str, where: str, consistency: Consistency) -> None:
        self._cluster = cluster
        self._count = f"SELECT count(*) {where}"
        self._list = f"SELECT {column} {where}"
        self._consistency = consistency
        self._own = local()
        self._sessions: list[Session] = []

    def check(self, wanted: Range) -> str:
        """Return what is wrong with a range; empty if nothing is."""
        rows = self._rows(wanted)
        if rows == wanted.rows:
            return ""
        return f"tokens {wanted.start} to {wanted.end}: {rows} rows instead of {wanted.rows}"

    def close(self) -> None:
        for each in self._sessions:
            each.close()

    def _rows(self, wanted: Range) -> int:
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
