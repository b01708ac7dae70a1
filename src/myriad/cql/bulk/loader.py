"""Loads Arrow batches into a Cassandra table, many in flight to the nodes that hold their rows."""

import heapq
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from myriad.cql.bulk import batches as cutting
from myriad.cql.bulk.batches import Batch, Chunk, Sizes
from myriad.cql.bulk.cluster import Cluster
from myriad.cql.bulk.counts import Counts
from myriad.cql.bulk.encode import Encoder, Rows
from myriad.cql.bulk.fleet import PATIENCE, Fleet
from myriad.cql.bulk.pipe import Answer
from myriad.cql.connection import Connection, Consistency, Prepared
from myriad.cql.names import qualified, quoted
from myriad.cql.tokens import read_ring
from myriad.cql.types import CqlType
from myriad.errors import CqlError, EngineError, NotRunning, PublishError

CONNECTIONS = 4  # for each node
CHUNK_ROWS = 4096  # encoded at once: 5 ms, in which the nodes have enough to do
BACKLOG = 64  # batches that are encoded and wait for their turn, for each node
# Of 100, 200 and 400 rows, 200 cost the node the least: each batch has its price, big ones lag.
BATCH_ROWS = 200
MOST_ROW_BYTES = 16 << 20  # `native_transport_max_frame_size`: a node cuts the connection
WAIT = 0.05  # seconds for answers, when there is nothing else to do
TELL = 0.2  # seconds between reports of what is acknowledged
BACKOFF, LONGEST_BACKOFF = 0.05, 2.0  # seconds before a batch is sent again
# Failures that may pass but may as well be there to stay: a batch is not sent again forever.
SERVER_ERROR, WRITE_FAILURE, CDC_WRITE_FAILURE = 0x0000, 0x1500, 0x1600
ODD = (SERVER_ERROR, WRITE_FAILURE, CDC_WRITE_FAILURE)
MOST_ODD = 8


@dataclass(frozen=True)
class Load:
    """What is to be loaded, and where to.

    Attributes:
        columns: names in the order of the batches' columns, with their `types`.
        partition: positions of the columns of the partition key, in its order.
        timestamp: in µs; of every row, so that writing one again changes nothing.
        deletes: rows are keys of partitions, which are deleted as of `timestamp`.
        consistency: how many replicas have to acknowledge; None: as the cluster has it.
    """

    cluster: Cluster
    keyspace: str
    table: str
    columns: tuple[str, ...]
    types: tuple[CqlType, ...]
    partition: tuple[int, ...]
    timestamp: int
    deletes: bool = False
    consistency: Consistency | None = None

    @property
    def statement(self) -> str:
        """The INSERT of one row, or the DELETE of one partition."""
        names, table = list(map(quoted, self.columns)), qualified(self.keyspace, self.table)
        if self.deletes:
            return f"DELETE FROM {table} WHERE {' AND '.join(f'{name} = ?' for name in names)}"
        marks = ", ".join("?" * len(names))
        return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"


def load(
    job: Load,
    batches: Iterator[pa.RecordBatch],
    *,
    skip: int = 0,
    acknowledged: Callable[[int], None],
) -> Counts:
    """Load all rows; return how many there are, by token range.

    Rows of a partition have to be neighbours. The first `skip` rows are only counted.
    `acknowledged(n)` is called now and then: the first n rows are there.

    Nodes that fail, are slow or overloaded are waited for, a minute. Raises NotRunning, CqlError,
    EngineError if it does not get better, PublishError for values that do not fit.
    """
    with closing(_Loader(job, skip, acknowledged)) as loader:
        for batch in batches:
            loader.add(batch)
        loader.finish()
        return loader.counts


@dataclass(order=True)
class _Delayed:
    due: float
    number: int
    batch: Batch = field(compare=False)


