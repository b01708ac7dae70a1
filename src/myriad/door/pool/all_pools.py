"""All pools: how many server connections there may be, who opens them, who must give one up."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

import asyncpg

from myriad.door.pool.pool import Place, Pool
from myriad.door.server.backend import Backend
from myriad.door.server.dial import Dial, NoServer
from myriad.door.verdict.verdict_cache import Verdicts
from myriad.pgwire.faults import Fault, Refused

if TYPE_CHECKING:
    from myriad.door.control.accounts import Account

IDLE_SECONDS = 60.0  # then a server connection is closed: it holds memory in the server
OLDEST_SECONDS = 3600.0  # then it is replaced: a server process's caches only grow
RETRY_SECONDS = 0.25
# That a pool keeps a server connection while others have none. Forty of them share two cores, and
# what a new one has to load first costs as much as a hundred small statements.
TURN_SECONDS = 1.0

log = logging.getLogger("myriad.door")


def replaced(database: str) -> Fault:
    """Return the error about a database that is gone, and another has its name."""
    message = f'terminating connection: database "{database}" was dropped'
    return Fault("57P01", message, "Connect again: another one may have its name.")


class Pools:
    """The pools by database and role; `left` hears of each process whose connection has ended.

    Attributes:
        most_in_one: server connections of one pool.
        most: server connections of all pools.
        waits_for_server: since when the server cannot be reached, None while it can.
    """

    def __init__(
        self,
        dial: Dial,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        is_still: Callable[[str, int], Awaitable[bool]],
        left: Callable[[int], None],
        *,
        most_in_one: int,
        most: int,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.spawn = spawn
        self.most_in_one, self.most = most_in_one, most
        self.waits_for_server: float | None = None
        self._dial, self._is_still, self._left = dial, is_still, left
        self._pools: dict[Place, Pool] = {}
        self._oldest = 0.0
        self._open: set[Pool] = set()  # those with server connections: few, where pools are many
        self.starving: dict[Pool, None] = {}  # in the order in which they began to wait
        self.held_up: dict[Account, None] = {}

    def __iter__(self) -> Iterator[Pool]:
        return iter(list(self._pools.values()))

    def of(self, place: Place, verdicts: Verdicts, *, shared: bool, whole_sessions: bool) -> Pool:
        """Return the pool of that database and role."""
        pool = self._pools.get(place)
        if pool is None:
            pool = self._pools[place] = Pool(
                self, place, verdicts, shared=shared, whole_sessions=whole_sessions
            )
        pool.verdicts, pool.whole_sessions = verdicts, whole_sessions
        pool.asked_for = time.monotonic()
        return pool

    @property
    def working(self) -> list[Pool]:
        """Those that have server connections, or open one."""
        return list(self._open)

    @property
    def size(self) -> int:
        """How many server connections there are, or are being opened."""
        return sum(pool.size for pool in self._open)

    def room(self, pool: Pool) -> bool:
        """Say whether a pool may open one more; an idle one elsewhere is closed for it."""
        if self.size < self.most:
            return True
        if not pool.size:
            self.starving.setdefault(pool)
        # As soon as it is closed, `ended` lets the pool grow.
        others = sorted(self._open - {pool}, key=lambda other: -other.size)
        any(other.close_idle(most=1) for other in others)
        return False

    def is_wanted_elsewhere(self, pool: Pool, backend: Backend) -> bool:
        """Say whether a pool should give one up to one that has none: its turn may be over."""
        if not self.starving:
            return False
        given = sum(each.closed for other in self._open for each in other.backends)
        if given >= len(self.starving):
            return False
        turn_is_over = time.monotonic() - backend.born > TURN_SECONDS
        return pool.size > 1 or not pool.is_wanted or turn_is_over

    def ended(self, pool: Pool, backend: Backend) -> None:
        """Let those grow that wait: a server connection of a pool has ended."""
        self._left(backend.number)
        if not pool.size:
            self._open.discard(pool)
            if pool.is_wanted:
                self.starving.setdefault(pool)
        while self.starving and self.size < self.most:
            hungry = next(iter(self.starving))
            del self.starving[hungry]
            hungry.grow()
        for other in sorted(self._open, key=lambda other: other.size):
            other.grow()

    def is_old(self, pool: Pool, backend: Backend) -> bool:
        """Say whether a server connection must not be used again."""
        born = backend.born
        replaced = born < self._oldest or born < pool.oldest or backend.path != pool.path
        return backend.closed or replaced

    def maintain(self, now: float) -> None:
        """Close what is idle for long or old, and give to who may have something again."""
        self.starving = {pool: None for pool in self.starving if pool.is_wanted and not pool.size}
        for pool in self:
            pool.close_idle(before=now - IDLE_SECONDS)
            pool.dispatch()
        self._oldest = max(self._oldest, now - OLDEST_SECONDS)
        # A login that goes on may have one that nobody uses yet.
        self._pools = {
            key: pool
            for key, pool in self._pools.items()
            if pool.sessions or pool.size or pool.is_wanted or pool.asked_for > now - IDLE_SECONDS
        }

    def let_go_on(self) -> None:
        """Let those go on who no longer wait for what they do in other processes of the door."""
        held_up, self.held_up = self.held_up, {}
        for account in held_up:
            account.place.wait_no_more()
        for pool in self.working if held_up else ():
            pool.dispatch()

    def open(self, pool: Pool) -> None:
        """Open a server connection for a pool in the background."""
        self._open.add(pool)
        self.spawn(self._connect(pool))

    async def _connect(self, pool: Pool) -> None:
        try:
            backend = await self._dialled(pool)
        except NoServer as problem:
            pool.not_opened()
            if self.waits_for_server is None:
                log.warning("PostgreSQL cannot be reached: %s", problem)
                self.waits_for_server = time.monotonic()
            self.loop.call_later(RETRY_SECONDS, pool.grow)
        except Refused as refused:
            pool.not_opened()
            log.warning("no server connection to %s: %s", pool.database, refused)
            self._tell(pool, refused.fault)
        except BaseException:
            pool.not_opened()  # `maintain` lets it grow again
            raise
        else:
            if self.waits_for_server is not None:
                log.info("PostgreSQL is reached again")
                self.waits_for_server = None
            pool.opened(backend)

    async def _dialled(self, pool: Pool) -> Backend:
        """Open a server connection, to the database that is meant; raises NoServer, Refused."""
        reads, path = pool.reads, pool.path
        given = await self._dial.connect(
            pool.database, pool.role, guarded=pool.guarded, reads=reads, path=path
        )
        backend = Backend(given, pool.forget, reads=reads, path=path)
        try:
            await self._check(pool, backend)
        except BaseException:
            backend.abort()
            raise
        return backend

    async def _check(self, pool: Pool, backend: Backend) -> None:
        """Raise Refused if the database is another one by now, NoServer if nobody knows."""
        try:
            still = await self._is_still(pool.database, pool.oid)
        except asyncpg.PostgresError as error:
            raise NoServer(str(error)) from error
        if not still:
            raise Refused(replaced(pool.database))
        if backend.closed or backend.transport.is_closing():
            raise NoServer("it ended the connection")

    def _tell(self, pool: Pool, fault: Fault) -> None:
        """Tell who waits why there will be no server connection."""
        if not pool.backends:
            for session in pool.waiting():
                pool.give_up(session)
                session.end(fault)
