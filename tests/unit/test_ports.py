"""Which port people connect to."""

import os
import socket
from collections.abc import Iterator

import pytest

from myriad.engines import ports
from myriad.errors import StartFailed
from myriad.settings import Settings

BY_HAND = {"port": "flag"}


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_taken_port_gives_way_to_the_next_free_one(taken: int) -> None:
    assert ports.choose(Settings(port=taken), taken) > taken


def test_the_port_of_the_last_start_comes_first(taken: int) -> None:
    free = ports.choose(Settings(port=taken), taken)
    assert ports.choose(Settings(port=free - 1), free) == free


def test_a_taken_port_set_by_hand_is_an_error_that_names_the_holder(taken: int) -> None:
    with pytest.raises(StartFailed, match=f"process {os.getpid()}"):
        ports.choose(Settings(port=taken, origins=BY_HAND), taken)


def test_a_number_that_is_no_port_is_an_error() -> None:
    with pytest.raises(StartFailed, match="port 70000"):
        ports.choose(Settings(port=70000, origins=BY_HAND), 70000)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_only_loopback_addresses_are_listened_on(host: str) -> None:
    with pytest.raises(StartFailed, match="no TLS"):
        ports.choose(Settings(host=host), 6432)


def test_an_unknown_host_is_an_error() -> None:
    with pytest.raises(StartFailed, match="there is no address"):
        ports.choose(Settings(host="no such host"), 6432)
