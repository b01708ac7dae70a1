"""Errors of the server itself, in the door's log: PostgreSQL's own has no errors of people's."""

import logging
import time

# Classes of SQLSTATE: corrupted data and faults of the program, of the system, no room or memory.
KINDS = ("XX", "58", "531", "532")
EVERY_SECONDS = 1.0
MOST_TEXT = 500

log = logging.getLogger("myriad.door")


class Troubles:
    """Writes down one error a second at most, and how many there were."""

    def __init__(self) -> None:
        self._last = -EVERY_SECONDS
        self._more = 0

    def note(self, code: str, message: str, database: str) -> None:
        """Hear of an error, and write it down if it is one of the server itself."""
        if not code.startswith(KINDS):
            return
        now = time.monotonic()
        if now - self._last < EVERY_SECONDS:
            self._more += 1
            return
        more, self._last, self._more = self._more, now, 0
        shown = message[:MOST_TEXT].replace("\n", " ")
        others = f"; {more} more since the last line" if more else ""
        log.warning("PostgreSQL, in database %s: %s %s%s", database, code, shown, others)
