"""What runs beside `up` in threads of its own goes on after a failure that nobody expected."""

import threading
from pathlib import Path

import pytest

from myriad.cql.connection import Endpoint
from myriad.engines.cassandra.announcement import NodeState
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.keep import keeper
from myriad.engines.cassandra.keep.keeper import Keeper
from myriad.engines.postgres.base import Server
from myriad.home.home import Home
from myriad.running import workspaces

LONG = 10.0  # seconds
CLUSTER = Cluster("attached", Endpoint(("127.0.0.1",), 9042, "", ""), "open", {"dc": 1}, None, "5")


class Fails:
    """Raises at its first call what nobody expects; `again` is set by the next one."""

    def __init__(self) -> None:
        self.again = threading.Event()
        self._failed = False

    def __call__(self, *_: object) -> bool:
        if not self._failed:
            self._failed = True
            raise LookupError("nobody expects that")
        self.again.set()
        return False


class Watched:
    """A cluster that is there; `looking` says whether it has changed."""

    def __init__(self, looking: Fails) -> None:
        self.ended = threading.Event()
        self.look = looking

    def begin(self) -> None: ...

    def states(self) -> list[NodeState]:
        return []

    def reached(self) -> Cluster:
        return CLUSTER

    def end(self) -> None:
        self.ended.set()


def test_who_keeps_cassandra_goes_on_looking_serving_and_finishing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WATCH", "SERVE_AGAIN", "SETTLE_EVERY"):
        monkeypatch.setattr(keeper, name, 0.01)
    home = Home(tmp_path / "home")
    home.create()
    look, serve, settle = Fails(), Fails(), Fails()
    watched = Watched(look)
    kept = Keeper(home, watched, serve, settle, threading.Event())
    kept.start()
    try:
        assert [each.again.wait(LONG) for each in (look, serve, settle)] == [True] * 3
    finally:
        kept.end()
    assert watched.ended.is_set()


def test_workspaces_are_measured_after_a_failure_that_nobody_expected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workspaces, "PAUSE", 0.01)
    fails, stop = Fails(), threading.Event()

    def server() -> Server:
        fails()
        raise OSError("it is down")

    measured = workspaces.Workspaces(server, stop)
    measured.start()
    try:
        assert fails.again.wait(LONG)
    finally:
        stop.set()
        measured.join(LONG)
