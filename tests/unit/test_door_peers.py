"""Connections whose other side is gone, or only slow: real ones, without a server behind them."""

import asyncio
import ctypes
import socket
import struct
from typing import Any

import pytest
import uvloop

from myriad.door import ports
from myriad.door.server import peers
from myriad.door.session import frontend, hang_ups
from tests.door_nobody import Nobody

SO_ATTACH_FILTER = 26  # asm-generic/socket.h; Python has no name for it
MUCH = bytes(32 << 20)  # more than the sockets hold


class Client(frontend.Frontend):
    """A client of whom only the connection matters."""

    def __init__(self, transport: ports.Client) -> None:
        super().__init__(transport)
        self.lost = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self.lost.set()


async def connected() -> tuple[Any, socket.socket]:
    """Return the transport of a client, and the other end of its connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        other = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, accepted)
    transport.set_protocol(Client(transport))
    return transport, other


def deafen(stream: socket.socket) -> None:
    """Let a connection take nothing any more, nor acknowledge it: as one that was cut."""
    drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF_RET | BPF_K
    program = struct.pack("HL", 1, ctypes.addressof(drop_all))
    stream.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def test_who_leaves_and_does_not_read_the_rest_is_sent_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frontend, "LAST_WORD_SECONDS", 0.2)

    async def test() -> None:
        transport, other = await connected()
        transport.write(MUCH)
        client = transport.get_protocol()
        client.leave()
        await asyncio.wait_for(client.lost.wait(), 5)
        other.close()

    uvloop.run(test())


@pytest.mark.parametrize("before", [b"", MUCH], ids=["idle", "not reading"])
def test_a_peer_that_acknowledges_nothing_is_silent_and_a_slow_one_is_not(before: bytes) -> None:
    async def test() -> None:
        slow, one = await connected()
        cut, two = await connected()
        slow.write(MUCH)
        cut.write(before)
        deafen(two)
        cut.write(b"more")
        async with asyncio.timeout(20):
            while not peers.is_silent(cut, 1.0):  # noqa: ASYNC110 - the system tells nobody
                await asyncio.sleep(0.05)
        assert not peers.is_silent(slow, 1.0)
        for transport, other in ((slow, one), (cut, two)):
            transport.abort()
            other.close()

    uvloop.run(test())


def test_a_connection_that_has_ended_is_neither_kept_alive_nor_silent() -> None:
    async def test() -> None:
        transport, other = await connected()
        other.close()
        await asyncio.wait_for(transport.get_protocol().lost.wait(), 5)
        peers.keep_alive(transport)
        assert not peers.is_silent(transport)

    uvloop.run(test())


def test_a_client_without_a_socket_neither_hangs_up_nor_is_silent() -> None:
    client, watched = frontend.Frontend(Nobody()), hang_ups.HangUps()
    watched.watch(client)
    assert list(watched.gone()) == []
    assert not peers.is_silent(client.transport)
    watched.forget(client)
