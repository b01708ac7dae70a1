"""Hide the rows of a table that stays: its partitions are deleted in the staged table."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from queue import Full, Queue
from threading import Event
from typing import Any

import pyarrow as pa

from myriad.cql.asked import PAGE_ROWS
from myriad.cql.bulk import loader
from myriad.cql.connection import Consistency
from myriad.cql.names import qualified, quoted
from myriad.cql.session import Session
from myriad.cql.tokens import FIRST, LAST
from myriad.cql.types import CqlType
from myriad.engines.cassandra.base import Cluster

READERS = 4  # connections that keys are read on
SLICES = 16  # of all tokens, shared among the readers
FEW = PAGE_ROWS - 1  # keys that need no slices
AHEAD = 8  # pages that are read and wait to be deleted
LOOK = 0.2  # seconds between looks at whether nobody wants more
SLOW = 60.0  # seconds that a page may take


@dataclass(frozen=True)
class Partitions:
    """The keys of all partitions of a table, in wire form, each once.

    Attributes:
        table: keyspace and name.
        names: the columns of the partition key, in its order.
    """

    cluster: Cluster
    table: tuple[str, str]
    names: tuple[str, ...]
    _found: "Queue[pa.RecordBatch | BaseException | None]" = field(
        default_factory=lambda: Queue(AHEAD)
    )
    _ended: Event = field(default_factory=Event)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield them page by page; raises CqlError, NotRunning. Once."""
        with Session(self.cluster.endpoint, raw=True) as session:
            few = session.query(f"{self._select} LIMIT {FEW + 1}", **self._how)
        if len(few) <= FEW:
            yield from self._batches(few)
            return
        with ThreadPoolExecutor(READERS, thread_name_prefix="cassandra-keys") as threads:
            for number in range(READERS):
                threads.submit(self._read, number)
            try:
                yield from self._pages()
            finally:
                self._ended.set()

    def _pages(self) -> Iterator[pa.RecordBatch]:
        left = READERS
        while left:
            found = self._found.get()  # each reader has bounds of its own
            if isinstance(found, BaseException):
                raise found
            if found is None:
                left -= 1
            else:
                yield found

    def _read(self, number: int) -> None:
        """Read each of the slices that are this reader's."""
        try:
            with Session(self.cluster.endpoint, raw=True) as session:
                for slice_ in range(number, SLICES, READERS):
                    self._read_slice(session, slice_)
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised where the keys are wanted
            self._put(error)

    def _read_slice(self, session: Session, slice_: int) -> None:
        token = f"token({', '.join(map(quoted, self.names))})"
        where = f"WHERE {token} > ? AND {token} <= ?"
        values = _edge(slice_), _edge(slice_ + 1)
        for page in session.pages(f"{self._select} {where}", values, **self._how):
            if self._ended.is_set():
                return
            for batch in self._batches(page):
                self._put(batch)

    @property
    def _select(self) -> str:
        names = ", ".join(map(quoted, self.names))
        return f"SELECT DISTINCT {names} FROM {qualified(*self.table)}"

    @property
    def _how(self) -> dict[str, Any]:
        return {"consistency": self.cluster.consistency, "timeout": SLOW}

    def _batches(self, page: Sequence[tuple[bytes, ...]]) -> Iterator[pa.RecordBatch]:
        """Yield the keys of a page, if it has any."""
        if page:
            columns = [pa.array(column, pa.binary()) for column in zip(*page, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, names=list(self.names))

    def _put(self, found: "pa.RecordBatch | BaseException | None") -> None:
        while not self._ended.is_set():
            with suppress(Full):
                self._found.put(found, timeout=LOOK)
                return


def _edge(number: int) -> int:
    """Return the token at which a slice begins, and the one before it ends."""
    return LAST if number == SLICES else FIRST + number * ((LAST - FIRST) // SLICES)


def hide(
    cluster: Cluster,
    old: Iterator[pa.RecordBatch],
    staged: tuple[str, str],
    columns: dict[str, CqlType],
    stamp: int,
) -> None:
    """Delete the partitions with those keys, in wire form, in the staged table as of `stamp` (µs).

    `columns` are those of the staged table's partition key. Each node shows what it has itself: all
    acknowledge. Raises as `loader.load`.
    """
    first = next(old, None)
    if first is None:  # as always when the new rows cover the old ones
        return
    names, types = tuple(columns), tuple(columns.values())
    job = loader.Load(
        cluster,
        *staged,
        names,
        types,
        tuple(range(len(names))),
        stamp,
        deletes=True,
        consistency=Consistency.ALL,
    )
    loader.load(job, chain([first], old), acknowledged=_nobody)


def _nobody(rows: int) -> None:
    """Tell nobody how far it is."""
