"""Publish into one PostgreSQL database: all tables at once, in one transaction."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial

import psycopg
from psycopg import sql

from myriad.control.connection import control_database
from myriad.engines.postgres.base import Server
from myriad.errors import SchemaRefused, TooManyRejects
from myriad.model import Kind, Table
from myriad.people.postgres import table_rights
from myriad.publish import naming, plan, recipe_record
from myriad.publish.checks import Checks
from myriad.publish.contract import Change
from myriad.publish.options import PUBLISH_AGAIN, Step
from myriad.publish.postgres import (
    ddl,
    existing,
    file_views,
    loading,
    matching,
    rebuilding,
    record,
    runs,
    shapes,
    versions,
)
from myriad.publish.postgres.additions import Additions, refuse_no_key
from myriad.publish.postgres.claims import claim
from myriad.publish.postgres.connecting import connected
from myriad.publish.postgres.existing import Existing, query
from myriad.publish.postgres.patience import WRITERS, Patience
from myriad.publish.postgres.swap import Replacement, rehearse, swap
from myriad.publish.rejects import Rejects
from myriad.publish.report import Came, Report, TableReport, Written
from myriad.publish.store import Task, closed
from myriad.sources.base import Workspace
from myriad.wording import number_of

KEY_CANDIDATES = 5
# Unique perhaps, but nothing that anybody would look a row up by.
NO_KEYS = (Kind.REAL, Kind.DOUBLE, Kind.JSONB, Kind.BYTEA, Kind.BOOLEAN)


@contextmanager
def opened(server: Server, task: Task, rejects: Rejects) -> Iterator["Job"]:
    """Have the store of a publish into PostgreSQL; raises PublishError."""
    create = task.options.changes
    with (
        connected(server, task.report.database, create=create) as connection,
        closed(Job(server, connection, task, rejects)) as job,
    ):
        yield job


@dataclass
class Job:
    """One publish into one dataset over one connection: a `Store`."""

    server: Server
    connection: psycopg.Connection
    task: Task
    rejects: Rejects
    _recorded: bool = field(default=False, init=False)  # whether the database has our record
    _targets: Sequence[plan.Target] = field(default=(), init=False)
    _there: dict[str, Existing | None] = field(default_factory=dict, init=False)
    _loaded: dict[str, loading.Loaded] = field(default_factory=dict, init=False)
    _transaction: ExitStack = field(default_factory=ExitStack, init=False)

    def __post_init__(self) -> None:
        self.dataset, self.options = self.task.report.dataset, self.task.options
        self._checks = Checks(self.options, self.task.settings)
        self._additions = Additions(
            self.server,
            self.connection,
            self.dataset,
            self.options,
            self._patience,
            self._checks,
            self.task.keeping,
        )

    def prepare(self, targets: Sequence[plan.Target], _: Workspace) -> None:
        """Claim the tables in a transaction, which lasts to the end, and look at them.

        Raises SchemaRefused, PublishError, ContractRefused, SwapBlocked.
        """
        self._targets = targets
        if self.options.changes:
            record.prepare(self.connection)
        self._recorded = self.options.changes or record.there(self.connection)
        if self.options.changes:
            runs.begin(self.connection, self.task.history)
        if not self.options.dry_run:
            self._begin()
        self._there = self._look(targets)
        if self.options.dry_run:
            planned = [self._planned(target, self._there[target.name]) for target in targets]
            self.task.report.tables += planned

    def _begin(self) -> None:
        """Begin the transaction in which nobody else changes these tables."""
        transaction = self.connection.transaction(force_rollback=self.options.check)
        self._transaction.enter_context(transaction)
        names = [target.name for target in self._targets]
        claim(self.connection, self.dataset, names, self.options.wait, hint=PUBLISH_AGAIN)
        if self._recorded:
            versions.query(self.connection, "hold", dataset=self.dataset, names=names)

    def load(self) -> None:
        """Load all targets beside what is there; raises TooManyRejects, ContractRefused, ..."""
        report = self.task.report
        report.first_in_dataset = self._make_dataset() and self.options.changes
        self._loaded = self._load(report)
        report.left_out(self.rejects.kept, self.rejects.aside)

    def show(self) -> None:
        """Swap in what was loaded, write it down, and commit; raises SwapBlocked."""
        report, history = self.task.report, self.task.history
        report.seconds = self.task.seconds
        with control_database(self.server, autocommit=True) as control:
            states = self._swap(report, control)
            if not self.options.adds:
                notes = file_views.make(self.connection, self.dataset, self._targets)
                for table in report.tables:
                    table.notes += notes.get(table.table.name, [])
            report.rejects_file = self.rejects.save()
            record.save(self.connection, report, states)
            self._expire(report)
            keep = self.task.settings.history_runs
            runs.done(self.connection, history, report.as_data(), keep)
            self._transaction.close()
            recipe_record.settle_from(self.connection, control)

    def close(self, error: BaseException | None) -> None:
        """Roll back whatever is not shown."""
        kind, trace = (type(error), error.__traceback__) if error else (None, None)
        self._transaction.__exit__(kind, error, trace)

    def _look(self, targets: Sequence[plan.Target]) -> dict[str, Existing | None]:
        """Return the tables that are there; raises SchemaRefused for what must not be touched."""
        existing.refuse_foreign_dataset(self.connection, self.dataset)
        there = {target.name: self._existing(target) for target in targets}
        if self._recorded:
            came = record.came(self.connection, self.dataset)
            self._checks.tables(targets, came)
            self._checks.places(targets, came, {name for name, old in there.items() if old})
        self._checks.settle()
        if any(there.values()) and not self.options.adds:
            found = [(target.table, there[target.name]) for target in targets]
            tables = [
                (table, old.oid if old else None, self._made(table.name) or [])
                for table, old in found
            ]
            rehearse(self.connection, self.dataset, tables)
        return there

    def _expire(self, report: Report) -> None:
        """Drop versions that are too many, too large or too old."""
        names = [(self.dataset, table.table.name) for table in report.tables]
        notes = versions.expire(self.connection, names, self.task.keeping)
        for table in report.tables[:1]:
            table.notes += notes

    def _make_dataset(self) -> bool:
        """Make the dataset where it is missing; say whether it had no table yet."""
        schema = sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(self.dataset))
        # If another publish is making it we wait for that one, and then it is there.
        with suppress(psycopg.errors.UniqueViolation), self.connection.transaction():
            self.connection.execute(schema)
        return not query(self.connection, "taken", dataset=self.dataset)

    def _existing(self, target: plan.Target) -> Existing | None:
        """Return the table that is there; raises SchemaRefused if it must not be touched."""
        found = existing.find(self.connection, self.dataset, target.name)
        name = f"{self.dataset}.{target.name}"
        if found is not None:
            self._let_nobody_change(target, found.oid)
            existing.refuse_foreign_code(self.connection, name, found.oid)
        if found is None:
            target.refuse_lost_key()
            if self.options.merge:
                refuse_no_key(target)
            return None
        if self.options.adds:
            self._additions.begin(target, found, recorded=self._recorded)
            return found
        made = self._made(target.name)
        if made is None and not self.options.replace:
            raise SchemaRefused(
                f"{name} is there and Myriad did not publish it",
                hint="Choose another --table, or say --replace: its rows will be gone.",
            )
        existing.refuse_obstacles(self.connection, name, found.oid, made or [])
        if made is not None:
            rows, report = record.last(self.connection, self.dataset, target.name)
            strict = not self._checks.terms(target).permits(Change.TYPES)
            types = shapes.held(self.connection, self.dataset, target.name, found, report)
            target.keep(found.key, types, strict=strict)
            self._checks.begin(target, shapes.of_there(found, rows))
            self._checks.columns(target, shapes.of_new(target.table))
        return found

    def _made(self, name: str) -> list[str] | None:
        return record.made(self.connection, self.dataset, name) if self._recorded else None

    def _let_nobody_change(self, target: plan.Target, oid: int) -> None:
        """Let nobody add a trigger to a table that is filled from here on."""
        if self.options.append and not self.options.dry_run:
            name = ddl.qualified(self.dataset, target.name)
            lock = sql.SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE").format(name)
            take = lambda _: self.connection.execute(lock)  # noqa: E731 - tried again and again
            self._patience.until(self.connection, take, [oid], WRITERS)

    @property
    def _patience(self) -> Patience:
        return Patience.of(self.server, self.task.settings.swap_timeout, self.task.progress)

    def _planned(self, target: plan.Target, there: Existing | None) -> TableReport:
        table = self._report(target, there)
        table.ddl = ddl.text(self.dataset, target.table)
        table.written = self._written(there) if self._recorded else Written()
        return table

    def _written(self, there: Existing | None) -> Written:
        if there is None:
            return Written()
        ask = partial(versions.written_since, self.connection, there.oid)
        return self._patience.look(self.connection, there.oid, ask)

    def _report(self, target: plan.Target, there: Existing | None) -> TableReport:
        table = TableReport(", ".join(s.origin for s in target.sources), target.table)
        table.contract = target.recipe.contract or table.contract
        table.recipe, table.used = target.recipe, target.used(self.options)
        table.came = Came(target.came, target.marks)
        self._checks.tell(table)
        if there is None or not self.options.adds:
            table.notes += self._in_quotes(target.table)
        if there is not None:
            table.action = self._action
            if self.options.adds:
                table.difference = matching.difference(there, target)
            else:
                table.difference = existing.difference(there, target.table)
        return table

    def _in_quotes(self, table: Table) -> list[str]:
        """Return the note on names that nobody can write without quotes."""
        names = [self.dataset, table.name, *(column.name for column in table.columns)]
        odd = [name for name in names if name in self._words or not naming.is_plain(name)]
        return naming.in_quotes("SQL", [sql.Identifier(name).as_string() for name in odd])

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(row["word"] for row in query(self.connection, "words"))

    @property
    def _action(self) -> str:
        if self.options.merge:
            return "merged"
        return "appended" if self.options.append else "replaced"

    def _load(self, report: Report) -> dict[str, loading.Loaded]:
        """Load all targets beside what is there, and hold them against their contracts."""
        loader = loading.Loader(
            self.connection,
            self._mark,
            self.dataset,
            self.rejects,
            self.task.progress,
            prints=self.options.append,
        )
        loaded = {}
        for target in self._targets:
            there = self._there[target.name]
            table, loaded[target.name] = self._load_one(loader, target, there)
            report.tables.append(table)
        self._checks.settle()
        replacements = {name: one.replacement for name, one in loaded.items() if one.replacement}
        notes = loading.add_foreign_keys(self.connection, replacements)
        for table in report.tables:
            self._checks.tell(table)
            table.notes += notes.get(table.table.name, [])
        self.rejects.check()
        return loaded

    def _load_one(
        self, loader: loading.Loader, target: plan.Target, found: Existing | None
    ) -> tuple[TableReport, loading.Loaded]:
        before, written = len(self.rejects.kept), self._written(found)
        try:
            loaded = self._filled(loader, target, found)
            self.rejects.check()
        except TooManyRejects as error:
            raise self._checks.rejected(target, error) from error
        table = self._report(target, found)
        table.written = written
        table.rows, table.rejects = loaded.rows, len(self.rejects.kept) - before
        table.ddl = ddl.text(self.dataset, target.table)
        table.notes += loaded.notes
        table.grown.contents = loaded.prints
        if found is not None and self.options.adds:
            self._additions.tell(table, target, found, loaded)
        elif loaded.replacement is not None:
            self._hold(target, table, loaded.replacement)
        if loaded.replacement is not None:
            table.notes += self._of_before(target, table, loaded.replacement)
            if not target.table.primary_key:
                table.key_candidates = self._key_candidates(loaded.replacement)
        return table, loaded

    def _hold(self, target: plan.Target, table: TableReport, place: Replacement) -> None:
        """Hold what was loaded in the place of a table against its contract."""
        there = self._checks.there(target)
        empty = shapes.emptied(self.connection, place, there) if there else ()
        self._checks.loaded(target, table.rows, table.written, empty)

    def _of_before(self, target: plan.Target, table: TableReport, place: Replacement) -> list[str]:
        """Return notes on what becomes of the table that is replaced."""
        notes = []
        if place.old and self._made(target.name) is not None and self.task.keeping.versions:
            notes += [] if place.keep else [versions.NOT_KEPT]
        if table.written.any and not self.options.adds:
            kept = "kept in the version before" if place.keep else "gone now"
            rows = number_of(table.written.any, "row")
            notes.append(f"{rows} that people wrote or deleted: {kept}")
        return notes

    def _filled(
        self, loader: loading.Loader, target: plan.Target, found: Existing | None
    ) -> loading.Loaded:
        if found is not None and self.options.adds:
            return self._additions.load(loader, target, found)
        made = self._made(target.name)
        old = found.oid if found else None
        kept = (
            made is not None
            and old is not None
            and versions.may_keep(self.connection, old, self.task.keeping, self._patience)
        )
        keep = versions.new_name() if kept else ""
        refused = partial(self._checks.key_refused, target)
        return loader.create(target, old, made or [], keep, refused)

    def _mark(self) -> int:
        return runs.mark(self.connection, self.task.history) if self.options.changes else 0

    def _swap(self, report: Report, control: psycopg.Connection) -> dict[str, versions.State]:
        """Swap in what was loaded; return how each table came to be what is shown."""
        loaded = self._loaded
        self.task.progress(Step("", "replacing", report.rows, 1.0))
        swapped = swap(
            self.connection,
            [one.replacement for one in loaded.values() if one.replacement],
            self._patience,
        )
        names = [table.table.name for table in report.tables]
        notes = table_rights.carry(control, self.connection, self.dataset, names)
        for table in report.tables:
            name = table.table.name
            table.notes += notes.get(name, [])
            table.made = swapped.made.get(name, [])
            keys = loaded[name].references
            place = ddl.qualified(self.dataset, name)
            table.made += rebuilding.refer_again(self.connection, place, keys)
        return {
            name: versions.State(
                one.xid,
                one.rows if one.held is None else one.held,
                added=one.replacement is None,
                kept=swapped.kept.get(name),
            )
            for name, one in loaded.items()
        }

    def _key_candidates(self, loaded: Replacement) -> list[str]:
        """Return columns that were unique and never null in ANALYZE's sample of 30,000 rows."""
        sensible = [c.name for c in loaded.table.columns if c.type.kind not in NO_KEYS]
        rows = self.connection.execute(
            "SELECT attname FROM pg_stats WHERE schemaname = %s AND tablename = %s"
            " AND n_distinct = -1 AND null_frac = 0 AND attname = ANY(%s)",
            [self.dataset, loaded.staged, sensible],
        )
        unique = {row[0] for row in rows}
        return [name for name in sensible if name in unique][:KEY_CANDIDATES]
