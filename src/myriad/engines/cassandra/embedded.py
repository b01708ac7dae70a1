"""A Cassandra cluster that Myriad itself starts and stops: its nodes, from launch to ready."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing

from myriad.cql.connection import Connection, Endpoint
from myriad.engines import configuration as machine
from myriad.engines import process
from myriad.engines.cassandra import configuration, jars, java, layout, superuser
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.configuration import Layout
from myriad.engines.cassandra.node import Machinery, Node, clear
from myriad.errors import CqlError, HomeError, NotRunning, StartFailed
from myriad.home import Home
from myriad.settings import Settings

ASK_WITHIN = 5.0  # seconds; a node that starts may take a while for its first answer
LOOK = 0.1  # seconds between looks at whether nodes are ready
OPEN_WARNING = (
    "Cassandra's login is open: whoever can run programs on this machine may read, change and"
    " drop everything in it"
)

log = logging.getLogger("myriad.engines")


class EmbeddedCluster:
    """The nodes of a home. `cancelled` ends a start early; it then raises StartFailed."""

    def __init__(self, home: Home, settings: Settings, cancelled: threading.Event) -> None:
        self._home = home
        self._settings = settings
        self._cancelled = cancelled
        self._endpoint: Endpoint | None = None
        self.nodes: list[Node] = []
        self.version = ""
        self.layout = Layout((), 0, 0)

    def prepare(self) -> None:
        """Find or fetch all that its nodes need, and settle what the cluster is made with.

        Raises ProgramMissing, StartFailed, SettingsError, HomeError.
        """
        have = machine.machine(self._home.folder)
        count = layout.nodes(self._home, self._settings)
        heap = configuration.heap_mb(self._settings, count, have)
        _check_memory(count, heap, have.memory_mb)
        user = process.engine_user(self._home.postgres)
        found = java.find(self._settings.java, self._home.folder / "programs", user)
        programs = jars.find(self._settings.cache, _TellsFetched(), self._cancelled)
        closed = process.closed_to(user, programs.folder)
        if closed and user:
            raise HomeError(
                f"Cassandra runs as user {user.name}, who may not pass {closed} on the way to its"
                " programs",
                hint="Name another folder with the setting `cache`.",
            )
        for left in self._home.cassandra.glob("node?"):  # by a run that was killed
            clear(left)
        self.layout = layout.settle(self._home, self._settings)
        self.version = programs.version
        machinery = Machinery(
            self._home, self._settings, self.layout, found, programs, user, heap, have.cores
        )
        self.nodes = [Node(machinery, number + 1) for number in range(count)]
        if self._settings.cassandra_login == "open":
            log.warning(OPEN_WARNING)

    def start(self, nodes: Sequence[Node]) -> None:
        """Start those nodes and return when they are ready; nothing is left running otherwise.

        Raises StartFailed, HomeLocked.
        """
        deadline = time.monotonic() + self._settings.cassandra_start_timeout
        try:
            first, *others = nodes
            alone = not first.was_made()  # a new cluster's first node, so that others can join it
            first.launch()
            if others and alone:
                self._await(first.answers, nodes[:1], deadline)
            for node in others:
                node.launch()
            self._await(lambda: all(node.answers() for node in nodes), nodes, deadline)
            self._await(self._logged_in, nodes, deadline)
            self._await(lambda: all(map(self.is_ready, nodes)), nodes, deadline)
            with self.cluster(nodes).session() as session:
                session.await_schema()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all nodes, at once: each writes what it has in memory."""
        for node in self.nodes:
            node.ask_to_end()
        for node in self.nodes:
            node.stop()

    def cluster(self, nodes: Iterable[Node]) -> Cluster:
        """Return how it is reached by those nodes, or by all if there are none; it was started."""
        assert self._endpoint is not None  # noqa: S101 - set by `start`
        hosts = tuple(node.address for node in nodes)
        to = self._endpoint
        return Cluster(
            "embedded",
            Endpoint(hosts or to.hosts, to.port, to.user, to.password),
            self._settings.cassandra_login,
            configuration.datacenters(self.layout),
            self._home.cassandra,
            self.version,
        )

    def is_ready(self, node: Node) -> bool:
        """Say whether a node takes people: it has its rows, sees all others, and lets Myriad in."""
        if self._endpoint is None or not node.answers():
            return False
        try:
            with closing(Connection(self._endpoint, node.address, timeout=ASK_WITHIN)) as asked:
                [(state,)] = asked.query("SELECT bootstrapped FROM system.local")
                others = asked.query("SELECT peer FROM system.peers_v2")
        except (NotRunning, CqlError):
            return False
        return state == "COMPLETED" and len(others) == len(self.nodes) - 1

    def _logged_in(self) -> bool:
        """Say whether Myriad can log in; makes that possible at the first start."""
        endpoint = Endpoint(self.layout.addresses, self.layout.port)
        if self._settings.cassandra_login == "open":
            self._endpoint = endpoint
            return True
        try:
            self._endpoint = superuser.login(self._home, endpoint)
        except (NotRunning, CqlError) as error:
            log.debug("nobody can log in yet: %s", error)
            return False
        return True

    def _await(self, condition: Callable[[], bool], nodes: Sequence[Node], deadline: float) -> None:
        while not condition():
            for node in nodes:
                problem = node.failure()
                if problem is None and self._cancelled.is_set():
                    problem = "asked to stop while it started"
                if problem is None and time.monotonic() > deadline:
                    seconds = self._settings.cassandra_start_timeout
                    problem = f"not ready after {seconds:g} seconds"
                if problem:
                    raise node.failed(problem)
            self._cancelled.wait(LOOK)


def _check_memory(count: int, heap: int, memory_mb: int) -> None:
    wanted = count * (heap + configuration.BESIDES_HEAP_MB)
    if wanted > memory_mb:
        raise StartFailed(
            f"too little memory: {count} Cassandra nodes with a heap of {heap:,} MB need about"
            f" {wanted:,} MB, and the machine has {memory_mb:,} MB",
            hint="Run fewer nodes, or set `cassandra_heap_mb` to less, such as"
            f" {configuration.HEAP_MB[0]}; or use a Cassandra elsewhere with --cassandra-at.",
        )


class _TellsFetched:
    """Tells how far a fetch is, at every tenth."""

    def __init__(self) -> None:
        self._told = -1

    def __call__(self, done: int, total: int) -> None:
        tenth = 10 * done // total
        if tenth > self._told:
            self._told = tenth
            log.info("fetching Cassandra, once: %d of %d MB", done // jars.MB, total // jars.MB)
