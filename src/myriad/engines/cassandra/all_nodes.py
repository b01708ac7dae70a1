"""Steps at every node of a cluster of ours at once: their processes, managers and files."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import BrokenBarrierError
from typing import TypeVar
from uuid import UUID

import filelock
import psutil

from myriad.cql.connection import Connection
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.nodes import management, node
from myriad.engines.cassandra.nodes.management import Beans
from myriad.errors import CqlError, EngineError, NotRunning, Unsupported
from myriad.machine import process

ALL_WITHIN = 300.0  # seconds
FILES_WITHIN = 900.0  # seconds until all files are in place: more than a flush may take
# Of a replica (native_protocol_v4.spec, section 9): one that came back may not know the table yet.
FAILURES = (0x1300, 0x1500)
LOOK = 1.0  # seconds between two tries
LOOK_LOCK = 0.01  # seconds; what is done under it takes tenths of one
ANSWERS_WITHIN = 10.0  # seconds

T = TypeVar("T")

log = logging.getLogger("myriad.engines")


def with_all_nodes(cluster: Cluster, step: Callable[[], T]) -> T:
    """Return what `step` returns, which needs every node: one that is down is waited for.

    Raises what `step` raised last if they are not all back within `ALL_WITHIN` seconds.
    """
    until, told = time.monotonic() + ALL_WITHIN, False
    while True:
        try:
            return step()
        except (CqlError, NotRunning) as error:
            alone = cluster.nodes == 1 and cluster.folder is None  # nobody of ours starts it again
            if not _passes(error) or alone or time.monotonic() > until:
                raise
            if not told:
                log.info("a node of Cassandra is down; waiting for it: %s", error)
            told = True
            time.sleep(LOOK)


def _passes(error: CqlError | NotRunning) -> bool:
    return error.retryable or (isinstance(error, CqlError) and error.code in FAILURES)


def check(cluster: Cluster) -> None:
    """Raise NotRunning unless every node runs and takes statements; Unsupported if attached."""
    for place in folders(cluster):
        user_of(place)
        with Connection(cluster.endpoint, node.address(place), timeout=ANSWERS_WITHIN):
            pass  # it has started, and has all that it needs


@dataclass(frozen=True)
class Files:
    """A table by what its folder is called after, on every node: its name and its number."""

    keyspace: str
    name: str
    table_id: str

    @property
    def folder(self) -> Path:
        """Its folder, below that of a node."""
        return Path("data", "data", self.keyspace, f"{self.name}-{UUID(self.table_id).hex}")


class Attached:
    """Keeps the managers of all nodes attached, from now on until it is closed.

    They come beside what is done meanwhile. Where one does not come, nobody hears of it: who needs
    it meets the same. Nothing for an attached cluster.
    """

    def __init__(self, cluster: Cluster) -> None:
        places = [] if cluster.folder is None else folders(cluster)
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._keep, args=[place]) for place in places]
        for thread in self._threads:
            thread.start()

    def _keep(self, place: Path) -> None:
        with suppress(EngineError, OSError, psutil.Error), management.beans(place):
            self._enough.wait()

    def close(self) -> None:
        """Need them no more."""
        self._enough.set()
        for thread in self._threads:
            thread.join()


def take_out_unused(cluster: Cluster) -> None:
    """Take out the managers that no command uses any more. Raises EngineError."""
    for place in folders(cluster):
        management.take_out_unused(place)


def starts(cluster: Cluster) -> list[list[float]]:
    """Return process and start of every node: another one has forgotten what it did not flush.

    Raises NotRunning while one is down; Unsupported for an attached cluster.
    """
    places = folders(cluster)
    found = [node.start(place) for place in places]
    for place, start in zip(places, found, strict=True):
        if not start:
            raise _down(place)
    return found


def lacking(cluster: Cluster, table: Files) -> list[int]:
    """Return the numbers of the nodes that have no folder of a table, or of what is kept.

    Raises NotRunning while a node is down; Unsupported for an attached cluster.
    """
    places = folders(cluster)
    for place in places:
        user_of(place)
    return [number for number, place in enumerate(places, 1) if not (place / table.folder).is_dir()]


def everywhere(
    cluster: Cluster, step: Callable[[Path, Beans], None], *barriers: threading.Barrier
) -> None:
    """Run a step for every node, with its beans, all at once.

    Where one fails it breaks the barriers, at which the others wait for it. Raises Unsupported for
    an attached cluster, NotRunning while a node is down, EngineError.
    """

    def one(place: Path) -> None:
        try:
            with management.beans(place) as beans:
                step(place, beans)
        except BaseException:
            for barrier in barriers:
                barrier.abort()
            raise

    places = folders(cluster)
    alone = _alone(cluster) if barriers else nullcontext()
    with alone, ThreadPoolExecutor(len(places)) as pool:
        steps = [pool.submit(one, place) for place in places]
    problems = [problem for problem in map(Future.exception, steps) if problem]
    # Where one fails the others stop at a barrier: that says nothing.
    told = [problem for problem in problems if not isinstance(problem, BrokenBarrierError)]
    if problems:
        raise (
            told[0]
            if told
            else EngineError(
                "not all nodes of Cassandra had their files in place in time",
                hint="See `myriad status`, and publish again, with the same command.",
            )
        )


@contextmanager
def _alone(cluster: Cluster) -> Iterator[None]:
    """Let no other publish swap meanwhile: two could each hold a node that the other waits for."""
    assert cluster.folder is not None  # noqa: S101 - `folders` refused others
    lock = filelock.FileLock(
        cluster.folder / "swap.lock", timeout=FILES_WITHIN, poll_interval=LOOK_LOCK
    )
    try:
        with lock:
            yield
    except filelock.Timeout as error:
        raise EngineError(
            "another publish is putting its rows in place, and takes long",
            hint="See `myriad status`, and publish again, with the same command.",
        ) from error


def folders(cluster: Cluster) -> list[Path]:
    """Return the folder of each node; raises Unsupported for an attached cluster."""
    if cluster.folder is None:
        raise Unsupported(
            "the files of an attached Cassandra cannot be reached, and CQL cannot replace a table"
            " at once",
            hint="Publish under another name with --table, or add to the table with --append.",
        )
    return [cluster.folder / f"node{number + 1}" for number in range(cluster.nodes)]


def user_of(place: Path) -> process.EngineUser | None:
    """Return as whom the node in folder `place` runs, None: as us; raises NotRunning."""
    found = node.running(place)
    try:
        if found is not None:
            return process.user_of(found)
    except psutil.Error:  # it ended just now
        pass
    raise _down(place)


def _down(place: Path) -> NotRunning:
    return NotRunning(f"the node in {place} is down", hint="See `myriad status`.")


def run(command: Sequence[str | Path], user: process.EngineUser | None) -> None:
    """Run a program that moves files of a node, as its user; raises EngineError if it fails."""
    code, said = process.run(command, user)
    if code:
        raise EngineError(
            f"the new rows cannot be put beside the old ones: {said[-300:]}",
            hint="Nothing is lost: mend it and publish again.",
        )
