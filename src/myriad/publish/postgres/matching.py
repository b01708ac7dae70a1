"""Add to a table that is there: columns go together by their names."""

from collections.abc import Mapping, Sequence

from myriad.errors import ContractRefused, SchemaRefused
from myriad.model import MAX_DIGITS, Kind, Type
from myriad.publish import lasting
from myriad.publish.contract import Change, Difference, Level, Terms
from myriad.publish.plan import Target
from myriad.publish.postgres import existing
from myriad.publish.postgres.existing import Existing, ExistingColumn
from myriad.publish.reading import Again

MOST_FINGERPRINTS = 1000  # that one table remembers: 45 bytes each


class Grows(Exception):
    """The table that is there must get wider columns, or new ones, before rows can be added."""


def types(there: Existing) -> dict[str, Type]:
    """Return the types in which columns arrive; without those that no source can fill."""
    found = {column.name: _type(column) for column in there.columns}
    return {name: kind for name, kind in found.items() if kind is not None}


def _type(column: ExistingColumn) -> Type | None:
    base, _, modifier = column.type.partition("(")
    kind = existing.type_named(column.type)
    if kind is None and base == "numeric":  # with fewer places than none, or more than digits
        places = min(int(modifier.rstrip(")").partition(",")[2] or 0), MAX_DIGITS)
        return Type(Kind.NUMERIC, MAX_DIGITS, max(places, 0), declared=True)
    return kind


def refuse_misfit(there: Existing, target: Target, name: str) -> None:
    """Raise SchemaRefused, ContractRefused if nothing can make the source fit the table."""
    given = {column.name for column in target.table.columns}
    known = {column.name for column in there.columns}
    if not given & known:
        raise _no_column(there, target, name)
    missing = [
        column.name
        for column in there.columns
        if column.name not in given and column.not_null and not column.has_default
    ]
    if missing:
        raise SchemaRefused(
            f"the source lacks what {name} needs in every row: {', '.join(missing)}",
            hint="Add those columns to the source; --rename OLD=NEW if they are called otherwise.",
        )
    fillable = types(there)
    for column in there.columns:
        if column.name in given and column.name not in fillable:
            raise SchemaRefused(
                f"{name}.{column.name} is {column.type}: no source can fill that",
                hint=f"Leave it out with --exclude {column.name}, or change the column's type.",
            )


def _no_column(there: Existing, target: Target, name: str) -> ContractRefused:
    first = target.sources[0]
    had = ", ".join(column.name for column in there.columns[: existing.SHOWN])
    has = ", ".join(column.name for column in target.table.columns[: existing.SHOWN])
    text = f"no column of {first.origin} is one of the table's: it has {has}, the table {had}"
    return ContractRefused(
        f"{name}: {text}",
        hint="Its first record looks like data, or like none: --header / --no-header says which;"
        " --rename OLD=NEW gives columns the table's names.",
        differences=[{"table": target.name, "change": Change.COLUMNS, "text": text}],
    )


def differences(there: Existing, target: Target, held: Terms) -> list[Difference]:
    """Return what the table would have to change, as is known before anything is loaded."""
    known = {column.name for column in there.columns}
    new = [column.name for column in target.table.columns if column.name not in known]
    found = []
    if new:
        listed = ", ".join(new[: existing.SHOWN])
        more = f" and {len(new) - existing.SHOWN} more" if len(new) > existing.SHOWN else ""
        found.append(Difference(target.name, Change.COLUMNS, f"column {listed}{more} is new"))
    return found + asked(there, target, held)


def asked(there: Existing, target: Target, held: Terms) -> list[Difference]:
    """Return columns that were asked to have another type; wider ones too, where all is frozen."""
    fillable, found = types(there), []
    for column in target.table.columns:
        old = fillable.get(column.name)
        if old is None or str(old) == str(column.type):
            continue
        if held.level is Level.FROZEN or not lasting.wider(column.type, old):
            text = f"types change: {column.name} {old} → {column.type}"
            found.append(Difference(target.name, Change.TYPES, text))
    return found


def settle(there: Existing, target: Target) -> None:
    """Let columns become text that are to hold values of two types; raises Again if one must."""
    fillable = types(there)
    told = target.recipe.type
    for column in target.table.columns:
        old = fillable.get(column.name)
        if old is None or str(old) == str(column.type) or {column.name, column.original} & {*told}:
            continue
        if not lasting.wider(column.type, old) and column.type.kind is not Kind.TEXT:
            target.text_columns.add(column.original)
            raise Again


def grown(there: Existing, target: Target) -> dict[str, str]:
    """Return the columns that the table does not have so: name → the type it must get."""
    fillable = types(there)
    return {
        column.name: str(column.type)
        for column in target.table.columns
        if column.name not in fillable or str(fillable[column.name]) != str(column.type)
    }


def notes(there: Existing, target: Target) -> list[str]:
    """Return a note on the columns of the table that the source lacks."""
    given = {column.name for column in target.table.columns}
    lacking = [column for column in there.columns if column.name not in given]
    kinds = {
        "null": [column.name for column in lacking if not column.has_default],
        "its default": [column.name for column in lacking if column.has_default],
    }
    return [
        f"the source has no {', '.join(names)}: {value} in new rows"
        for value, names in kinds.items()
        if names
    ]


def difference(there: Existing, target: Target) -> list[str]:
    """Return how the table changes, a line each; empty if not at all."""
    before = {column.name: column.type for column in there.columns}
    return [
        f"~ {name} {before[name]} → {kind}" if name in before else f"+ {name} {kind}"
        for name, kind in grown(there, target).items()
    ]


def refuse_again(report: Mapping[str, object], target: Target, prints: Sequence[str]) -> None:
    """Raise ContractRefused if one of these contents was added before."""
    added = report.get("added")
    before = set(added) if isinstance(added, list) else set()
    twice = len([one for one in prints if one in before])
    if twice or len(set(prints)) < len(prints):
        shown = ", ".join(dict.fromkeys(source.origin for source in target.sources))
        whole = "it" if twice == len(prints) else f"{max(twice, 1)} of its {len(prints)} sources"
        text = f"{shown}: {whole} was added to {target.name} before"
        raise ContractRefused(
            f"{text}; nothing was changed",
            hint=(
                "Its rows are there. --merge updates those whose key is there."
                if target.key
                else "--again adds it all the same."
            ),
            differences=[{"table": target.name, "change": "again", "text": text}],
        )


def remembered(report: Mapping[str, object], prints: Sequence[str]) -> list[str]:
    """Return the contents that a table remembers from now on, the newest last."""
    added = report.get("added")
    before = [str(one) for one in added] if isinstance(added, list) else []
    return list(dict.fromkeys([*before, *prints]))[-MOST_FINGERPRINTS:]
