"""Which of a source's columns come along, and what they are called."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from myriad.errors import UsageError
from myriad.model import Type
from myriad.publish import keys, naming
from myriad.publish.recipes import Recipe, from_data
from myriad.wording import meant

NAMING = ("type", "rename", "columns", "exclude")  # what in a recipe names columns, and its key
SHOWN = 20  # columns in a hint
Pair = tuple[str, str]


def relevant(said: Recipe, originals: Sequence[str]) -> Recipe:
    """Return what was said of the columns that this source has: others are of other tables."""
    has = Names(said, originals).has
    return replace(
        said,
        type={name: kind for name, kind in said.type.items() if has(name)},
        rename={name: new for name, new in said.rename.items() if has(name)},
        columns=tuple(filter(has, said.columns)),
        exclude=tuple(filter(has, said.exclude)),
    )


class Names:
    """The columns of one source, as a recipe chooses and names them.

    Attributes:
        chosen: the name in the table of each column of the source.
    """

    def __init__(self, recipe: Recipe, originals: Sequence[str]) -> None:
        self._recipe, self._originals = recipe, originals
        keep = bool(recipe.keep_names)
        plain = naming.unique(originals, keep=keep, taken=naming.SYSTEM_COLUMNS)
        renames = recipe.rename
        self.chosen = [
            renames.get(original, renames.get(name, name))
            for original, name in zip(originals, plain, strict=True)
        ]
        self._plain = plain
        self._refuse_doubles()

    def _refuse_doubles(self) -> None:
        for new in self._recipe.rename.values():
            naming.check("column", new)
            if new in naming.SYSTEM_COLUMNS:
                raise UsageError(
                    f"--rename: every table has a column {new} already",
                    hint="Choose another name.",
                )
            if self.chosen.count(new) > 1:
                raise UsageError(
                    f"--rename: there would be two columns {new}",
                    hint="Choose another name, or leave one column out with --exclude.",
                )

    def has(self, name: str) -> bool:
        """Say whether a column is called so, in the source or in the table."""
        return name in self._places

    @property
    def all(self) -> frozenset[str]:
        """All names that its columns have, in the source or in the table."""
        return frozenset(self._places)

    @cached_property
    def _places(self) -> dict[str, int]:
        """Where each column is, by its name in the source, else by the others that it has."""
        found: dict[str, int] = {}
        for names in (self._originals, self.chosen, self._plain):
            for place, name in enumerate(names):
                found.setdefault(name, place)
        return found

    @cached_property
    def picked(self) -> list[int]:
        """Places in the source of the columns that come along, in the table's order."""
        if self._recipe.columns:
            places = [self._places.get(name) for name in self._recipe.columns]
            return [place for place in dict.fromkeys(places) if place is not None]
        left_out = {self._places.get(name) for name in self._recipe.exclude}
        return [place for place in range(len(self._originals)) if place not in left_out]

    @cached_property
    def _types(self) -> dict[int | None, Type]:
        return {
            self._places.get(name): Type.named(kind) for name, kind in self._recipe.type.items()
        }

    def type_of(self, place: int) -> Type | None:
        """Return the type that was asked for a column, None if none was."""
        return self._types.get(place)

    def unknown(self) -> list[str]:
        """Return the names in the recipe that no column has, but for those of its key."""
        return [name for option in NAMING for name in self.unknown_in(option)]

    def unknown_in(self, option: str) -> list[str]:
        """Return the names in one option of the recipe, of `NAMING`, that no column has."""
        return [name for name in getattr(self._recipe, option) if not self.has(name)]

    @property
    def called(self) -> frozenset[str]:
        """The names, in the source or in the table, of the columns that come along."""
        originals, chosen = self._originals, self.chosen
        return frozenset(name for at in self.picked for name in (originals[at], chosen[at]))


def forgotten_notes(table: str, recipe: Recipe, originals: Sequence[str]) -> list[str]:
    """Return a note on each option of a recipe that names what is no column any more."""
    names = Names(recipe, originals)
    found = {option: names.unknown_in(option) for option in NAMING}
    in_key = keys.parse(recipe.key).columns if recipe.key else ()
    found["key"] = [name for name in in_key if not names.has(name)]
    return [
        f"its recipe has --{option} of {', '.join(missing)}, and no column is called so:"
        f" `myriad recipe {shlex.quote(table)} --forget {option}`"
        for option, missing in found.items()
        if missing
    ]


def refuse_unknown(table: str, recipe: Recipe, before: Recipe, report: Mapping[str, Any]) -> None:
    """Raise UsageError where a recipe, unlike the one before, names what a table cannot have.

    `report` is the table's last one. What an earlier choice of columns left out it does not know:
    the next publish will say.
    """
    shown = from_data(report.get("recipe", {}))
    chosen = before.columns or shown.columns
    if chosen and not recipe.columns:
        return
    there = [(each.get("original", each["name"]), each["name"]) for each in report["columns"]]
    left_out = (*before.exclude, *shown.exclude, *(recipe.columns if chosen else ()))
    known = list(dict.fromkeys((*(original for original, _ in there), *left_out)))
    names, has = Names(recipe, known), {name for _, name in there}
    for option in NAMING:
        for name in names.unknown_in(option):
            if name not in has | set(getattr(before, option)):
                raise _no_column(table, option, name, there)
    if recipe.key and recipe.key != before.key:
        comes = names.called | {name for original, name in there if original in names.called}
        for name in keys.parse(recipe.key).columns:
            if name not in comes:
                raise _no_column(table, "key", name, there)


def _no_column(table: str, option: str, name: str, there: Sequence[Pair]) -> UsageError:
    columns = [column for _, column in there]
    listed = f"Columns of {table}: {', '.join(columns[:SHOWN])}."
    return UsageError(
        f"--{option}: {table} has no column {name!r}", hint=meant(name, columns, listed)
    )
