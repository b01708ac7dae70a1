"""Which of a source's columns come along, and what they are called."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from myriad.errors import UsageError
from myriad.model import Type
from myriad.publish import naming
from myriad.publish.recipes import Recipe


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
        """Return the names in the recipe that no column has."""
        recipe = self._recipe
        named = (*recipe.type, *recipe.rename, *recipe.columns, *recipe.exclude)
        return [name for name in named if not self.has(name)]
