"""Server connections of one database for one set of groups, or one person; and who waits for them.

Sessions wait in turn by person: somebody with a thousand sessions gets no more than somebody
with one.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine
from itertools import takewhile
from typing import Any, NamedTuple, Protocol

from myriad.door.control.accounts import Account
from myriad.door.ports import Listener
from myriad.door.server.asking import Lost
from myriad.door.server.backend import CLOSE, Backend
from myriad.door.verdict.verdict_cache import Verdicts
from myriad.pgwire.faults import Fault, Refused

_UNSAFE = Fault(
    "57P01",
    "terminating connection: in a schema of its search_path somebody may create objects now",
    "Connect again.",
)


class Waiter(Listener, Protocol):
    """Who waits for a server connection: a session, or the door itself."""

    account: Account
    changed_at: float

    def granted(self, backend: Backend) -> None:
        """Take the server connection that was waited for."""

    def queued_too_long(self) -> None:
        """Hear that nobody could serve it in time."""

    def end(self, fault: Fault) -> None:
        """Hear that there will be no server connection."""


class Budget(Protocol):
    """What all pools have together: so many server connections, and who must give one up.

    Attributes:
        most_in_one: server connections of one pool.
        starving: pools that wait and have none.
        held_up: people who wait for what they do in other processes of the door.
    """

    loop: asyncio.AbstractEventLoop
    most_in_one: int
    starving: dict["Pool", None]
    held_up: dict[Account, None]
    spawn: Callable[[Coroutine[Any, Any, None]], object]

    def room(self, pool: "Pool") -> bool:
        """Say whether a pool may open one more."""

    def open(self, pool: "Pool") -> None:
        """Open a server connection for a pool in the background."""

    def ended(self, pool: "Pool", backend: Backend) -> None:
        """Hear that a server connection of a pool has ended."""

    def is_old(self, pool: "Pool", backend: Backend) -> bool:
        """Say whether a server connection must not be used again."""

    def is_wanted_elsewhere(self, pool: "Pool", backend: Backend) -> bool:
        """Say whether a pool should give one up to one that has none."""


class Place(NamedTuple):
    """A database, by its name and its oid, the role that logs in to it, and whether it only reads.

    Who may only read shares nothing with who may write, not even with themselves.
    """

    database: str
    oid: int
    role: str
    reads: bool = False


class Pool:
    """Server connections that log in as one role.

    Attributes:
        shared: several people use it.
        reads: nothing can be written over its connections.
        guarded: each statement is looked at, as one of these.
        most: how many server connections it may have.
        most_for_one: how many of them one person may use: others always find some.
        pinned: how many of them stay with a session.
        sessions: how many sessions use it.
        reported: what the server said of its settings to the newest server connection.
        oldest: server connections that were there before are not used again.
        path: the schemas of its connections' own search_path; None: they have the server's.
        asked_for: when somebody last wanted to use it.
        hides_activity: nobody may see there what others run.
        lingers: its connections stay for a while after the last session; somebody else's database
            must be free then, to be dropped.
    """

    def __init__(
        self,
        pools: Budget,
        place: Place,
        verdicts: Verdicts,
        *,
        shared: bool,
        whole_sessions: bool,
    ) -> None:
        self.pools, self.verdicts = pools, verdicts
        self.database, self.oid, self.role, self.reads = place
        self.loop = pools.loop
        self.shared, self.guarded = shared, shared or self.reads
        self.whole_sessions = whole_sessions
        self.most = pools.most_in_one
        self.most_for_one = self.most - self.most // 4 if shared else self.most
        self.pinned = self.sessions = 0
        self.lingers = True
        self.hides_activity = shared
        self.reported: dict[str, str] = {}
        self.asked_for = self.oldest = 0.0
        self.path: tuple[str, ...] | None = None
        self.opening = 0
        self.backends: set[Backend] = set()
        self._idle: list[Backend] = []
        self._waiting: OrderedDict[Account, deque[Waiter]] = OrderedDict()

    @property
    def size(self) -> int:
        """How many server connections it has, or is opening."""
        return len(self.backends) + self.opening

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for a server connection of it."""
        return bool(self._waiting)

    def take(self, session: Waiter) -> Backend | None:
        """Return a server connection for a session, or None: it is granted one later."""
        account = session.account
        if self._idle and not self._waiting and self._begins(account):
            return self._idle.pop()  # the one used last: its memory is still in the caches
        waiting = self._waiting.get(account)
        if waiting is None:
            waiting = self._waiting[account] = deque()
        waiting.append(session)
        if self._idle and self._may_run(account):
            self.loop.call_soon(self.dispatch)  # later: the session does not know that it waits
        else:
            self.grow()
        return None

    def _begins(self, account: Account) -> bool:
        """Count one more that is theirs, if they may have it; else they wait."""
        if account.begin(self.most_for_one):
            return True
        if account.running < min(account.most_running, self.most_for_one):
            self.pools.held_up[account] = None
        return False

    def _may_run(self, account: Account) -> bool:
        return account.running < min(account.most_running, self.most_for_one)

    def give_up(self, session: Waiter) -> None:
        """Forget a session that waits."""
        waiting = self._waiting.get(session.account)
        if waiting is not None and session in waiting:
            waiting.remove(session)
            if not waiting:
                del self._waiting[session.account]

    def leave(self) -> None:
        """Count one session less."""
        self.sessions -= 1
        if not self.sessions and not self.lingers:
            self.close_idle()

    def grow(self) -> None:
        """Open a server connection if somebody waits and one more is allowed."""
        waiting = len(self._waiting)
        if waiting and self.opening < waiting and self.size < self.most and self.pools.room(self):
            self.opening += 1
            self.pools.open(self)

    def may_pin(self, account: Account) -> bool:
        """Say whether one more session of a person may keep a server connection for itself."""
        all_may = not self.shared or self.whole_sessions
        most = self.most if all_may else self.most // 2
        return self.pinned < most and account.may_pin(self.most_for_one)

    def waiting(self) -> list[Waiter]:
        """Return the sessions that wait for a server connection."""
        return [session for some in self._waiting.values() for session in some]

    def too_late(self, now: float) -> list[Waiter]:
        """Return who waits longer than they may: of each person those who came first."""
        return [
            waiter
            for account, some in self._waiting.items()
            if account.limits.queue_seconds
            for waiter in takewhile(_older(now - account.limits.queue_seconds), some)
        ]

    def opened(self, backend: Backend) -> None:
        """Take a new server connection."""
        self.opening -= 1
        self.reported = dict(backend.parameters)
        self.backends.add(backend)
        self._put(backend)
        self.grow()

    def not_opened(self) -> None:
        """Hear that a server connection could not be opened."""
        self.opening -= 1

    def release(self, backend: Backend, *, rollback: bool = False) -> None:
        """Take a server connection back; what was left in it is reset first."""
        if backend.reset_level or rollback or backend.cancels or backend.closed:
            self._clean(backend, rollback=rollback)
        elif (
            self._waiting or self.pools.starving or not self.sessions or backend.born < self.oldest
        ):
            self._put(backend)
        else:
            self._idle.append(backend)

    def _clean(self, backend: Backend, *, rollback: bool) -> None:
        if backend.closed:
            return
        if backend.reset_level == CLOSE or self.pools.is_old(self, backend):
            backend.close()
            return
        self.pools.spawn(self._reset(backend, rollback=rollback))

    async def _reset(self, backend: Backend, *, rollback: bool) -> None:
        try:
            await backend.reset(rollback=rollback)
        except Lost:
            return
        except Refused:
            backend.abort()
            return
        self._put(backend)

    def _put(self, backend: Backend) -> None:
        """Give a clean server connection to who waits longest, or keep it."""
        if self.pools.is_old(self, backend) or self.pools.is_wanted_elsewhere(self, backend):
            backend.close()
            return
        session = self._next()
        if session is not None:
            session.granted(backend)
            return
        if not (self.sessions or self.lingers):
            backend.close()
            return
        backend.idle_since = time.monotonic()
        self._idle.append(backend)

    def _next(self) -> Waiter | None:
        """Return the session whose turn it is: people in turn, each one's sessions in order."""
        for account in self._waiting:
            if self._begins(account):
                break
        else:
            return None
        waiting = self._waiting[account]
        session = waiting.popleft()
        if waiting:
            self._waiting.move_to_end(account)
        else:
            del self._waiting[account]
        return session

    def dispatch(self) -> None:
        """Give idle server connections to those who wait; people may be below a limit again."""
        while self._idle and self._waiting:
            session = self._next()
            if session is None:
                return
            session.granted(self._idle.pop())
        self.grow()

    def forget(self, backend: Backend) -> None:
        """Hear that a server connection has ended."""
        self.backends.discard(backend)
        if backend in self._idle:
            self._idle.remove(backend)
        self.pools.ended(self, backend)

    def look_in(self, path: tuple[str, ...] | None, unsafe: frozenset[str]) -> None:
        """Let connections begin with that search_path, and end those whose own has what is unsafe.

        Nobody's short names may mean what somebody else has made there meanwhile.
        """
        if path != self.path:
            self.path = path
            self.recycle()
        for backend in list(self.backends) if unsafe else ():
            if not unsafe.isdisjoint(backend.path or ()):
                backend.abort(_UNSAFE)

    def recycle(self) -> None:
        """Replace its server connections by new ones, each as soon as it is free."""
        self.oldest = time.monotonic()
        self.close_idle()

    def close_idle(self, *, before: float = float("inf"), most: int | None = None) -> int:
        """Close server connections that were idle since `before`; return how many."""
        some = [backend for backend in self._idle if backend.idle_since < before][:most]
        for backend in some:
            self._idle.remove(backend)
            backend.close()
        return len(some)


def _older(moment: float) -> Callable[[Waiter], bool]:
    return lambda waiter: waiter.changed_at < moment
