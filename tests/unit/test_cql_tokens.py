"""Tokens of partition keys are Cassandra's, and their replicas are where Cassandra puts them."""

import numpy as np
import pytest
from cassandra.cmurmur3 import murmur3
from hypothesis import given
from hypothesis import strategies as st

from myriad.cql.tokens import LAST, Node, Ring, token, tokens

KEYS = st.lists(st.binary(max_size=70) | st.text(max_size=30).map(str.encode))


@given(KEYS)
def test_tokens_are_those_of_the_driver(keys: list[bytes]) -> None:
    lengths = np.array([len(key) for key in keys], np.int64)
    data = np.frombuffer(b"".join(keys), np.uint8)
    found = tokens(data, np.cumsum(lengths) - lengths, lengths)
    assert found.tolist() == [murmur3(key) for key in keys]


@pytest.mark.parametrize("length", range(1, 34))
def test_negative_bytes_of_a_tail_reach_to_the_left(length: int) -> None:
    for key in (b"\xff" * length, b"\x80" * length, b"\x7f\x80" * length, "é".encode() * length):
        assert token(key) == murmur3(key)


def node(name: str, rack: str, *held: int, center: str = "dc1") -> Node:
    return Node(name, center, rack, held)


NODES = [
    node("a", "r1", 0, 30),
    node("b", "r1", 10, 40),
    node("c", "r2", 20, 50),
    node("x", "r1", 15, center="dc2"),
]


def test_simple_strategy_goes_around_the_ring() -> None:
    ring = Ring(NODES, "dc1", {"class": "x.SimpleStrategy", "replication_factor": "2"})
    assert ring.replicas[0] == ("a", "b")
    assert ring.replicas[1] == ("b", "x")
    assert ring.replicas[-1] == ("c", "a")


def test_network_topology_prefers_other_racks_and_stays_in_its_data_center() -> None:
    ring = Ring(NODES, "dc1", {"class": "x.NetworkTopologyStrategy", "dc1": "2", "dc2": "1"})
    assert ring.hosts == ("a", "b", "c")
    assert ring.replicas[0] == ("a", "c")
    assert ring.replicas[1] == ("b", "c")


def test_a_token_belongs_to_the_range_that_ends_at_it_or_behind_it() -> None:
    ring = Ring(NODES, "dc1", None)
    places = ring.range_of(np.array([-5, 0, 1, 50, 51, LAST], np.int64))
    assert places.tolist() == [0, 0, 1, 6, 0, 0]
