"""Reads by key over ten thousand connections at once: how many a second, and how long they take.

Every connection is logged in and takes its turn; so many reads are in flight as the node answers
best. Everything stays on loopback addresses.
"""

import asyncio
import random
import resource
import statistics
import struct
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import cast

import uvloop

from myriad.cql import frames, messages
from myriad.cql.connection import Consistency, Endpoint
from myriad.cql.messages import Prepared

AT_ONCE = 64  # reads in flight
LOGINS = 32  # at once
SPARE_FILES = 200
LOGIN_TIMEOUT = 300.0


@dataclass(frozen=True)
class Reads:
    """What was measured; latencies in milliseconds."""

    connections: int
    login_seconds: float
    rate: float
    p50: float
    p99: float


class Client(asyncio.Protocol):
    """One connection with one question in flight."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._data = bytearray()
        self._answer: asyncio.Future[frames.Reader] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has its own class

    def data_received(self, data: bytes) -> None:
        """Hand over an answer when it is there as a whole."""
        self._data += data
        if len(self._data) < frames.HEADER_BYTES or self._answer is None:
            return
        head = frames.header(self._data)
        end = frames.HEADER_BYTES + head.length
        if len(self._data) >= end:
            reader = frames.body(head.flags, bytes(self._data[frames.HEADER_BYTES : end]))
            del self._data[:end]
            if head.opcode == frames.ERROR:
                self._answer.set_exception(messages.error(reader))
            else:
                self._answer.set_result(reader)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits."""
        if self._answer and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the node closed it"))

    async def ask(self, opcode: int, body: bytes) -> frames.Reader:
        """Send a request and wait for its answer."""
        assert self._transport
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(frames.frame(0, opcode, body))
        return await self._answer

    def close(self) -> None:
        """Close it."""
        if self._transport:
            self._transport.close()


async def _opened(endpoint: Endpoint) -> Client:
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(Client, endpoint.hosts[0], endpoint.port)
    await client.ask(frames.STARTUP, messages.startup({"CQL_VERSION": "3.0.0"}))
    login = messages.plain_login(endpoint.user, endpoint.password)
    await client.ask(frames.AUTH_RESPONSE, login)
    return client


async def _connected(endpoint: Endpoint, number: int) -> list[Client]:
    limit = asyncio.Semaphore(LOGINS)

    async def one() -> Client:
        async with limit:
            return await _opened(endpoint)

    return await asyncio.gather(*(one() for _ in range(number)))


async def _read(
    clients: Sequence[Client], statement: Prepared, keys: int, seconds: float
) -> list[float]:
    """Read random keys for some seconds; return how long each took, in seconds."""
    free = deque(clients)
    until = time.perf_counter() + seconds
    found: list[float] = []

    async def reader() -> None:
        while (began := time.perf_counter()) < until:
            key = struct.pack("!q", random.randrange(keys))
            body = messages.execute(statement, [key], Consistency.LOCAL_ONE, 100, None)
            client = free.popleft()
            answer = await client.ask(frames.EXECUTE, body)
            free.append(client)
            found.append(time.perf_counter() - began)
            assert answer.int() == messages.ROWS

    await asyncio.gather(*(reader() for _ in range(AT_ONCE)))
    return found


async def _measure(
    endpoint: Endpoint, statement: Prepared, keys: int, connections: int, seconds: float
) -> Reads:
    began = time.perf_counter()
    async with asyncio.timeout(LOGIN_TIMEOUT):
        clients = await _connected(endpoint, connections)
    login = time.perf_counter() - began
    async with asyncio.timeout(4 * seconds + 60):
        await _read(clients, statement, keys, seconds / 2)  # the JVM compiles what is hot
        found = await _read(clients, statement, keys, seconds)
    for client in clients:
        client.close()
    cuts = statistics.quantiles(found, n=100)
    return Reads(connections, login, len(found) / seconds, cuts[49] * 1000, cuts[98] * 1000)


def measure(
    endpoint: Endpoint, statement: Prepared, keys: int, connections: int, seconds: float
) -> Reads:
    """Read by an int key below `keys` over so many connections, for so many seconds."""
    if not ip_address(endpoint.hosts[0]).is_loopback:
        raise SystemExit("this much load is only for a node of one's own, on a loopback address")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = connections + SPARE_FILES
    if hard < files:
        raise SystemExit(f"only {hard} open files are allowed here: raise `ulimit -Hn` to {files}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return uvloop.run(_measure(endpoint, statement, keys, connections, seconds))
