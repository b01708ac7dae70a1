"""How the columns of several sources go together in one table."""

from collections.abc import Sequence
from dataclasses import replace

from myriad.errors import PublishError
from myriad.model import MAX_DIGITS, MOST_DIGITS, TEXT, Column, Kind, Type
from myriad.publish.lasting import WHOLE
from myriad.sources.base import TableSource
from myriad.sources.typing import amounts

SHOWN = 20  # names in a note
_WHOLE_DIGITS = (5, 10, 19)


def order(first: TableSource, other: TableSource) -> list[int]:
    """Return where the first source's columns are in another one: they go by their names.

    Raises PublishError if it has others; with the same name twice only their order tells.
    """
    wanted, names = _names(first), _names(other)
    if names == wanted:
        return list(range(len(names)))
    if sorted(names) != sorted(wanted) or len(set(names)) < len(names):
        raise _others(first, other)
    places = {name: at for at, name in enumerate(names)}
    return [places[name] for name in wanted]


def _others(first: TableSource, other: TableSource) -> PublishError:
    """Return the error on a source whose columns are not those of the first."""
    if first.origin == other.origin:
        return PublishError(
            f"{other.origin} has several tables, and {other.table.original} has other columns than"
            f" {first.table.original}",
            hint="--table puts all of them into one. Without it each becomes a table of its own;"
            " `myriad unpublish` takes away those that are not wanted.",
        )
    differ = {"lacks": set(_names(first)), "has": set(_names(other))}
    alone = {"lacks": differ["lacks"] - differ["has"], "has": differ["has"] - differ["lacks"]}
    listed = " and ".join(
        f"{word} {_some(sorted(names))}" for word, names in alone.items() if names
    )
    return PublishError(
        f"{other.origin} has other columns than {first.origin}"
        + (f": it {listed}" if listed else ""),
        hint="Files for one table need the same columns; their order does not matter. Of files that"
        " got more columns publish the older ones first, the newer with --append --allow columns.",
    )


def notes(sources: Sequence[TableSource]) -> list[str]:
    """Return a note on the sources whose columns stand in another order than the first's."""
    first = _names(sources[0])
    others = [source.origin for source in sources if _names(source) != first]
    listed = _some(others)
    return [f"columns in another order, put together by their names: {listed}"] if others else []


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _names(source: TableSource) -> list[str]:
    return [column.name for column in source.table.columns]


def wider(one: Column, two: Column) -> Column:
    """Return the column that takes the values of both."""
    if one.type == two.type:
        return one if one.why == two.why else replace(one, why=f"{one.type} in every file")
    kinds = {one.type.kind, two.type.kind}
    if kinds <= {*WHOLE, Kind.NUMERIC}:
        kind = _wider_number(one.type, two.type)
        form = amounts.common(one.type, two.type)
        kind = TEXT if form is None else replace(kind, format=form)
        why = f"{one.type} in one file, {two.type} in another"
        return replace(one, type=kind, why=one.why if kind == one.type else why)
    if "no values" in (one.why, two.why):
        return two if one.why == "no values" else one
    return replace(one, type=TEXT, why=f"{one.type} in one file, {two.type} in another")


def _wider_number(one: Type, two: Type) -> Type:
    if Kind.NUMERIC not in (one.kind, two.kind):
        return max(one, two, key=lambda kind: WHOLE.index(kind.kind))
    scale = max(_places(one)[1], _places(two)[1])
    whole = max(_places(one)[0], _places(two)[0])
    fits = whole + scale <= MAX_DIGITS
    return Type(Kind.NUMERIC, MAX_DIGITS if fits else MOST_DIGITS + scale, scale)


def _places(kind: Type) -> tuple[int, int]:
    """Return how many digits fit before and after the point."""
    if kind.kind is Kind.NUMERIC:
        return kind.precision - kind.scale, kind.scale
    return _WHOLE_DIGITS[WHOLE.index(kind.kind)], 0
