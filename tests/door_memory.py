"""How much memory a door has now."""

from myriad.running import door
from tests.door_script import Place


def memory(place: Place) -> int:
    """Return what the door's processes have in memory, in bytes."""
    return sum(each.memory_info().rss for each in door.all_running(place.installation.home))
