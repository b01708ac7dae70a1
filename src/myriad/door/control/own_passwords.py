"""Passwords that people change themselves: kept as `people` does, by a connection of its own.

Whose it is, the door knows from the login: no name that somebody writes has a part in it.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import asyncpg

from myriad import administrator, named_sql, verifiers
from myriad.door.control.control import GONE, Control
from myriad.errors import PeopleError
from myriad.pgwire.faults import Fault, Refused

SQL = named_sql.load("myriad.door.control", "own_passwords.sql")
CHANNEL = "myriad_passwords"
CHANGE_SECONDS = 20.0  # that a change may take
CLOSE_SECONDS = 2.0
_MD5 = re.compile(r"md5[0-9a-f]{32}")  # what PostgreSQL takes for such a verifier

FOLLOWS = "Cassandra takes it within seconds; if it is down, when it is back"
# Better than the old one: somebody else may know that.
LOCKED_OUT = (
    "you cannot log in to Cassandra now: it needs the password itself, not what psql makes of it."
    " Over an encrypted connection: ALTER ROLE CURRENT_USER PASSWORD '...'"
)
_AGAIN = "Nothing was changed. Try again in a minute."
_ONE = Fault("55006", "another session of yours is changing your password", _AGAIN)
_BUSY = Fault("55P03", "somebody else is changing accounts", _AGAIN)
_GONE = Fault("42704", "there is no such account any more", "Ask whoever runs this server.")
_LOST = Fault(
    "08006",
    "PostgreSQL went away: your password is the old one, or the new one if it was just in time",
    "Try again in a moment, and log in with the new one after that.",
)
_MD5_REFUSED = Fault(
    "22023",
    "passwords are kept as SCRAM-SHA-256 here, not as MD5",
    r"With psql: SET password_encryption = 'scram-sha-256', then \password.",
)


class Attempts(Protocol):
    """Slows down whoever tries too often; it is the throttle of logins."""

    @property
    def heard(self) -> dict[str, Callable[..., None]]:
        """What to do with what other processes tell."""

    def attempt(self, name: str, address: str) -> AbstractContextManager[float]:
        """Give how many seconds an answer must wait; raises Refused."""

    def failed(self, name: str, address: str) -> None:
        """Count one."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """What is to be stored: for PostgreSQL, and for Cassandra if it can have it."""

    scram: str = field(repr=False)
    bcrypt: str | None = field(repr=False)


class Passwords:
    """Changes people's own passwords, each one's one at a time; `attempts` are counted."""

    def __init__(self, control: Control, attempts: Attempts, *, superuser: bool) -> None:
        self.attempts = attempts
        self._control, self._superuser = control, superuser
        self._under_way: set[str] = set()
        self._one_at_a_time = asyncio.Lock()  # so few connections are kept from people

    async def change(self, name: str, oid: int, password: str, goes_on: Callable[[], bool]) -> str:
        """Set somebody's own password, or a verifier; return what to tell them, if anything.

        `oid` is that of their role; `goes_on` says whether they still want it, after a wait.
        Raises Refused: it is as it was.
        """
        if name in self._under_way:
            raise Refused(_ONE)
        self._under_way.add(name)
        try:
            with self.attempts.attempt(name, name) as seconds:
                self.attempts.failed(name, name)  # each counts: none can be told from a flood
                await asyncio.sleep(seconds)
            if not goes_on():
                raise Refused(_GONE)
            stored = await asyncio.to_thread(_stored, password)
            return await self._keep(oid, password, stored)
        except PeopleError as error:
            raise Refused(Fault("22023", error.message, error.hint)) from None
        finally:
            self._under_way.discard(name)

    async def _keep(self, oid: int, password: str, stored: _Stored) -> str:
        try:
            async with asyncio.timeout(CHANGE_SECONDS):
                await self._one_at_a_time.acquire()
        except TimeoutError:
            raise Refused(_BUSY) from None  # nothing has begun
        try:
            async with asyncio.timeout(CHANGE_SECONDS):
                return await self._within(oid, password, stored)
        except asyncpg.LockNotAvailableError:
            raise Refused(_BUSY) from None
        except GONE:
            raise Refused(_LOST) from None
        except asyncpg.PostgresError as error:
            raise Refused(_impossible(error)) from None
        finally:
            self._one_at_a_time.release()

    async def _within(self, oid: int, password: str, stored: _Stored) -> str:
        connection = await self._control.enter_own()
        try:
            async with connection.transaction():
                return await self._change(connection, oid, password, stored)
        finally:
            await connection.close(timeout=CLOSE_SECONDS)

    async def _change(
        self, connection: asyncpg.Connection, oid: int, password: str, stored: _Stored
    ) -> str:
        if self._superuser:
            await connection.execute(administrator.QUIET)
        await connection.execute(SQL["patience"])
        await connection.execute(SQL["lock"])
        found = await connection.fetchrow(SQL["whose"], oid)
        if found is None:
            raise Refused(_GONE)
        typed = not password.startswith(verifiers.KIND)
        if typed:
            verifiers.check(password, cassandra=found["in_cassandra"])
        role = '"' + found["name"].replace('"', '""') + '"'
        await connection.execute(f"ALTER ROLE {role} PASSWORD '{stored.scram}'")
        await connection.execute(SQL["keep"], found["name"], stored.scram, stored.bcrypt)
        await connection.execute(SQL["tell"])
        if not found["in_cassandra"]:
            return ""
        await connection.execute(SQL["follow"], found["name"])
        return FOLLOWS if typed else LOCKED_OUT


def _stored(password: str) -> _Stored:
    """Return what is stored of a password; raises PeopleError for one that will not do."""
    if password.startswith(verifiers.KIND):
        verifiers.check_verifier(password)
        return _Stored(password, None)
    if _MD5.fullmatch(password):
        raise Refused(_MD5_REFUSED)
    verifiers.check_own(password)
    hashed = verifiers.bcrypt_of(password, verifiers.TYPED_COST)
    return _Stored(verifiers.scram_sha_256(password), hashed)


def _impossible(error: asyncpg.PostgresError) -> Fault:
    return Fault(
        error.sqlstate or "XX000",
        f"the password cannot be changed here: {error}",
        "Ask whoever runs this server: they can let Myriad's role alter others.",
    )
