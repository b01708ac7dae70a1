"""What `myriad up` says of its Cassandra, for the commands: in a file of the home."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from myriad.home import notes
from myriad.home.home import Home

if TYPE_CHECKING:
    from myriad.engines.cassandra.base import Cluster

FILE = "cassandra.json"
READY = "ready"
STARTING = "starting"
DOWN = "down"
LOST = "lost"  # its data is gone: see `replace`


@dataclass(frozen=True)
class NodeState:
    """One of our nodes: its number and address, its process (0: none), and how it is."""

    number: int
    address: str
    pid: int
    state: str
    problem: str = ""


@dataclass(frozen=True)
class Announcement:
    """A cluster as the process says that keeps it.

    Attributes:
        hosts: contact points, HOST each.
        nodes: of an embedded cluster, how each is.
    """

    kind: str
    hosts: list[str]
    port: int
    user: str
    password: str = field(repr=False)
    ca: str
    login: str
    datacenters: dict[str, int]
    version: str
    nodes: list[NodeState]

    def cluster(self, home: Home) -> "Cluster":
        """Return it as the commands use it."""
        from myriad.cql.connection import Endpoint  # noqa: PLC0415 - only where there is one
        from myriad.engines.cassandra.base import Cluster  # noqa: PLC0415

        endpoint = Endpoint(tuple(self.hosts), self.port, self.user, self.password, self.ca)
        folder = home.cassandra if self.kind == "embedded" else None
        return Cluster(self.kind, endpoint, self.login, self.datacenters, folder, self.version)

    @property
    def usable(self) -> bool:
        """Say whether somebody can connect to it now, as far as is known."""
        return self.kind == "attached" or any(node.state == READY for node in self.nodes)


def _path(home: Home) -> Path:
    return home.folder / FILE


def announce(home: Home, cluster: "Cluster", nodes: list[NodeState]) -> None:
    """Write down how the cluster is reached, and how its nodes are."""
    to = cluster.endpoint
    said = Announcement(
        cluster.kind,
        list(to.hosts),
        to.port,
        to.user,
        to.password,
        to.ca,
        cluster.login,
        cluster.datacenters,
        cluster.version,
        nodes,
    )
    notes.write(_path(home), **asdict(said))


def withdraw(home: Home) -> None:
    """Forget what `announce` wrote."""
    _path(home).unlink(missing_ok=True)


def read(home: Home) -> Announcement | None:
    """Return what is announced, None if nothing is (a stale file counts as nothing)."""
    note = notes.read(_path(home))
    if note is None:
        return None
    facts = {name: value for name, value in note.items() if name not in {"pid", "started"}}
    try:
        nodes = [NodeState(**node) for node in facts.pop("nodes")]
        return Announcement(**facts, nodes=nodes)
    except (TypeError, KeyError):
        return None
