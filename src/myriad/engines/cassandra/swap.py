"""Take the files of one table into another one, on every node, so that a reader sees no half."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import BrokenBarrierError
from typing import TypeVar
from uuid import UUID

import filelock
import psutil

from myriad.cql.connection import Connection
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.nodes import management, node, sstables
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
FLUSHES = 4  # at once; a node's manager answers five
FLUSH = "forceKeyspaceFlush(java.lang.String,[Ljava.lang.String;)"  # of StorageService
LOAD = "loadNewSSTables(java.lang.String,java.lang.String)"
SNAPSHOT = "takeSnapshot(java.lang.String,java.util.Map,[Ljava.lang.String;)"
KEPT = Path("data", "kept")  # below a node's folder, on the disk of its tables
PREFIX = "myriad-"  # of snapshots
DATA = "-Data.db"  # the end of the name of the component with the rows
# Each in one process: to start one as another user takes longer than what it does. What a snapshot
# has is moved to where it is kept; of an empty table none is made.
MOVE = 'mkdir -p "$1" "${2%/*}" && rm -rf "$2" && mv "$1" "$2"'
# Files ($2 … up to `--`: what each is copied from, what it is to be) and links in a folder, $1.
LINK = """
folder=$1; shift
while [ "$1" != -- ]; do
    dd if="$1" of="$2" conv=fsync status=none || exit; shift 2
