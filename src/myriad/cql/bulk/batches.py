"""Encoded rows cut into unlogged batches, each for one node."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from myriad.cql import frames
from myriad.cql.bulk.encode import Places, Rows
from myriad.cql.messages import Consistency

UNLOGGED = b"\x01"
WITH_TIMESTAMP = 0x20
MOST_ROWS = 65535  # the protocol counts a batch's statements in 2 bytes


@dataclass
class Chunk:
    """Rows that are acknowledged together.

    Attributes:
        rows: how many.
        open: how many of its batches are not acknowledged yet.
    """

    rows: int
    open: int = 0


@dataclass
class Batch:
    """Rows that travel together.

    Attributes:
        chunk: what they are part of.
        hosts: nodes that hold replicas of the rows, the best one first.
        data: the encoded rows.
        ends: where each row ends in `data`.
        failing_since: `time.monotonic()` of the first failure; 0: none yet.
        failures: how often it failed.
    """

    chunk: Chunk
    hosts: tuple[str, ...]
    data: bytes
    ends: Places
    failing_since: float = 0.0
    failures: int = field(default=0)

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(self.ends)

    def body(self, tail: bytes) -> bytes:
        """Return the body of its BATCH."""
        return b"".join((UNLOGGED, frames.pack_short(self.rows), self.data, tail))

    def halves(self) -> tuple["Batch", "Batch"]:
        """Return two batches with its rows."""
        middle = self.rows // 2
        cut = int(self.ends[middle - 1])
        first = Batch(self.chunk, self.hosts, self.data[:cut], self.ends[:middle])
        second = Batch(self.chunk, self.hosts, self.data[cut:], self.ends[middle:] - cut)
        return first, second


@dataclass
class Sizes:
    """How big batches may become.

    Attributes:
        bytes: of their encoded rows; a row that has more travels alone.
        rows: how many.
        partitions: how many partitions they may touch.
    """

    bytes: int
    rows: int
    partitions: int


def tail(consistency: Consistency, timestamp: int) -> bytes:
    """Return what ends every BATCH: all its rows are written with this timestamp, in µs."""
    when = timestamp.to_bytes(8, "big", signed=True)
    return frames.pack_short(consistency) + bytes([WITH_TIMESTAMP]) + when


def cut(
    rows: Rows, starts: Places, hosts: tuple[str, ...], chunk: Chunk, sizes: Sizes
) -> Iterator[Batch]:
    """Cut encoded rows, which all go to the same node, into batches.

    `starts`: at which row each partition begins, and the number of rows at the end.
    """
    at, total = 0, int(starts[-1])
    while at < total:
        end = _end(rows.offsets, starts, at, sizes)
        first, last = int(rows.offsets[at]), int(rows.offsets[end])
        yield Batch(
            chunk, hosts, rows.data[first:last].tobytes(), rows.offsets[at + 1 : end + 1] - first
        )
        at = end


def _end(offsets: Places, starts: Places, at: int, sizes: Sizes) -> int:
    """Return where a batch that begins at row `at` ends: whole partitions, if one fits."""
    by_bytes = int(np.searchsorted(offsets, offsets[at] + sizes.bytes, "right")) - 1
    most = max(at + 1, min(by_bytes, at + min(sizes.rows, MOST_ROWS)))
    here = int(np.searchsorted(starts, at, "right")) - 1
    there = min(here + sizes.partitions, len(starts) - 1)
    most = min(most, int(starts[there]))
    last = int(starts[int(np.searchsorted(starts, most, "right")) - 1])
    return last if last > at else most
