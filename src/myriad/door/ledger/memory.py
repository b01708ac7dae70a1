"""Give memory back to the system when a crowd has left, or what was long has been let go."""

import ctypes
import gc

MANY_CLIENTS = 500  # fewer leave nothing behind that is worth a look
MUCH_BYTES = 64 << 20
CALM_LOOKS = 3  # after which what they held has been let go


class Peak:
    """Remembers the most there was of something, and whether most of it has gone."""

    def __init__(self, many: int) -> None:
        self._many = many
        self._most = 0

    def came(self, now: int) -> None:
        """Hear that there is more: it may be gone by the next look."""
        self._most = max(self._most, now)

    def has_gone(self, now: int) -> bool:
        """Say whether more than half of much has gone since it was said last."""
        self.came(now)
        if self._most <= self._many or now >= self._most // 2:
            return False
        self._most = now
        return True


class Memory:
    """Looks whether there is memory to give back."""

    def __init__(self) -> None:
        self._clients, self._held = Peak(MANY_CLIENTS), Peak(MUCH_BYTES)
        self._looks = 0  # until memory is given back; 0: there is none to give

    def clients_came(self, now: int) -> None:
        """Hear how many clients there are."""
        self._clients.came(now)

    def bytes_came(self, now: int) -> None:
        """Hear how many bytes of long messages are held."""
        self._held.came(now)

    def look(self, clients: int, held: int) -> None:
        """Give memory back some looks after most of much has gone."""
        if self._clients.has_gone(clients) | self._held.has_gone(held):
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
