"""The door itself: the register of all sessions, and what happens to them from outside."""

import asyncio
import hmac
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from myriad.door.control.accounts import (
    SHUT,
    Account,
    Accounts,
    Entry,
    check_database,
    check_room,
)
from myriad.door.control.control import Control
from myriad.door.control.databases import Databases
from myriad.door.control.defaults import Defaults, concern
from myriad.door.control.roles import PoolRoles
from myriad.door.pool.all_pools import Pools
from myriad.door.pool.chooser import Chooser
from myriad.door.pool.internal import InternalClient
from myriad.door.pool.pool import Pool
from myriad.door.ports import Came, Client, Crowd, Ledger, Siblings, Troubles
from myriad.door.server.asking import Lost
from myriad.door.server.backend import CLOSE, Backend
from myriad.door.server.dial import Dial
from myriad.door.session import holding, signals
from myriad.door.session.activity import activity
from myriad.door.session.hang_ups import HangUps
from myriad.door.session.profiles import Profile, Profiles, objection
from myriad.door.session.refusals import CANCELLED, end_unit, refuse_waiting
from myriad.door.session.rights import CHANGED, Rights
from myriad.door.session.session import Session
from myriad.door.session.state import SessionState, Whose
from myriad.pgwire.faults import Fault, Refused
from myriad.pgwire.startup import Startup

