"""The door's own connection to the server, over a network that swallows what is sent."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
from psycopg.conninfo import conninfo_to_dict

from myriad.door.control import control as module
from myriad.door.control.control import Administrator, Control
from myriad.door.server.address import Address
from myriad.engines.postgres.base import Server
from tests.elsewhere import elsewhere

SHORT, LONG = 0.5, 20.0  # seconds


@pytest.fixture(scope="module")
def theirs() -> Iterator[Server]:
    with elsewhere() as server:
        yield server


class Network:
    """Passes on to a server what comes on each connection, until that is cut."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0

    def cut(self) -> None:
        """Swallow all that is sent on connections that are there; nobody is told."""
        for task in self._tasks:
            task.cancel()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        to_reader, to_writer = await asyncio.open_connection(self._server.host, self._server.port)
        for each in (_copy(reader, to_writer), _copy(to_reader, writer)):
            self._tasks.add(asyncio.ensure_future(each))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
        target.close()


@asynccontextmanager
async def controlled(server: Server) -> AsyncIterator[tuple[Control, Network]]:
    network = Network(server)
    listening = await asyncio.start_server(network.serve, "127.0.0.1", 0)
    port = int(listening.sockets[0].getsockname()[1])
    named = conninfo_to_dict(server.dsn)
    who = Administrator(str(named["user"]), str(named["password"]), "postgres", 180000)
    control = Control(Address("127.0.0.1", port, "disable"), who)
    keeping = asyncio.ensure_future(control.keep())
    try:
        yield control, network
    finally:
        keeping.cancel()
        listening.close()


def test_a_question_that_the_network_swallows_is_asked_again_on_another_connection(
    theirs: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ASK_SECONDS", SHORT)

    async def test() -> None:
        async with controlled(theirs) as (control, network), asyncio.timeout(LONG):
            assert await control.fetch("SELECT 1") == [(1,)]
            network.cut()
            assert await control.fetch("SELECT 2") == [(2,)]
            assert network.connections == 2

    asyncio.run(test())
