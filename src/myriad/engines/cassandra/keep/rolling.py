"""Restart the nodes of a cluster of ours, and make one anew: asked of the `up` that keeps them."""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

from myriad.cql.connection import Connection, Consistency, Endpoint
from myriad.engines.cassandra import announcement
from myriad.engines.cassandra.announcement import READY, Announcement, NodeState
from myriad.engines.cassandra.nodes import layout, node
from myriad.errors import CqlError, NotRunning, StartFailed, Unsupported, UsageError
from myriad.home.home import Home
from myriad.machine import process
from myriad.settings import Settings

BRINGS_WITHIN = 24 * 3600.0  # seconds that a new node may take to bring its rows from the others
ALL = "SELECT role FROM system_auth.roles WHERE role = 'myriad'"

Tell = Callable[[str], None]


def restart(home: Home, settings: Settings, *, rolling: bool, tell: Tell) -> None:
    """Restart all nodes; `rolling`: one by one, each when all see the last one again.

    Then whoever asks for a majority of the replicas is always answered.
    Raises NotRunning, Unsupported for an attached cluster, StartFailed.
    """
    nodes = _own(home).nodes
    down = [state for state in nodes if state.state != READY]
    if rolling and down:
        raise NotRunning(
            f"Cassandra node {down[0].number} is {down[0].state}: one more, and there would be no"
            " majority",
            hint="Wait until all are ready: `myriad status`.",
        )
    if rolling:
        _await_seen(home, settings)
    for group in [[state] for state in nodes] if rolling else [nodes]:
        tell(f"restarting node {', '.join(str(state.number) for state in group)}")
        _end(home, group)
        for state in group:
            _await(home, settings.cassandra_start_timeout, state)
        if rolling:
            _await_seen(home, settings)


def replace(home: Home, settings: Settings, number: int, *, tell: Tell) -> None:
    """Make node `number`, whose data is gone, anew from the others; returns when it is ready.

    Raises UsageError, NotRunning, Unsupported, StartFailed.
    """
    nodes = _own(home).nodes
    state = next((state for state in nodes if state.number == number), None)
    if state is None:
        raise UsageError(f"there is no node {number}", hint=f"There are nodes 1 to {len(nodes)}.")
    if len(nodes) == 1:
        raise Unsupported(
            "a cluster of one node has no other that it could be made from",
            hint="Publish again into a new home, or bring its data back from a copy.",
        )
    place = node.folder(home, number)
    if (place / "data" / "data" / "system").is_dir():
        raise UsageError(
            f"the data of node {number} is there, in {place / 'data'}",
            hint="If it is destroyed, stop the node's process, move that folder away, and say this"
            " again.",
        )
    layout.replacement(home, number).touch()
    tell(f"node {number} brings its data from the others")
    if state.state == READY:
        _end(home, [state])
    _await(home, BRINGS_WITHIN, state)
    _await_seen(home, settings)


def _own(home: Home) -> Announcement:
    said = announcement.read(home)
    if said is None:
        raise NotRunning("no Cassandra is up on this home", hint="myriad up --cassandra 3")
    if said.kind != "embedded":
        raise Unsupported(
            "an attached Cassandra's nodes are not ours to restart",
            hint="Ask whoever runs it.",
        )
    return said


def _end(home: Home, states: Sequence[NodeState]) -> None:
    found = [node.running(node.folder(home, state.number)) for state in states]
    node.end([running for running in found if running])


def _await(home: Home, seconds: float, before: NodeState) -> None:
    """Return when the node is ready, in another process than the one that was ready before."""
    old = before.pid if before.state == READY else 0

    def again() -> bool:
        said = _own(home)
        now = next(state for state in said.nodes if state.number == before.number)
        return now.state == READY and now.pid != old

    if not process.wait_for(again, seconds):
        raise StartFailed(
            f"node {before.number} is not ready after {seconds:g} seconds",
            hint=f"`myriad logs --cassandra {before.number}` shows why.",
        )


def _await_seen(home: Home, settings: Settings) -> None:
    """Return when every node sees every other, so that the next one may go."""
    said = _own(home)
    endpoint = said.cluster(home).endpoint
    for state in said.nodes:
        sees = partial(_sees_all, endpoint, state.address)
        if not process.wait_for(sees, settings.cassandra_start_timeout):
            raise StartFailed(
                f"node {state.number} does not see all others", hint="See `myriad status`."
            )


def _sees_all(endpoint: Endpoint, address: str) -> bool:
    try:
        with closing(Connection(endpoint, address)) as asked:
            asked.query(ALL, consistency=Consistency.ALL)
    except (NotRunning, CqlError):
        return False
    return True