class _Loader:
    def __init__(self, job: Load, skip: int, acknowledged: Callable[[int], None]) -> None:
        self._job = job
        self._skip = skip
        self._acknowledged = acknowledged
        with job.cluster.session() as session:
            ring = read_ring(session, job.keyspace)
            self._statement = session.connection().prepare(job.statement)
            local = session.connection().host
        _check(job, self._statement)
        self._hosts = ring.hosts or (local,)
        self._groups = np.array(
            [self._hosts.index((*replicas, local)[0]) for replicas in ring.replicas], np.int64
        )
        self._ring = ring
        self.counts = Counts(ring.ends)
        self._encoder = Encoder(self._statement.id, job.types, job.partition)
        cluster = job.cluster
        self._sizes = Sizes(cluster.batch_bytes, BATCH_ROWS, cluster.batch_partitions)
        level = cluster.consistency if job.consistency is None else job.consistency
        self._tail = cutting.tail(level, job.timestamp)
        self._fleet = Fleet(cluster.endpoint, self._hosts, CONNECTIONS)
        self._ready: dict[tuple[str, ...], deque[Batch]] = {}
        self._delayed: list[_Delayed] = []
        self._number = 0
        self._chunks: deque[Chunk] = deque()
        self._done = 0  # rows at the beginning that are acknowledged
        self._told, self._told_at = 0, 0.0

    def close(self) -> None:
        self._fleet.close()

    def add(self, batch: pa.RecordBatch) -> None:
        """Load the rows of a batch, when there is room; those that are to be skipped only count."""
        skipped = min(self._skip, batch.num_rows)
        if skipped:
            self._skip -= skipped
            self._done += skipped
            self.counts.add(self._encoder.partitions(batch.slice(0, skipped)))
        for start in range(skipped, batch.num_rows, CHUNK_ROWS):
            self._cut(batch.slice(start, CHUNK_ROWS))
            self._turn(0)
            while self._waiting() > BACKLOG * len(self._hosts):
                self._turn(WAIT)

    def finish(self) -> None:
        """Return when all rows are acknowledged."""
        while self._chunks:
            self._turn(WAIT)
        self._acknowledged(self._done)

    def _waiting(self) -> int:
        return sum(map(len, self._ready.values())) + len(self._delayed)

    def _cut(self, batch: pa.RecordBatch) -> None:
        chunk = Chunk(batch.num_rows)
        self._chunks.append(chunk)
        partitions = self._encoder.partitions(batch)
        self.counts.add(partitions)
        groups = self._groups[self._ring.range_of(partitions.tokens)]
        for group in np.unique(groups).tolist():
            chosen = groups == group
            rows = np.flatnonzero(np.repeat(chosen, partitions.rows))
            part = batch if len(rows) == batch.num_rows else batch.take(pa.array(rows, pa.int64()))
            starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(partitions.rows[chosen])))
            hosts = (*self._hosts[group:], *self._hosts[:group])
            encoded = self._encoder.encode(part)
            _check_sizes(encoded)
            for each in cutting.cut(encoded, starts, hosts, chunk, self._sizes):
                chunk.open += 1
                self._ready.setdefault(hosts, deque()).append(each)

    def _turn(self, wait: float) -> None:
        """Send what can be sent, and handle what comes back."""
        self._send()
        answers, lost = self._fleet.wait(wait)
        for answer in answers:
            self._handle(answer)
        for batch in lost:
            self._again(batch, None)
        self._send()
        self._tell()

    def _send(self) -> None:
        now = time.monotonic()
        while self._delayed and self._delayed[0].due <= now:
            batch = heapq.heappop(self._delayed).batch
            self._ready.setdefault(batch.hosts, deque()).appendleft(batch)
        for hosts, ready in self._ready.items():
            while ready and (pipe := self._fleet.choose(hosts)):
                for lost in self._fleet.send(pipe, ready.popleft(), self._tail):
                    self._again(lost, None)

    def _handle(self, answer: Answer) -> None:
        batch, error = answer.batch, answer.error
        if error is None:
            batch.chunk.open -= 1
        elif error.code == CqlError.UNPREPARED:
            self._prepare()
            self._again(batch, error)
        elif _too_large(error):
            self._halve(batch, error)
        elif error.retryable or (error.code in ODD and batch.failures < MOST_ODD):
            self._again(batch, error)
        else:
            raise error

    def _again(self, batch: Batch, error: CqlError | None) -> None:
        """Send a batch again, later; to the next node, if its own one failed."""
        now, self.counts.once = time.monotonic(), False
        batch.failing_since = batch.failing_since or now
        if now - batch.failing_since > PATIENCE:
            raise error or EngineError(
                f"the cluster took no rows for {PATIENCE:g} seconds",
                hint="`myriad status` shows its nodes. The same command goes on from here.",
            )
        wait = min(BACKOFF * 2**batch.failures, LONGEST_BACKOFF) * random.uniform(0.5, 1)  # noqa: S311 - spreads load
        batch.failures += 1
        batch.hosts = (*batch.hosts[1:], batch.hosts[0])
        self._number += 1
        heapq.heappush(self._delayed, _Delayed(now + wait, self._number, batch))

    def _halve(self, batch: Batch, error: CqlError) -> None:
        if batch.rows == 1:
            raise PublishError(
                f"Cassandra takes no row of {len(batch.data):,} bytes: {error}",
                hint="Leave that record out, or split it. Nothing of the old table was changed.",
            ) from error
        self._sizes.bytes = min(self._sizes.bytes, len(batch.data) // 2)
        batch.chunk.open += 1
        self._ready.setdefault(batch.hosts, deque()).extendleft(batch.halves())

    def _prepare(self) -> None:
        """Prepare the statement again: a node was started anew, or forgot it."""
        for host in {pipe.host for pipe in self._fleet}:
            with (
                suppress(NotRunning),
                Connection(self._job.cluster.endpoint, host) as connection,
            ):
                if connection.prepare(self._job.statement).id != self._statement.id:
                    raise PublishError(
                        f"{self._job.table} was changed while it was loaded",
                        hint="Publish again when nobody alters it.",
                    )

    def _tell(self) -> None:
        while self._chunks and not self._chunks[0].open:
            self._done += self._chunks.popleft().rows
        now = time.monotonic()
        if self._done > self._told and now - self._told_at > TELL:
            self._told, self._told_at = self._done, now
            self._acknowledged(self._done)


def _check(job: Load, statement: Prepared) -> None:
    """Raise PublishError if the table has not the types that values are made for."""
    for (name, there), wanted in zip(statement.columns, job.types, strict=True):
        if not wanted.alike(there):
            raise PublishError(
                f"{name} is {there} in {job.keyspace}.{job.table}, not {wanted}",
                hint="Was the table altered meanwhile? Publish again.",
            )


def _check_sizes(encoded: Rows) -> None:
    biggest = int(np.diff(encoded.offsets).max())
    if biggest >= MOST_ROW_BYTES:
        raise PublishError(
            f"a row has {biggest:,} bytes, and Cassandra takes less than {MOST_ROW_BYTES:,}",
            hint="Leave that record out, or split it.",
        )


def _too_large(error: CqlError) -> bool:
    return error.code in (CqlError.INVALID, SERVER_ERROR) and "too large" in str(error).lower()
