"""A server that means harm, or is none: a clear error, soon, whatever it sends."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from myriad.cql import frames
from myriad.cql.connection import Connection, Endpoint
from myriad.errors import EngineError

Act = Callable[[socket.socket], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Act], Endpoint]]:
    """Start a server that does as told with its first client."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def run(act: Act) -> None:
        with suppress(OSError), closing(listener.accept()[0]) as client:
            act(client)

    def start(act: Act) -> Endpoint:
        threads.append(threading.Thread(target=run, args=(act,)))
        threads[-1].start()
        return Endpoint(("127.0.0.1",), listener.getsockname()[1])

    yield start
    listener.close()
    for thread in threads:
        thread.join()


def answer(opcode: int, body: bytes = b"", stream: int = 0) -> bytes:
    return struct.pack("!BBhBi", 0x84, 0, stream, opcode, len(body)) + body


def trickle(client: socket.socket) -> None:
    client.sendall(answer(frames.READY, bytes(1000))[:20])
    while True:
        client.sendall(b"\0")
        time.sleep(0.02)


def announce(client: socket.socket) -> None:
    client.sendall(struct.pack("!BBhBi", 0x84, 0, 0, frames.READY, 200 << 20))
    client.recv(1 << 16)
    client.recv(1)


@pytest.mark.parametrize(
    "act",
    [
        lambda client: client.recv(1 << 16) and client.recv(1),  # says nothing
        trickle,
        announce,
        lambda client: client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        lambda client: client.sendall(b"E" * 100),
        lambda client: client.sendall(answer(frames.RESULT)),
        lambda client: client.sendall(answer(frames.ERROR, b"\0")),
        lambda client: client.close(),
    ],
    ids=["silent", "trickling", "announcing", "http", "noise", "unexpected", "cut", "closing"],
)
def test_whatever_answers_the_login_ends_in_time(
    serve: Callable[[Act], Endpoint], act: Act
) -> None:
    endpoint = serve(act)
    began = time.monotonic()
    with pytest.raises(EngineError) as raised:
        Connection(endpoint, "127.0.0.1", timeout=0.5)
    assert raised.value.hint
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "reply",
    [
        answer(frames.RESULT, struct.pack("!i", 1), stream=5),
        answer(frames.RESULT, struct.pack("!i", 99)),
        answer(frames.READY),
        answer(frames.RESULT, struct.pack("!iiii", 2, 0, 1, 7)),
    ],
    ids=["other stream", "unknown result", "no result", "cut rows"],
)
def test_whatever_answers_a_statement_closes_the_connection(
    serve: Callable[[Act], Endpoint], reply: bytes
) -> None:
    def act(client: socket.socket) -> None:
        client.recv(1 << 16)
        client.sendall(answer(frames.READY))
        client.recv(1 << 16)
        client.sendall(reply)
        client.recv(1)

    connection = Connection(serve(act), "127.0.0.1", timeout=2)
    with pytest.raises(EngineError, match="native protocol 4"):
        connection.query("SELECT key FROM system.local")
    with pytest.raises(EngineError, match="closed"):
        connection.query("SELECT key FROM system.local")
