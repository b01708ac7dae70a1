"""What tables were: their files under a second name, on every node, when no table has them."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from myriad.engines.cassandra.all_nodes import Files, everywhere, folders, run, user_of
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.nodes.management import Beans

SNAPSHOT = "takeSnapshot(java.lang.String,java.util.Map,[Ljava.lang.String;)"
KEPT = Path("data", "kept")  # below a node's folder, on the disk of its tables
PREFIX = "myriad-"  # of snapshots
# In one process: to start one as another user takes longer than what it does. What a snapshot has
# is moved to where it is kept; of an empty table none is made.
MOVE = 'mkdir -p "$1" "${2%/*}" && rm -rf "$2" && mv "$1" "$2"'


@dataclass(frozen=True)
class Kept(Files):
    """What a table was, by a number of its own: files that no table has, under a second name."""

    @property
    def folder(self) -> Path:
        """Its folder, below that of a node."""
        return KEPT / self.table_id


def keep(cluster: Cluster, table: Files, kept: Kept) -> int:
    """Keep what a table has now, with what is in memory, on every node; return its bytes.

    The files are shared with the table as long as that has them. Raises as `everywhere` does.
    """
    sizes: list[int] = []

    def step(place: Path, beans: Beans) -> None:
        taken, user = place / table.folder / "snapshots", user_of(place)
        if left := [*taken.glob(f"{PREFIX}*")]:  # of somebody who was killed
            run(["rm", "-rf", *left], user)
        name = f"{PREFIX}{kept.table_id}"
        beans.call(SNAPSHOT, name, {}, [f"{table.keyspace}.{table.name}"])
        run(["sh", "-c", MOVE, "sh", taken / name, place / kept.folder], user)
        sizes.append(sum(path.stat().st_size for path in (place / kept.folder).iterdir()))

    everywhere(cluster, step)
    return sum(sizes)


def kept_now(cluster: Cluster) -> set[str]:
    """Return the numbers of all that is kept on any node. Raises Unsupported if attached."""
    kept = [place / KEPT for place in folders(cluster)]
    return {path.name for folder in kept if folder.is_dir() for path in folder.iterdir()}


def forget(cluster: Cluster, numbers: Collection[str]) -> None:
    """Remove what is kept under these numbers. Raises NotRunning while a node is down."""
    for place in folders(cluster) if numbers else ():
        run(["rm", "-rf", *(place / KEPT / number for number in numbers)], user_of(place))
