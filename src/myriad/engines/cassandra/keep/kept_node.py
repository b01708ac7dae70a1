"""One of our nodes while it is kept up: started again when it dies, made anew when asked."""

import logging
import time

from myriad.engines.cassandra.announcement import DOWN, LOST, READY, STARTING, NodeState
from myriad.engines.cassandra.embedded import EmbeddedCluster
from myriad.engines.cassandra.nodes import layout
from myriad.engines.cassandra.nodes.node import Node
from myriad.errors import MyriadError
from myriad.home.home import Home
from myriad.machine import logs
from myriad.machine.pauses import Pauses
from myriad.settings import Settings

PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds before each new start; the last one repeats
GONE = "its data is gone"
# Cassandra then waits for somebody to say `nodetool bootstrap resume` (StorageService.bootstrap).
NOT_BROUGHT = "Some data streaming failed"

log = logging.getLogger("myriad.engines")


class KeptNode:
    """A node, and what is to be done about it. `ready`: it was started already."""

    def __init__(
        self, home: Home, settings: Settings, cluster: EmbeddedCluster, node: Node, *, ready: bool
    ) -> None:
        self._home = home
        self._seconds = settings.cassandra_start_timeout
        self._cluster = cluster
        self._pauses = Pauses(PAUSES)
        self._when = 0.0  # it is started next, or given up while it starts
        self._said = logs.Unread(node.log)
        self.node = node
        self.state, self._problem = READY, ""
        if is_lost(home, node) or is_replaced(home, node):
            self.state, self._problem = LOST, GONE
        elif not ready:
            self._down("it did not start", self._pauses.after_failure())

    def describe(self) -> NodeState:
        """Return how it is, for people."""
        pid = 0 if self.state in (DOWN, LOST) else self.node.pid
        return NodeState(self.node.number, self.node.address, pid, self.state, self._problem)

    def look(self) -> bool:
        """Do what is to be done now; say whether its state is another than before."""
        before = self.describe()
        if self.state == READY:
            self._watch()
        elif self.state == STARTING:
            self._await()
        else:
            self._revive()
        return self.describe() != before

    def _watch(self) -> None:
        problem = self.node.failure()
        if problem is None:
            return
        if self.node.ended_gracefully():  # somebody restarts it
            self._down("asked to end", 0.0)
        else:
            self._down(problem, self._pauses.after_failure())

    def _down(self, problem: str, pause: float) -> None:
        self.state, self._problem = DOWN, problem
        self._when = time.monotonic() + pause
        log.warning(
            "Cassandra node %d is down (%s); starting it again in %g s",
            self.node.number,
            problem,
            pause,
        )

    def _revive(self) -> None:
        asked = is_replaced(self._home, self.node)
        if is_lost(self._home, self.node) and not asked:
            if self.state != LOST:
                log.error(
                    "the data of Cassandra node %d is gone: `myriad cassandra replace %d` makes it"
                    " anew from the others",
                    self.node.number,
                    self.node.number,
                )
            self.state, self._problem = LOST, GONE
        elif time.monotonic() >= self._when:
            self._launch(replacing=asked)  # also where it was interrupted

    def _launch(self, *, replacing: bool) -> None:
        log.info("starting Cassandra node %d", self.node.number)
        self._said = logs.Unread(self.node.log)
        try:
            self.node.launch(replacing=replacing)
        except (MyriadError, OSError) as error:
            self._down(str(error), self._pauses.after_failure())
            return
        self.state, self._problem = STARTING, "brings its data" if replacing else ""
        # What it has to bring from the others may be any amount.
        self._when = float("inf") if replacing else time.monotonic() + self._seconds

    def _await(self) -> None:
        problem = self.node.failure() or self._hangs()
        if problem:
            self.node.stop()
            log.error("%s", self.node.failed(problem))
            self._down(problem, self._pauses.after_failure())
        elif self._cluster.is_ready(self.node):
            self._pauses.started()
            self.state, self._problem = READY, ""
            layout.note_ready(self._home, self.node.number)
            layout.replacement(self._home, self.node.number).unlink(missing_ok=True)
            log.info("Cassandra node %d is ready", self.node.number)

    def _hangs(self) -> str | None:
        """Return why a node that starts will never be ready."""
        if any(NOT_BROUGHT in line for line in self._said()):
            return "its data did not come from the others"
        late = time.monotonic() > self._when
        return f"not ready after {self._seconds:g} seconds" if late else None


def is_replaced(home: Home, node: Node) -> bool:
    """Say whether a node is to bring all its data from the others, and has not ended that."""
    return layout.replacement(home, node.number).exists()


def is_lost(home: Home, node: Node) -> bool:
    """Say whether a node that once was ready has no data now."""
    return layout.was_ready(home, node.number) and not node.was_made()
