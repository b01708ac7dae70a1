"""How much memory a door has now."""

import json

import psutil

from tests.door_script import Place


def memory(place: Place) -> int:
    """Return what the door's process has in memory, in bytes."""
    known = json.loads((place.installation.home.folder / "door.json").read_text())
    return int(psutil.Process(known["pid"]).memory_info().rss)
