"""How long to wait before a program that died is started again."""

import time

FINE_AFTER = 60.0  # seconds without a failure, and pauses begin with the first one again


class Pauses:
    """More seconds after each failure; the last ones repeat."""

    def __init__(self, seconds: tuple[float, ...]) -> None:
        self._seconds = seconds
        self._failures = 0
        self._since = time.monotonic()

    def after_failure(self) -> float:
        """Return how many seconds to wait before the next start."""
        if time.monotonic() - self._since > FINE_AFTER:
            self._failures = 0
        self._since = time.monotonic()
        self._failures += 1
        return self._seconds[min(self._failures, len(self._seconds)) - 1]

    def started(self) -> None:
        """Begin to count how long it goes well."""
        self._since = time.monotonic()
