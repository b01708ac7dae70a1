"""What decides in each database whether people may share server connections there."""

import asyncio
import hashlib
import json
import logging
from dataclasses import dataclass
from weakref import WeakValueDictionary

import asyncpg

from myriad.door.accounts import Entry
from myriad.door.control import GONE, SQL, Control
from myriad.door.functions import OWN
from myriad.door.reader import Reader
from myriad.door.verdicts import Verdicts, texts

LOOK_SECONDS = 2.0
# Volatile functions that views and defaults may call: what they leave behind is known.
CALM = sorted(OWN | {"nextval", "setval"})

log = logging.getLogger("myriad.door")


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found in a database.

    Attributes:
        ours: it is Myriad's own, and not somebody's.
        hides_activity: nobody may see there what others run.
        shareable: nothing in it tells who asks, or does more than its statement says.
        creators: groups that may make things there, which would then belong to the pool's role.
        schemas: their names: with a person's name, one is in that person's search path only.
        verdicts: what statements leave behind there.
    """

    ours: bool
    hides_activity: bool
    shareable: bool
    creators: frozenset[str]
    schemas: frozenset[str]
    verdicts: Verdicts

    def shared_by(self, entry: Entry) -> bool:
        """Say whether that person may share server connections with others of their groups."""
        return (
            self.shareable
            and not entry.personal
            and not self.creators.intersection(entry.groups)
            and "" not in self.creators
            and entry.name not in self.schemas
        )


class Databases:
    """Facts of the databases that people use; looked at again and again.

    Attributes:
        reader: parses long texts.
        texts: what is known of the texts of all of them.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self.reader = Reader()
        self.texts = texts()
        self._verdicts: WeakValueDictionary[frozenset[str], Verdicts] = WeakValueDictionary()
        self._facts: dict[str, Facts] = {}
        self._looking: dict[str, asyncio.Lock] = {}

    async def of(self, database: str) -> Facts:
        """Return the facts of a database; raises asyncpg.PostgresError, OSError."""
        async with self._looking.setdefault(database, asyncio.Lock()):
            found = self._facts.get(database)
            if found is None:
                found = self._facts[database] = await self._look(database)
        return found

    async def refresh(self, used: set[str]) -> set[str]:
        """Look again at the databases in use, forget the others; return those that changed."""
        changed = set()
        for database in list(self._facts):
            if database not in used:
                del self._facts[database]
                continue
            try:
                new = await self._look(database)
            except (*GONE, asyncpg.PostgresError):
                continue
            if new != self._facts[database]:
                self._facts[database] = new
                changed.add(database)
        self._looking = {
            name: lock
            for name, lock in self._looking.items()
            if lock.locked() or name in self._facts
        }
        return changed

    async def _look(self, database: str) -> Facts:
        connection = await self._control.enter(database)
        try:
            row = await connection.fetchrow(SQL["facts"], CALM)
        finally:
            await connection.close()
        return Facts(
            bool(row["ours"]),
            bool(row["ours"] and not row["soft"]),
            bool(row["ours"] and not row["opaque"] and not row["soft"]),
            frozenset(row["creators"]),
            frozenset(row["schemas"]),
            self._verdicts_with(frozenset(row["harmless"])),
        )

    def _verdicts_with(self, harmless: frozenset[str]) -> Verdicts:
        """Return the verdicts where these functions are harmless: the same ones where they are."""
        found = self._verdicts.get(harmless)
        if found is None:
            found = self._verdicts[harmless] = Verdicts(harmless, self.reader, self.texts)
        return found


def pool_role(groups: tuple[str, ...]) -> str:
    """Return the name of the role that has exactly the rights of these groups."""
    digest = hashlib.sha256(json.dumps(groups).encode()).hexdigest()[:16]
    return f"myriad_pool_{digest}"
