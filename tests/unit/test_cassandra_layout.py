"""What a cluster of ours is made with, and that it stays so."""

import socket
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from myriad.engines.cassandra.nodes import configuration, layout
from myriad.engines.cassandra.nodes.configuration import HEAP_MB, RING, Layout
from myriad.errors import SettingsError, StartFailed
from myriad.home.home import Home
from myriad.machine.resources import Machine
from myriad.settings import Settings, load

FIRST = "127.0.31.1"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


def _settings(home: Home, **values: object) -> Settings:
    return load(home.folder, {"cassandra_address": FIRST, **values})


def test_three_nodes_have_following_addresses_and_the_same_ports(home: Home) -> None:
    made = layout.settle(home, _settings(home, cassandra=3))
    assert made.addresses == ("127.0.31.1", "127.0.31.2", "127.0.31.3")
    assert layout.read(home) == made


def test_a_home_keeps_what_its_cluster_was_made_with(home: Home) -> None:
    made = layout.settle(home, _settings(home, cassandra=1))
    assert layout.settle(home, _settings(home)) == made
    assert layout.nodes(home, _settings(home)) == 1


def test_another_number_of_nodes_is_refused(home: Home) -> None:
    layout.settle(home, _settings(home, cassandra=1))
    with pytest.raises(SettingsError, match="made with 1 nodes, not 3"):
        layout.settle(home, _settings(home, cassandra=3))


def test_another_address_is_refused(home: Home) -> None:
    layout.settle(home, _settings(home, cassandra=1))
    with pytest.raises(SettingsError, match=r"made on 127\.0\.31\.1"):
        layout.settle(home, _settings(home, cassandra_address="127.0.31.9"))


@pytest.mark.parametrize("address", ["0.0.0.0", "10.0.0.1", "::1", "localhost", ""])
def test_only_a_loopback_address_will_do(home: Home, address: str) -> None:
    with pytest.raises(SettingsError, match="no loopback address"):
        layout.settle(home, _settings(home, cassandra=1, cassandra_address=address))


def test_a_taken_port_is_passed_over_where_it_was_not_set(home: Home) -> None:
    with closing(socket.create_server((FIRST, 9042))):
        assert layout.settle(home, _settings(home, cassandra=1)).port == 9043


def test_a_taken_port_that_was_set_is_an_error_that_names_who_has_it(home: Home) -> None:
    with (
        closing(socket.create_server((FIRST, 9042))),
        pytest.raises(StartFailed, match=r"127\.0\.31\.1 port 9042: Address already in use \(by"),
    ):
        layout.settle(home, _settings(home, cassandra=1, cassandra_port=9042))


def test_a_cluster_that_was_never_ready_leaves_its_ports_to_another_home(
    home: Home, tmp_path: Path
) -> None:
    """Both looked before the nodes of one listened."""
    other = Home(tmp_path / "other")
    other.create()
    made = layout.settle(home, _settings(home, cassandra=1))
    assert layout.settle(other, _settings(other, cassandra=1)) == made
    with (
        closing(socket.create_server((FIRST, made.port))),
        closing(socket.create_server((FIRST, made.storage_port))),
    ):
        settled = layout.settle(other, _settings(other))
    assert settled.addresses == made.addresses
    assert (settled.port, settled.storage_port) == (made.port + 1, made.storage_port + 1)
    assert layout.read(other) == settled


def test_a_port_that_is_taken_later_is_an_error(home: Home) -> None:
    made = layout.settle(home, _settings(home, cassandra=1))
    layout.note_ready(home, 1)
    with (
        closing(socket.create_server((FIRST, made.storage_port))),
        pytest.raises(StartFailed, match="cannot listen"),
    ):
        layout.settle(home, _settings(home))


def test_a_damaged_note_is_an_error_and_not_a_new_cluster(home: Home) -> None:
    layout.settle(home, _settings(home, cassandra=1))
    (home.cassandra / layout.FILE).write_text("{")
    with pytest.raises(StartFailed, match="cannot be read"):
        layout.settle(home, _settings(home))


@pytest.mark.parametrize("nodes", [1, 3])
def test_nodes_share_the_ring_evenly(nodes: int) -> None:
    made = Layout(tuple(f"127.0.0.{number + 1}" for number in range(nodes)), 9042, 7000)
    tokens = sorted(token for number in range(nodes) for token in made.tokens(number + 1))
    assert len(set(tokens)) == 16 * nodes
    gaps = [after - before for before, after in pairwise(tokens)]
    assert max(gaps) - min(gaps) <= 1
    assert max(gaps) == RING // (16 * nodes)


@pytest.mark.parametrize(
    ("memory", "nodes", "heap"), [(2048, 1, 512), (24_000, 1, 3000), (24_000, 3, 1000)]
)
def test_the_heap_comes_from_the_memory_and_the_nodes(memory: int, nodes: int, heap: int) -> None:
    assert configuration.heap_mb(Settings(), nodes, Machine(memory, 2, 1000)) == heap


def test_the_heap_has_an_upper_bound() -> None:
    assert configuration.heap_mb(Settings(), 1, Machine(10**6, 2, 1000)) == HEAP_MB[1]


def test_open_login_means_no_login_and_no_rights() -> None:
    made = Layout((FIRST,), 9042, 7000)
    values = configuration.node(
        Settings(cassandra_login="open"), made, 1, Path("/x"), replacing=False
    )
    assert (values["authenticator"], values["authorizer"]) == (
        "AllowAllAuthenticator",
        "AllowAllAuthorizer",
    )
