"""From where a table came: what tells whether the next one of its name is of the same source."""

from collections.abc import Mapping
from pathlib import Path

from myriad.publish.recipes import Recipe
from myriad.sources.places.addresses import is_address
from myriad.sources.places.names import STDIN

Came = Mapping[str, str]


def came(named: str, table: str, recipe: Recipe) -> Came:
    """Return as what a table is published; see `Target.came`."""
    there = named if is_address(named) or named == STDIN else str(Path(named).absolute())
    return {
        "source": named,
        "path": there,
        "table": table,
        "sheet": recipe.sheet or "",
        "records": recipe.records or "",
    }


def differ(before: Came, now: Came) -> tuple[str, str]:
    """Return what two sources are called so that they differ, the same of both if they do not."""
    place = "path" if "path" in before else "source"  # of older runs only that is known
    if before.get(place, now[place]) == now[place]:
        return "", ""
    shown = "source" if before["source"] != now["source"] else place
    return before[shown], now[shown]
