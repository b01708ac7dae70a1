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


class Schemas:
    """The schemas of a database by name.

    Attributes:
        open: those in which somebody may make what others would take for something else.
    """

    def __init__(self, found: Mapping[str, Schema]) -> None:
        self._found = found
        self.open = frozenset(name for name, each in found.items() if each.makers)
        told = {name: each for name, each in found.items() if each.tellable and name != _USER}
        self._closed = {name: each.readers for name, each in told.items() if not each.makers}
        self._own = {name for name, each in told.items() if each.makers == {name}}
        self._granted: dict[str, set[str]] = {}
        for name, readers in self._closed.items():
            for reader in readers:
                self._granted.setdefault(reader, set()).add(name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schemas) and self._found == other._found

    __hash__ = None  # type: ignore[assignment]

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def path(self, entry: Entry, default: str) -> tuple[str, ...]:
        """Return the schemas in which somebody's short names are looked up, in this order.

        One that is theirs and has their name comes first, as PostgreSQL itself has it.
        """
        mine = ("", entry.name, *entry.groups)
        granted = set[str]().union(*(self._granted.get(each, ()) for each in mine))
        first = [entry.name] if entry.name in self._own else []
        first += [default] if default in self._closed else []
        return (*first, *sorted(granted.difference(first))[:MOST])
