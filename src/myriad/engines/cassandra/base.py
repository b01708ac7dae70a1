"""The small surface that an embedded and an attached Cassandra share."""

from dataclasses import dataclass
from pathlib import Path

from myriad.cql.connection import Consistency, Endpoint
from myriad.cql.session import Session

DATACENTER = "datacenter1"  # what SimpleSnitch calls the only one
REPLICAS = 3  # of each row, where there are as many nodes
# Bytes and partitions of one unlogged batch. Ours are set in our nodes' configuration; those of a
# stranger's cluster are Cassandra's defaults (batch_size_warn_threshold, 5 KiB, and
# unlogged_batch_across_partitions_warn_threshold, 10).
OWN_BATCH = (60_000, 200)
STOCK_BATCH = (5_000, 10)


@dataclass(frozen=True)
class Cluster:
    """A Cassandra that runs: how Myriad reaches it.

    Attributes:
        kind: `embedded` or `attached`.
        endpoint: contact points and Myriad's own login.
        login: `required`, or `open`: everybody is anybody there.
        datacenters: datacenter → how many nodes it has.
        folder: of an embedded one, where its nodes' folders lie.
        version: as Cassandra says it, such as `5.0.9`.
    """

    kind: str
    endpoint: Endpoint
    login: str
    datacenters: dict[str, int]
    folder: Path | None
    version: str

    def session(self) -> Session:
        """Open a session as Myriad; raises NotRunning, CqlError."""
        return Session(self.endpoint)

    @property
    def nodes(self) -> int:
        """How many nodes it has."""
        return sum(self.datacenters.values())

    @property
    def copies(self) -> int:
        """How many nodes have each row of a new keyspace."""
        return sum(min(REPLICAS, count) for count in self.datacenters.values())

    @property
    def replication(self) -> str:
        """The replication of a new keyspace, as CREATE KEYSPACE has it."""
        if self.nodes == 1:
            return "{'class': 'SimpleStrategy', 'replication_factor': 1}"
        each = ", ".join(
            f"'{name.replace(chr(39), chr(39) * 2)}': {min(REPLICAS, count)}"
            for name, count in sorted(self.datacenters.items())
        )
        return f"{{'class': 'NetworkTopologyStrategy', {each}}}"

    @property
    def consistency(self) -> Consistency:
        """What writes wait for: a majority of the replicas, where there are several."""
        return Consistency.LOCAL_QUORUM if self.nodes > 1 else Consistency.LOCAL_ONE

    @property
    def batch_bytes(self) -> int:
        """Bytes that a batch stays below."""
        return (OWN_BATCH if self.kind == "embedded" else STOCK_BATCH)[0]

    @property
    def batch_partitions(self) -> int:
        """Partitions that an unlogged batch may span."""
        return (OWN_BATCH if self.kind == "embedded" else STOCK_BATCH)[1]
