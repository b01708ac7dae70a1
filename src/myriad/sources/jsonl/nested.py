"""Records within records: objects to columns `a.b`, arrays of objects to tables of their own."""

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any

from myriad.model import ForeignKey
from myriad.sources.base import BATCH_ROWS, MAX_READ
from myriad.sources.jsonl.records import Chunk

Row = dict[str, Any]
MOST_TABLES = 100
POSITION, RECORD = "position", "record"
KEYS = ("_id", "id")  # what names a record, where nobody says another key


class Nested(StrEnum):
    """What becomes of objects and arrays within records."""

    JSON = "json"
    COLUMNS = "columns"
    TABLES = "tables"


class TooManyNames(Exception):
    """Records have more different names in them than a source may have columns."""


class Flat:
    """Gives the values within objects names of their own, always the same for the same keys."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}
        self._taken: set[str] = set()

    def row(self, record: Row) -> Row:
        """Return a record without objects in it, but for empty ones."""
        made: Row = {}
        self._into(made, record, self._known, "")
        return made

    def _into(self, made: Row, record: Row, known: dict[str, Any], prefix: str) -> None:
        for key, value in record.items():
            found = known.get(key)
            if found is None:
                found = known[key] = (self._name(prefix + key), {})
            if type(value) is dict and value:
                self._into(made, value, found[1], found[0] + ".")
            else:
                made[found[0]] = value

    def _name(self, wanted: str) -> str:
        name = wanted
        while name in self._taken:  # the key "a.b", beside "b" in "a"
            name += "_"
        self._taken.add(name)
        if len(self._taken) > MAX_READ:
            raise TooManyNames
        return name


@dataclass
class Part:
    """A table that records give: one row a record, or one for each object in an array of theirs.

    Attributes:
        path: names of the arrays that lead to it, each within the objects of the one before.
        flat: makes its rows.
        fields: names that its rows have.
        arrays: its arrays of objects, by name; None for what is, or holds, something else, too.
        keys: columns that name the row above, and where in its array this one is.
    """

    path: tuple[str, ...] = ()
    flat: Flat = field(default_factory=Flat)
    fields: set[str] = field(default_factory=set)
    arrays: dict[str, "Part | None"] = field(default_factory=dict)
    keys: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The part's name, behind that of the table; empty for the records themselves."""
        return "_".join(self.path)

    def all(self) -> Iterator["Part"]:
        """Yield this part and those within."""
        yield self
        for part in self.arrays.values():
            if part is not None:
                yield from part.all()

    def look(self, record: Row) -> None:
        """Take in which arrays hold objects only; what is anything else in a record is no array."""
        row = self.flat.row(record)
        self.fields.update(row)
        for name, value in row.items():
            known = self.arrays.get(name)
            if value is None or (name in self.arrays and known is None):
                continue
            if type(value) is not list or not all(type(each) is dict for each in value):
                self.arrays[name] = None
            elif value:
                if known is None:
                    known = self.arrays[name] = Part((*self.path, name))
                for each in value:
                    known.look(each)

    def rows(self, above: Row, record: Row, path: Sequence[str]) -> Iterator[Row]:
        """Yield the rows that one record gives to the part at `path` below this one."""
        row = self.flat.row(record)
        if not path:
            own = {name: v for name, v in row.items() if self.arrays.get(name) is None}
            yield {**above, **own}
            return
        inner = self.arrays[path[0]]
        assert inner is not None  # noqa: S101 - `path` is one of a part
        for number, each in enumerate(row.get(path[0]) or (), 1):
            keys = dict(zip(inner.keys, (*self._values(above, row), number), strict=True))
            yield from inner.rows(keys, each, path[1:])

    def _values(self, above: Row, row: Row) -> tuple[Any, ...]:
        return tuple(above[key] if key in above else row.get(key) for key in self.keys)


@dataclass
class Plan:
    """All tables that the records of a file give, and what names a record.

    Attributes:
        called: what the first will be called.
        key: the columns of the first table that name its rows.
        numbered: those are no values of the records: they are numbered.
    """

    name: str
    called: str
    root: Part
    key: tuple[str, ...]
    numbered: bool

    def parts(self) -> list[Part]:
        """Return all tables, the first and then those within."""
        return list(self.root.all())

    def table(self, part: Part) -> str:
        """Return what a part's table is called."""
        return f"{self.name}_{part.name}" if part.path else self.name

    def foreign_key(self, part: Part) -> ForeignKey | None:
        """Return the key that leads to the table above, None for the first."""
        if not part.path:
            return None
        above = next(p for p in self.parts() if p.path == part.path[:-1])
        return ForeignKey(part.keys[:-1], self.table(above), above.keys)

    def chunks(self, part: Part, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Yield, for records, the rows that they give to a part, with their lines."""
        number = 0
        for chunk in chunks:
            made = Chunk(position=chunk.position, broken=[] if part.path else chunk.broken)
            for record, line, raw in zip(chunk.records, chunk.lines, chunk.raws, strict=True):
                number += 1
                above = {RECORD: number} if self.numbered else {}
                above = dict(zip(self.root.keys, above.values(), strict=False))
                for row in self.root.rows(above, record, part.path):
                    made.add(line, raw, row)
                    if made.full(BATCH_ROWS):
                        yield made
                        made = Chunk(position=chunk.position)
            yield made


def planned(name: str, table: str, chunks: Iterator[Chunk], key: Sequence[str]) -> Plan:
    """Look at all records, and return the tables that they give.

    `table`: what the first will be called: columns are called after it.
    `key`: the columns that name a record; without any, `_id` or `id` if no two are the same, else
    the records are numbered.
    """
    root, candidates = Part(), {name: _Unique() for name in (() if key else KEYS)}
    for chunk in chunks:
        for record in chunk.records:
            root.look(record)
            for candidate, values in candidates.items():
                values.take(record.get(candidate))
    named = tuple(_meant(name, root.fields) for name in key) or next(
        ((candidate,) for candidate, values in candidates.items() if values.sound), ()
    )
    plan = Plan(name, table, root, named or (_free(RECORD, root.fields),), numbered=not named)
    root.keys = plan.key
    _name_keys(plan, root)
    return plan


def _name_keys(plan: Plan, above: Part) -> None:
    for part in above.arrays.values():
        if part is None:
            continue
        if above.path:
            last = _free(f"{above.path[-1]}.{POSITION}", part.fields)
            own = (*above.keys[:-1], last)
        else:
            own = tuple(_free(f"{plan.called}.{key}", part.fields) for key in above.keys)
        part.keys = (*own, _free(POSITION, part.fields))
        _name_keys(plan, part)


def _meant(name: str, fields: set[str]) -> str:
    """Return the field that is called so, there or in a table made of it."""
    if name in fields:
        return name
    plain = (field for field in fields if re.sub(r"\W+", "_", field).strip("_").lower() == name)
    return next(plain, name)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


class _Unique:
    """Whether values name their records: there is one in each, and no two are the same."""

    def __init__(self) -> None:
        self._hashes, self._sound = array("q"), True

    def take(self, value: object) -> None:
        if self._sound:
            self._sound = isinstance(value, (str, int)) and not isinstance(value, bool)
            self._hashes.append(hash(value) if self._sound else 0)

    @property
    def sound(self) -> bool:
        """Whether it is so for all; two hashes that are the same by chance make it false."""
        ordered = sorted(self._hashes)
        return self._sound and bool(ordered) and all(a != b for a, b in pairwise(ordered))
