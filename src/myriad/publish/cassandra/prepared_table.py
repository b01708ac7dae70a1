"""One table on its way to Cassandra: read, its types and key proven, ready to be loaded."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa

from myriad.cql import text
from myriad.cql.names import qualified
from myriad.cql.types import CqlType
from myriad.engines.cassandra.base import Cluster
from myriad.model import Key, Table
from myriad.publish import naming
from myriad.publish.cassandra import ahead, existing
from myriad.publish.cassandra.existing import Existing
from myriad.publish.cassandra.look import asks
from myriad.publish.cassandra.look.kinds import CqlColumn
from myriad.publish.cassandra.look.proof import Partitions
from myriad.publish.cassandra.look.spool import Spool
from myriad.publish.cassandra.record import Load
from myriad.publish.cassandra.switch import Plan
from myriad.publish.contract import Difference
from myriad.publish.options import Options
from myriad.publish.recipes import Recipe
from myriad.publish.report import Came, TableReport


@dataclass
class Prepared:
    """A table whose rows are in the spool, and everything that was found out about it.

    Attributes:
        there: the table that is there already.
        overwrites: how many rows of a merge are there already; None: it is none.
        stays: it gets the rows; otherwise one with the number `new_id` is made in its place.
        altered: columns that the table that stays lacks, and those that it has too many.
        left: which of the keys of old partitions, in wire form, are to be deleted; None: all.
        resumes: a load of the same rows that was cut short.
        stamp_before: timestamp of the rows that are there, 0 if Myriad loaded none.
        size: bytes of all rows, estimated.
        rejects: how many of its records were set aside.
        recipe: what is remembered of how it is published; `used` what of it nobody said now.
        came: as what it is published, and what its sources were.
        allowed: changes for the worse that its contract permits.
        example: a value for each column of the key, from one row.
    """

    keyspace: str
    spool: Spool
    columns: list[CqlColumn]
    key: Key
    partitions: Partitions
    there: Existing | None
    appends: bool
    stamp_before: int
    size: int
    rejects: int
    notes: list[str]
    example: Sequence[Any]
    recipe: Recipe = field(default_factory=Recipe)
    used: str = ""
    came: Came = field(default_factory=Came)
    allowed: Sequence[Difference] = ()
    overwrites: int | None = None
    stays: bool = False
    altered: tuple[list[str], list[str]] = ([], [])
    left: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]] | None = None
    resumes: Load | None = None
    new_id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def name(self) -> str:
        """The table's name."""
        return self.spool.table.name

    @property
    def action(self) -> str:
        """What is done to the table that is there."""
        if not self.appends:
            return "replaced"
        return "appended" if self.overwrites is None else "merged"

    @property
    def kinds(self) -> dict[str, CqlType]:
        """The columns' types by name."""
        return {column.name: column.type for column in self.columns}

    @property
    def plan(self) -> Plan:
        """What the switch has to know."""
        kinds, before = self.kinds, self.there.table_id if self.there else ""
        name, (missing, others) = qualified(self.keyspace, self.name), self.altered
        return Plan(
            self.keyspace,
            self.name,
            [(name, str(kinds[name])) for name in self.key.partition],
            [(name, str(kinds[name])) for name, _ in self.key.clustering],
            self.staged_names,
            self._statements(f"id = {before if self.stays else self.new_id}"),
            existing.signature(kinds, self.key),
            self.appends,
            before,
            before if self.stays else self.new_id,
            merges=self.overwrites is not None,
            widen=text.add_columns(name, {column: kinds[column] for column in missing}),
            narrow=text.drop_columns(name, others),
        )

    @property
    def staged_names(self) -> dict[str, str]:
        """What columns are called while they are loaded."""
        return ahead.staged_names(self.kinds, self.key)

    def _statements(self, *options: str) -> list[str]:
        name = qualified(self.keyspace, self.name)
        table = text.create_table(name, self.kinds, self.key, options)
        return [*text.create_types(list(self.kinds.values())), table]

    def report(self) -> TableReport:
        """Return what is told of it; the rows are those of the spool."""
        table = self._table()
        report = TableReport(", ".join(dict.fromkeys(self.spool.origins)), table)
        report.engine, report.rows, report.rejects = "cassandra", self.spool.rows, self.rejects
        kinds = self.kinds
        report.types = {name: text.plain(kind) for name, kind in kinds.items()}
        if self.there is not None:
            report.action = self.action
            report.grown.rows = self.spool.rows - (self.overwrites or 0)
            if not self.appends:
                report.difference = existing.difference(self.there, kinds, self.key)
        report.contract = self.recipe.contract or report.contract
        report.recipe, report.used, report.allowed = self.recipe, self.used, list(self.allowed)
        report.came = self.came
        report.key, report.notes = str(self.key), [*self.notes, *self._in_quotes()]
        report.partitions = self.partitions.as_data()
        report.ddl = "".join(f"{statement};\n" for statement in self._statements())
        place = self.keyspace, self.name
        report.asks = asks.explain(place, self.key, kinds, self.example, self.partitions)
        return report

    def _in_quotes(self) -> list[str]:
        """Return the note on names that nobody can write without quotes."""
        names = [self.keyspace, self.name, *self.kinds]
        shown = {name: text.readable(name) for name in names}
        return naming.in_quotes("CQL", [quoted for name, quoted in shown.items() if quoted != name])

    def _table(self) -> Table:
        """Return the table without what only PostgreSQL has."""
        whys = {column.name: column.why for column in self.columns}
        columns = tuple(replace(c, why=whys[c.name], not_null=False, default=None)
                        for c in self.spool.table.columns)  # fmt: skip
        table = self.spool.table
        return Table(table.name, table.original, columns, notes=(*table.notes, *_left(table)))


def _left(table: Table) -> list[str]:
    """Return the note on rules of a table for which Cassandra has nothing."""
    found = [f"CHECK ({check.said})" for check in table.checks]
    found += [f"view {view.name}" for view in table.views]
    found += [f"the counter of {c.name}" for c in table.columns if c.identity is not None]
    return [f"not carried over, Cassandra has none: {', '.join(found)}"] if found else []


def identity(prepared: Prepared, options: Options, cluster: Cluster) -> dict[str, str] | None:
    """Return what is equal for the same command on the same source, as plain data.

    None if that cannot be told: standard input is never the same again.
    """
    files = [_state(origin) for origin in prepared.spool.origins]
    if None in files:
        return None
    rest: Mapping[str, object] = {
        "columns": existing.signature(prepared.kinds, prepared.key),
        "rows": prepared.spool.rows,
        "content": prepared.spool.fingerprint(),
        "options": repr((options.append, options.merge, prepared.recipe.written())),
        "cluster": cluster.kind,
    }
    digest = hashlib.sha256(json.dumps([files, rest], sort_keys=True).encode()).hexdigest()
    return {"digest": digest}


def _state(origin: str) -> list[Any] | None:
    path = Path(origin).absolute()
    log = path.with_name(path.name + "-wal")  # where SQLite may keep the newest rows
    try:
        states = [path.stat(), *([log.stat()] if log.exists() else [])]
    except OSError:
        return None
    return [os.fsdecode(path), [(state.st_size, state.st_mtime_ns) for state in states]]
