"""Take the files of one table into another one, on every node, so that a reader sees no half."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import BrokenBarrierError
from typing import TypeVar

import filelock
import psutil

from myriad.engines import process
from myriad.engines.cassandra import management, node
from myriad.engines.cassandra.base import Cluster
from myriad.errors import CqlError, EngineError, NotRunning, Unsupported

ALL_WITHIN = 300.0  # seconds
FILES_WITHIN = 900.0  # seconds until all files are in place: more than a flush may take
# Of a replica (native_protocol_v4.spec, section 9): one that came back may not know the table yet.
FAILURES = (0x1300, 0x1500)
LOOK = 1.0  # seconds between two tries
FLUSH = "forceKeyspaceFlush(java.lang.String,[Ljava.lang.String;)"  # of StorageService
LOAD = "loadNewSSTables(java.lang.String,java.lang.String)"
CONTENTS = "-TOC.txt"  # the end of the name of an SSTable's last component
DATA = "-Data.db"  # the end of the name of the component with the rows

T = TypeVar("T")

log = logging.getLogger("myriad.engines")


def with_all_nodes(cluster: Cluster, step: Callable[[], T]) -> T:
    """Return what `step` returns, which needs every node: one that is down is waited for.

    Raises what `step` raised last if they are not all back within `ALL_WITHIN` seconds.
    """
    until = time.monotonic() + ALL_WITHIN
    while True:
        try:
            return step()
        except (CqlError, NotRunning) as error:
            if not _passes(error) or cluster.nodes == 1 or time.monotonic() > until:
                raise
            log.info("a node of Cassandra is down; waiting for it: %s", error)
            time.sleep(LOOK)


def _passes(error: CqlError | NotRunning) -> bool:
    return error.retryable or (isinstance(error, CqlError) and error.code in FAILURES)


def check(cluster: Cluster) -> None:
    """Raise NotRunning unless every node runs; Unsupported for an attached cluster."""
    for place in _places(cluster):
        _user(place)


def swap_in(cluster: Cluster, staged: tuple[str, str], target: tuple[str, str]) -> None:
    """Make all rows of table `staged` (keyspace, name) rows of `target` too, on every node at once.

    Both have the same columns and replication, and `staged` is not compacted meanwhile. A node
    makes all of them visible in one step: a page that is read has all of them, or none. Rows and
    deletions with later timestamps win over what `target` had. May be repeated.
    Raises Unsupported for an attached cluster, NotRunning while a node is down, EngineError.
    """
    places = _places(cluster)
    folders = _folder(cluster, *staged), _folder(cluster, *target)
    linked = threading.Barrier(len(places))
    with _alone(cluster), ThreadPoolExecutor(len(places)) as pool:
        swaps = [pool.submit(_swap_in, place, staged, target, folders, linked) for place in places]
    problems = [problem for problem in map(Future.exception, swaps) if problem]
    # Where one fails the others stop at the barrier: that says nothing.
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
    """Let no other publish swap meanwhile: a node has one agent, and all nodes are needed."""
    assert cluster.folder is not None  # noqa: S101 - `_places` refused others
    lock = filelock.FileLock(cluster.folder / "swap.lock", timeout=FILES_WITHIN)
    try:
        with lock:
            yield
    except filelock.Timeout as error:
        raise EngineError(
            "another publish is putting its rows in place, and takes long",
            hint="See `myriad status`, and publish again, with the same command.",
        ) from error


def _places(cluster: Cluster) -> list[Path]:
    if cluster.folder is None:
        raise Unsupported(
            "the files of an attached Cassandra cannot be reached, and CQL cannot replace a table"
            " at once",
            hint="Publish under another name with --table, or add to the table with --append.",
        )
    return [cluster.folder / f"node{number + 1}" for number in range(cluster.nodes)]


def _folder(cluster: Cluster, keyspace: str, table: str) -> Path:
    """Return where every node has the files of a table, below its own folder."""
    with cluster.session() as session:
        rows = session.query(
            "SELECT id FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?",
            [keyspace, table],
        )
    if not rows:
        raise EngineError(
            f"there is no table {keyspace}.{table} in Cassandra",
            hint="Somebody dropped it meanwhile: publish again.",
        )
    number = str(rows[0][0]).replace("-", "")
    return Path("data", "data", keyspace, f"{table}-{number}")


def _swap_in(
    place: Path,
    staged: tuple[str, str],
    target: tuple[str, str],
    folders: tuple[Path, Path],
    linked: threading.Barrier,
) -> None:
    """Do one node's part; the rows become visible when all nodes have their files in place."""
    source, goal = (place / folder for folder in folders)
    try:
        with management.beans(place) as beans:
            beans.call(FLUSH, staged[0], [staged[1]])
            _link(source, goal, _user(place))
            linked.wait(FILES_WITHIN)
            beans.call(LOAD, *target)
    except BaseException:
        linked.abort()
        raise


def _user(place: Path) -> process.EngineUser | None:
    found = node.running(place)
    try:
        if found is not None:
            return process.user_of(found)
    except psutil.Error:  # it ended just now
        pass
    raise NotRunning(f"the node in {place} is down", hint="See `myriad status`.")


def _link(source: Path, goal: Path, user: process.EngineUser | None) -> None:
    """Give the SSTables of `source` a second name in `goal`; a node that starts takes them too.

    As the node's own user, whose folders these are.
    """
    whole = {path.name.removesuffix(CONTENTS) for path in source.glob(f"*{CONTENTS}")}
    files = [path for path in source.iterdir() if path.name.rpartition("-")[0] in whole]
    if not files:
        return
    # The data itself last: without it the other components are nothing.
    files.sort(key=lambda path: path.name.endswith(DATA))
    code, said = process.run(["ln", "-f", *files, goal], user)
    if code:
        raise EngineError(
            f"the new rows cannot be put beside the old ones: {said[-300:]}",
            hint="Nothing is lost: mend it and publish again.",
        )
