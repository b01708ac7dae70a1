"""What a publish tells at its end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from myriad.errors import MyriadError
from myriad.model import Column, Reject, Table
from myriad.publish.comments import of_column
from myriad.publish.contract import Difference, Level
from myriad.publish.recipes import Recipe

SHOWN_AS_MB = 10_000  # bytes
MB = 1_000_000


def size_text(size: int) -> str:
    """Return so many bytes, for people."""
    return f"{size / MB:,.3g} MB" if size >= SHOWN_AS_MB else f"{size:,} bytes"


class Written(NamedTuple):
    """What people did to a table since it was published: rows of theirs, rows of ours that went.

    A row that they changed counts as both.
    """

    rows: int = 0
    gone: int = 0

    @property
    def any(self) -> int:
        """Rows that they added, changed or deleted: at least so many."""
        return max(self)


class Merged(NamedTuple):
    """How many rows a merge changed.

    Attributes:
        unchanged: of the source, whose values the table had already.
        deleted: rows that the source lacked.
    """

    inserted: int
    updated: int
    unchanged: int
    deleted: int

    @property
    def grown(self) -> int:
        """How many rows more there are."""
        return self.inserted - self.deleted

    @property
    def nothing(self) -> bool:
        """Whether everything was as in the source already."""
        return not (self.inserted or self.updated or self.deleted)


class Counts(NamedTuple):
    """What will become of rows; `people` are those of theirs that would be changed or deleted."""

    merged: Merged
    there: int
    people: int


@dataclass(frozen=True)
class Came:
    """Of what a table was published: see `Target.came` and `Target.marks`."""

    way: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Grown:
    """What came to a table that is there.

    Attributes:
        rows: how many more it has.
        contents: fingerprints of the contents that it knows to have.
        changed: what else is new of a table that got wider columns, or new ones: a part of its
            record.
    """

    rows: int = 0
    contents: list[str] = field(default_factory=list)
    changed: dict[str, Any] = field(default_factory=dict)


@dataclass
class TableReport:
    """One table of a publish.

    Attributes:
        source: what the person named.
        difference: how the schema differs from the table that was there; empty: not at all.
        key_candidates: columns that could serve as key, where none was asked for.
        ddl: the statements that make the table.
        made: names of the indexes and constraints that came with it.
        engine: `postgres` or `cassandra`.
        types: the engine's types of columns that are not written as PostgreSQL writes them.
        key: as `--key` takes it, in Cassandra.
        partitions: how many, and how large, in Cassandra.
        asks: by which WHERE the table can be asked, in Cassandra.
        written: what people had done to the table that was there.
        version: which one it is now, in PostgreSQL: a number that it keeps.
        turn: its place in the order of what the table showed.
        contract: under which it was published.
        allowed: changes for the worse that were permitted.
        recipe: what is remembered of how it is published.
        used: options that nobody gave now and that its recipe gave.
        came: as what it was published, and what its sources were.
        merged: what became of rows, where those of the source were merged into the table.
        grown: what came to the table, where rows were added to it.
    """

    source: str
    table: Table
    rows: int = 0
    rejects: int = 0
    action: str = "created"
    difference: list[str] = field(default_factory=list)
    key_candidates: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ddl: str = ""
    made: list[str] = field(default_factory=list)
    engine: str = "postgres"
    types: dict[str, str] = field(default_factory=dict)
    key: str = ""
    partitions: dict[str, Any] = field(default_factory=dict)
    asks: list[str] = field(default_factory=list)
    written: Written = field(default_factory=Written)
    version: int = 0
    turn: int = 0
    contract: str = Level.SAFE
    allowed: list[Difference] = field(default_factory=list)
    recipe: Recipe = field(default_factory=Recipe)
    used: str = ""
    came: Came = field(default_factory=Came)
    merged: Merged | None = None
    grown: Grown = field(default_factory=Grown)

    def type_of(self, column: Column) -> str:
        """Return a column's type as the engine writes it."""
        return self.types.get(column.name, str(column.type))

    def as_data(self) -> dict[str, object]:
        """Return it as plain data for JSON."""
        return {
            "table": self.table.name,
            "engine": self.engine,
            "source": self.source,
            "action": self.action,
            "rows": self.rows,
            "rejects": self.rejects,
            "columns": self.columns_as_data(),
            "primary_key": list(self.table.primary_key),
            "foreign_keys": [asdict(key) for key in self.table.foreign_keys],
            "indexes": [asdict(index) for index in self.table.indexes],
            "difference": self.difference,
            "key_candidates": self.key_candidates,
            "notes": [*self.table.notes, *self.notes],
            "ddl": self.ddl,
            "made": self.made,
            "contract": self.contract,
            "allowed": [asdict(each) for each in self.allowed],
            "recipe": self.recipe.as_data(),
            "used": self.used,
            "came": dict(self.came.way),
            "marks": dict(self.came.marks),
            **(self._of_cassandra() if self.engine == "cassandra" else self._of_postgres()),
        }

    def columns_as_data(self) -> list[dict[str, Any]]:
        """Return the columns as plain data."""
        return [self._column(column) for column in self.table.columns]

    def _of_postgres(self) -> dict[str, object]:
        merged = {"merged": self.merged._asdict()} if self.merged else {}
        place = {"version": self.version, "turn": self.turn}
        return {"written": self.written._asdict(), **place, **merged}

    def _of_cassandra(self) -> dict[str, object]:
        return {"key": self.key, "partitions": self.partitions, "asks": self.asks}

    def _column(self, column: Column) -> dict[str, object]:
        return {
            "name": column.name,
            "original": column.original,
            "type": self.type_of(column),
            "why": column.why,
            "not_null": column.not_null,
            "format": column.type.format or column.order,
            "comment": of_column(column),
        }


