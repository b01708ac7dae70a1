"""The roles that pools log in as: each a member of exactly one set of groups."""

import asyncio
import hmac
from contextlib import suppress

import asyncpg

from myriad.door.control.control import SQL, Control
from myriad.door.server.dial import Dial
from myriad.pgwire.wire import identifier
from myriad.verifiers import scram_sha_256

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('pool roles', 0))"


class PoolRoles:
    """Makes the roles of pools, and trusts only what it has checked since its start."""

    def __init__(self, control: Control, dial: Dial, secret: bytes) -> None:
        """`secret` is behind the roles' passwords: all processes of the door log in by the same."""
        self._control, self._dial, self._secret = control, dial, secret
        self._right: set[str] = set()
        self._one_at_a_time = asyncio.Lock()

    def forget(self) -> None:
        """Check again: groups have changed."""
        self._right.clear()

    async def ensure(self, role: str, groups: tuple[str, ...]) -> None:
        """Make a role that is a member of exactly these groups and has no other right."""
        async with self._one_at_a_time:
            if role in self._right:
                return
            rows = await self._control.fetch(SQL["pool_role"], role)
            if not rows:
                await self._create(role)
            member_of = set(rows[0]["groups"]) if rows else set()
            await self._change("GRANT {} TO {}", role, set(groups) - member_of)
            await self._change("REVOKE {} FROM {}", role, member_of - set(groups))
            if self._dial.wants_passwords:
                await self._set_password(role)
            self._right.add(role)

    async def _create(self, role: str) -> None:
        with suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):  # another door
            await self._control.execute(f"CREATE ROLE {identifier(role)} LOGIN")

    async def _change(self, statement: str, role: str, groups: set[str]) -> None:
        if groups:
            listed = ", ".join(identifier(group) for group in sorted(groups))
            await self._alone(statement.format(listed, identifier(role)))

    async def _set_password(self, role: str) -> None:
        """Give it its password, which nobody but the door knows."""
        password = hmac.digest(self._secret, role.encode(), "sha256").hex()
        self._dial.secrets[role] = password
        verifier = scram_sha_256(password)
        await self._alone(f"ALTER ROLE {identifier(role)} PASSWORD '{verifier}'")

    async def _alone(self, statement: str) -> None:
        """Change a role while no other process does: PostgreSQL refuses two at once."""
        await self._control.execute(f"{_LOCK}; {statement}")
