"""Keep Cassandra up beside PostgreSQL: start, announce and watch it."""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

import psycopg

from myriad.engines.cassandra import announcement
from myriad.engines.cassandra.announcement import READY, NodeState
from myriad.engines.cassandra.attached import AttachedCluster
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.embedded import EmbeddedCluster
from myriad.engines.cassandra.keep.kept_node import KeptNode, is_lost, is_replaced
from myriad.engines.cassandra.nodes import layout
from myriad.errors import MyriadError, SettingsError, StartFailed
from myriad.home.home import Home
from myriad.settings import Settings

WATCH = 0.2  # seconds between looks
SERVE_AGAIN = 5.0  # seconds after it failed
SERVE_EVERY = 60.0  # seconds: a command that was to do it may have been killed
SETTLE_EVERY = 2.0  # seconds: a killed publish may have left a table half replaced
SERVED_WITHIN = 5.0  # seconds, when all is to end
FAILS = (MyriadError, OSError, psycopg.Error)  # with these

log = logging.getLogger("myriad.engines")


class Watched(Protocol):
    """A cluster that is kept."""

    def begin(self) -> None:
        """Make it ready; raises MyriadError."""

    def look(self) -> bool:
        """Start again what died; say whether anything is other than before. Raises MyriadError."""

    def states(self) -> list[NodeState]:
        """Return how its nodes are; of somebody else's cluster none."""

    def reached(self) -> Cluster | None:
        """Return how it is reached now, None if it is not."""

    def end(self) -> None:
        """Stop it, if it is ours."""


class Keeper(threading.Thread):
    """Keeps a home's Cassandra, in a thread of its own: it takes longer than PostgreSQL.

    `serve` is called whenever people may find it other than before, `settle` often: it finishes
    what killed commands have left, and says whether people are to be served anew.
    """

    def __init__(
        self,
        home: Home,
        watched: Watched,
        serve: Callable[[Cluster], object],
        settle: Callable[[Cluster], object],
        cancelled: threading.Event,
    ) -> None:
        super().__init__(name="cassandra")
        self._home = home
        self._watched = watched
        self._serving = _Serving(serve, SERVE_EVERY, "what people may do did not reach Cassandra")

        def settled(cluster: Cluster) -> None:
            if settle(cluster):
                self._serving.again()

        self._settling = _Serving(settled, SETTLE_EVERY, "a replacement is not finished")
        self._cancelled = cancelled
        self._begun = threading.Event()
        self.problem: BaseException | None = None  # with which the start failed

    def run(self) -> None:
        """Start it, and keep it up until it is ended."""
        try:
            self._watched.begin()
            self._tell()
            self._serving.start()
            while not self._serving.tried.wait(WATCH) and not self._cancelled.is_set():
                pass
            self._settling.start()
        except BaseException as error:  # noqa: BLE001 - `await_ready` raises it in its thread
            self.problem = error
            self._cancelled.set()
        finally:
            self._begun.set()
        while not self._cancelled.wait(WATCH):
            self._look()
        self._serving.end()
        self._settling.end()
        announcement.withdraw(self._home)
        self._watched.end()

    def await_ready(self, stop: threading.Event) -> None:
        """Return when people can reach it; raises what it failed with, also when told to stop."""
        while not self._begun.wait(WATCH):
            if stop.is_set():
                self._cancelled.set()
        if self.problem is not None:
            raise self.problem

    @property
    def begun(self) -> bool:
        """Whether the start is over, well or with a `problem`."""
        return self._begun.is_set()

    def end(self) -> None:
        """Stop it; returns when it is gone."""
        self._cancelled.set()
        if self.is_alive():
            self.join()

    def _look(self) -> None:
        try:
            if self._watched.look():
                self._tell()
        except FAILS as error:
            log.error("%s", error)  # noqa: TRY400 - a person reads it
        except Exception:  # nobody else would look after it
            log.exception("in looking after Cassandra")
            self._cancelled.wait(SERVE_AGAIN)

    def _tell(self) -> None:
        cluster = self._watched.reached()
        if cluster is None:
            announcement.withdraw(self._home)
            self._serving.tell(None)
            self._settling.tell(None)
            return
        states = self._watched.states()
        announcement.announce(self._home, cluster, states)
        ready = not states or any(node.state == READY for node in states)
        self._serving.tell(cluster if ready else None)
        self._settling.tell(cluster if ready else None)


