"""Publish: sources become tables of a running engine, all at once or not at all."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from myriad.engines.postgres.base import Server
from myriad.errors import (
    MyriadError,
    NotRunning,
    PublishError,
    SourceError,
    UsageError,
)
from myriad.home import notes
from myriad.home.home import Home
from myriad.model import Reject
from myriad.publish import naming, plan, recipe_record, unchanged
from myriad.publish.cassandra import runs as cassandra_runs
from myriad.publish.history import Run
from myriad.publish.keeping import Keeping
from myriad.publish.opening import Opening
from myriad.publish.options import Options, Progress, Telling, silent
from myriad.publish.postgres import runs as postgres_runs
from myriad.publish.rejects import Rejects
from myriad.publish.report import Failure, Report
from myriad.publish.store import Store, Task
from myriad.publish.unchanged import Before
from myriad.settings import Settings
from myriad.sources.base import TableSource, Workspace
from myriad.sources.open import parts
from myriad.sources.places.addresses import shown
from myriad.sources.places.names import expand
from myriad.sources.typing import duck

if TYPE_CHECKING:
    from myriad.engines.cassandra.base import Cluster


# What one file of a folder may be the reason for, so that the others can be published.
OF_ONE_FILE = (SourceError, PublishError, UsageError)


@dataclass(frozen=True)
class Engines:
    """Where tables can be made; PostgreSQL also keeps the record of everything."""

    postgres: Server
    cassandra: "Cluster | None" = None


def publish(
    engines: Engines,
    home: Home,
    settings: Settings,
    sources: Sequence[str | Path],
    options: Options,
    progress: Progress | None = None,
) -> Report:
    """Make tables of `sources`, visible when all are loaded and their counts proven.

    Until then, and whatever ends it, the tables that were there stay as they are. If it is to keep
    going, each file is published by itself, and the report names those that could not be.
    Raises SourceError, PublishError and its kinds, UsageError, psycopg.OperationalError, and for
    Cassandra EngineError.
    """
    place = _Place(engines, home, settings, progress or silent)
    if not options.keep_going:
        return place.publish(sources, options)
    began = time.monotonic()
    database, dataset = place.names(options)
    whole = Report("", database, dataset, options.dry_run, [], checked=options.check)
    for source in sources:
        _one_by_one(place, source, options, whole)
    whole.run = whole.runs[0] if whole.runs else ""
    whole.seconds = time.monotonic() - began
    return whole


def _one_by_one(place: "_Place", source: str | Path, options: Options, whole: Report) -> None:
    """Publish each file that was named so by itself; what fails is noted.

    A folder is published as one, and file by file only where that fails.
    """
    try:
        paths = list(expand(source))
    except SourceError as error:
        whole.failed.append(Failure(shown(source), error))
        return
    for path in paths:
        refused = _alone(place, path, options, whole)
        if refused is None:
            continue
        files, complete = parts(path) if isinstance(refused, OF_ONE_FILE) else ([], False)
        errors = [(each, _alone(place, each, options, whole)) for each in files]
        failed = [Failure(shown(each), why) for each, why in errors if why is not None]
        # What concerns no file by itself, such as partitions or a table that is missed, is told.
        whole.failed += failed if failed and complete else [*failed, Failure(shown(path), refused)]


def _alone(
    place: "_Place", path: str | Path, options: Options, whole: Report
) -> MyriadError | None:
    """Publish one thing by itself; return why it could not be."""
    taken = frozenset(table.table.name for table in whole.tables)
    try:
        whole.take(place.publish([path], options, frozenset() if options.adds else taken))
    except MyriadError as error:
        return error
    except (psycopg.Error, OSError) as error:
        return PublishError(str(error).strip(), hint="See `myriad status` and `myriad logs`.")
    return None


@dataclass(frozen=True)
class _Place:
    """Where is published, and who hears how far it is."""

    engines: Engines
    home: Home
    settings: Settings
    progress: Progress

    def names(self, options: Options) -> tuple[str, str]:
        """Return database and dataset; raises UsageError if PostgreSQL cannot name them so."""
        database = options.database or self.settings.database
        dataset = options.dataset or self.settings.dataset
        naming.check_database(database)
        naming.check_dataset(dataset)
        return database, dataset

    @contextmanager
    def _opened(
        self, opening: Opening, sources: Sequence[str | Path], report: Report
    ) -> Iterator[tuple[list[TableSource], Workspace]]:
        """Have what is to be published open, without what did not change if that is asked for."""
        options, compares = opening.options, unchanged.asked(opening.options, opening.remembered)
        opened: list[TableSource] = []
        with self._workspace(options, compares=compares) as workspace:
            try:
                if compares:
                    paths = unchanged.paths(sources)
                    engines = self.engines.postgres, self.engines.cassandra
                    place = opening.database, opening.dataset
                    before = Before.of(engines, place, options, opening.remembered, paths)
                    changed, report.unchanged = before.split(paths)
                    opened = opening.opened(changed, workspace)
                    report.unchanged += (same := before.same(opened))
                    before.tell(opened)
                    left = {each.source for each in same}
                    yield [each for each in opened if each.named not in left], workspace
                else:
                    opened = opening.opened(sources, workspace)
                    yield opened, workspace
            finally:
                for source in opened:
                    source.close()

    @contextmanager
    def _workspace(self, options: Options, *, compares: bool) -> Iterator[Workspace]:
        """Make a private folder for temporary files; those of killed publishes are removed."""
        self.home.create()
        for left in self.home.temporary.glob("publish-*"):
            if notes.started(int(left.name.split("-")[1])) is None:
                _remove(left)
        with tempfile.TemporaryDirectory(
            dir=self.home.temporary, prefix=f"publish-{os.getpid()}-", ignore_cleanup_errors=True
        ) as folder:
            yield Workspace.within(
                Path(folder),
                self.settings.load_memory_mb,
                allow_private=options.read.allow_private,
                compares=compares,
                tell=Telling(self.progress),
            )

    def publish(
        self, sources: Sequence[str | Path], options: Options, taken: frozenset[str] = frozenset()
    ) -> Report:
        """Publish all of `sources` at once, as no table of `taken`; see `publish`."""
        database, dataset = self.names(options)
        history = Run(dataset, sources=[shown(source) for source in sources])
        report = Report(history.id, database, dataset, options.dry_run, [], checked=options.check)
        # The tables may go to Cassandra alone, whatever there is in PostgreSQL.
        known = recipe_record.settled(self.engines.postgres, database, dataset)
        own = self.engines.postgres.kind == "embedded"
        keeping = Keeping.of(self.settings, self.home.folder if own else None)
        task = Task(self.settings, options, self.progress, report, history, keeping)
        run = _Run(self.engines, self.home, task)

        opening = Opening(self.engines.postgres, database, dataset, options, known)
        history.tables = opening.tables(sources)  # until they were read
        run.meant = opening.engine(sources)
        try:
            opened = self._opened(opening, sources, report)
            with duck.heeding_signals(), opened as (tables, workspace):
                if tables or not report.unchanged:
                    targets = plan.targets(tables, options, known)
                    _refuse_taken(targets, taken)
                    run.choose(plan.engine(targets))
                    run.all(targets, workspace)
                else:
                    report.run = ""  # a history tells of what changed something, or was to
        except BaseException as error:
            run.failed(error)
            raise
        report.seconds = task.seconds
        return report


def _refuse_taken(targets: Sequence[plan.Target], taken: frozenset[str]) -> None:
    """Raise UsageError for a table that the same command has just made of another file."""
    for target in targets:
        if target.name in taken:
            raise UsageError(
                f"another file of this command is table {target.name} already",
                hint="Publish it by itself, under another name with --table.",
            )


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Run:
    """One publish: the same opened sources for one engine or for both."""

    engines: Engines
    home: Home
    task: Task
    meant: str = "postgres"  # the engine, as far as it is known before the sources are read

    def choose(self, engine: str) -> None:
        """Take the engine of the recipes unless one was said."""
        if self.task.options.to is None:
            options = replace(self.task.options, to=engine, to_is_remembered=True)
            self.task = replace(self.task, options=options)

    def failed(self, error: BaseException) -> None:
        """Let the history tell of it."""
        if not self.task.options.changes:
            return
        to = self.task.options.to or self.meant
        histories = (("postgres", postgres_runs.failed), ("cassandra", cassandra_runs.failed))
        for engine, write_down in histories:
            if to in (engine, "both"):
                place, keep = self.task.report.database, self.task.settings.history_runs
                write_down(self.engines.postgres, place, self.task.history, error, keep)

    def all(self, targets: list[plan.Target], workspace: Workspace) -> None:
        """Load into all engines before any shows what is new: what fails changes nothing."""
        options, self.task.history.tables = self.task.options, [each.name for each in targets]
        with ExitStack() as opened:
            stores: list[Store] = []
            for engine in self._engines():
                known = [reject for store in stores for reject in store.rejects.kept]
                rejects = self._rejects(targets, known)
                store = opened.enter_context(self._store(engine, rejects))
                store.prepare(targets, workspace)
                if not options.dry_run:
                    store.load()
                stores.append(store)
            for store in reversed(stores if options.changes else []):
                store.show()

    def _engines(self) -> list[str]:
        """Return what is loaded, in this order: what is shown first, and told of first, is last.

        What PostgreSQL shows, it shows at once and for certain.
        """
        options = self.task.options
        if options.to != "both":
            return [options.to or self.meant]
        return ["cassandra", "postgres"] if options.changes else ["postgres", "cassandra"]

    def _rejects(self, targets: list[plan.Target], known: Sequence[Reject]) -> Rejects:
        path = self.home.rejects / f"{self.task.report.run}.jsonl"
        most = self.task.options.max_rejects
        if most is None:
            most = max(target.recipe.max_rejects or 0 for target in targets)
        return Rejects(path, most, known)

    def _store(self, engine: str, rejects: Rejects) -> AbstractContextManager[Store]:
        server, cluster = self.engines.postgres, self.engines.cassandra
        if engine == "postgres":
            from myriad.publish.postgres import job as postgres  # noqa: PLC0415 - takes long

            return postgres.opened(server, self.task, rejects)
        from myriad.publish.cassandra import job as cassandra  # noqa: PLC0415 - likewise

        if cluster is None:
            raise NotRunning("no Cassandra is up", hint="myriad up --detach --cassandra 1.")
        return cassandra.opened(cluster, server, self.task, rejects)
