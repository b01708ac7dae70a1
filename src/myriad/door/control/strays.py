"""Server processes that do not end although the door has left them, and never will.

One that cannot tell a setting (see `reported`) is deaf, and whoever makes or drops a database waits
for it. In our own server it is killed; PostgreSQL then starts anew, which takes a second or two and
ends everybody's statements, so everything else is tried, and looked at, first.
"""

import logging
import os
import signal
import time
from contextlib import suppress

from myriad.door.control.control import SQL, Control

LOOK_SECONDS = 2.0
PATIENCE_SECONDS = 2.0  # an idle process ends as soon as its connection has

log = logging.getLogger("myriad.door")


class Strays:
    """Looks after the server processes whose connections have ended; `ours`: we may kill them."""

    def __init__(self, control: Control, *, ours: bool) -> None:
        self._control = control
        self._ours = ours
        self._left: dict[int, float] = {}
        self._told: set[int] = set()

    def left(self, number: int) -> None:
        """Hear that a process has no connection any more."""
        self._left[number] = time.monotonic()

    async def look(self) -> None:
        """Ask those that are idle and still there to end; kill who was asked, and did not."""
        now = time.monotonic()
        ages = {n: now - since for n, since in self._left.items() if now - since > PATIENCE_SECONDS}
        if not ages:
            return
        given = list(ages), list(ages.values()), self._ours
        rows = await self._control.fetch(SQL["strays"], *given)
        there = {row["pid"]: row["deaf"] for row in rows}
        for number in ages.keys() - there.keys():
            del self._left[number]
            self._told.discard(number)
        deaf = {number for number, is_deaf in there.items() if is_deaf}
        for number in deaf & self._told:
            self._end(number)
        self._told |= deaf

    def _end(self, number: int) -> None:
        """End one that is deaf: the server has just said that it is the same process."""
        del self._left[number]
        self._told.discard(number)
        if not self._ours:
            log.warning("server process %d never ends by itself: kill it with SIGKILL", number)
            return
        log.warning("killing server process %d, which never ends; PostgreSQL starts anew", number)
        with suppress(OSError):
            os.kill(number, signal.SIGKILL)
