"""Give memory back to the system when a crowd has left."""

import ctypes
import gc

MANY = 500  # clients: fewer leave nothing behind that is worth a look
CALM_LOOKS = 3  # after which what they held has been let go


class Memory:
    """Remembers how many clients there were at most, and whether most of them have gone."""

    def __init__(self) -> None:
        self._most = 0
        self._looks = 0  # until memory is given back; 0: there is none to give

    def came(self, clients: int) -> None:
        """Hear that one more came, and how many there are: a crowd may be gone by the next look."""
        self._most = max(self._most, clients)

    def look(self, clients: int) -> None:
        """Give memory back some looks after more than half of many clients have gone."""
        if self._most > MANY and clients < self._most // 2:
            self._most = clients
            self._looks = CALM_LOOKS
        elif self._looks:
            self._looks -= 1
            if not self._looks:
                gc.collect()
                _trim()


def _trim() -> None:
    """Give back what the C library keeps, where it can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
