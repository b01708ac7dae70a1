"""Hold what was loaded for a PostgreSQL table against its contract."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from myriad.errors import KeyRefused, PublishError, TooManyRejects
from myriad.model import Type
from myriad.publish import contract, ddl, existing
from myriad.publish.contract import Change, Difference, Level, Shape, Terms
from myriad.publish.existing import Existing
from myriad.publish.options import Options
from myriad.publish.plan import Target
from myriad.publish.report import TableReport, Written
from myriad.publish.swap import Replacement
from myriad.settings import Settings
from myriad.sources.base import is_misfit


def terms(options: Options, settings: Settings, target: Target) -> Terms:
    """Return the contract under which a table is published."""
    level = Level(target.recipe.contract or Level.SAFE)
    return Terms(level, options.allow, settings.shrink)


@dataclass
class Checks:
    """The contracts of all tables of one publish, and where these differ from what comes.

    Attributes:
        found: differences by table; those that are not permitted end the publish.
    """

    connection: psycopg.Connection
    options: Options
    settings: Settings
    found: dict[str, list[tuple[Terms, Difference]]] = field(default_factory=dict)
    _shapes: dict[str, Shape] = field(default_factory=dict)

    def begin(
        self, target: Target, there: Existing, report: Mapping[str, object], rows: int
    ) -> None:
        """Look at columns and key of what shall replace the table that is there.

        `report` is the one of its last publish, `rows` how many it then had.
        """
        held = terms(self.options, self.settings, target)
        strict = not held.permits(Change.TYPES)
        target.keep(there.key, _types(there, report), strict=strict)
        columns = {
            column.name: column.type
            for column in there.columns
            if column.name not in self._left_out(target, held)
        }
        shape = Shape(columns, ", ".join(there.key), rows)
        self._shapes[target.name] = shape
        new = Shape(
            {column.name: existing.written(column.type) for column in target.table.columns},
            ", ".join(target.table.primary_key),
            None,
        )
        self._note(held, target.name, contract.of_columns(held, target.name, shape, new))

    def _left_out(self, target: Target, held: Terms) -> frozenset[str]:
        """Return the columns that the source has and this publish was told to leave or rename."""
        said = self.options.said(target.name, ())
        if held.level is Level.FROZEN or not (said.rename or said.columns or said.exclude):
            return frozenset()
        return target.names - {column.name for column in target.table.columns}

    def _note(self, held: Terms, name: str, differences: list[Difference]) -> None:
        self.found.setdefault(name, []).extend((held, each) for each in differences)

    def settle(self) -> None:
        """Raise ContractRefused if something was found that is not permitted."""
        contract.refuse(
            [
                difference
                for found in self.found.values()
                for held, difference in found
                if not held.permits(difference.change)
            ]
        )

    def loaded(self, target: Target, place: Replacement, rows: int, written: Written) -> None:
        """Look at the rows that were loaded in the place of a table, and at those of people."""
        shape = self._shapes.get(target.name)
        if shape is None:
            return
        held = terms(self.options, self.settings, target)
        found = contract.of_rows(held, target.name, shape, rows)
        found += contract.of_writes(target.name, written.rows, written.gone)
        if rows:
            found += contract.of_nulls(target.name, self._emptied(place, shape))
        self._note(held, target.name, found)

    def _emptied(self, place: Replacement, shape: Shape) -> list[str]:
        """Return the columns that have no value now and had some: the sample of ANALYZE tells."""
        rows = self.connection.execute(
            "SELECT attname FROM pg_stats WHERE schemaname = %s AND tablename = %s"
            " AND null_frac = 1",
            [place.dataset, place.staged],
        ).fetchall()
        empty = [name for (name,) in rows if name in shape.columns]
        new = ddl.qualified(place.dataset, place.staged)
        old = ddl.qualified(place.dataset, place.table.name)
        return [
            name
            for name in empty
            if not self._has_values(new, name) and self._has_values(old, name)
        ]

    def _has_values(self, table: sql.Composable, column: str) -> bool:
        question = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} IS NOT NULL)")
        row = self.connection.execute(question.format(table, sql.Identifier(column))).fetchone()
        return bool(row and row[0])

    def key_refused(self, target: Target, error: KeyRefused) -> None:
        """Take that the rows do not fit the key that the table had.

        Raises the error if the key was asked for, ContractRefused if the contract holds it.
        """
        held = terms(self.options, self.settings, target)
        if target.name not in self._shapes or target.key_is_asked:
            raise error
        first, *lines = error.message.split("\n")
        text = f"its key does not hold any more: {first.rstrip(':')}"
        difference = Difference(target.name, Change.KEY, text, tuple(map(str.strip, lines)))
        self._note(held, target.name, [difference])
        self.settle()

    def rejected(self, target: Target, error: TooManyRejects) -> PublishError:
        """Return the error about too many rejects: the contract's, if values do not fit it."""
        misfits = [reject for reject in error.rejects if is_misfit(reject)]
        if target.name not in self._shapes or not misfits:
            return error
        columns = dict.fromkeys(reject.reason.partition(":")[0] for reject in misfits)
        kinds = {column.original: str(column.type) for column in target.table.columns}
        named = ", ".join(f"{name} ({kinds.get(name, '')})" for name in columns)
        examples = tuple(map(str, misfits[: contract.SHOWN]))
        text = f"values do not fit column {named}"
        return contract.refusal([Difference(target.name, Change.TYPES, text, examples)])

    def tell(self, table: TableReport) -> None:
        """Write into the report under which contract it was published, and what that permitted."""
        table.allowed = [difference for _, difference in self.found.get(table.table.name, [])]


def _types(there: Existing, report: Mapping[str, object]) -> dict[str, Type]:
    """Return the types of a table's columns, with the order in which its dates were written."""
    columns = report.get("columns")
    formats = {
        column.get("name"): column.get("format", "")
        for column in (columns if isinstance(columns, list) else [])
    }
    found = {}
    for column in there.columns:
        kind = existing.type_named(column.type)
        if kind is not None:
            found[column.name] = existing.with_format(kind, str(formats.get(column.name) or ""))
    return found
