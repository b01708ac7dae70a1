"""Something of the door's own that needs a server connection of a pool for a moment."""

import asyncio
import time

from myriad.door.control.accounts import Account
from myriad.door.pool.pool import Pool
from myriad.door.server.backend import Backend
from myriad.pgwire.faults import Fault, Refused


class InternalClient:
    """Waits in a pool's queue as a session does."""

    special = False
    acked = 0

    def __init__(self, pool: Pool, account: Account) -> None:
        self.pool, self.account = pool, account
        self.backend: Backend | None = None
        self.changed_at = time.monotonic()
        self._granted: asyncio.Future[Backend] = asyncio.get_running_loop().create_future()

    async def server_connection(self) -> Backend:
        """Return a server connection; raises Refused."""
        backend = self.pool.take(self)
        return self._hold(backend) if backend else await self._granted

    def _hold(self, backend: Backend) -> Backend:
        self.backend, backend.session = backend, self
        return backend

    def granted(self, backend: Backend) -> None:
        """Take the server connection that we waited for."""
        self._hold(backend)
        if self._granted.done():
            self.leave()
        else:
            self._granted.set_result(backend)

    def end(self, fault: Fault) -> None:
        """Hear that there will be none."""
        if not self._granted.done():
            self._granted.set_exception(Refused(fault))

    def queued_too_long(self) -> None:
        """Hear that nobody could serve us in time."""
        self.end(Fault("53300", "all server connections are busy", "Try again later."))

    def lost(self, fault: Fault, *, within: bool) -> None:  # noqa: ARG002 - the job says it
        """Hear that the server connection is gone; the job that ran on it says so."""
        self.backend = None
        self.account.end()

    def deliver(self, data: bytes, rows: int, begin: int = 0) -> None:
        """Take no answers: what runs is a job."""

    def notable(self, kind: int, message: bytes) -> None:
        """Take no answers: what runs is a job."""

    def finished(self, status: int, data: bytes, rows: int, begin: int = 0) -> None:
        """Take no answers: what runs is a job."""

    def takes_more(self) -> bool:
        """Take all that comes."""
        return True

    def regulate(self) -> None:
        """Send little: there is nothing to hold back."""

    def leave(self) -> None:
        """Give the server connection back, or stop waiting for one."""
        self.pool.give_up(self)
        backend, self.backend = self.backend, None
        if backend is not None:
            backend.session = None
            self.account.end()
            self.pool.release(backend)
