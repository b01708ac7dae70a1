"""The door itself: what all its clients share, and what happens to them from outside."""

import asyncio
import hmac
import json
import logging
import secrets
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from myriad.door.control.accounts import Account, Accounts, Entry
from myriad.door.control.capacity import KNOWN_VERSION
from myriad.door.control.control import Control
from myriad.door.control.databases import Databases, pool_role
from myriad.door.control.defaults import Defaults, concern
from myriad.door.control.requests import Requests
from myriad.door.control.roles import PoolRoles
from myriad.door.control.strays import Strays
from myriad.door.ledger.audit import Audit
from myriad.door.ledger.memory import Memory
from myriad.door.ledger.troubles import Troubles
from myriad.door.login.login import Login
from myriad.door.login.throttle import Throttle
from myriad.door.pool.internal import Guest
from myriad.door.pool.pool import CLOSE, Place, Pool
from myriad.door.pool.pools import Pools, replaced
from myriad.door.server.asking import Lost
from myriad.door.server.backend import Backend
from myriad.door.server.dial import Dial
from myriad.door.server.peers import HangUps
from myriad.door.session import holding
from myriad.door.session.profiles import Profile, Profiles, objection
from myriad.door.session.refusals import CANCELLED, end_unit, refuse_waiting
from myriad.door.session.session import Session
from myriad.door.verdict.processes import FIRST_NUMBER, LAST_NUMBER
from myriad.pgwire.faults import Fault, Refused
from myriad.pgwire.startup import Startup

if TYPE_CHECKING:
    import ssl

SHORT_KEY, LONG_KEY = 4, 32  # bytes of a cancel key, before and since protocol 3.2
LONG_SINCE = 2
_FULL = Fault("53300", "too many clients are connected already", "Try again later.")
_DRAINING = Fault("57P01", "terminating connection: the server is stopping", "Connect again.")
_RIGHTS = Fault("57P01", "terminating connection: your rights have changed", "Connect again.")

log = logging.getLogger("myriad.door")