SHORT_KEY, LONG_KEY = 4, 32  # bytes of a cancel key, before and since protocol 3.2
LONG_SINCE = 2
END_SECONDS = 10.0  # that sessions may take to end, before whoever wanted that hears of it
_FULL = Fault("53300", "too many clients are connected already", "Try again later.")
_DRAINING = Fault("57P01", "terminating connection: the server is stopping", "Connect again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a door looks things up in, and gets its server connections from."""

    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    control: Control
    dial: Dial
    accounts: Accounts
    databases: Databases
    defaults: Defaults
    roles: PoolRoles
    pools: Pools
    chooser: Chooser
    siblings: Siblings


class Door:
    """The register of sessions, and everything that they share.

    Attributes:
        sessions: by the number that their clients cancel with.
        rights: gives them those that their people have.
        may_be_idle: for how many seconds, of those sessions that say so themselves.
        accepted: logins that succeeded.
        stopped: statements that were cancelled by a limit or by somebody.
        draining: no new sessions, and none goes on after its transaction.
    """

    def __init__(
        self,
        parts: Parts,
        ledger: Ledger,
        troubles: Troubles,
        crowd: Crowd,
        *,
        most_clients: int,
        newer_grammar: bool,
    ) -> None:
        self.spawn, self.dial, self.pools = parts.spawn, parts.dial, parts.pools
        self.accounts, self.databases = parts.accounts, parts.databases
        self._control, self._defaults, self._chooser = parts.control, parts.defaults, parts.chooser
        self.siblings = parts.siblings
        self.ledger, self.troubles, self._crowd = ledger, troubles, crowd
        self.most_clients = most_clients
        self.newer_grammar = newer_grammar
        self.profiles = Profiles()
        self.sessions: dict[int, Session] = {}
        self.room = holding.room(self.sessions, crowd.bytes_came, parts.siblings.processes)
        self.hang_ups = HangUps()
        self.may_be_idle: dict[SessionState, float] = {}
        self.accepted = self.stopped = 0
        self.draining = False
        self.rights = Rights(
            self.sessions, parts.accounts, parts.databases, parts.roles, parts.chooser, self.spawn
        )

    # Clients come

    def admit(self, logins: int) -> Fault | None:
        """Return why there is no place for one more beside so many logins, None if there is."""
        self.siblings.note_logins(logins + 1)
        if self.siblings.clients() > self.most_clients:
            self.siblings.note_logins(logins)
            return _FULL
        self._crowd.clients_came(len(self.sessions) + logins + 1)
        return None

    def logins_left(self, number: int) -> None:
        """Hear that a login is over, and how many are under way."""
        self.siblings.note_logins(number)

    def late(self) -> Fault:
        """Return why a login took too long."""
        if self.pools.waits_for_server is not None or not self._control.is_ready:
            return Fault("57P03", "PostgreSQL cannot be reached now", "Try again later.")
        return Fault("08006", "the login took too long", "See the setting login_timeout.")

    async def open(self, entry: Entry, startup: Startup, client: Client, came: Came) -> Session:
        """Make a session of a client that has proven who it is; raises Refused.

        The caller lets it have what the client sends, and what becomes of the client, and begins
        it.
        """
        while self.accounts.is_old(entry):  # a client may take its time to prove who it is
            entry = await self._again(entry, startup.database)
        account = self.accounts.enter(entry)
        try:
            check_room(account)
            pool = await self._pool(entry, startup, came)
            profile = self.profiles.known(pool, startup)
            if profile is None:
                profile = await self._learn(pool, startup, account)
        except BaseException:
            self._leave(account)
            raise
        session = Session(client, self, Whose(account, pool, came), profile)
        self._register(session, LONG_KEY if startup.minor >= LONG_SINCE else SHORT_KEY)
        if self.accounts.is_old(entry):
            self.rights.have_changed()
        return session

    async def _again(self, entry: Entry, database: str) -> Entry:
        """Return what is known of a person now; raises Refused if they are gone."""
        found = await self.accounts.look_up(entry.name, database)
        if found is None or not entry.stands(found):
            raise Refused(CHANGED if found and found.may_come else SHUT)
        return found

    async def _pool(self, entry: Entry, startup: Startup, came: Came) -> Pool:
        if self.draining:
            raise Refused(_DRAINING)
        check_database(startup.database, entry)
        pool = await self._chooser.pool_of(entry, startup.database, came)
        fault = objection(pool, startup)
        if fault:
            raise Refused(fault)
        return pool

    def _leave(self, account: Account) -> None:
        self.accounts.leave(account)
        if not account.sessions:
            self.dial.secrets.pop(account.name, None)

    async def _learn(self, pool: Pool, startup: Startup, account: Account) -> Profile:
        client = InternalClient(pool, account)
        try:
            backend = await client.server_connection()
            return await self.profiles.learn(pool, startup, backend)
        except Lost:
            raise Refused(
                Fault("57P03", "PostgreSQL ended; it is started again", "Try again in a moment.")
            ) from None
        finally:
            client.leave()

    def _register(self, session: Session, key_bytes: int) -> None:
        number = self.siblings.begin(session.account.oid)
        session.number, session.key = number, secrets.token_bytes(key_bytes)
        self.sessions[number] = session
        self.siblings.note_sessions(len(self.sessions))
        self.note_settings(session)
        session.pool.sessions += 1
        self.accepted += 1

    def watch(self, session: SessionState) -> None:
        """Look from now on whether its client hangs up."""
        self.hang_ups.watch(session)

    def note_settings(self, session: SessionState) -> None:
        """Hear that a session may have got another idle_session_timeout."""
        seconds = session.parameters.values.idle_seconds
        if seconds:
            self.may_be_idle[session] = seconds
        else:
            self.may_be_idle.pop(session, None)

    # Clients go, or are stopped

    def forget(self, session: SessionState) -> None:
        """Hear that a session has ended."""
        self.hang_ups.forget(session)
        session.release()
        self.may_be_idle.pop(session, None)
        if self.sessions.pop(session.number, None) is not None:
            self.siblings.end(session.number)
            self.siblings.note_sessions(len(self.sessions))
            self._leave(session.account)
            session.pool.leave()

    def cancel(self, number: int, key: bytes) -> None:
        """Cancel what a session runs now, if the key is its own."""
        session = self.sessions.get(number)
        if session is not None and hmac.compare_digest(session.key, key):
            self.stop(session)
        elif session is None and len(key) <= LONG_KEY:
            self.siblings.cancel(number, key)

    def cancel_here(self, number: int, key: str) -> None:
        """Hear from another process that one of our clients cancels, by its key in hexadecimal."""
        session = self.sessions.get(number)
        if session is not None and hmac.compare_digest(session.key, bytes.fromhex(key)):
            self.stop(session)

    def signal_here(self, number: int, person: int, function: str) -> None:
        """Hear from another process that a person signals a session of theirs, which is here."""
        session = self.sessions.get(number)
        if session is not None and session.account.oid == person:
            signals.signal(session, function)

    def stop(self, session: SessionState) -> None:
        """Cancel what a session runs now; what it runs later is never hit."""
        self.stopped += 1
        backend, reason = session.backend, session.unit.reason
        if backend is None:
            if session.paused:
                refuse_waiting(session, reason or CANCELLED)
        elif session.busy and not backend.closed:
            if reason is not None:
                end_unit(session, reason)
            backend.cancels += 1
            self.spawn(self._cancel(backend))

    async def _cancel(self, backend: Backend) -> None:
        try:
            if not await self.dial.cancel(backend.number, backend.key):
                backend.reset_level = CLOSE  # it may still come, and hit who is there then
        finally:
            backend.cancels -= 1

    def abandon(self, backend: Backend) -> None:
        """End a server connection whose client vanished while it worked, and its statement."""
        if not backend.closed:
            self.spawn(self._abandon(backend))

    async def _abandon(self, backend: Backend) -> None:
        backend.closed = True
        await self.dial.cancel(backend.number, backend.key)
        backend.abort()

    def end(self, number: int, reason: Fault) -> bool:
        """End the session of that number, and what it runs; False if there is none."""
        session = self.sessions.get(number)
        if session is None:
            return False
        session.end(reason)
        if session.busy:
            session.transport.abort()
        return True

    # Whoever asks about them

    def _of(self, who: set[str]) -> list[Session]:
        return [each for each in self.sessions.values() if each.account.name in who]

    def activity(self, who: set[str]) -> list[dict[str, Any]]:
        """Return what each of theirs does now; of everybody's if nobody is named."""
        return [activity(each) for each in (self._of(who) if who else self.sessions.values())]

    def stop_all(self, who: set[str], reason: Fault) -> int:
        """Cancel what they run; return how many statements."""
        working = [session for session in self._of(who) if session.busy or session.paused]
        for session in working:
            session.unit.explain(reason)
            self.stop(session)
        return len(working)

    async def end_all(self, who: set[str], reason: Fault) -> int:
        """End their sessions; return how many, when they have ended."""
        return await self._end_some(self._of(who), reason)

    async def end_ids(self, ids: set[str], reason: Fault) -> int:
        """End the sessions that came in with one of these ids; return how many, as `end_all`."""
        some = [session for session in self.sessions.values() if session.came.id in ids - {""}]
        return await self._end_some(some, reason)

    async def _end_some(self, some: list[Session], reason: Fault) -> int:
        numbers = [session.number for session in some]
        for number in numbers:
            self.end(number, reason)
        deadline = time.monotonic() + END_SECONDS
        while any(number in self.sessions for number in numbers):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.01)
        return len(numbers)

    # What changes

    async def look_at_defaults(self) -> None:
        """Replace server connections, and what was learnt of them, where new ones would differ."""
        changed = await self._defaults.changed()
        some = [pool for pool in self.pools if concern(pool.database, pool.role, changed)]
        for pool in some:
            self.profiles.forget(pool)
            pool.recycle()
        if some:  # a search_path that was set is one that the door does not choose
            await self.rights.follow(each for each in self.sessions.values() if each.pool in some)

    # Its end

    async def drain(self, seconds: float) -> None:
        """End every session as soon as it is in no transaction; return when all have ended."""
        self.draining = True
        deadline = time.monotonic() + seconds
        while self.sessions and time.monotonic() < deadline:
            for session in list(self.sessions.values()):
                if not (session.busy or session.in_transaction or session.paused):
                    session.end(_DRAINING)
            await asyncio.sleep(0.02)
        for number in list(self.sessions):
            self.end(number, _DRAINING)
        for pool in self.pools:
            pool.close_idle()
