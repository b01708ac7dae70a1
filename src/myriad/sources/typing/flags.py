"""Flags as people write them: two words, one for yes and one for no."""

from collections.abc import Sequence
from dataclasses import dataclass

from myriad.model import Kind, Type
from myriad.sources.typing.form import Form
from myriad.sources.typing.sql import literal
from myriad.sources.typing.words import DIGIT_FLAGS, FLAGS


@dataclass(frozen=True)
class Flag(Form):
    """A pair such as `yes/no`, in any case."""

    name: str

    kinds = frozenset({Kind.BOOLEAN})

    def shape(self, column: str) -> str:
        """See Form."""
        return f"(lower({column}) IN ({', '.join(map(literal, self.name.split('/')))}))"

    def cast(self, column: str, kind: Type) -> str:  # noqa: ARG002 - there is one
        """See Form."""
        return f"(lower({column}) = {literal(self.name.split('/')[0])})"

    def fits(self, column: str, kind: Type, value: str) -> str:  # noqa: ARG002
        """See Form."""
        return self.shape(column)

    def whole(self, seen: Sequence[str]) -> bool:
        """Say whether these values have both words."""
        return {value.lower() for value in seen} >= set(self.name.split("/"))


def parse(name: str) -> Flag | None:
    """Return the form of that name, if it is one of flags."""
    return Flag(name) if name in (*FLAGS, DIGIT_FLAGS) else None


def proposed(values: Sequence[str]) -> list[Flag]:
    """Return the pairs to which all of a few values belong."""
    words = {value.lower() for value in values}
    if not words or len(words) > 2:  # noqa: PLR2004 - a pair
        return []
    return [Flag(name) for name in FLAGS if words <= set(name.split("/"))]
