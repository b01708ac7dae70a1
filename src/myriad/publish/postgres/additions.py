"""Add to tables that are there, or merge into them: in place where that is enough."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from myriad.engines.postgres.base import Server
from myriad.errors import KeyRefused, SchemaRefused
from myriad.model import Column, Table
from myriad.publish import contract
from myriad.publish.checks import Checks
from myriad.publish.contract import Change
from myriad.publish.keeping import Keeping
from myriad.publish.options import Options
from myriad.publish.plan import Target
from myriad.publish.postgres import ddl, existing, matching, rebuilding, record, shapes, versions
from myriad.publish.postgres.existing import Existing
from myriad.publish.postgres.loading import Loaded, Loader
from myriad.publish.postgres.patience import Patience
from myriad.publish.postgres.rebuilding import Rebuild
from myriad.publish.postgres.swap import Replacement
from myriad.publish.report import Counts, TableReport


@dataclass
class Additions:
    """What one publish adds to tables of a dataset that are there."""

    server: Server
    connection: psycopg.Connection
    dataset: str
    options: Options
    patience: Patience
    checks: Checks
    keeping: Keeping
    _made: dict[str, list[str]] = field(default_factory=dict)
    _reports: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def begin(self, target: Target, there: Existing, *, recorded: bool) -> None:
        """Look at what shall be added to; raises SchemaRefused, ContractRefused, KeyRefused.

        `recorded`: this database has a record of what was published.
        """
        full = f"{self.dataset}.{target.name}"
        made = record.made(self.connection, self.dataset, target.name) if recorded else None
        rows, report = 0, dict[str, Any]()
        if made is not None:
            self._made[target.name] = made
            rows, report = record.last(self.connection, self.dataset, target.name)
        self._reports[target.name] = report
        matching.refuse_misfit(there, target, full)
        held = self.checks.terms(target)
        target.holds = True
        types = matching.types(there) | shapes.types(there, report)
        target.keep(there.key, types, strict=not held.permits(Change.TYPES))
        self.checks.begin(target, shapes.of_there(there, rows))
        self.checks.note(target, matching.differences(there, target, held))
        if self.options.merge:
            self._refuse_obstacles(target, there)
            refuse_no_key(target)

    def _refuse_obstacles(self, target: Target, there: Existing) -> None:
        """Raise SchemaRefused if the table cannot be made anew."""
        full = f"{self.dataset}.{target.name}"
        made = self._made.get(target.name)
        if made is None:
            raise SchemaRefused(
                f"{full} would be made anew, and Myriad did not publish it",
                hint="Only rows that fit it as it is can be added: --append without other columns"
                " or wider numbers.",
            )
        existing.refuse_obstacles(self.connection, full, there.oid, made)

    def load(self, loader: Loader, target: Target, there: Existing) -> Loaded:
        """Add the rows, in the table itself or in a new one that takes its place.

        Raises what `Loader.append` and `Rebuild` raise, and ContractRefused.
        """
        if not self.options.merge:
            try:
                loaded = loader.append(target, there)
                self._known(target, loaded.prints)
                return loaded
            except matching.Grows:
                self._refuse_obstacles(target, there)
            except KeyRefused:
                if not self.options.again:
                    self._known(target, loader.fingerprints(target))
                raise
        with closing(self._reader()) as reader, reader.transaction():
            key = target.table.primary_key if self.options.merge else ()
            missing = self.options.delete_missing
            job = Rebuild(loader, reader, target, there, key, missing, self.patience)
            return self._rebuilt(job)

    def _reader(self) -> psycopg.Connection:
        return self.server.connect(self.connection.info.dbname, autocommit=True)

    def _rebuilt(self, job: Rebuild) -> Loaded:
        target, there = job.target, job.there
        rows = job.read()
        held = self.checks.terms(target)
        self.checks.note(target, matching.asked(there, target, held))
        self.checks.settle()
        job.hold()
        counts = job.count(rows)
        if self.options.merge:
            self._hold(target, counts)
            if counts.merged.nothing and not matching.grown(there, target):
                return Loaded(rows, job.loader.mark(), None, merged=counts.merged, held=0)
        loaded = job.make(rows)
        loaded.merged = counts.merged if self.options.merge else None
        loaded.replacement = self._placed(loaded.replacement, target, there)
        loaded.references = rebuilding.references(self.connection, there.oid)
        self._known(target, loaded.prints)
        return loaded

    def _hold(self, target: Target, counts: Counts) -> None:
        """Hold what a merge deletes, and what it changes of people's rows, against the contract."""
        held, deleted = self.checks.terms(target), counts.merged.deleted
        found = contract.of_deleted(held, target.name, counts.there, deleted)
        found += contract.of_writes(target.name, counts.people, 0)
        self.checks.note(target, found)
        self.checks.settle()

    def _placed(
        self, place: Replacement | None, target: Target, there: Existing
    ) -> Replacement | None:
        """Return where the new table goes, and what becomes of the old one."""
        if place is None:
            return None
        made = self._made[target.name]
        mine = {now: name for now, name in place.carried.items() if name in made}
        rest = {now: name for now, name in place.carried.items() if name not in made}
        kept = versions.may_keep(self.connection, there.oid, self.keeping, self.patience)
        return replace(
            place,
            renames=place.renames | mine,
            carried=rest,
            keep=versions.new_name() if kept else "",
            made=made,
        )

    def _known(self, target: Target, prints: Sequence[str]) -> None:
        """Raise ContractRefused for what was added before, unless that is wanted."""
        if not self.options.again:
            matching.refuse_again(self._reports[target.name], target, prints)

    def tell(self, table: TableReport, target: Target, there: Existing, loaded: Loaded) -> None:
        """Write down what was added, and how the table changed."""
        before = self._reports[target.name]
        table.merged = loaded.merged
        table.grown.rows = loaded.merged.grown if loaded.merged else loaded.rows
        table.grown.contents = matching.remembered(before, loaded.prints)
        table.difference = matching.difference(there, target)
        table.notes += matching.notes(there, target)
        place, shape = loaded.replacement, self.checks.there(target)
        if place is not None and shape is not None:
            emptied = shapes.emptied(self.connection, place, shape)
            self.checks.note(target, contract.of_nulls(target.name, emptied))
            table.grown.changed = self._changed(before, table, place.table)

    def _changed(
        self, before: Mapping[str, Any], table: TableReport, new: Table
    ) -> dict[str, object]:
        """Return the part of the record that a new table makes other than it was."""
        now = {each["name"]: each for each in table.columns_as_data()}
        old = [column for column in before.get("columns", []) if isinstance(column, dict)]
        kept = [{**column, **_typed(now.get(column.get("name")))} for column in old]
        known = {column.get("name") for column in old}
        columns = [*kept, *(each for name, each in now.items() if name not in known)]
        whole = [_column(column) for column in columns]
        change: dict[str, object] = {"columns": columns, "primary_key": list(new.primary_key)}
        if None not in whole:
            shown = replace(new, columns=tuple(column for column in whole if column))
            change["ddl"] = ddl.text(self.dataset, shown)
        return change


def _typed(column: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if column is None else {name: column[name] for name in ("type", "why", "format")}


def _column(data: Mapping[str, Any]) -> Column | None:
    kind = existing.type_named(str(data.get("type")))
    name = str(data.get("name"))
    if kind is None:
        return None
    return Column(name, str(data.get("original", name)), kind, not_null=bool(data.get("not_null")))


def refuse_no_key(target: Target) -> None:
    """Raise KeyRefused if nothing says which rows are the same."""
    if not target.table.primary_key:
        raise KeyRefused(
            f"{target.name} has no key, or the source lacks a column of it: nothing says which"
            " rows are the same",
            hint="--key COL,... names the columns that do.",
        )