class _Serving(threading.Thread):
    """Does one thing, whenever it is told and again `every` so many seconds.

    In a thread of its own: a statement may wait long for a node that is to be started again.
    """

    def __init__(self, serve: Callable[[Cluster], object], every: float, failed: str) -> None:
        super().__init__(name="cassandra serving", daemon=True)
        self._serve, self._every, self._failed = serve, every, failed
        self._cluster: Cluster | None = None  # while it can be reached
        self._told = threading.Event()
        self._ended = False
        self.tried = threading.Event()  # once

    def tell(self, cluster: Cluster | None) -> None:
        """Say how it is reached from now on, None if it is not."""
        self._cluster = cluster
        self._told.set()

    def again(self) -> None:
        """Do it soon."""
        self._told.set()

    def run(self) -> None:
        """Do it until ended."""
        self._told.clear()  # what was told before the start is done first
        news = True
        while not self._ended:
            served = self._serve_now(self._cluster)
            self.tried.set()
            # Once more after news: a node that was slow just then lets nobody in yet.
            again = min(SERVE_AGAIN, self._every)
            news = self._told.wait(self._every if served and not news else again)
            self._told.clear()

    def _serve_now(self, cluster: Cluster | None) -> bool:
        """Do it; say whether that went well."""
        try:
            if cluster:
                self._serve(cluster)
        except FAILS as error:
            if not self._ended:
                log.warning("%s yet: %s", self._failed, error)
            return False
        except Exception:
            log.exception("%s yet", self._failed)
            return False
        return True

    def end(self) -> None:
        """Begin nothing any more; what is being done is waited for, but not for long."""
        self._ended = True
        self._told.set()
        if self.is_alive():
            self.join(SERVED_WITHIN)


class OwnNodes:
    """Our own nodes, as they are kept."""

    def __init__(self, home: Home, settings: Settings, cancelled: threading.Event) -> None:
        self._home = home
        self._settings = settings
        self._cluster = EmbeddedCluster(home, settings, cancelled)
        self._kept: list[KeptNode] = []

    def begin(self) -> None:
        """Make all ready that have their data; raises MyriadError."""
        self._cluster.prepare()
        nodes = self._cluster.nodes
        whole = [
            node
            for node in nodes
            if not is_lost(self._home, node) and not is_replaced(self._home, node)
        ]
        if not whole:
            raise StartFailed(
                f"the data of all {len(nodes)} Cassandra nodes in {self._home.cassandra} is gone",
                hint="Bring it back from a copy. To begin without it, remove that folder, and"
                " publish again.",
            )
        log.info("starting Cassandra")
        ready = self._cluster.start(whole)
        for node in ready:
            layout.note_ready(self._home, node.number)
        self._kept = [
            KeptNode(self._home, self._settings, self._cluster, node, ready=node in ready)
            for node in nodes
        ]
        log.info("Cassandra %s is ready", self._cluster.version)

    def look(self) -> bool:
        """Look at each node."""
        news = [kept.look() for kept in self._kept]
        return any(news)

    def states(self) -> list[NodeState]:
        """Return how each node is."""
        return [kept.describe() for kept in self._kept]

    def reached(self) -> Cluster:
        """Return how those are reached that are ready; all, if none is."""
        return self._cluster.cluster([kept.node for kept in self._kept if kept.state == READY])

    def end(self) -> None:
        """Stop all nodes."""
        self._cluster.stop()


def keeper_for(
    home: Home,
    settings: Settings,
    serve: Callable[[Cluster], object],
    settle: Callable[[Cluster], object],
) -> Keeper | None:
    """Return who keeps the Cassandra that the settings ask for or the home has, None without one.

    Raises SettingsError, StartFailed.
    """
    cancelled = threading.Event()
    if settings.cassandra_at:
        if settings.cassandra:
            raise SettingsError(
                "both nodes of our own and a Cassandra elsewhere are asked for",
                hint="Give --cassandra or --cassandra-at.",
            )
        return Keeper(home, AttachedCluster(settings), serve, settle, cancelled)
    if layout.nodes(home, settings):
        return Keeper(home, OwnNodes(home, settings, cancelled), serve, settle, cancelled)
    return None
