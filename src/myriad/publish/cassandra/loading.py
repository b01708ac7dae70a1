"""Load one table's rows beside the table that is there, so that they can be shown at once."""

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from myriad.cql.session import Session
from myriad.engines.cassandra import all_nodes, swap
from myriad.engines.cassandra.all_nodes import Files, with_all_nodes
from myriad.engines.cassandra.base import Cluster
from myriad.errors import EngineError, HalfPublished, PublishError
from myriad.model import Order
from myriad.publish.cassandra import ahead, keyspaces, switch
from myriad.publish.cassandra.ahead import Ahead
from myriad.publish.cassandra.look import kinds
from myriad.publish.cassandra.prepared_table import Prepared, identity
from myriad.publish.cassandra.record import STAGING, Load, Record, State
from myriad.publish.options import Options, Progress, Step

if TYPE_CHECKING:
    from myriad.cql.bulk.counts import Counts, Range

ATTEMPTS = 3  # at one load: a node that ends has forgotten rows
CHECKPOINT = 0.25  # seconds between two
SHOWN = 5  # ranges with other rows, in an error

log = logging.getLogger("myriad.publish")


@dataclass(frozen=True)
class Loading:
    """Loads tables into one keyspace: into staged ones first, but on an attached cluster."""

    cluster: Cluster
    session: Session
    record: Record
    keyspace: str
    options: Options
    progress: Progress
    ahead: Ahead

    @property
    def _staged(self) -> bool:
        return keyspaces.stages(self.cluster)

    @property
    def _place(self) -> str:
        return STAGING if self._staged else self.keyspace

    def load(self, made: Prepared) -> Load:
        """Load a table, or go on where its load was cut short; its counts are proven then.

        Raises PublishError, EngineError.
        """
        load = made.resumes or self._begin(made)
        try:
            for _ in range(ATTEMPTS):
                if load.state != State.LOADING:
                    return load
                ranges = self._fill(made, load)
                if ranges is not None:
                    self.record.loaded(self.keyspace, made.name, ranges)
                    return replace(load, state=State.LOADED, ranges=ranges)
                log.info("a node of Cassandra was started anew: %s is loaded again", made.name)
                load = self._begin(made)
        except BaseException as error:  # what would fail again leaves nothing behind
            with suppress(EngineError):
                self.give_up(made, goes_on=is_interruption(error))
            raise
        raise EngineError(
            f"nodes of Cassandra ended again and again while {made.name} was loaded",
            hint="Nothing was changed. Their log says why: `myriad logs --cassandra`.",
        )

    def _fill(self, made: Prepared, load: Load) -> list[list[int]] | None:
        """Load the rows, prove that all are there, and bring them into files of every node.

        Return how many are in which range of tokens, as the record has it; None if a node has
        forgotten rows that it had taken.
        """
        try:
            counts = self._sent(made, load)
            self._prove(made, load, counts)
        except PublishError:
            if self._staged and load.nodes != self._starts():
                return None
            raise
        if load.nodes != self._starts():
            return None
        return [[each.start, each.end, each.rows] for each in counts.ranges]

    def _prove(self, made: Prepared, load: Load, counts: "Counts") -> None:
        """Raise PublishError unless all rows are there."""
        self.progress(Step(made.name, "proving the counts", made.spool.rows, 1.0))
        if not self._staged:
            if not made.appends:  # else they are among those that were there
                self._count(made, load, counts.ranges)
        elif load is made.resumes or not self._is_in_files(load, counts):
            self._count(made, load, counts.ranges)  # that brings them where they are missing
            self._flush(load)

    def _is_in_files(self, load: Load, counts: "Counts") -> bool:
        """Bring all into files; say whether those have each row as often as it is to be there.

        To ask Cassandra costs as much as half the load. Where rows may be twice in files, or on
        a node not at all, only that tells.
        """
        table = self._flush(load)
        wanted = counts.rows * self.cluster.copies
        return counts.once and swap.rows(self.cluster, table) == wanted

    def _flush(self, load: Load) -> Files:
        """Bring the rows into files of every node."""

        def step() -> Files:
            table = switch.staged_files(self.session, load.staged)
            swap.flush(self.cluster, [table])
            return table

        return with_all_nodes(self.cluster, step)

    def give_up(self, made: Prepared, *, goes_on: bool = True) -> None:
        """Take a load back unless the same command goes on with it, now that it has failed."""
        load = self.record.load(self.keyspace, made.name)
        if load is None or load.state in (State.SWITCHING, State.SHOWN):
            return
        if goes_on and "once" not in load.identity:
            return
        self._forget(made, load)

    def _begin(self, made: Prepared) -> Load:
        """Make the table that takes the rows, and forget an older load.

        Whoever keeps Cassandra drops the older one's table.
        """
        before = self.record.load(self.keyspace, made.name)
        ready = self.ahead.take(made.kinds, made.key) if self._staged else None
        staged = ready or (ahead.new_name() if self._staged else made.name)
        mine = identity(made, self.options, self.cluster) or {"once": secrets.token_hex(16)}
        last = max(made.stamp_before, before.stamp if before else 0)
        stamp = max(time.time_ns() // 1000, last + 10)
        load = Load(
            staged, mine, stamp, 0, State.LOADING, made.plan.as_data(), nodes=self._starts()
        )
        self.record.begin(self.keyspace, made.name, load)
        if not self._staged:
            switch.make_target(self.cluster, self.session, made.plan)
            return load
        if not ready:
            keyspaces.make_staging(self.cluster, self.session)
            ahead.make(self.session, ahead.statement(staged, made.kinds, made.key))
        return load

    def _starts(self) -> list[list[float]] | None:
        """Return what every node is now, whose memory the rows are in."""
        if not self._staged:
            return None
        return with_all_nodes(self.cluster, partial(all_nodes.starts, self.cluster))

    def _sent(self, made: Prepared, load: Load) -> "Counts":
        """Load the rows, but for those that are there already; return how many there are."""
        from myriad.cql.bulk import loader  # noqa: PLC0415 - only real loads need it
        from myriad.publish.cassandra.covered import Covered  # noqa: PLC0415

        called = self._called(made)
        names = tuple(called[column.name] for column in made.columns)
        key = [called[name] for name in made.key.partition]
        types = tuple(kinds.staged(column.type) for column in made.columns)
        partition = tuple(map(names.index, key))
        job = loader.Load(
            self.cluster, self._place, load.staged, names, types, partition, load.stamp
        )
        covered = Covered(made)
        made.left = covered.left
        counts = loader.load(
            job,
            covered.rows(_batches(made)),
            skip=load.acknowledged,
            acknowledged=self._told(made),
        )
        if counts.rows != made.spool.rows:
            raise _wrong(made, [f"{counts.rows:,} rows were in what was sent"])
        return counts

    def _called(self, made: Prepared) -> dict[str, str]:
        """Return what the columns are called while they are loaded."""
        return made.staged_names if self._staged else {name: name for name in made.kinds}

    def _count(self, made: Prepared, load: Load, ranges: "Sequence[Range]") -> None:
        """Raise PublishError unless Cassandra has as many rows in each range."""
        from myriad.cql.bulk.counts import Counted  # noqa: PLC0415 - only real loads need it
        from myriad.cql.connection import Consistency  # noqa: PLC0415

        called = self._called(made)
        key = [called[name] for name in made.key.partition]
        level = Consistency.ALL if self._staged else self.cluster.consistency
        table = Counted(self.cluster, self._place, load.staged, key, level)
        wrong = with_all_nodes(self.cluster, partial(table.difference, ranges))
        if wrong:
            raise _wrong(made, [str(each) for each in wrong])

    def _forget(self, made: Prepared, load: Load) -> None:
        """Take a load back whose rows are not what was sent; what was there before stays."""
        if not self._staged:
            # Others may have written there too. The same command writes it all again.
            self.record.acknowledged(self.keyspace, made.name, 0)
            return
        switch.drop(self.session, self._place, load.staged)
        self.record.end(self.keyspace, made.name)

    def _told(self, made: Prepared) -> Callable[[int], None]:
        last = time.monotonic()

        def acknowledged(rows: int) -> None:
            nonlocal last
            share = rows / max(made.spool.rows, 1)
            self.progress(Step(made.name, "loading", rows, share))
            if time.monotonic() - last >= CHECKPOINT:
                self.record.acknowledged(self.keyspace, made.name, rows)
                last = time.monotonic()

        return acknowledged


def _wrong(made: Prepared, told: list[str]) -> PublishError:
    shown = "\n".join(f"  {line}" for line in told[:SHOWN])
    return PublishError(
        f"{made.name}: {made.spool.rows:,} rows were sent, Cassandra has others:\n{shown}",
        hint="Publish again, with the same command; if it happens again, report it.",
    )


def is_interruption(error: BaseException) -> bool:
    """Say whether the same command may succeed, and goes on: it was ended, or the cluster was."""
    return (
        not isinstance(error, Exception)
        or isinstance(error, HalfPublished)
        or (isinstance(error, EngineError) and error.retryable)
    )


def _batches(made: Prepared) -> Iterator[pa.RecordBatch]:
    """Yield the rows in the order of the key, as the loader takes them."""
    places = {column.name: column.place for column in made.columns}
    order = [places[name] for name in made.key.partition]
    order += [
        f"{places[name]} {'DESC' if way is Order.DESC else 'ASC'}"
        for name, way in made.key.clustering
    ]
    names = [column.name for column in made.columns]
    for batch in made.spool.sorted([column.select for column in made.columns], order):
        pairs = zip(made.columns, batch.columns, strict=True)
        arrays = [column.loaded(array) for column, array in pairs]
        yield pa.RecordBatch.from_arrays(arrays, names=names)
