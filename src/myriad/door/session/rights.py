"""The rights of people who are logged in: looked up again when they change, for each session.

Whose cannot be found out, or given, has none: that session ends, and the others get theirs.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from myriad.door.control.accounts import SHUT, Accounts, Entry
from myriad.door.control.databases import Databases
from myriad.door.control.roles import PoolRoles
from myriad.door.pool.all_pools import replaced
from myriad.door.pool.chooser import Chooser
from myriad.door.session.session import Session
from myriad.pgwire.faults import Fault, Refused

AGAIN_SECONDS = 1.0  # after a look that failed
CHANGED = Fault("57P01", "terminating connection: your rights have changed", "Connect again.")
_UNKNOWN = Fault(
    "57P01", "terminating connection: your rights cannot be found out", "See `myriad logs --door`."
)

log = logging.getLogger("myriad.door")


class Rights:
    """Gives each of `sessions` the rights that its person has now."""

    def __init__(
        self,
        sessions: Mapping[int, Session],
        accounts: Accounts,
        databases: Databases,
        roles: PoolRoles,
        chooser: Chooser,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._sessions, self._spawn = sessions, spawn
        self._accounts, self._databases = accounts, databases
        self._roles, self._chooser = roles, chooser
        self._stale = False
        self._looking: asyncio.Task[None] | None = None

    def have_changed(self, _payload: str = "") -> None:
        """Look everybody up again who is logged in; once more if that is under way."""
        self._databases.have_changed()
        self._look_soon()

    def _look_soon(self) -> None:
        self._stale = True
        if self._looking is None or self._looking.done():
            self._looking = self._spawn(self._look_until_fresh())

    async def _look_until_fresh(self) -> None:
        while self._stale:
            self._stale = False
            try:
                self._accounts.have_changed()
                self._roles.forget()
                await self.follow(list(self._sessions.values()))
            except Exception:
                log.exception("the rights of people are looked up again")
                self._stale = True
                await asyncio.sleep(AGAIN_SECONDS)

    async def look_at_databases(self) -> None:
        """Look again at the databases in use; move sessions where people may not share any more."""
        used = {session.pool.database for session in self._sessions.values()}
        if await self._databases.refresh(used):
            self._look_soon()

    async def follow(self, sessions: Iterable[Session]) -> None:
        """Look up whose some sessions are, and give them the rights that they have now."""
        some = list(sessions)
        seen = {(session.account.name, session.pool.database) for session in some}
        entries = await asyncio.gather(*(self._accounts.look_up(*each) for each in seen))
        found = dict(zip(seen, entries, strict=True))
        for session in some:
            entry = found.get((session.account.name, session.pool.database))
            try:
                await self._follow(session, entry)
            except Refused as refused:
                session.end(refused.fault)
            except Exception:
                log.exception("in giving a session its rights")
                session.end(_UNKNOWN)

    async def _follow(self, session: Session, entry: Entry | None) -> None:
        """Give a session the rights that its person has now; raises Refused."""
        if entry is None or not (entry.may_come and entry.may_connect):
            raise Refused(CHANGED if entry and entry.may_come else SHUT)
        if entry.database != session.pool.oid:
            raise Refused(replaced(session.pool.database))
        session.account.limit(entry.limits)
        pool = await self._chooser.pool_of(entry, session.pool.database, session.came)
        if pool is session.pool or self._sessions.get(session.number) is not session:
            return  # it may have ended meanwhile
        if session.pin.reason:
            raise Refused(CHANGED)
        session.move(pool)
