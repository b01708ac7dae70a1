"""Somebody else on the address and port of a node of ours: it is not taken for that node."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from myriad import Myriad
from myriad.engines.cassandra.embedded import EmbeddedCluster
from myriad.engines.cassandra.nodes import node
from myriad.engines.cassandra.nodes.configuration import Layout
from myriad.engines.cassandra.nodes.jars import Programs
from myriad.engines.cassandra.nodes.java import Java
from myriad.engines.cassandra.nodes.node import Machinery, Node
from myriad.home.home import Home
from myriad.machine import addresses
from myriad.settings import load


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that listens nowhere, as a node that starts does."""
    code = "import sys; sys.stdin.read()"
    started = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    yield started
    started.kill()
    started.communicate()


def _cluster(clustered: Myriad, folder: Path) -> tuple[EmbeddedCluster, Node]:
    """Return the cluster of another home that has settled on the same address and port."""
    endpoint = clustered.cluster().endpoint
    home = Home(folder / "home")
    home.create()
    settings = load(home.folder, {"cassandra": 1})
    cluster = EmbeddedCluster(home, settings, threading.Event())
    cluster.layout = Layout((endpoint.hosts[0],), endpoint.port, 7000)
    java, jars = Java(folder, "17", "a test"), Programs(folder, "5", ())
    have = Machinery(home, settings, cluster.layout, java, jars, None, 512, 2)
    cluster.nodes = [Node(have, 1)]
    return cluster, cluster.nodes[0]


def test_the_node_of_another_home_is_not_taken_for_ones_own(
    clustered: Myriad,
    tmp_path: Path,
    child: "subprocess.Popen[bytes]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, own = _cluster(clustered, tmp_path)
    endpoint = clustered.cluster().endpoint
    monkeypatch.setattr(cluster, "_endpoint", endpoint)  # both even have one password
    assert not own.answers()
    monkeypatch.setattr(own, "_child", child)
    assert not own.answers()
    assert not cluster.is_ready(own)


def test_a_node_is_seen_as_soon_as_it_listens_itself(clustered: Myriad) -> None:
    endpoint = clustered.cluster().endpoint
    found = node.running(node.folder(clustered.home, 1))
    assert found is not None
    assert addresses.listens(found.pid, endpoint.hosts[0], endpoint.port)
    assert not addresses.listens(found.pid, endpoint.hosts[0], endpoint.port + 1)
    assert not addresses.listens(os.getpid(), endpoint.hosts[0], endpoint.port)
