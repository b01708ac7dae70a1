"""Where names without a schema are looked up: in what was granted, and no one else can add to.

PostgreSQL looks first where a search_path does not say it: in the session's temporary tables, then
in its own catalog. So `current_schema()` is a dataset, as clients expect, and nobody who empties a
temporary table empties one that was published.
"""

from collections.abc import Mapping
from typing import NamedTuple

from myriad import named_sql
from myriad.door.control.accounts import Entry

SQL = named_sql.load("myriad", "schemas.sql")["schemas"]
MOST = 50  # datasets beside the default one
_USER = "$user"  # also quoted it means a schema of whoever looks


class Schema(NamedTuple):
    """A schema.

    Attributes:
        makers: who may make something in it, or has; '': everybody.
        readers: who may look into it, likewise.
        tellable: a startup message can name it: the server converts nothing there.
    """

    makers: frozenset[str]
    readers: frozenset[str]
    tellable: bool = True


def names(schemas: Mapping[str, Schema], entry: Entry, default: str) -> tuple[str, ...]:
    """Return the schemas in which somebody's short names are looked up, in this order.

    One that is theirs and has their name comes first, as PostgreSQL itself has it.
    """
    mine = {"", entry.name, *entry.groups}
    found = {name: each for name, each in schemas.items() if each.tellable and name != _USER}
    closed = {name: each.readers for name, each in found.items() if not each.makers}
    granted = sorted(name for name, readers in closed.items() if not mine.isdisjoint(readers))
    own = found.get(entry.name)
    first = [entry.name] if own is not None and own.makers == {entry.name} else []
    first += [default] if default in closed else []
    return (*first, *[name for name in granted if name not in first][:MOST])


def open_to_others(schemas: Mapping[str, Schema]) -> frozenset[str]:
    """Return the schemas in which somebody may make what others would take for something else."""
    return frozenset(name for name, each in schemas.items() if each.makers)
