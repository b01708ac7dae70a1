"""What a publish tells at its end."""

from dataclasses import asdict, dataclass, field

from myriad.model import Column, Reject, Table


@dataclass
class TableReport:
    """One table of a publish.

    Attributes:
        source: what the person named.
        difference: how the schema differs from the table that was there; empty: not at all.
        key_candidates: columns that could serve as key, where none was asked for.
        ddl: the statements that make the table.
        made: names of the indexes and constraints that came with it.
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

    def as_data(self) -> dict[str, object]:
        """Return it as plain data for JSON."""
        return {
            "table": self.table.name,
            "source": self.source,
            "action": self.action,
            "rows": self.rows,
            "rejects": self.rejects,
            "columns": [_column(column) for column in self.table.columns],
            "primary_key": list(self.table.primary_key),
            "foreign_keys": [asdict(key) for key in self.table.foreign_keys],
            "indexes": [asdict(index) for index in self.table.indexes],
            "difference": self.difference,
            "key_candidates": self.key_candidates,
            "notes": [*self.table.notes, *self.notes],
            "ddl": self.ddl,
            "made": self.made,
        }


@dataclass
class Report:
    """A publish that is done, or was only tried (`dry_run`).

    Attributes:
        first_in_dataset: the dataset had no table before.
    """

    run: str
    database: str
    dataset: str
    dry_run: bool
    tables: list[TableReport]
    seconds: float = 0.0
    rejects: list[Reject] = field(default_factory=list)
    rejects_file: str | None = None
    first_in_dataset: bool = False

    @property
    def rows(self) -> int:
        """Rows loaded in all tables."""
        return sum(table.rows for table in self.tables)

    def as_data(self) -> dict[str, object]:
        """Return it as plain data for JSON."""
        return {
            "run": self.run,
            "database": self.database,
            "dataset": self.dataset,
            "dry_run": self.dry_run,
            "rows": self.rows,
            "rejects": len(self.rejects),
            "rejects_file": self.rejects_file,
            "seconds": round(self.seconds, 3),
            "tables": [table.as_data() for table in self.tables],
        }


def _column(column: Column) -> dict[str, object]:
    return {
        "name": column.name,
        "original": column.original,
        "type": str(column.type),
        "why": column.why,
        "not_null": column.not_null,
    }