@dataclass(frozen=True)
class Failure:
    """What was named and could not be published, and why, while others were."""

    source: str
    error: MyriadError

    def as_data(self) -> dict[str, object]:
        """Return it as plain data for JSON."""
        known = {"source": self.source, "error": self.error.message, "hint": self.error.hint}
        return {**known, "type": type(self.error).__name__, **self.error.details}


@dataclass(frozen=True)
class Unchanged:
    """A source that was left as it is, because it is what it was when its tables were published."""

    source: str
    tables: tuple[str, ...]
    since: datetime
    why: str

    def as_data(self) -> dict[str, object]:
        """Return it as plain data for JSON."""
        return {**asdict(self), "tables": list(self.tables), "since": self.since.isoformat()}


@dataclass
class Report:
    """A publish that is done, or was only tried (`dry_run`, `checked`).

    Attributes:
        first_in_dataset: the dataset had no table before.
        unshared: what people may do with its tables in Cassandra is to be brought there.
        failed: what was not published, while other files were.
        not_data: lines that are no records, such as a title; they are in the rejects' file too.
        runs: of all that were published one by one.
        unchanged: what was not published again.
    """

    run: str
    database: str
    dataset: str
    dry_run: bool
    tables: list[TableReport]
    seconds: float = 0.0
    rejects: list[Reject] = field(default_factory=list)
    rejects_file: str | None = None
    not_data: list[Reject] = field(default_factory=list)
    first_in_dataset: bool = False
    unshared: bool = False
    checked: bool = False
    failed: list[Failure] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    unchanged: list[Unchanged] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows loaded in all tables."""
        return sum(table.rows for table in self.tables)

    def left_out(self, rejects: Sequence[Reject], not_data: Iterable[Reject]) -> None:
        """Tell of records that an engine could not take; once of those that none could."""
        self.not_data = list(dict.fromkeys((*self.not_data, *not_data)))
        known = set(self.rejects)
        self.rejects = [*self.rejects, *(each for each in rejects if each not in known)]

    def take(self, other: "Report") -> None:
        """Tell also of what another one tells."""
        self.tables += other.tables
        self.rejects += other.rejects
        self.not_data += other.not_data
        files = filter(None, (self.rejects_file, other.rejects_file))
        self.rejects_file = ", ".join(files) or None
        self.first_in_dataset |= other.first_in_dataset
        self.unshared |= other.unshared
        self.runs += [other.run] if other.run else []
        self.unchanged += other.unchanged

    def as_data(self) -> dict[str, object]:
        """Return it as plain data for JSON."""
        return {
            "run": self.run,
            "database": self.database,
            "dataset": self.dataset,
            "dry_run": self.dry_run,
            "checked": self.checked,
            "rows": self.rows,
            "rejects": len(self.rejects),
            "rejects_file": self.rejects_file,
            "not_data": len(self.not_data),
            "seconds": round(self.seconds, 3),
            "tables": [table.as_data() for table in self.tables],
            "failed": [failure.as_data() for failure in self.failed],
            "runs": self.runs or ([self.run] if self.run else []),
            "unchanged": [each.as_data() for each in self.unchanged],
        }
