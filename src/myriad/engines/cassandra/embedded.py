"""A Cassandra cluster that Myriad itself starts and stops: its nodes, from launch to ready."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace

from myriad.cql.connection import Connection, Endpoint
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.nodes import configuration, jars, java, layout, superuser
from myriad.engines.cassandra.nodes.configuration import Layout
from myriad.engines.cassandra.nodes.node import DRAINS_WITHIN, Machinery, Node, clear
from myriad.errors import CqlError, HomeError, MyriadError, NotRunning, StartFailed
from myriad.home.home import Home
from myriad.machine import process, resources
from myriad.settings import Settings

ASK_WITHIN = 5.0  # seconds; a node that starts may take a while for its first answer
GRACE = 30.0  # seconds for the other nodes, when one is left out
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
        self._refused = ""
        self._deadline = 0.0
        self._enough = 0  # nodes
        self.nodes: list[Node] = []
        self.version = ""
        self.layout = Layout((), 0, 0)

    def prepare(self) -> None:
        """Find or fetch all that its nodes need, and settle what the cluster is made with.

        Raises ProgramMissing, StartFailed, SettingsError, HomeError.
        """
        have = resources.measure(self._home.folder)
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

    def start(self, nodes: Sequence[Node]) -> list[Node]:
        """Start those nodes; return which are ready: all, or a majority where others fail.

        A new cluster needs all. Raises StartFailed, HomeLocked, OSError; then none is left running.
        """
        self._deadline = time.monotonic() + self._settings.cassandra_start_timeout
        try:
            started = list(nodes)
            new = not nodes[0].was_made()
            self._enough = len(nodes) if new else len(self.nodes) // 2 + 1
            if new:  # its first node, so that others can join it
                nodes[0].launch()
                self._await(Node.answers, started[:1])
            for node in nodes[1:] if new else nodes:
                self._launch(node, started)
            self._await(Node.answers, started)
            self._await(lambda _: self._lets_in(started), started)
            self._await(self.is_ready, started)
            with self.cluster(started).session() as session:
                session.await_schema()
        except BaseException:
            self.stop()
            raise
        return started

    def stop(self) -> None:
        """Stop all nodes, at once: each writes what it has in memory."""
        for node in self.nodes:
            node.ask_to_end()
        deadline = time.monotonic() + DRAINS_WITHIN
        for node in self.nodes:
            node.stop(max(deadline - time.monotonic(), 0.0))

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

    def _launch(self, node: Node, nodes: list[Node]) -> None:
        try:
            node.launch()
        except (MyriadError, OSError) as error:
            self._leave_out(node, nodes, error)

    def _lets_in(self, nodes: Sequence[Node]) -> bool:
        """Say whether Myriad can log in; makes that possible at the first start."""
        for node in nodes:
            endpoint = Endpoint((node.address,), self.layout.port)
            try:
                if self._settings.cassandra_login == "required":
                    endpoint = superuser.login(self._home, endpoint)
            except (NotRunning, CqlError) as error:
                self._refused = f": Myriad cannot log in: {error.message}"
            else:
                self._endpoint, self._refused = replace(endpoint, hosts=self.layout.addresses), ""
                return True
        return False

    def _await(self, ready: Callable[[Node], bool], nodes: list[Node]) -> None:
        """Return when all `nodes` are ready; those that fail are left out where enough are left."""
        while late := [node for node in nodes if not ready(node)]:
            for node in list(nodes):
                problem = self._problem(node, late=node in late)
                if problem:
                    self._leave_out(node, nodes, node.failed(problem))
            self._cancelled.wait(LOOK)

    def _problem(self, node: Node, *, late: bool) -> str | None:
        """Return why a node's start is to be given up."""
        problem = node.failure()
        if problem is None and self._cancelled.is_set():
            problem = "asked to stop while it started"
        if problem is None and late and time.monotonic() > self._deadline:
            seconds = self._settings.cassandra_start_timeout
            problem = f"not ready after {seconds:g} seconds{self._refused}"
        return problem

    def _leave_out(self, node: Node, nodes: list[Node], error: Exception) -> None:
        """Go on without a node, if enough are left; raises `error` otherwise."""
        if len(nodes) <= self._enough or self._cancelled.is_set():
            raise error
        log.error("%s", error)
        nodes.remove(node)
        node.stop(0.0)
        self._deadline = max(self._deadline, time.monotonic() + GRACE)


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
