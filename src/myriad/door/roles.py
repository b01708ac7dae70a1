"""The roles that pools log in as: each a member of exactly one set of groups."""

import asyncio
import base64
import hashlib
import hmac
import secrets

from myriad.door import scram
from myriad.door.control import SQL, Control
from myriad.door.dial import Dial


class PoolRoles:
    """Makes the roles of pools, and trusts only what it has checked since its start."""

    def __init__(self, control: Control, dial: Dial) -> None:
        self._control = control
        self._dial = dial
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
                await self._control.execute(f"CREATE ROLE {_quoted(role)} LOGIN")
            member_of = set(rows[0]["groups"]) if rows else set()
            await self._change("GRANT {} TO {}", role, set(groups) - member_of)
            await self._change("REVOKE {} FROM {}", role, member_of - set(groups))
            if self._dial.wants_passwords:
                await self._set_password(role)
            self._right.add(role)

    async def _change(self, statement: str, role: str, groups: set[str]) -> None:
        if groups:
            listed = ", ".join(_quoted(group) for group in sorted(groups))
            await self._control.execute(statement.format(listed, _quoted(role)))

    async def _set_password(self, role: str) -> None:
        """Give it a new password that nobody but this process ever knows."""
        password = secrets.token_urlsafe(32)
        self._dial.secrets[role] = password
        await self._control.execute(f"ALTER ROLE {_quoted(role)} PASSWORD '{_verifier(password)}'")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _verifier(password: str) -> str:
    """Return what PostgreSQL stores of an ASCII password (RFC 5802, section 3)."""
    salt = secrets.token_bytes(scram.SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, scram.ITERATIONS)
    client_key, server_key = (
        hmac.digest(salted, label, "sha256") for label in (b"Client Key", b"Server Key")
    )
    stored_key = hashlib.sha256(client_key).digest()
    texts = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return "SCRAM-SHA-256${}:{}${}:{}".format(scram.ITERATIONS, *texts)
