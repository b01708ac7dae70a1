"""A connection to a node that ends keeps nothing to itself."""

import socket
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from myriad.cql.bulk.batches import Batch, Chunk
from myriad.cql.bulk.pipe import Pipe

VOID = bytes((0x84, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0, 1))  # RESULT of kind Void for stream 0


@pytest.fixture
def ends() -> Iterator[tuple[Pipe, socket.socket]]:
    ours, node = socket.socketpair()
    with closing(ours), closing(node):
        yield Pipe("node", ours), node


def test_answers_that_come_right_before_the_end_count(ends: tuple[Pipe, socket.socket]) -> None:
    pipe, node = ends
    batch = Batch(Chunk(0), ("node",), b"", np.zeros(0, np.int64))
    stream = pipe._free[-1]  # noqa: SLF001 - the one that is taken next
    pipe.send(batch, b"")
    node.recv(1 << 16)
    node.sendall(VOID[:2] + stream.to_bytes(2, "big") + VOID[4:])
    node.close()
    [answer] = pipe.receive()
    assert (answer.batch, answer.error) == (batch, None)
    with pytest.raises(ConnectionResetError):
        pipe.receive()
    assert pipe.close() == []
