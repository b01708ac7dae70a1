"""Servers that do not let the door in: what was opened to them is ended. None of them is real."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from myriad.door.server import dial as module
from myriad.door.server.address import Address
from myriad.door.server.dial import Dial, NoServer
from myriad.pgwire import wire
from myriad.pgwire.faults import Refused

SHORT, LONG = 0.2, 5.0  # seconds
NO_TLS = b"N"


@asynccontextmanager
async def server(mode: str = "disable") -> AsyncIterator[tuple[Dial, Callable[[], Any]]]:
    """Listen; give what dials there, and what awaits the server's end of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)  # noqa: FBT003 - its only argument

        async def accepted() -> socket.socket:
            one, _ = await asyncio.get_running_loop().sock_accept(listening)
            return one

        host, port = listening.getsockname()
        yield Dial(Address(host, port, mode)), accepted


async def read(one: socket.socket) -> bytes:
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(one, 4096), LONG)


async def is_ended(one: socket.socket) -> bool:
    """Say whether the door ends a connection, in time."""
    try:
        while await read(one):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def connect(dial: Dial) -> Coroutine[Any, Any, object]:
    return dial.connect("main", "rose", guarded=False, reads=False, path=None)


def test_a_connection_that_the_server_does_not_answer_in_time_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", SHORT)

    async def test() -> None:
        async with server() as (dial, accepted):
            with pytest.raises(NoServer):
                await connect(dial)
            with await accepted() as one:
                assert await is_ended(one)

    uvloop.run(test())


def test_a_request_to_cancel_that_the_server_does_not_take_in_time_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", SHORT)

    async def test() -> None:
        async with server() as (dial, accepted):
            assert not await dial.cancel(1, b"key")
            with await accepted() as one:
                assert await is_ended(one)

    uvloop.run(test())


def test_a_login_that_is_given_up_ends_its_connection() -> None:
    async def test() -> None:
        async with server() as (dial, accepted):
            login = asyncio.ensure_future(connect(dial))
            with await accepted() as one:
                await read(one)  # its startup message
                login.cancel()
                assert await is_ended(one)

    uvloop.run(test())


def test_a_server_that_wants_what_the_door_cannot_give_is_left() -> None:
    async def test() -> None:
        async with server() as (dial, accepted):
            login = asyncio.ensure_future(connect(dial))
            with await accepted() as one:
                await read(one)
                one.sendall(wire.authentication(3, b""))  # a password in the clear
                with pytest.raises(Refused):
                    await login
                assert await is_ended(one)

    uvloop.run(test())


@pytest.mark.parametrize("said", [b"", NO_TLS], ids=["nothing", "no TLS"])
def test_a_request_to_cancel_that_was_not_sent_is_known_not_to_be(said: bytes) -> None:
    async def test() -> None:
        async with server("require") as (dial, accepted):
            asked = asyncio.ensure_future(dial.cancel(1, b"key"))
            with await accepted() as one:
                await read(one)
                one.sendall(said)
            assert not await asyncio.wait_for(asked, LONG)

    uvloop.run(test())
