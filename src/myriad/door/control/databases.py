"""What decides in each database whether people may share server connections there."""

import asyncio
import hashlib
import json
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import asyncpg

from myriad.door.control import search_path
from myriad.door.control.accounts import Entry
from myriad.door.control.control import ASK_SECONDS, GONE, SQL, Control
from myriad.door.control.search_path import Schema, Schemas
from myriad.door.verdict.functions import OWN
from myriad.door.verdict.long_texts import Reader
from myriad.door.verdict.verdict_cache import Verdicts, texts

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOK_SECONDS = 2.0
# In somebody's own only which functions change nothing is of interest: they come by extensions.
THEIRS_SECONDS = 60.0
# Volatile functions that views and defaults may call: what they leave behind is known.
HARMLESS = sorted(OWN | {"nextval", "setval"})

# In somebody's own nobody shares anything, whatever there is in it.
NOT_SHARED = {"opaque": True, "soft": True, "creators": ()}

log = logging.getLogger("myriad.door")


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found in a database.

    Attributes:
        oid: which one it is: a name can be used again.
        ours: it is Myriad's own, and not somebody's.
        hides_activity: nobody may see there what others run.
        shareable: nothing in it tells who asks, or does more than its statement says.
        creators: groups that may make things there, which would then belong to the pool's role.
        schemas: by name: with a person's name, one is in that person's search path only.
        verdicts: what statements leave behind there.
        seen: when this was found.
    """

    oid: int
    ours: bool
    hides_activity: bool
    shareable: bool
    creators: frozenset[str]
    schemas: Schemas
    verdicts: Verdicts
    seen: float = field(compare=False)

    def is_stale(self) -> bool:
        """Say whether there may be new extensions."""
        return time.monotonic() - self.seen > THEIRS_SECONDS

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
        self._changed: set[str] = set()

    async def of(self, database: str, oid: int) -> Facts:
        """Return the facts of the database that has that name now; its oid may be another one.

        Raises asyncpg.PostgresError, OSError.
        """
        async with self._looking.setdefault(database, asyncio.Lock()):
            found = self._facts.get(database)
            if found is None or found.oid != oid:
                found = self._facts[database] = await self._look(database)
            elif database in self._changed:
                found = await self._look_again(database, found)
        return found

    def have_changed(self) -> None:
        """Hear that rights may be others in each of our databases."""
        self._changed.update(name for name, facts in self._facts.items() if facts.ours)

    async def _look_again(self, database: str, old: Facts) -> Facts:
        """Return what is found now; what was if that fails, until the next look."""
        self._changed.discard(database)
        with suppress(*GONE, asyncpg.PostgresError):
            new = await self._look(database)
            self._facts[database] = new
            return new
        return old

    async def refresh(self, used: set[str]) -> set[str]:
        """Look again at the databases in use, forget the others; return those that changed."""
        for database in self._facts.keys() - used:
            del self._facts[database]
        there = await self._there(list(self._facts))
        changed = set()
        for database, old in list(self._facts.items()):
            if there.get(database) == (old.oid, False) and not old.is_stale():
                continue
            async with self._looking.setdefault(database, asyncio.Lock()):
                if await self._look_again(database, old) != old:
                    changed.add(database)
        self._looking = {
            name: lock
            for name, lock in self._looking.items()
            if lock.locked() or name in self._facts
        }
        return changed

    async def _there(self, databases: list[str]) -> dict[str, tuple[int, bool]]:
        """Return oid, and whether it is ours, of each database that is there."""
        rows = await self._control.fetch(SQL["databases"], databases, self._control.role)
        return {row["datname"]: (row["oid"], row["ours"]) for row in rows}

    async def is_still(self, database: str, oid: int) -> bool:
        """Say whether a database of that name is the one with that oid.

        Whoever is connected to it by its name can be sure then: it keeps its name meanwhile.
        """
        there = await self._there([database])
        return database in there and there[database][0] == oid

    async def _look(self, database: str) -> Facts:
        connection = await self._control.enter(database)
        try:
            here = await connection.fetchrow(SQL["here"], self._control.role)
            harmless = await connection.fetchval(SQL["harmless"], timeout=ASK_SECONDS)
            row: Mapping[str, Any] = NOT_SHARED
            schemas: list[asyncpg.Record] = []
            if here["ours"]:
                row = await connection.fetchrow(SQL["facts"], HARMLESS, timeout=ASK_SECONDS)
                schemas = await connection.fetch(search_path.SQL, timeout=ASK_SECONDS)
        finally:
            await connection.close()
        return Facts(
            here["oid"],
            here["ours"],
            not row["soft"],
            not (row["opaque"] or row["soft"]),
            frozenset(row["creators"]),
            Schemas(
                {
                    name: Schema(
                        frozenset(makers), frozenset(readers), here["any_letter"] or name.isascii()
                    )
                    for name, makers, readers in schemas
                }
            ),
            self._verdicts_with(frozenset(harmless)),
            time.monotonic(),
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