class Door:
    """Everything that sessions share.

    Attributes:
        sessions: by the number that their clients cancel with.
        may_be_idle: for how many seconds, of those sessions that say so themselves.
        login_bytes: what those who log in now have sent.
        accepted: logins that succeeded.
        stopped: statements that were cancelled by a limit or by somebody.
        draining: no new sessions, and none goes on after its transaction.
    """

    def __init__(
        self, settings: dict[str, Any], dial: Dial, control: Control, *, capacity: dict[str, Any]
    ) -> None:
        self.settings = settings
        self.dial = dial
        self.control = control
        self.loop = asyncio.get_running_loop()
        self.tls: ssl.SSLContext | None = None
        self.binding: bytes | None = None
        self.mock_secret = secrets.token_bytes(32)
        self.accounts = Accounts(control, settings, superuser=capacity["superuser"])
        self.databases = Databases(control)
        self.defaults = Defaults(control)
        self.roles = PoolRoles(control, dial)
        self.throttle = Throttle(settings["max_clients"])
        self.profiles = Profiles()
        self.troubles = Troubles()
        self.strays = Strays(control, ours=capacity["ours"])
        self.audit = Audit(control, on=settings["audit"] == "on", most_rows=settings["audit_rows"])
        self.pools = Pools(
            dial,
            self.spawn,
            self.databases.is_still,
            self.strays.left,
            most_in_one=capacity["in_one"],
            most=capacity["in_all"],
        )
        self.requests = Requests(self, control)
        self.sessions: dict[int, Session] = {}
        self.logins: set[Login] = set()
        self.memory = Memory()
        self.room = holding.room(self.sessions, self.memory.held.came)
        self.hang_ups = HangUps()
        self.may_be_idle: dict[Session, float] = {}
        self.accepted = self.stopped = self.login_bytes = 0
        self.draining = False
        self.newer_grammar = capacity["version"] > KNOWN_VERSION
        self._tasks: set[asyncio.Task[None]] = set()
        self._stale = False
        self._looking: asyncio.Task[None] | None = None

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold on to a task that runs as long as the door."""
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that no client waits for by itself; a failure is logged."""
        task = self.loop.create_task(work)
        self.keep(task)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("in the background: %r", error, exc_info=error)

    # Clients come

    def admit(self, login: Login) -> bool:
        """Let a new client begin its login, or send it away."""
        if len(self.sessions) + len(self.logins) >= self.settings["max_clients"]:
            login.transport.write(_FULL.encode("FATAL"))
            login.transport.close()
            return False
        self.logins.add(login)
        self.memory.clients.came(len(self.sessions) + len(self.logins))
        return True

    def late(self) -> Fault:
        """Return why a login took too long."""
        if self.pools.waits_for_server is not None or not self.control.is_ready:
            return Fault("57P03", "PostgreSQL cannot be reached now", "Try again later.")
        return Fault("08006", "the login took too long", "See the setting login_timeout.")

    async def begin_session(self, login: Login, startup: Startup, entry: Entry) -> None:
        """Make a session of a client that has proven who it is; raises Refused."""
        if self.draining:
            raise Refused(_DRAINING)
        self._check_database(startup, entry)
        pool = await self.pool_of(entry, startup.database)
        fault = objection(pool, startup)
        if fault:
            raise Refused(fault)
        account = self.accounts.enter(entry)
        try:
            _check_room(account)
            profile = self.profiles.known(pool, startup)
            if profile is None:
                profile = await self._learn(pool, startup, account)
            _check_there(login)
        except BaseException:
            self.accounts.leave(account)
            raise
        session = Session(self, login.transport, account, pool, profile.values, login.address)
        self._welcome(session, login, startup, profile.statuses)

    def _check_database(self, startup: Startup, entry: Entry) -> None:
        if not entry.database:
            raise Refused(Fault("3D000", f'database "{startup.database}" does not exist'))
        if not entry.may_connect:
            raise Refused(
                Fault(
                    "42501",
                    f'permission denied for database "{startup.database}"',
                    "A group of yours must be granted something in it: myriad grant.",
                )
            )

    async def pool_of(self, entry: Entry, database: str) -> Pool:
        """Return where a person's statements run in a database; raises Refused."""
        try:
            facts = await self.databases.of(database, entry.database)
        except asyncpg.PostgresError as error:
            raise Refused(Fault(error.sqlstate or "08006", str(error))) from error
        if facts.oid != entry.database:
            raise Refused(replaced(database))
        shared = facts.shared_by(entry)
        role = pool_role(entry.groups) if shared else entry.name
        if shared:
            await self.roles.ensure(role, entry.groups)
        place = Place(database, facts.oid, role)
        pool = self.pools.of(
            place, facts.verdicts, shared=shared, whole_sessions=entry.whole_sessions
        )
        pool.lingers, pool.hides_activity = facts.ours, facts.hides_activity
        return pool

    async def _learn(self, pool: Pool, startup: Startup, account: Account) -> Profile:
        guest = Guest(pool, account)
        try:
            backend = await guest.server_connection()
            return await self.profiles.learn(pool, startup, backend)
        except Lost:
            raise Refused(Fault("57P03", "PostgreSQL ended; it is started again")) from None
        finally:
            guest.leave()

    def _welcome(self, session: Session, login: Login, startup: Startup, statuses: bytes) -> None:
        number = _new_number()
        while number in self.sessions:
            number = _new_number()
        session.number = number
        session.key = secrets.token_bytes(LONG_KEY if startup.minor >= LONG_SINCE else SHORT_KEY)
        self.sessions[number] = session
        self.hang_ups.watch(session)
        self.note_settings(session)
        session.pool.sessions += 1
        self.accepted += 1
        session.begin(statuses)
        login.transport.set_protocol(session)
        left = login.left_over()
        if left:
            session.data_received(left)

    def note_settings(self, session: Session) -> None:
        """Hear that a session may have got another idle_session_timeout."""
        if session.values.idle_seconds:
            self.may_be_idle[session] = session.values.idle_seconds
        else:
            self.may_be_idle.pop(session, None)

    # Clients go, or are stopped

    def forget(self, session: Session) -> None:
        """Hear that a session has ended."""
        self.hang_ups.forget(session)
        holding.release(session)
        self.may_be_idle.pop(session, None)
        if self.sessions.pop(session.number, None) is not None:
            self.accounts.leave(session.account)
            if not session.account.sessions:
                self.dial.secrets.pop(session.account.name, None)
            session.pool.leave()

    def cancel(self, number: int, key: bytes) -> None:
        """Cancel what a session runs now, if the key is its own."""
        session = self.sessions.get(number)
        if session is not None and hmac.compare_digest(session.key, key):
            self.stop(session)

    def stop(self, session: Session) -> None:
        """Cancel what a session runs now; what it runs later is never hit."""
        self.stopped += 1
        backend = session.backend
        if backend is None:
            if session.paused:
                refuse_waiting(session, session.reason or CANCELLED)
        elif session.busy and not backend.closed:
            if session.reason is not None:
                end_unit(session, session.reason)
            backend.cancels += 1
            self.spawn(self._cancel(backend))

    async def _cancel(self, backend: Backend) -> None:
        try:
            if not await self.dial.cancel(backend.number, backend.key):
                backend.dirt = CLOSE  # it may still come, and hit who is there then
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

    # What changes

    def people_changed(self, _payload: str = "") -> None:
        """Look everybody up again who is logged in; once more if that is under way."""
        self._stale = True
        if self._looking is None or self._looking.done():
            self._looking = self.spawn(self._look_until_fresh())

    async def _look_until_fresh(self) -> None:
        while self._stale:
            self._stale = False
            await self._look_again()

    async def _look_again(self) -> None:
        self.roles.forget()
        seen = {(session.account.name, session.pool.database) for session in self.sessions.values()}
        entries = await asyncio.gather(*(self.accounts.look_up(*each) for each in seen))
        found = dict(zip(seen, entries, strict=True))
        for session in list(self.sessions.values()):
            entry = found.get((session.account.name, session.pool.database))
            await self._follow(session, entry)

    async def _follow(self, session: Session, entry: Entry | None) -> None:
        """Give a session the rights that its person has now."""
        if entry is None or not (entry.may_log_in and entry.may_connect):
            session.end(_RIGHTS)
            return
        if entry.database != session.pool.oid:
            session.end(replaced(session.pool.database))
            return
        session.account.limit(entry.limits)
        try:
            pool = await self.pool_of(entry, session.pool.database)
        except Refused as refused:
            session.end(refused.fault)
            return
        if pool is session.pool:
            return
        if session.pin:
            session.end(_RIGHTS)
            return
        session.move(pool)

    async def look_at_databases(self) -> None:
        """Look again at the databases in use; move sessions where people may not share any more."""
        used = {session.pool.database for session in self.sessions.values()}
        if await self.databases.refresh(used):
            await self._look_again()

    async def look_at_defaults(self) -> None:
        """Replace server connections, and what was learnt of them, where new ones would differ."""
        changed = await self.defaults.changed()
        for pool in self.pools if changed else ():
            if concern(pool, changed):
                self.profiles.forget(pool)
                pool.recycle()

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
        for session in list(self.sessions.values()):
            session.end(_DRAINING)
            session.transport.abort() if session.busy else None
        for pool in self.pools:
            pool.close_idle()


def _new_number() -> int:
    return FIRST_NUMBER + secrets.randbelow(LAST_NUMBER + 1 - FIRST_NUMBER)


def _check_there(login: Login) -> None:
    """Make no session of a client that has gone meanwhile: nobody would ever end it."""
    if login.lost:
        raise ConnectionResetError


def _check_room(account: Account) -> None:
    if account.sessions > account.most_sessions:
        raise Refused(
            Fault(
                "53300",
                f'too many connections for role "{account.name}": the limit is'
                f" {account.limits.connections}",
                "Close some, or have the limit raised: myriad person limit.",
            )
        )


def secret_of(folder: Path) -> bytes:
    """Return the secret behind the salts of unknown names: the same after each start."""
    file = folder / "mock.json"
    try:
        return bytes.fromhex(json.loads(file.read_text())["secret"])
    except (OSError, ValueError, KeyError):
        secret = secrets.token_bytes(32)
        file.touch(mode=0o600)
        file.write_text(json.dumps({"secret": secret.hex()}))
        return secret
