"""Publish into one PostgreSQL database: all tables at once, in one transaction."""

import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial

import psycopg
from psycopg import sql

from myriad.engines.postgres import databases
from myriad.engines.postgres.base import Server
from myriad.errors import PublishError, SchemaRefused, TooManyRejects
from myriad.model import Kind, Table
from myriad.publish import naming, plan
from myriad.publish.checks import Checks
from myriad.publish.contract import Change
from myriad.publish.history import Run
from myriad.publish.keeping import Keeping
from myriad.publish.options import PUBLISH_AGAIN, Options, Progress, Step
from myriad.publish.postgres import (
    adding,
    copy,
    ddl,
    existing,
    loading,
    rebuilding,
    record,
    runs,
    shapes,
    versions,
)
from myriad.publish.postgres.additions import Additions, refuse_no_key
from myriad.publish.postgres.claims import claim
from myriad.publish.postgres.existing import Existing, query
from myriad.publish.postgres.patience import WRITERS, Patience
from myriad.publish.postgres.swap import Replacement, rehearse, swap
from myriad.publish.rejects import Rejects
from myriad.publish.report import Report, TableReport, Written
from myriad.settings import Settings
from myriad.wording import number_of

KEY_CANDIDATES = 5
# Unique perhaps, but nothing that anybody would look a row up by.
NO_KEYS = (Kind.REAL, Kind.DOUBLE, Kind.JSONB, Kind.BYTEA, Kind.BOOLEAN)


def connect(server: Server, database: str, *, create: bool) -> psycopg.Connection:
    """Connect to the database; made if it is not there and `create`. Raises PublishError."""
    with closing(server.connect(autocommit=True)) as control:
        # Two that publish into the same new database at once: the second waits for the first.
        control.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"make {database}"])
        is_there = _check_owner(control, database)
        if not is_there and not create:
            raise PublishError(f"there is no database {database}", hint="A dry run makes none.")
        if not is_there:
            databases.create_database(server, database)
    connection = server.connect(database, autocommit=True)
    try:
        _check_owner(connection, database)  # it keeps its name as long as we are in it
    except BaseException:
        connection.close()
        raise
    copy.widen_socket(connection)
    return connection


def _check_owner(connection: psycopg.Connection, database: str) -> bool:
    """Say whether that database is there; raises PublishError if it is somebody else's."""
    owner = databases.owner(connection, database)
    if owner and not owner.ours:
        raise PublishError(
            f"database {database} belongs to {owner.name}, not to Myriad",
            hint="Choose another with --database; a new one is made.",
        )
    return owner is not None


