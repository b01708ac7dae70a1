"""Which of the audit's two tables is written to: the same for all processes of the door.

Each writes how many rows it has added, into its own cell of the memory that they share, and who
finds the table full begins the other one, alone.
"""

import asyncio
import time

import asyncpg

from myriad.door.control.control import Control
from myriad.door.siblings.counters import AUDIT_LOCK, Counters

TABLES = ("audit_0", "audit_1")
WAIT_SECONDS = 0.05
LOCK_MS, AGAIN_SECONDS = 50, 2.0  # how long it waits for who reads a table, and when it tries again
# Cells: 0, until somebody has looked, else 1 more than the table's number; the rows that it had
# then, less those that had been added; and from FIRST on the rows that each process has added.
TABLE, BEFORE, FIRST = 0, 1, 8


class Rotation:
    """Keeps each table at half of `most_rows`."""

    def __init__(self, control: Control, counters: Counters, most_rows: int) -> None:
        self._control, self._counters = control, counters
        self._most_in_one = max(1, most_rows // 2)
        self._not_before = 0.0

    async def table(self) -> str:
        """Return the name of the table to write to."""
        cells = self._counters.cells
        while not cells[TABLE]:
            if self._counters.try_lock(AUDIT_LOCK):
                try:
                    await self._find()
                finally:
                    self._counters.unlock(AUDIT_LOCK)
            else:
                await asyncio.sleep(WAIT_SECONDS)
        return TABLES[cells[TABLE] - 1]

    async def added(self, rows: int) -> None:
        """Hear that so many rows were added, and begin the other table if this one is full."""
        counters = self._counters
        counters.cells[FIRST + counters.process] += rows
        if self._is_full() and counters.try_lock(AUDIT_LOCK):
            try:
                if self._is_full():  # nobody else has begun the other one just now
                    await self._rotate()
            finally:
                counters.unlock(AUDIT_LOCK)

    def _is_full(self) -> bool:
        full = self._counters.cells[BEFORE] + self._all_added() >= self._most_in_one
        return full and time.monotonic() >= self._not_before

    def _all_added(self) -> int:
        return sum(self._counters.cells[FIRST : FIRST + self._counters.processes])

    async def _find(self) -> None:
        """Go on with the table that has the newest entry."""
        [row] = await self._control.fetch(
            "SELECT coalesce("
            "(SELECT max(at) FROM public.audit_1) > (SELECT max(at) FROM public.audit_0),"
            " EXISTS (SELECT FROM public.audit_1)) AS second,"
            " (SELECT count(*) FROM public.audit_0) AS zero,"
            " (SELECT count(*) FROM public.audit_1) AS one"
        )
        rows = row["one"] if row["second"] else row["zero"]
        self._write(int(row["second"]), rows)

    async def _rotate(self) -> None:
        """Begin the other table anew: nothing is deleted row by row.

        While somebody reads it, such as pg_dump, this one grows: logins would wait behind us.
        """
        other = 2 - self._counters.cells[TABLE]
        try:
            await self._control.execute(
                f"SET LOCAL lock_timeout = {LOCK_MS}; TRUNCATE public.{TABLES[other]}"
            )
        except asyncpg.LockNotAvailableError:
            self._not_before = time.monotonic() + AGAIN_SECONDS
        else:
            self._write(other, 0)

    def _write(self, table: int, rows: int) -> None:
        cells = self._counters.cells
        cells[BEFORE] = rows - self._all_added()
        cells[TABLE] = 1 + table
