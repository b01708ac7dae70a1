"""Who ran what: kept in memory for a moment, written to the control database in batches.

A statement never waits for it. If the database cannot keep up, or is away, the oldest entries are
dropped and counted.
"""

import asyncio
import time
from collections import deque
from functools import lru_cache

from myriad.door.control.audit_tables import Rotation
from myriad.door.control.control import Control
from myriad.door.control.copy_text import escaped
from myriad.door.ledger.statistics import Statistics
from myriad.door.ports import SUCCESS, Ended
from myriad.door.verdict.masking import masked

FLUSH_SECONDS = 1.0
MOST_WAITING_BYTES = 32 << 20
ENTRY_BYTES = 600  # of one that waits, beside its statement; names have 63 letters at most
BATCH = 1000  # rows in one COPY: encoding them holds the door's loop for 2 ms
COLUMNS = [
    "at", "person", "database", "address", "way",
    "seconds", "rows", "bytes", "outcome", "statement",
]  # fmt: skip


class Audit:
    """The audit, and the counts of what was served.

    Attributes:
        statistics: count the same by shape.
        statements, errors, rows, bytes, seconds: sums since the door's start, up to the last flush.
        dropped: entries that were not written.
        waiting_bytes: of entries that are not written yet.
    """

    most_waiting_bytes = MOST_WAITING_BYTES

    def __init__(
        self, control: Control, rotation: Rotation, statistics: Statistics, *, on: bool
    ) -> None:
        self._control, self._rotation, self.statistics = control, rotation, statistics
        self._on = on
        self._waiting: deque[Ended] = deque()
        self.waiting_bytes = 0
        self.statements = self.errors = self.rows = self.bytes = self.dropped = 0
        self.seconds = 0.0

    def add(self, ended: Ended) -> None:
        """Note a unit that has ended."""
        self.waiting_bytes += len(ended[-1]) + ENTRY_BYTES
        self._waiting.append(ended)
        while self.waiting_bytes > self.most_waiting_bytes:
            self._take(1)
            self.dropped += 1

    def _take(self, most: int) -> list[Ended]:
        """Return those that have waited longest."""
        some = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        self.waiting_bytes -= sum([len(ended[-1]) for ended in some]) + len(some) * ENTRY_BYTES
        return some

    async def flush(self) -> None:
        """Count what waits, and write it if the audit is on."""
        while self._waiting:
            some = self._take(BATCH)
            self._count(some)
            if self._on:
                self.statistics.count(some)
                await self._write(some)
            await asyncio.sleep(0)  # let others have a turn

    def _count(self, some: list[Ended]) -> None:
        self.statements += len(some)
        for ended in some:
            self.seconds += ended[2]
            self.rows += ended[3]
            self.bytes += ended[4]
            self.errors += ended[5] != SUCCESS

    async def _write(self, some: list[Ended]) -> None:
        try:
            table = await self._rotation.table()
            await self._control.copy(table, COLUMNS, _lines(some))
        except Exception:
            self.dropped += len(some)
            raise
        await self._rotation.added(len(some))


def _lines(entries: list[Ended]) -> bytes:
    """Return entries in COPY's text format: a third of the time that binary rows take here."""
    lines = []
    second, shown = -1, b""
    for at, who, seconds, rows, size, outcome, _, text in entries:
        if int(at) != second:
            second = int(at)
            shown = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(second)).encode()
        lines.append(
            b"%s.%06d+00\t%s\t%.6f\t%d\t%d\t%s\t%s\n"
            % (
                shown,
                int(at % 1 * 1_000_000),
                who,
                seconds,
                rows,
                size,
                outcome.encode(),
                _shown(text),
            )
        )
    return b"".join(lines)


@lru_cache(maxsize=1000)
def _shown(text: bytes) -> bytes:
    return escaped(masked(text))
