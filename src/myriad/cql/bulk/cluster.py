"""What loading and counting need of a cluster, whoever started it."""

from typing import Protocol

from myriad.cql.connection import Consistency, Endpoint
from myriad.cql.session import Session


class Cluster(Protocol):
    """A Cassandra that runs."""

    @property
    def endpoint(self) -> Endpoint:
        """Contact points and a login."""

    @property
    def consistency(self) -> Consistency:
        """How many replicas have to acknowledge what is written."""

    @property
    def batch_bytes(self) -> int:
        """Bytes that a batch stays below."""

    @property
    def batch_partitions(self) -> int:
        """Partitions that an unlogged batch may span."""

    def session(self) -> Session:
        """Open a session; raises NotRunning, CqlError."""
