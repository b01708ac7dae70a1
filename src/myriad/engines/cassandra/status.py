"""How a home's Cassandra is, node by node."""

import shutil
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from myriad.cql.connection import Connection, Endpoint
from myriad.engines.cassandra import announcement
from myriad.engines.cassandra.announcement import READY, NodeState
from myriad.engines.cassandra.nodes import node
from myriad.engines.cassandra.nodes.configuration import RING
from myriad.errors import CqlError, NotRunning
from myriad.home.home import Home

REPLACE = "Make it anew from the others: myriad cassandra replace %d."
ANSWERS_WITHIN = 3.0  # seconds; a node that does not answer must not hold up the whole look


@dataclass(frozen=True)
class NodeStatus:
    """One node.

    Attributes:
        owns: the share of all tokens of which it has the first replica, 0 to 1.
        hints: files of writes that it keeps for nodes that were down.
        size: bytes of its tables; `free`: of its disk.
    """

    number: int
    address: str
    state: str
    problem: str = ""
    pid: int = 0
    version: str = ""
    owns: float = 0.0
    hints: int = 0
    size: int = 0
    free: int = 0


@dataclass(frozen=True)
class ClusterStatus:
    """A cluster: ours with its nodes, or an attached one as far as it can be seen."""

    kind: str
    version: str
    hosts: list[str]
    port: int
    login: str
    replication: str
    nodes: list[NodeStatus]


def look(home: Home) -> ClusterStatus | None:
    """Return how the home's Cassandra is, None if none is up; never raises because of it."""
    said = announcement.read(home)
    if said is None:
        return None
    cluster = said.cluster(home)
    nodes = [_node(home, cluster.endpoint, state) for state in said.nodes]
    return ClusterStatus(
        said.kind, said.version, said.hosts, said.port, said.login, cluster.replication, nodes
    )


def _node(home: Home, endpoint: Endpoint, state: NodeState) -> NodeStatus:
    folder = node.folder(home, state.number)
    known = NodeStatus(state.number, state.address, state.state, state.problem, state.pid)
    with suppress(OSError):
        known = replace(
            known,
            size=_size(folder / "data" / "data"),
            free=shutil.disk_usage(folder).free,
            # The one that is being written too, which system_views.pending_hints leaves out.
            hints=len(list((folder / "data" / "hints").glob("*.hints"))),
        )
    if state.state != READY:
        return known
    try:
        with closing(Connection(endpoint, state.address, timeout=ANSWERS_WITHIN)) as asked:
            return _asked(known, asked)
    except (NotRunning, CqlError) as error:
        return replace(known, state="silent", problem=error.message)


def _asked(known: NodeStatus, asked: Connection) -> NodeStatus:
    [(version, own)] = asked.query("SELECT release_version, tokens FROM system.local")
    others = asked.query("SELECT tokens FROM system.peers_v2")
    ring = {int(token): False for (tokens,) in others for token in tokens or ()}
    ring |= {int(token): True for token in own}
    return replace(known, version=version, owns=_share(ring))


def _share(ring: dict[int, bool]) -> float:
    """Return the share of the ring before the tokens that are marked: each ends a range."""
    ordered = sorted(ring)
    before = [ordered[-1] - RING, *ordered]
    return sum(end - start for start, end in zip(before, ordered, strict=False) if ring[end]) / RING


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*-Data.db"))
