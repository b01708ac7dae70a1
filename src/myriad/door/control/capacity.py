"""What the server is, and how many of its connections the door may use."""

from dataclasses import dataclass

from myriad.door.control.control import SQL, Control
from myriad.settings import Settings

KNOWN_VERSION = 18  # of PostgreSQL, whose grammar pglast has
# A statement may take long without using a core: more than the cores need, as poolers have it.
LEAST_IN_ONE, LEAST_IN_ALL = 20, 60
RESERVED = 20  # server connections for Myriad's own commands, and for this door's control


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many server connections the door may use: of one pool, and of all.

    Attributes:
        superuser: the administrator is one.
        version: the server's major one.
    """

    in_one: int
    in_all: int
    superuser: bool
    version: int


async def capacity(control: Control, settings: Settings, cores: int) -> Capacity:
    """Return what the server allows, and what it is."""
    [row] = await control.fetch(SQL["capacity"])
    most = max(2, row["connections"] - RESERVED)
    in_all = min(settings.server_connections or max(LEAST_IN_ALL, 20 * cores), most)
    in_one = min(settings.pool_size or max(LEAST_IN_ONE, 4 * cores), in_all)
    return Capacity(in_one, in_all, row["superuser"], row["version"])
