"""What goes to clients in TLS, seen on the network."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from myriad import Myriad
from tests.door_clients import Place, connect, made_place
from tests.door_script import PATIENCE

LIBPQ_READS = 8192  # bytes that libpq has free at least
SEALED = 256  # bytes that encryption adds at most (RFC 8446, section 5.2)
APPLICATION_DATA = 23


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with made_place(installation) as made:
        yield made


class Relay:
    """Passes one client on to a server.

    Attributes:
        port: where it listens.
        answers: all that the server sent.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self._server, self._listener = server, socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.answers = bytearray()
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        client = self._listener.accept()[0]
        server = socket.create_connection(self._server, PATIENCE)
        self._threads.append(threading.Thread(target=_copy, args=(client, server, bytearray())))
        self._threads[-1].start()
        _copy(server, client, self.answers)

    def close(self) -> None:
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)


def _copy(source: socket.socket, target: socket.socket, seen: bytearray) -> None:
    try:
        while data := source.recv(1 << 16):
            seen += data
            target.sendall(data)
    except OSError:
        pass
    finally:
        target.close()


@contextmanager
def relay(server: tuple[str, int]) -> Iterator[Relay]:
    with closing(Relay(server)) as made:
        yield made


def records(sent: bytes) -> Iterator[int]:
    """Yield the sizes of the records with data, which begin behind the `S` for TLS."""
    at = 1
    while at < len(sent):
        size = int.from_bytes(sent[at + 3 : at + 5])
        if sent[at] == APPLICATION_DATA:
            yield size
        at += 5 + size


@pytest.mark.parametrize(
    "text", ["SELECT repeat('x', 1000000)", "SELECT repeat('x', n) FROM generate_series(1, 1000) n"]
)
def test_no_record_is_longer_than_what_libpq_reads_at_once(place: Place, text: str) -> None:
    """It would keep the rest where a program that waits for the socket never looks."""
    with relay((place.reader.host, place.reader.port)) as between:
        with connect(place.reader, port=between.port, sslmode="require") as connection:
            expected = sum(len(row[0]) for row in connection.execute(text).fetchall())
        sizes = list(records(bytes(between.answers)))
    assert sum(sizes) > expected
    assert max(sizes) <= LIBPQ_READS + SEALED
