"""What the server is, and how many of its connections the door may use."""

from dataclasses import dataclass

from myriad.door.control.control import SQL, Control
from myriad.settings import Settings

KNOWN_VERSION = 18  # of PostgreSQL, whose grammar pglast has
# A statement may take long without using a core: more than the cores need, as poolers have it.
LEAST_IN_ONE, LEAST_IN_ALL = 20, 60
RESERVED = 20  # server connections for Myriad's own commands, and for the door's control
FOR_EACH_MORE = 2  # for the control of each further process


class TooFew(Exception):
    """The server allows fewer connections than the door has processes."""


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


async def capacity(
    control: Control, settings: Settings, cores: int, process: int, processes: int
) -> Capacity:
    """Return what the server allows one process of the door, and what it is.

    Each has its part: what they open together is never too much. Raises TooFew.
    """
    [row] = await control.fetch(SQL["capacity"])
    most = max(2, row["connections"] - RESERVED - FOR_EACH_MORE * (processes - 1))
    in_all = min(settings.server_connections or max(LEAST_IN_ALL, 20 * cores), most)
    in_one = min(settings.pool_size or max(LEAST_IN_ONE, 4 * cores), in_all)
    if in_all < processes:
        raise TooFew(in_all)
    part = _part(in_all, process, processes)
    in_one = min(max(1, _part(in_one, process, processes)), part)
    return Capacity(in_one, part, row["superuser"], row["version"])


def _part(whole: int, process: int, processes: int) -> int:
    return whole // processes + (process < whole % processes)
