"""Whether a process of the door goes on: it counts up, ten times a second, in memory we look at."""

import time

# Nobody who came to it was answered for so long. A machine that swaps may take seconds, and to end
# a process costs its sessions.
HANGS_SECONDS = 30.0
# Of the time between two looks: while we did not look, we may have stood still as well.
MOST_SECONDS = 1.0


class Pulse:
    """What was seen of one process, from its start on."""

    def __init__(self) -> None:
        self._beats = 0
        self._looked = time.monotonic()
        self._silent = 0.0

    def hangs(self, beats: int) -> bool:
        """Look at how often it has counted; say whether that has stayed the same for too long."""
        before, self._looked = self._looked, time.monotonic()
        if beats != self._beats:
            self._beats, self._silent = beats, 0.0
        else:
            self._silent += min(self._looked - before, MOST_SECONDS)
        return self._silent > HANGS_SECONDS
