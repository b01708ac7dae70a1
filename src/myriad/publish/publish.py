"""Publish: sources become tables of a running engine, all at once or not at all."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
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
from myriad.publish import naming, plan, remembered
from myriad.publish.cassandra import runs as cassandra_runs
from myriad.publish.checks import Checks
from myriad.publish.history import Run
from myriad.publish.keeping import Keeping
from myriad.publish.opening import Opening
from myriad.publish.options import Options, Progress, silent
from myriad.publish.postgres import job as postgres
from myriad.publish.postgres import runs as postgres_runs
from myriad.publish.rejects import Rejects
from myriad.publish.report import Failure, Report
from myriad.settings import Settings
from myriad.sources.base import Workspace
from myriad.sources.places.names import expand
from myriad.sources.typing import duck
from myriad.wording import readable

if TYPE_CHECKING:
    from myriad.engines.cassandra.base import Cluster
    from myriad.publish.cassandra.job import Job


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
    """Publish each file that was named so by itself; what fails is noted."""
    try:
        paths = list(expand(source))
    except SourceError as error:
        whole.failed.append(Failure(readable(str(source)), error))
        return
    for path in paths:
        taken = frozenset(table.table.name for table in whole.tables)
        try:
            whole.take(place.publish([path], options, frozenset() if options.adds else taken))
        except MyriadError as error:
            whole.failed.append(Failure(readable(str(path)), error))
        except (psycopg.Error, OSError) as error:
            hint = "See `myriad status` and `myriad logs`."
            whole.failed.append(
                Failure(readable(str(path)), PublishError(str(error).strip(), hint=hint))
            )


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

    def publish(
        self, sources: Sequence[str | Path], options: Options, taken: frozenset[str] = frozenset()
    ) -> Report:
        """Publish all of `sources` at once, as no table of `taken`; see `publish`."""
        began = time.monotonic()
        database, dataset = self.names(options)
        history = Run(dataset, sources=[readable(str(source)) for source in sources])
        report = Report(history.id, database, dataset, options.dry_run, [], checked=options.check)
        # The tables may go to Cassandra alone, whatever there is in PostgreSQL.
        remembered.settle(self.engines.postgres, database)
        known = remembered.taken_over(self.engines.postgres, database, dataset)
        run = _Run(self.engines, self.home, self.settings, options, self.progress, report, history)

        opening = Opening(self.engines.postgres, database, dataset, options, known)
        history.tables = opening.tables(sources)  # until they were read
        run.meant = opening.engine(sources)
        try:
            with _workspace(self.home, self.settings) as workspace, duck.heeding_signals():
                opened = opening.opened(sources, workspace)
                try:
                    targets = plan.targets(opened, options, known)
                    _refuse_taken(targets, taken)
                    run.choose(plan.engine(targets))
                    run.all(targets, workspace)
                finally:
                    for source in opened:
                        source.close()
        except BaseException as error:
            run.failed(error)
            raise
        if options.changes:
            remembered.settle(self.engines.postgres, database)
        report.seconds = time.monotonic() - began
        return report


def _refuse_taken(targets: Sequence[plan.Target], taken: frozenset[str]) -> None:
    """Raise UsageError for a table that the same command has just made of another file."""
    for target in targets:
        if target.name in taken:
            raise UsageError(
                f"another file of this command is table {target.name} already",
                hint="Publish it by itself, under another name with --table.",
            )


@contextmanager
def _workspace(home: Home, settings: Settings) -> Iterator[Workspace]:
    """Make a private folder for temporary files; those of killed publishes are removed."""
    home.create()
    for left in home.temporary.glob("publish-*"):
        if notes.started(int(left.name.split("-")[1])) is None:
            _remove(left)
    with tempfile.TemporaryDirectory(
        dir=home.temporary, prefix=f"publish-{os.getpid()}-", ignore_cleanup_errors=True
    ) as folder:
        yield Workspace(Path(folder), settings.load_memory_mb)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Run:
    """One publish: the same opened sources for one engine or for both."""

    engines: Engines
    home: Home
    settings: Settings
    options: Options
    progress: Progress
    report: Report
    history: Run
    meant: str = "postgres"  # the engine, as far as it is known before the sources are read

    def __post_init__(self) -> None:
        self._began = time.monotonic()

    def choose(self, engine: str) -> None:
        """Take the engine of the recipes unless one was said."""
        if self.options.to is None:
            self.options = replace(self.options, to=engine, to_is_remembered=True)

    def failed(self, error: BaseException) -> None:
        """Let the history tell of it."""
        if not self.options.changes:
            return
        server, keep = self.engines.postgres, self.settings.history_runs
        to = self.options.to or self.meant
        if to != "cassandra":
            postgres_runs.failed(server, self.report.database, self.history, error, keep)
        if to != "postgres":
            cassandra_runs.failed(server, self.report.database, self.history, error, keep)

    def all(self, targets: list[plan.Target], workspace: Workspace) -> None:
        """Load into both before either shows what is new: what fails changes nothing."""
        self.history.tables = [target.name for target in targets]
        if self.options.to == "postgres":
            self._postgres(targets)
            return
        with self._cassandra(workspace, targets) as job:
            if self.options.changes:
                self.report.keyspace_made = job.load()
            if self.options.to == "both":
                self._postgres(targets, job.rejects.kept)
            if self.options.changes:
                job.show(self.report, self.history.started)
            self.report.tables += [table.report() for table in job.tables]
            known = set(self.report.rejects)
            more = [reject for reject in job.rejects.kept if reject not in known]
            job.rejects.kept = self.report.rejects = [*self.report.rejects, *more]
            self.report.rejects_file = job.rejects.save() if self.options.changes else None
            if self.options.changes:
                self._done_in_cassandra(job)

    def _done_in_cassandra(self, job: "Job") -> None:
        """Let the history tell of what Cassandra has."""
        report = {
            "rows": sum(table.spool.rows for table in job.tables),
            "seconds": round(time.monotonic() - self._began, 3),
            "tables": [table.report().as_data() for table in job.tables],
        }
        keep = self.settings.history_runs
        place = job.record.connection, self.report.database
        cassandra_runs.done(*place, self.history, report, keep)

    def _rejects(self, targets: list[plan.Target], known: Sequence[Reject] = ()) -> Rejects:
        path = self.home.rejects / f"{self.report.run}.jsonl"
        most = self.options.max_rejects
        if most is None:
            most = max(target.recipe.max_rejects or 0 for target in targets)
        return Rejects(path, most, known)

    def _postgres(self, targets: list[plan.Target], known: Sequence[Reject] = ()) -> None:
        create = self.options.changes
        server, report = self.engines.postgres, self.report
        with closing(postgres.connect(server, report.database, create=create)) as connection:
            job = postgres.Job(
                server,
                connection,
                report.dataset,
                self.options,
                self.settings,
                self._rejects(targets, known),
                self.progress,
                self.history,
                self._keeping(),
            )
            job.run(targets, report, self._began)

    def _keeping(self) -> Keeping:
        own = self.engines.postgres.kind == "embedded"
        return Keeping.of(self.settings, self.home.folder if own else None)

    @contextmanager
    def _cassandra(self, workspace: Workspace, targets: list[plan.Target]) -> Iterator["Job"]:
        from myriad.publish.cassandra import keyspaces, record  # noqa: PLC0415 - see below
        from myriad.publish.cassandra.job import Job  # noqa: PLC0415 - a quarter of the start-up
        from myriad.publish.cassandra.loading import is_interruption  # noqa: PLC0415
        from myriad.publish.cassandra.versions import Versions  # noqa: PLC0415

        cluster, place = self.engines.cassandra, (self.report.database, self.report.dataset)
        if cluster is None:
            raise NotRunning("no Cassandra is up", hint="myriad up --detach --cassandra 1.")
        with record.opened(self.engines.postgres) as written, cluster.session() as session:
            keyspace = keyspaces.name_of(written, self.settings, *place)
            job = Job(
                cluster,
                session,
                written,
                keyspace,
                place,
                self.options,
                Checks(self.options, self.settings),
                self._rejects(targets),
                self.progress,
                Versions(cluster, session, written, self._keeping(), self.engines.postgres),
            )
            if self.options.changes:
                cassandra_runs.begin(written.connection, self.report.database, self.history)
            goes_on = False
            try:
                job.prepare(targets, workspace)
                yield job
            except BaseException as error:
                goes_on = is_interruption(error)
                raise
            finally:
                job.close(goes_on=goes_on)