done
shift; ln -f "$@" "$folder"
"""

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
    for place in _places(cluster):
        _user(place)
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


@dataclass(frozen=True)
class Kept(Files):
    """What a table was, by a number of its own: files that no table has, under a second name."""

    @property
    def folder(self) -> Path:
        """Its folder, below that of a node."""
        return KEPT / self.table_id


class FromTheFuture(EngineError):
    """A table has what nothing that is written now replaces."""


class Attached:
    """Keeps the managers of all nodes attached, from now on until it is closed.

    They come beside what is done meanwhile. Where one does not come, nobody hears of it: who needs
    it meets the same. Nothing for an attached cluster.
    """

    def __init__(self, cluster: Cluster) -> None:
        places = [] if cluster.folder is None else _places(cluster)
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
    for place in _places(cluster):
        management.take_out_unused(place)


def starts(cluster: Cluster) -> list[list[float]]:
    """Return process and start of every node: another one has forgotten what it did not flush.

    Raises NotRunning while one is down; Unsupported for an attached cluster.
    """
    places = _places(cluster)
    found = [node.start(place) for place in places]
    for place, start in zip(places, found, strict=True):
        if not start:
            raise _down(place)
    return found


def flush(cluster: Cluster, tables: Sequence[Files]) -> None:
    """Return when all that every node has of these tables is in files. Raises as `swap_in` does."""

    def step(_: Path, beans: Beans) -> None:
        for table in tables:
            beans.call(FLUSH, table.keyspace, [table.name])

    _everywhere(cluster, step)


def rows(cluster: Cluster, table: Files) -> int | None:
    """Return how many rows the files of a flushed table have on all nodes; None: unknown."""
    found = [sstables.rows(place / table.folder) for place in _places(cluster)]
    return None if None in found else sum(filter(None, found))


def flush_all(cluster: Cluster, keyspaces: Sequence[str]) -> None:
    """Return when all that every node has in memory is in files: a drop waits for just that.

    Raises as `swap_in` does.
    """

    def step(_: Path, beans: Beans) -> None:
        with ThreadPoolExecutor(FLUSHES) as threads:
            list(threads.map(lambda keyspace: beans.call(FLUSH, keyspace, []), keyspaces))

    _everywhere(cluster, step)


def flush_both(cluster: Cluster, staged: Files, target: Files, latest: int) -> None:
    """Do as `flush`, for a table that is to be shown and the one that gets its rows.

    Raises FromTheFuture if the target has timestamps later than `latest`, µs.
    """

    def step(place: Path, beans: Beans) -> None:
        for table in (staged, target):
            beans.call(FLUSH, table.keyspace, [table.name])
        if sstables.newest(place / target.folder) > latest:
            raise FromTheFuture(
                f"{target.keyspace}.{target.name} has timestamps of the future",
                hint="Whoever wrote there has a clock that is wrong, or gave timestamps.",
            )

    _everywhere(cluster, step)


def swap_in(cluster: Cluster, staged: Files, target: Files, names: Mapping[str, str]) -> None:
    """Make all rows of table `staged`, which is flushed, rows of `target` too, everywhere at once.

    Both have the same columns (`names`: of the staged one's, what the target calls them) and
    replication, and `staged` is not compacted meanwhile. A node makes all of them visible in one
    step: a page that is read has all of them, or none. Rows and deletions with later timestamps
    win over what `target` had. May be repeated.
    Raises Unsupported for an attached cluster, NotRunning while a node is down, EngineError.
    """
    linked = threading.Barrier(len(_places(cluster)))

    def step(place: Path, beans: Beans) -> None:
        _link(place, staged, target, names)
        linked.wait(FILES_WITHIN)
        beans.call(LOAD, target.keyspace, target.name)

    _everywhere(cluster, step, linked)


def put_in(cluster: Cluster, staged: Files, target: Files, names: Mapping[str, str]) -> None:
    """Give a table that is yet to be made the rows of `staged`: it will be there with them.

    Otherwise as `swap_in`.
    """
    for place in _places(cluster):
        _run(["mkdir", "-p", place / target.folder], _user(place))
        _link(place, staged, target, names)


def take_out(cluster: Cluster, target: Files) -> None:
    """Remove what `put_in` put into the folder of a table that was not made."""
    for place in _places(cluster):
        _run(["rm", "-rf", place / target.folder], _user(place))


def keep(cluster: Cluster, table: Files, kept: Kept) -> int:
    """Keep what a table has now, with what is in memory, on every node; return its bytes.

    The files are shared with the table as long as that has them. Raises as `swap_in` does.
    """
    sizes: list[int] = []

    def step(place: Path, beans: Beans) -> None:
        taken, user = place / table.folder / "snapshots", _user(place)
        if left := [*taken.glob(f"{PREFIX}*")]:  # of somebody who was killed
            _run(["rm", "-rf", *left], user)
        name = f"{PREFIX}{kept.table_id}"
        beans.call(SNAPSHOT, name, {}, [f"{table.keyspace}.{table.name}"])
        _run(["sh", "-c", MOVE, "sh", taken / name, place / kept.folder], user)
        sizes.append(sum(path.stat().st_size for path in (place / kept.folder).iterdir()))

    _everywhere(cluster, step)
    return sum(sizes)


def lacking(cluster: Cluster, table: Files) -> list[int]:
    """Return the numbers of the nodes that have no folder of a table, or of what is kept.

    Raises NotRunning while a node is down; Unsupported for an attached cluster.
    """
    places = _places(cluster)
    for place in places:
        _user(place)
    return [number for number, place in enumerate(places, 1) if not (place / table.folder).is_dir()]


def kept_now(cluster: Cluster) -> set[str]:
    """Return the numbers of all that is kept on any node. Raises Unsupported if attached."""
    folders = [place / KEPT for place in _places(cluster)]
    return {path.name for folder in folders if folder.is_dir() for path in folder.iterdir()}


def forget(cluster: Cluster, numbers: Collection[str]) -> None:
    """Remove what is kept under these numbers. Raises NotRunning while a node is down."""
    for place in _places(cluster) if numbers else ():
        _run(["rm", "-rf", *(place / KEPT / number for number in numbers)], _user(place))


def newest(cluster: Cluster, table: Files) -> int:
    """Return the latest timestamp (µs) of anything that any node has in a table.

    Raises as `swap_in` does.
    """
    found = [sstables.LEAST]

    def step(place: Path, beans: Beans) -> None:
        beans.call(FLUSH, table.keyspace, [table.name])
        found.append(sstables.newest(place / table.folder))

    _everywhere(cluster, step)
    return max(found)


def _everywhere(
    cluster: Cluster, step: Callable[[Path, Beans], None], *barriers: threading.Barrier
) -> None:
    """Run a step for every node, with its beans, all at once; a failed one breaks the barriers."""

    def one(place: Path) -> None:
        try:
            with management.beans(place) as beans:
                step(place, beans)
        except BaseException:
            for barrier in barriers:
                barrier.abort()
            raise

    places = _places(cluster)
    with _alone(cluster), ThreadPoolExecutor(len(places)) as pool:
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
    assert cluster.folder is not None  # noqa: S101 - `_places` refused others
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


def _places(cluster: Cluster) -> list[Path]:
    if cluster.folder is None:
        raise Unsupported(
            "the files of an attached Cassandra cannot be reached, and CQL cannot replace a table"
            " at once",
            hint="Publish under another name with --table, or add to the table with --append.",
        )
    return [cluster.folder / f"node{number + 1}" for number in range(cluster.nodes)]


def _user(place: Path) -> process.EngineUser | None:
    found = node.running(place)
    try:
        if found is not None:
            return process.user_of(found)
    except psutil.Error:  # it ended just now
        pass
    raise _down(place)


def _down(place: Path) -> NotRunning:
    return NotRunning(f"the node in {place} is down", hint="See `myriad status`.")


def _link(place: Path, staged: Files, target: Files, names: Mapping[str, str]) -> None:
    """Give the SSTables of one table a second name in the other's folder, under their columns.

    A node that starts takes them too. As the node's own user, whose folders these are.
    """
    source, goal = place / staged.folder, place / target.folder
    whole = sstables.whole(source)
    files = [path for path in source.iterdir() if path.name.rpartition("-")[0] in whole]
    said = [path for path in files if path.name.endswith(sstables.STATISTICS)]
    # The data itself last: without it the other components are nothing.
    rest = sorted(set(files) - set(said), key=lambda path: path.name.endswith(DATA))
    with ExitStack() as stack:
        written: list[str | Path] = []
        for path in said:
            content = sstables.renamed(path.read_bytes(), names)
            written += stack.enter_context(management.handed(place, content)), goal / path.name
        if rest:
            _run(["sh", "-c", LINK, "sh", goal, *written, "--", *rest], _user(place))


def _run(command: Sequence[str | Path], user: process.EngineUser | None) -> None:
    code, said = process.run(command, user)
    if code:
        raise EngineError(
            f"the new rows cannot be put beside the old ones: {said[-300:]}",
            hint="Nothing is lost: mend it and publish again.",
        )