@dataclass
class Job:
    """One publish into one dataset over one connection."""

    server: Server
    connection: psycopg.Connection
    dataset: str
    options: Options
    settings: Settings
    rejects: Rejects
    progress: Progress
    history: Run
    keeping: Keeping
    _recorded: bool = field(default=False, init=False)  # whether the database has our record
    _checks: Checks = field(init=False)
    _additions: Additions = field(init=False)

    def run(self, targets: list[plan.Target], report: Report, began: float) -> None:
        """Load all targets and swap them in, in one transaction."""
        self._checks = Checks(self.options, self.settings)
        self._additions = Additions(
            self.server,
            self.connection,
            self.dataset,
            self.options,
            self._patience,
            self._checks,
            self.keeping,
        )
        if self.options.changes:
            record.prepare(self.connection)
        self._recorded = record.there(self.connection)
        if self.options.dry_run:
            there = self._look(targets)
            report.tables = [self._planned(target, there[target.name]) for target in targets]
            report.seconds = time.monotonic() - began
            return
        if self.options.changes:
            runs.begin(self.connection, self.history)
        with self.connection.transaction(force_rollback=self.options.check):
            names = [target.name for target in targets]
            claim(self.connection, self.dataset, names, self.options.wait, hint=PUBLISH_AGAIN)
            if self._recorded:
                versions.query(self.connection, "hold", dataset=self.dataset, names=names)
            there = self._look(targets)
            report.first_in_dataset = self._make_dataset()
            loaded = self._load(targets, there, report)
            report.rejects = self.rejects.kept
            report.seconds = time.monotonic() - began
            if self.options.changes:
                self._show(loaded, report)

    def _show(self, loaded: dict[str, loading.Loaded], report: Report) -> None:
        """Swap in what was loaded, and write it down."""
        states = self._swap(loaded, report)
        report.rejects_file = self.rejects.save()
        record.save(self.connection, report, states)
        self._expire(report)
        runs.done(self.connection, self.history, report.as_data(), self.settings.history_runs)

    def _look(self, targets: list[plan.Target]) -> dict[str, Existing | None]:
        """Return the tables that are there; raises SchemaRefused for what must not be touched."""
        existing.refuse_foreign_dataset(self.connection, self.dataset)
        there = {target.name: self._existing(target) for target in targets}
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
        notes = versions.expire(self.connection, names, self.keeping)
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
            target.keep(found.key, shapes.types(found, report), strict=strict)
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
        return Patience.of(self.server, self.settings.swap_timeout, self.progress)

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
        self._checks.tell(table)
        if not self.options.adds:
            table.notes += self._in_quotes(target.table)
        if there is not None:
            table.action = self._action
            if self.options.adds:
                table.difference = adding.difference(there, target)
            else:
                table.difference = existing.difference(there, target.table)
        return table

    def _in_quotes(self, table: Table) -> list[str]:
        """Return the note on names that nobody can write without quotes."""
        names = [self.dataset, table.name, *(column.name for column in table.columns)]
        words = {row["word"] for row in query(self.connection, "words", names=names)}
        odd = [name for name in names if name in words or not naming.is_plain(name)]
        return naming.in_quotes("SQL", [sql.Identifier(name).as_string() for name in odd])

    @property
    def _action(self) -> str:
        if self.options.merge:
            return "merged"
        return "appended" if self.options.append else "replaced"

    def _load(
        self, targets: list[plan.Target], there: dict[str, Existing | None], report: Report
    ) -> dict[str, loading.Loaded]:
        """Load all targets beside what is there, and hold them against their contracts."""
        loader = loading.Loader(
            self.connection,
            self._mark,
            self.dataset,
            self.rejects,
            self.progress,
            prints=self.options.append,
        )
        loaded = {}
        for target in targets:
            table, loaded[target.name] = self._load_one(loader, target, there[target.name])
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
            loaded = self._loaded(loader, target, found)
            self.rejects.check()
        except TooManyRejects as error:
            raise self._checks.rejected(target, error) from error
        table = self._report(target, found)
        table.written = written
        table.rows, table.rejects = loaded.rows, len(self.rejects.kept) - before
        table.ddl = ddl.text(self.dataset, target.table)
        table.notes += loaded.notes
        table.added = loaded.prints
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
        if place.old and self._made(target.name) is not None and self.keeping.versions:
            notes += [] if place.keep else [versions.NOT_KEPT]
        if table.written.any and not self.options.adds:
            kept = "kept in the version before" if place.keep else "gone now"
            rows = number_of(table.written.any, "row")
            notes.append(f"{rows} that people wrote or deleted: {kept}")
        return notes

    def _loaded(
        self, loader: loading.Loader, target: plan.Target, found: Existing | None
    ) -> loading.Loaded:
        if found is not None and self.options.adds:
            return self._additions.load(loader, target, found)
        made = self._made(target.name)
        old = found.oid if found else None
        kept = (
            made is not None
            and old is not None
            and versions.may_keep(self.connection, old, self.keeping, self._patience)
        )
        keep = versions.new_name() if kept else ""
        refused = partial(self._checks.key_refused, target)
        return loader.create(target, old, made or [], keep, refused)

    def _mark(self) -> int:
        return runs.mark(self.connection, self.history) if self.options.changes else 0

    def _swap(self, loaded: dict[str, loading.Loaded], report: Report) -> dict[str, versions.State]:
        """Swap in what was loaded; return how each table came to be what is shown."""
        self.progress(Step("", "replacing", report.rows, 1.0))
        swapped = swap(
            self.connection,
            [one.replacement for one in loaded.values() if one.replacement],
            self._patience,
        )
        for table in report.tables:
            name = table.table.name
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
