"""What the server is, and how many of its connections the door may use."""

from typing import Any

from myriad.door.control.control import SQL, Control

KNOWN_VERSION = 18  # of PostgreSQL, whose grammar pglast has
# A statement may take long without using a core: more than the cores need, as poolers have it.
LEAST_IN_ONE, LEAST_IN_ALL = 20, 60
RESERVED = 20  # server connections for Myriad's own commands, and for this door's control


async def capacity(control: Control, settings: dict[str, Any], cores: int) -> dict[str, Any]:
    """Return how many server connections the door may use, and whether it is superuser."""
    [row] = await control.fetch(SQL["capacity"])
    most = max(2, row["connections"] - RESERVED)
    in_all = min(settings["server_connections"] or max(LEAST_IN_ALL, 20 * cores), most)
    in_one = min(settings["pool_size"] or max(LEAST_IN_ONE, 4 * cores), in_all)
    return {
        "in_all": in_all,
        "in_one": in_one,
        "superuser": row["superuser"],
        "version": row["version"],
    }
