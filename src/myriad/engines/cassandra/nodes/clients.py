"""Who has a session at which node."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from myriad.cql.connection import Connection
from myriad.cql.session import Session
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.nodes import node
from myriad.errors import EngineError

ANSWERS_WITHIN = 5.0  # seconds
PEERS = "SELECT native_address FROM system.peers_v2"
CLIENTS = "SELECT username, address, port FROM system_views.clients"


@dataclass(frozen=True)
class Clients:
    """Sessions of all nodes.

    Attributes:
        places: role → address and port of one of its sessions.
        silent: nodes that may have sessions, and do not answer.
    """

    places: Mapping[str, str]
    silent: tuple[str, ...]


def hosts(cluster: Cluster, session: Session) -> list[str]:
    """Return the addresses of all nodes, also of those that are down."""
    peers = [str(address) for (address,) in session.query(PEERS)]
    return sorted({*cluster.endpoint.hosts, *peers, session.connection().host})


def connected(cluster: Cluster, session: Session) -> Clients:
    """Return who has sessions; raises NotRunning, CqlError if no node answers."""
    places: dict[str, str] = {}
    silent: list[str] = []
    for host in hosts(cluster, session):
        endpoint = replace(cluster.endpoint, hosts=(host,))
        try:
            with Connection(endpoint, host, timeout=ANSWERS_WITHIN) as there:
                rows = there.query(CLIENTS)
        except EngineError:
            if not _is_down(cluster, host):
                silent.append(host)
            continue
        places.update((name, f"{address} port {port}") for name, address, port in rows if name)
    return Clients(places, tuple(silent))


def _is_down(cluster: Cluster, host: str) -> bool:
    """Say whether a node is one of ours that does not run: then it has no sessions."""
    return any(
        node.address(place) == host and node.running(place) is None for place in _ours(cluster)
    )


def _ours(cluster: Cluster) -> list[Path]:
    if cluster.folder is None:
        return []
    return [path.parent for path in cluster.folder.glob(f"node?/{node.NOTE}")]
