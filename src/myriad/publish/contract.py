"""The contract of a table: which changes publishing it again may make."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from myriad.errors import ContractRefused
from myriad.wording import number_of

SHOWN = 5  # examples of one difference


class Level(StrEnum):
    """How much of a table may change when it is published again."""

    FROZEN = "frozen"
    SAFE = "safe"
    FREE = "free"


class Change(StrEnum):
    """What `--allow` can name: a change for the worse."""

    EMPTY = "empty"
    SHRINK = "shrink"
    COLUMNS = "columns"
    KEY = "key"
    TYPES = "types"
    NULLS = "nulls"
    WRITES = "writes"
    TABLES = "tables"


@dataclass(frozen=True)
class Difference:
    """One difference between a table and what shall replace it.

    Attributes:
        text: a sentence for people.
        examples: the first offending values with their places.
    """

    table: str
    change: Change
    text: str
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = "".join(f"\n    {example}" for example in self.examples)
        return f"{self.table}: {self.text}{shown}"


@dataclass(frozen=True)
class Shape:
    """What a contract looks at: names and types of columns, the key, how many rows.

    Attributes:
        columns: name → type as the engine writes it.
        rows: as of the last publish; None if nobody counted them.
    """

    columns: Mapping[str, str]
    key: str
    rows: int | None


@dataclass(frozen=True)
class Terms:
    """The contract of one table in one publish.

    Attributes:
        allow: changes that this publish may make all the same.
        shrink: the share of the rows that must remain where there were `FEW` or more.
    """

    level: Level = Level.SAFE
    allow: frozenset[Change] = frozenset()
    shrink: float = 0.5

    def permits(self, change: Change) -> bool:
        """Say whether that change may be made."""
        return self.level is Level.FREE or change in self.allow


FEW = 100  # rows: a smaller table may lose any share of them


def refuse(differences: Sequence[Difference]) -> None:
    """Raise ContractRefused if there is any difference."""
    if differences:
        raise refusal(differences)


def refusal(differences: Sequence[Difference]) -> ContractRefused:
    """Return the error that names the differences, and how to permit just these."""
    found = list(dict.fromkeys(each.change for each in differences))
    changes = ",".join(found)
    null = " or say with --null what stands for null" if Change.TYPES in found else ""
    tables = "; `myriad unpublish` takes a table away" if Change.TABLES in found else ""
    tables += ", --table or --dataset leave it to its source" if tables else ""
    lines = "\n".join(f"  {each}" for each in differences)
    return ContractRefused(
        f"what is there would change for the worse; nothing was changed:\n{lines}",
        hint=f"Mend the source{null}{tables}. To allow just this, this once: --allow {changes}",
        differences=[asdict(each) for each in differences],
    )


def of_columns(terms: Terms, name: str, there: Shape, new: Shape) -> list[Difference]:
    """Return what is worse about the new columns and key, known before anything is loaded."""
    found = _gone(name, there, new)
    if there.key and not new.key:
        found.append(Difference(name, Change.KEY, f"its key ({there.key}) is gone"))
    if terms.level is Level.FROZEN:
        found += _changed(name, there, new)
    return found


def _gone(name: str, there: Shape, new: Shape) -> list[Difference]:
    gone = [column for column in there.columns if column not in new.columns]
    if not gone:
        return []
    common = len(there.columns) - len(gone)
    if common * 2 < len(there.columns):
        had, has = _some(there.columns), _some(new.columns)
        text = (
            f"{common} of {number_of(len(there.columns), 'column')} remain: it had {had}, the"
            f" source has {has}"
        )
        return [Difference(name, Change.COLUMNS, text)]
    new_ones = [column for column in new.columns if column not in there.columns]
    also = f"; new in the source: {_some(new_ones)}" if new_ones else ""
    return [Difference(name, Change.COLUMNS, f"column {_some(gone)} is gone{also}")]


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more


def _changed(name: str, there: Shape, new: Shape) -> list[Difference]:
    """Return what else a frozen table does not take: new columns, other types, another key."""
    added = [column for column in new.columns if column not in there.columns]
    other = [
        f"{column} {there.columns[column]} → {kind}"
        for column, kind in new.columns.items()
        if there.columns.get(column, kind) != kind
    ]
    found = []
    if added:
        found.append(Difference(name, Change.COLUMNS, f"column {_some(added)} is new"))
    if other:
        found.append(Difference(name, Change.TYPES, f"types change: {_some(other)}"))
    if there.key != new.key and new.key:
        text = f"the key ({there.key or 'none'}) becomes ({new.key or 'none'})"
        found.append(Difference(name, Change.KEY, text))
    return found


def of_rows(terms: Terms, name: str, there: Shape, rows: int) -> list[Difference]:
    """Return what is worse about the number of rows."""
    if not there.rows or rows >= there.rows:
        return []
    if rows == 0:
        return [Difference(name, Change.EMPTY, f"no rows, where there were {there.rows:,}")]
    if there.rows < FEW or rows >= there.rows * terms.shrink:
        return []
    few = f"less than {terms.shrink:.0%}"
    text = f"{number_of(rows, 'row')}, where there were {there.rows:,}: {few}"
    return [Difference(name, Change.SHRINK, text)]


def of_deleted(terms: Terms, name: str, there: int, deleted: int) -> list[Difference]:
    """Return what is worse about rows that a merge deletes of those that are there."""
    if not deleted:
        return []
    remain = there - deleted
    if not remain:
        return [Difference(name, Change.EMPTY, f"all {number_of(there, 'row')} would be deleted")]
    if there < FEW or remain >= there * terms.shrink:
        return []
    text = (
        f"{deleted:,} of {number_of(there, 'row')} would be deleted: less than"
        f" {terms.shrink:.0%} remain"
    )
    return [Difference(name, Change.SHRINK, text)]


def of_writes(name: str, rows: int, gone: int) -> list[Difference]:
    """Return a difference for what people wrote into the table since it was published."""
    if not rows and not gone:
        return []
    parts = [f"{number_of(rows, 'row')} that people added or changed"] if rows else []
    parts += [f"{gone:,} that they changed or deleted"] if gone else []
    return [Difference(name, Change.WRITES, f"it would undo {', '.join(parts)}")]


def of_nulls(name: str, columns: Sequence[str]) -> list[Difference]:
    """Return a difference for columns that had values and have none now."""
    if not columns:
        return []
    return [Difference(name, Change.NULLS, f"no value in column {_some(columns)}, which had some")]
