"""Publish to Cassandra: spool, prove, load beside, reconcile, switch, record."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field

from myriad.cql.session import Session
from myriad.engines.cassandra.base import Cluster
from myriad.engines.postgres.base import Server
from myriad.errors import (
    EngineError,
    HalfPublished,
    MyriadError,
)
from myriad.publish.cassandra import (
    describing,
    keyspaces,
    record,
    runs,
    switch,
    unfinished,
)
from myriad.publish.cassandra.ahead import Ahead
from myriad.publish.cassandra.loading import Loading, is_interruption
from myriad.publish.cassandra.look.spool import Spool
from myriad.publish.cassandra.prepared_table import Prepared
from myriad.publish.cassandra.preparing import Preparing
from myriad.publish.cassandra.record import Load, Publication, Record, State
from myriad.publish.cassandra.showing import Showing
from myriad.publish.cassandra.switch import Taken
from myriad.publish.cassandra.versions import Versions
from myriad.publish.checks import Checks
from myriad.publish.options import Step
from myriad.publish.plan import Target
from myriad.publish.rejects import Rejects
from myriad.publish.store import Task, closed
from myriad.sources.base import Workspace


@contextmanager
def opened(cluster: Cluster, server: Server, task: Task, rejects: Rejects) -> Iterator["Job"]:
    """Have the store of a publish into Cassandra, whose record `server` has; raises EngineError."""
    with record.opened(server) as written, cluster.session() as session:
        keyspace = keyspaces.name_of(
            written, task.settings, task.report.database, task.report.dataset
        )
        versions = Versions(cluster, session, written, task.keeping, server)
        with closed(Job(cluster, session, written, keyspace, task, rejects, versions)) as job:
            yield job


@dataclass
class Job:
    """One publish into one keyspace: a `Store`.

    After `prepare` `tables` has what a dry run tells; `several`: there is more than one of them.
    """

    cluster: Cluster
    session: Session
    record: Record
    keyspace: str
    task: Task
    rejects: Rejects
    versions: Versions
    tables: list[Prepared] = field(default_factory=list)
    loads: dict[str, Load] = field(default_factory=dict)
    several: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.place = self.task.report.database, self.task.report.dataset
        self.options, self.progress = self.task.options, self.task.progress
        self.checks = Checks(self.options, self.task.settings)
        self.ahead = Ahead(self.cluster, self.record)

    def prepare(self, targets: Sequence[Target], workspace: Workspace) -> None:
        """Read all targets, prove their types and keys; nothing is changed yet.

        Raises KeyRefused, TooManyRejects, SchemaRefused, SourceError, PublishError.
        """
        if self.options.changes:
            runs.begin(self.record.connection, self.place[0], self.task.history)
        for target in targets:
            keyspaces.check_table(target.name)
        keyspaces.refuse_foreign(self.record, self.session, self.keyspace, *self.place)
        there, came = keyspaces.tables(self.session, self.keyspace), self.record.came(self.keyspace)
        found = {name: came[name] for name in there if name in came}
        self.checks.tables(targets, found)
        self.checks.places(targets, found, there)
        self.checks.settle()
        for target in sorted(targets, key=lambda target: target.name):
            if self.options.changes:
                self.record.claim(self.keyspace, target.name, self.options.wait)
        preparing = Preparing(
            self.cluster,
            self.session,
            self.record,
            self.keyspace,
            self.task,
            self.checks,
            self.rejects,
            self.ahead,
        )
        self.several = len(targets) > 1
        for number, target in enumerate(targets):
            if self.options.changes:  # until then a node may have a switch and another not
                unfinished.finish(self.versions, self.keyspace, target.name)
            self.tables.append(preparing.prepared(target, Spool(workspace, number)))
            self._rest(self.tables[-1])
        self.checks.settle()
        for made in self.tables:
            made.allowed = self.checks.allowed(made.name)
        self.rejects.check()
        if not self.options.changes:
            self._tell()

    def _tell(self) -> None:
        """Let the report tell of all tables."""
        report = self.task.report
        report.tables += [made.report() for made in self.tables]
        report.left_out(self.rejects.kept, self.rejects.aside)

    @property
    def _showing(self) -> Showing:
        return Showing(self.cluster, self.session, self.record, self.keyspace)

    @property
    def _loading(self) -> Loading:
        place = self.cluster, self.session, self.record, self.keyspace
        return Loading(*place, self.options, self.progress, self.ahead)

    def load(self) -> None:
        """Load all tables beside those that are there, and prove the counts.

        Nothing for a check: all is proven before. Raises PublishError, EngineError.
        """
        if not self.options.changes:
            return
        report = self.task.report
        if not keyspaces.stages(self.cluster):
            report.unshared = self._make_keyspace()
            self._load()
            return
        self.ahead.attach()
        if self.cluster.nodes > 1:  # they agree on one change of the schema after the other
            self.ahead.await_end()
        with ThreadPoolExecutor(1, "cassandra-keyspace") as beside:
            new = beside.submit(self._make_keyspace)  # as long as to load; nothing is there before
            if self.cluster.nodes > 1:
                new.result()
            self._load()
            report.unshared = new.result()

    def _load(self) -> None:
        for made in self.tables:
            self.loads[made.name] = self._loading.load(made)
            self._rest(made)

    def _rest(self, made: Prepared) -> None:
        """Give back the memory of a spool, unless nothing else needs it before this one again.

        To open a spool takes as much processor time as to read a thousand rows.
        """
        if self.several or self.options.to == "both":
            made.spool.rest()

    def _make_keyspace(self) -> bool:
        """Make the keyspace where it is missing; say if people's rights there are to be made."""
        with self.cluster.session() as session:
            new = keyspaces.make(self.record, self.cluster, session, self.keyspace, self.place)
        return new or self.record.grants_tables(*self.place)

    def show(self) -> None:
        """Make all loaded tables visible, and write down that they are published.

        Raises HalfPublished with what was shown before and what was not, Taken if nothing was.
        """
        for made in self.tables:
            try:
                self._show(made)
            except (MyriadError, OSError) as error:
                shown = [each.name for each in self.tables if each.name not in self.loads]
                if isinstance(error, Taken) and not shown and self.options.to != "both":
                    raise
                raise self._half_published(shown, error) from error
        self._tell()
        self._done()

    def _done(self) -> None:
        """Keep the rejects of all engines, and let the history tell of what is here."""
        task = self.task
        self.rejects.kept = task.report.rejects
        task.report.rejects_file = self.rejects.save()
        report = {
            "rows": sum(made.spool.rows for made in self.tables),
            "seconds": round(task.seconds, 3),
            "tables": [made.report().as_data() for made in self.tables],
        }
        place = self.record.connection, self.place[0]
        runs.done(*place, task.history, report, task.settings.history_runs)

    def _show(self, made: Prepared) -> None:
        load = self.loads[made.name]
        self.progress(Step(made.name, "replacing", made.spool.rows, 1.0))
        plan = switch.plan_from(load.plan)
        mine = [reject for reject in self.rejects.kept if reject.table == made.name]

        def published() -> Publication:
            more = {"bytes": made.size, "stamp": load.stamp, "table_id": plan.table_id}
            run = self.task.history
            return Publication.of(made.report(), run.id, run.started, more, mine)

        if keyspaces.stages(self.cluster):
            keeping = [made.name] if load.state == State.LOADED else []  # else it is done
            with self.versions.kept_beside(self.keyspace, *keeping) as kept:
                plan, notes = self._showing.show(made.name, published(), made.left, kept)
            made.notes += notes
        if load.state == State.SHOWN and published().adds:  # written down already: once is right
            self.record.end(self.keyspace, made.name)
        else:
            self.record.publish(self.keyspace, made.name, published())
        del self.loads[made.name]
        self.versions.expire(self.keyspace, made.name)
        made.notes += describing.freshen(self.session, self.record, self.keyspace, made.name)

    def _half_published(self, shown: list[str], error: Exception) -> HalfPublished:
        has = ["PostgreSQL has all new rows"] if self.options.to == "both" else []
        has += [f"Cassandra shows {', '.join(shown)}"] if shown else []
        return HalfPublished(
            "; ".join([*has, f"Cassandra does not show {', '.join(self.loads)} yet: {error}"]),
            hint="The same command finishes it.",
        )

    def close(self, error: BaseException | None) -> None:
        """Remove the spools, and loads that no command goes on with."""
        goes_on = error is not None and is_interruption(error)
        with closing(self.ahead), ExitStack() as spools:  # whatever PostgreSQL or Ctrl-C does
            for made in self.tables:
                spools.callback(made.spool.close)
            with suppress(EngineError):
                for made in self.tables:
                    if made.name in self.loads:
                        self._loading.give_up(made, goes_on=goes_on)
