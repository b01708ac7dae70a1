"""What is to come into one table of Cassandra, read and proven; nothing is changed yet."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from myriad.cql.session import Session
from myriad.engines.cassandra import all_nodes, swap
from myriad.engines.cassandra.all_nodes import with_all_nodes
from myriad.engines.cassandra.base import Cluster
from myriad.errors import (
    KeyRefused,
    PublishError,
    SchemaRefused,
    TooManyRejects,
)
from myriad.model import Key, Table, Type
from myriad.publish.cassandra import (
    existing,
    keyspaces,
    overwrites,
    rights,
    shapes,
    switch,
)
from myriad.publish.cassandra.ahead import Ahead
from myriad.publish.cassandra.existing import Existing
from myriad.publish.cassandra.look import kinds, proof, suggest
from myriad.publish.cassandra.look.proof import Proof
from myriad.publish.cassandra.look.spool import Spool
from myriad.publish.cassandra.prepared_table import Prepared, identity
from myriad.publish.cassandra.record import STAGING, Load, Record, State
from myriad.publish.checks import Checks
from myriad.publish.contract import Change, Difference, Shape
from myriad.publish.options import Step
from myriad.publish.plan import Target
from myriad.publish.reading import Reading
from myriad.publish.rejects import Rejects
from myriad.publish.report import Came, Written
from myriad.publish.store import Task


@dataclass(frozen=True)
class Preparing:
    """Prepares the tables of one publish into one keyspace."""

    cluster: Cluster
    session: Session
    record: Record
    keyspace: str
    task: Task
    checks: Checks
    rejects: Rejects
    ahead: Ahead

    def prepared(self, target: Target, spool: Spool) -> Prepared:
        """Read a target, prove its types and key, and hold it against what is there.

        Raises KeyRefused, TooManyRejects, SchemaRefused, SourceError, PublishError.
        """
        there = self._there(target)
        before = self.record.published(self.keyspace, target.name)
        if there is not None and before is not None and not self.task.options.adds:
            self.checks.begin(target, shapes.of_there(there, before.rows))
        keeps = there is not None and (before is not None or self.task.options.adds)
        formats = before.formats if before is not None else {}
        self._read(target, spool, there if keeps else None, formats)
        known = there.columns if there is not None and keeps else {}
        columns = kinds.decide(spool, self.keyspace, known)
        proven, kept = Proof(spool, columns), len(self.rejects.kept)
        key = self._key(target, there, known=before is not None)
        self._hold(target, spool, columns, key)
        if there is not None and self.task.options.adds:
            found = {column.name: column.type for column in columns}
            existing.refuse_misfit(there, f"{self.keyspace}.{target.name}", found, key)
            key = there.key
        proven.set_aside(key, self.rejects)
        if key is None:
            self.checks.settle()
            raise suggest.refuse(spool, columns, proven)
        self.task.progress(Step(target.name, "proving the key", spool.rows, 1.0))
        self._prove_key(target, proven, key)
        made = self._measured(spool, columns, key, proven)
        made.there, made.rejects = there, len(self.rejects.kept) - kept
        made.stamp_before, made.used = before.stamp if before else 0, target.used(self.task.options)
        made.came, made.recipe = Came(target.came, target.marks), target.recipe
        made.resumes = self._resumable(made)
        self._refuse_misfit(made, proven)
        return made

    def _begin_ahead(self, target: Target, there: Existing | None) -> None:
        """Begin to make the table that takes the rows, if it can be told what it has.

        Not where the same command may go on with what it has loaded before.
        """
        cluster, options = self.cluster, self.task.options
        if not options.changes or not keyspaces.stages(cluster):
            return
        if self.record.load(self.keyspace, target.name) is not None:
            return
        asked, types = target.asked(options.types), there.columns if there else {}
        stay = {name: kind for name, kind in types.items() if name not in asked}
        columns = {c.name: kinds.likely(c, stay.get(c.name, "")) for c in target.table.columns}
        known = {name: kind for name, kind in columns.items() if kind is not None}
        with suppress(PublishError):  # told when the rows are read
            key = self._key(target, there, known=there is not None)
            if key is not None and set(key.columns) <= set(known) == set(columns):
                self.ahead.begin(known, key)

    def _there(self, target: Target) -> Existing | None:
        """Return the table that is there; raises SchemaRefused if it must not be touched."""
        there = existing.find(self.session, self.keyspace, target.name)
        if there is None or self.task.options.adds:
            return there
        name = f"{self.keyspace}.{target.name}"
        if not self._is_ours(target.name, there) and not self.task.options.replace:
            raise SchemaRefused(
                f"{name} is there and Myriad did not publish it",
                hint="Choose another --table, or say --replace: its rows will be gone.",
            )
        if self.cluster.kind == "attached" and not self._is_half_made(target.name, there):
            raise SchemaRefused(
                f"{name} is there, and on an attached Cassandra a table cannot be replaced at once",
                hint="Publish under another name with --table, or add to it with --append.",
            )
        return there

    def _is_ours(self, name: str, there: Existing) -> bool:
        """Say whether we made the table that is there: that one, not one of its name."""
        published = self.record.published(self.keyspace, name)
        if published is not None and published.table_id is not None:
            return str(published.table_id) == there.table_id or self._is_half_made(name, there)
        if published is not None:  # before numbers were kept
            place = self.keyspace, name
            return not rights.somebody_made(self.cluster, self.session, *place)
        return self._is_half_made(name, there)

    def _is_half_made(self, name: str, there: Existing) -> bool:
        """Say whether a load that was cut short made it."""
        load = self.record.load(self.keyspace, name)
        return (
            load is not None
            and load.plan["table_id"] == there.table_id
            and load.plan["before"] != there.table_id
        )

    def _read(
        self, target: Target, spool: Spool, there: Existing | None, formats: Mapping[str, str]
    ) -> None:
        """Read all records, in the types that the table has where those shall stay."""
        self._begin_ahead(target, there)
        strict = not self.checks.terms(target).permits(Change.TYPES)

        def wanted(table: Table) -> dict[str, Type]:
            if there is None:
                return {}
            asked = target.asked(self.task.options.types)
            columns = [column for column in table.columns if column.name not in asked]
            exactly = self.task.options.adds or strict
            return existing.arriving(there, columns, formats, exactly=exactly)

        try:
            spool.fill(Reading(target, self.rejects, self.task.progress, "reading"), wanted)
            self.rejects.check()
        except TooManyRejects as error:
            raise self.checks.rejected(target, error) from error

    def _hold(
        self,
        target: Target,
        spool: Spool,
        columns: Sequence[kinds.CqlColumn],
        key: Key | None,
    ) -> None:
        """Hold what was read against the contract of the table that is there."""
        there = self.checks.there(target)
        if there is None:
            return
        new, asked = shapes.of_new(columns, key), target.asked(self.task.options.types)

        def types(shape: Shape) -> list[Difference]:
            return shapes.other_types(target.name, shape, new, asked)

        self.checks.columns(target, new, types)
        empty = shapes.emptied(self.session, self.keyspace, spool, there)
        self.checks.loaded(target, spool.rows, Written(), empty)

    def _prove_key(self, target: Target, proven: Proof, key: Key) -> None:
        try:
            proven.refuse_loss(key)
        except KeyRefused as error:
            self.checks.key_refused(target, error)
            raise

    def _key(self, target: Target, there: Existing | None, *, known: bool) -> Key | None:
        """Return the key asked for, else that of the table that is there if it still fits."""
        key, names = target.resolved_key, {column.name for column in target.table.columns}
        if key is not None and (target.key_is_asked or set(key.columns) <= names):
            return key
        if there is None:
            target.refuse_lost_key()
            return None
        fits = set(there.key.columns) <= names
        if not fits or not (known or self.task.options.adds):
            return None
        target.refuse_lost_key()
        return there.key

    def _measured(
        self, spool: Spool, columns: list[kinds.CqlColumn], key: Key, proven: Proof
    ) -> Prepared:
        partitions = proven.partitions(key)
        notes = proof.warnings(key, partitions, spool.rows)
        notes += proof.decimals_in_key(columns, key)
        size, example = proven.size(), proven.example(key)
        return Prepared(
            keyspace=self.keyspace,
            spool=spool,
            columns=columns,
            key=key,
            partitions=partitions,
            there=None,
            appends=self.task.options.adds,
            stamp_before=0,
            size=size,
            rejects=0,
            notes=notes,
            example=example,
        )

    def _refuse_misfit(self, made: Prepared, proven: Proof) -> None:
        """Raise SchemaRefused, KeyRefused if it does not fit the table that is there."""
        if made.there is None:
            made.appends = False
            existing.refuse_used_types(self.session, self.keyspace, made.name, made.plan.wanted)
            return
        if self.task.options.adds:
            if self.task.options.merge:
                self._count_overwritten(made, proven)
            elif made.resumes is None:
                overwrites.refuse(self.cluster, self.session, made, proven)
            if made.resumes and not made.resumes.plan["appends"]:  # it made the table that is there
                made.there, made.appends = None, False
            made.stays = made.appends
        else:
            self._settle_columns(made, made.there)

    def _settle_columns(self, made: Prepared, there: Existing) -> None:
        """Say how the table that is there gets its columns; raises SchemaRefused if it cannot."""
        place = self.session, self.keyspace, made.name
        wanted, ours = made.plan.wanted, self._is_ours(made.name, there)
        altered = existing.altered(*place, there, wanted) if ours else None
        if altered is not None:
            # Else it is the half of a load that was cut short.
            made.stays = keyspaces.stages(self.cluster)
            made.altered = altered if made.stays else made.altered
            if altered[1]:
                existing.refuse_obstacles(*place)
            return
        existing.refuse_used_types(*place, wanted)
        existing.refuse_obstacles(*place)
        why = "other types or another key" if ours else "Myriad did not make it"
        made.notes.append(
            f"{why}: the table is dropped and made anew at the end, and whoever reads in that"
            " moment gets an error"
        )

    def _count_overwritten(self, made: Prepared, proven: Proof) -> None:
        count = overwrites.count(self.cluster, self.session, made, proven)
        made.overwrites = count
        made.notes.append(f"{count:,} of the rows were there, and get what the source says")

    def _resumable(self, made: Prepared) -> Load | None:
        """Return the load of the same rows that was cut short, if it can go on.

        Not where somebody wrote into the table since: what the load has would seem older.
        """
        load = self.record.load(self.keyspace, made.name)
        if load is None:
            return None
        mine = identity(made, self.task.options, self.cluster)
        if mine is None or load.identity != mine:
            return None
        plan, there = switch.plan_from(load.plan), made.there.table_id if made.there else ""
        finished = load.state in (State.SWITCHING, State.SHOWN)
        if finished or not keyspaces.stages(self.cluster):
            goes_on = there == plan.table_id
        else:
            goes_on = there == plan.before and self._is_staged(load)
        if goes_on and there == plan.table_id and keyspaces.stages(self.cluster):
            newest = partial(swap.newest, self.cluster, plan.files)
            goes_on = with_all_nodes(self.cluster, newest) <= load.stamp
        return load if goes_on else None

    def _is_staged(self, load: Load) -> bool:
        """Say whether all that a load has acknowledged is there yet."""
        if not existing.table_id(self.session, STAGING, load.staged):
            return False
        if load.state == State.LOADING:  # what a node has not flushed goes with its process
            return load.nodes == with_all_nodes(
                self.cluster, partial(all_nodes.starts, self.cluster)
            )
        return load.nodes is not None
