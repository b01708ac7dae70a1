"""Settings that connections begin with: they change by ALTER SYSTEM, ALTER DATABASE or ROLE … SET.

The catalog says whether that has happened, and to whom it matters: no statement does.
"""

import asyncio

from myriad.door.control.control import SQL, Control

LOOK_SECONDS = 2.0
Default = tuple[str, str, str]  # database and role, each "" for all; and what stands for the values


class Defaults:
    """What the catalog said of them when it was asked last."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._known: frozenset[Default] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def changed(self) -> set[tuple[str, str]]:
        """Return the databases and roles, each "" for all, whose settings have changed."""
        async with self._one_at_a_time:
            rows = await self._control.fetch(SQL["defaults"])
            now = frozenset((row["database"], row["role"], row["settings"]) for row in rows)
            before, self._known = self._known, now
        return {each[:2] for each in now ^ before} if before is not None else set()


def concern(database: str, role: str, changed: set[tuple[str, str]]) -> bool:
    """Say whether connections of a role to a database would begin with other settings."""
    databases, roles = ("", database), ("", role)
    return any((one, other) in changed for one in databases for other in roles)
