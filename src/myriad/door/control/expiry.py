"""Accounts that end at a moment (`VALID UNTIL`): PostgreSQL asks for it at the login alone."""

from typing import Any

from myriad.door.control.control import SQL, Control

LOOK_SECONDS = 5.0


class Expiry:
    """When the catalog was asked last whose time has ended."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._asked: Any = None  # a datetime

    async def passed(self) -> bool:
        """Say whether somebody's time has ended since this was asked before."""
        [row] = await self._control.fetch(SQL["expired"], self._asked)
        self._asked = row["now"]
        return bool(row["somebody"])
