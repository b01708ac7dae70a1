"""Take the files of one table into another one, on every node, so that a reader sees no half."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from myriad.engines.cassandra.all_nodes import (
    FILES_WITHIN,
    Files,
    everywhere,
    folders,
    run,
    user_of,
)
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.nodes import management, sstables
from myriad.engines.cassandra.nodes.management import Beans
from myriad.errors import EngineError

FLUSHES = 4  # at once; a node's manager answers five
FLUSH = "forceKeyspaceFlush(java.lang.String,[Ljava.lang.String;)"  # of StorageService
LOAD = "loadNewSSTables(java.lang.String,java.lang.String)"
DATA = "-Data.db"  # the end of the name of the component with the rows
# Files ($2 … up to `--`: what each is copied from, what it is to be) and links in a folder, $1. In
# one process: to start one as another user takes longer than what it does.
LINK = """
folder=$1; shift
while [ "$1" != -- ]; do
    dd if="$1" of="$2" conv=fsync status=none || exit; shift 2
done
shift; ln -f "$@" "$folder"
"""


class FromTheFuture(EngineError):
    """A table has what nothing that is written now replaces."""


def flush(cluster: Cluster, tables: Sequence[Files]) -> None:
    """Return when all that nodes have of these tables is in files; raises as `everywhere` does."""

    def step(_: Path, beans: Beans) -> None:
        for table in tables:
            beans.call(FLUSH, table.keyspace, [table.name])

    everywhere(cluster, step)


def rows(cluster: Cluster, table: Files) -> int | None:
    """Return how many rows the files of a flushed table have on all nodes; None: unknown."""
    found = [sstables.rows(place / table.folder) for place in folders(cluster)]
    return None if None in found else sum(filter(None, found))


def flush_all(cluster: Cluster, keyspaces: Sequence[str]) -> None:
    """Return when all that every node has in memory is in files: a drop waits for just that.

    Raises as `everywhere` does.
    """

    def step(_: Path, beans: Beans) -> None:
        with ThreadPoolExecutor(FLUSHES) as threads:
            list(threads.map(lambda keyspace: beans.call(FLUSH, keyspace, []), keyspaces))

    everywhere(cluster, step)


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

    everywhere(cluster, step)


def swap_in(cluster: Cluster, staged: Files, target: Files, names: Mapping[str, str]) -> None:
    """Make all rows of table `staged`, which is flushed, rows of `target` too, everywhere at once.

    Both have the same columns (`names`: of the staged one's, what the target calls them) and
    replication, and `staged` is not compacted meanwhile. A node makes all of them visible in one
    step: a page that is read has all of them, or none. Rows and deletions with later timestamps
    win over what `target` had. May be repeated.
    Raises as `everywhere` does.
    """
    linked = threading.Barrier(len(folders(cluster)))

    def step(place: Path, beans: Beans) -> None:
        _link(place, staged, target, names)
        linked.wait(FILES_WITHIN)
        beans.call(LOAD, target.keyspace, target.name)

    everywhere(cluster, step, linked)


def put_in(cluster: Cluster, staged: Files, target: Files, names: Mapping[str, str]) -> None:
    """Give a table that is yet to be made the rows of `staged`: it will be there with them.

    Otherwise as `swap_in`.
    """
    for place in folders(cluster):
        run(["mkdir", "-p", place / target.folder], user_of(place))
        _link(place, staged, target, names)


def take_out(cluster: Cluster, target: Files) -> None:
    """Remove what `put_in` put into the folder of a table that was not made."""
    for place in folders(cluster):
        run(["rm", "-rf", place / target.folder], user_of(place))


def newest(cluster: Cluster, table: Files) -> int:
    """Return the latest timestamp (µs) of anything that any node has in a table.

    Raises as `everywhere` does.
    """
    found = [sstables.LEAST]

    def step(place: Path, beans: Beans) -> None:
        beans.call(FLUSH, table.keyspace, [table.name])
        found.append(sstables.newest(place / table.folder))

    everywhere(cluster, step)
    return max(found)


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
            run(["sh", "-c", LINK, "sh", goal, *written, "--", *rest], user_of(place))
