"""Many sessions of one process: connected from several addresses, logged in, then busy or idle."""

import asyncio
import itertools
import os
import random
import socket
import struct
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import load_wire as wire

IP_BIND_ADDRESS_NO_PORT = 24  # ip(7): choose the port when connecting, by all four of its parts
LOGIN_TIMEOUT = 120.0  # seconds; PgBouncer lets clients wait when accounts share too few servers
SILENCE = 30  # seconds in which some piece of a big answer must come
BUFFER = 1 << 20

clock = time.perf_counter


@dataclass(frozen=True)
class Target:
    """Where to connect, and as whom: session n is account n modulo `accounts`."""

    host: str  # a folder: the Unix socket in it
    port: int
    database: str
    prefix: str
    accounts: int  # 0: one, whose name is the prefix itself
    password: str
    sources: int = 8  # addresses 127.0.0.1, .2, ... that connections come from

    def user(self, number: int) -> str:
        """Return the account of session `number`."""
        return f"{self.prefix}{number % self.accounts}" if self.accounts else self.prefix


async def connect(target: Target, number: int) -> asyncio.Transport:
    """Log session `number` in; raises LoginFailed, OSError, TimeoutError."""
    loop = asyncio.get_running_loop()

    def login() -> wire.Login:
        return wire.Login(target.user(number), target.database, target.password)

    async with asyncio.timeout(LOGIN_TIMEOUT):
        if target.host.startswith("/"):
            path = Path(target.host) / f".s.PGSQL.{target.port}"
            _, protocol = await loop.create_unix_connection(login, str(path))
        else:
            sock = await _socket(target, number)
            _, protocol = await loop.create_connection(login, sock=sock)
        return await protocol.ready


async def _socket(target: Target, number: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(0)
    try:
        if target.host.startswith("127."):
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((f"127.0.0.{1 + number % target.sources}", 0))
        await asyncio.get_running_loop().sock_connect(sock, (target.host, target.port))
    except BaseException:
        sock.close()
        raise
    return sock


class Fleet:
    """Sessions that are logged in, and how long each login took."""

    def __init__(self, target: Target, problems: wire.Problems) -> None:
        self.sessions: list[asyncio.Transport] = []
        self.login_times = array("d")
        self.seconds = 0.0
        self._target = target
        self._problems = problems

    async def connect(self, count: int, at_once: int) -> None:
        """Log `count` sessions in, at most `at_once` of them at a time."""
        numbers = iter(range(count))
        began = clock()
        await asyncio.gather(*(self._worker(numbers) for _ in range(min(at_once, count))))
        self.seconds = clock() - began

    async def _worker(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            began = clock()
            try:
                transport = await connect(self._target, number)
            except (wire.LoginFailed, OSError, TimeoutError) as error:
                self._problems.add(f"login: {str(error) or type(error).__name__}")
                continue
            self.login_times.append(clock() - began)
            transport.set_protocol(Idle(self._problems))
            self.sessions.append(transport)

    def close(self) -> None:
        """End all sessions."""
        for transport in self.sessions:
            if not transport.is_closing():
                transport.set_protocol(asyncio.Protocol())
                transport.write(wire.TERMINATE)
                transport.close()


class Idle(asyncio.Protocol):
    """A session that does nothing; what the server says all the same is a problem."""

    def __init__(self, problems: wire.Problems) -> None:
        self._problems = problems

    def data_received(self, data: bytes) -> None:
        """Note an error that nobody asked for."""
        if data[:1] == b"E":
            self._problems.add(f"idle: {wire.error_text(data[5:])}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Note it."""
        self._problems.add(f"idle: connection lost: {exc or 'closed'}")


@dataclass
class Work:
    """What all busy sessions share."""

    texts: Sequence[bytes]
    problems: wire.Problems
    think: float = 0.0  # seconds between an answer and the next statement, on average
    running: bool = True

    def __post_init__(self) -> None:
        """Begin with no answers."""
        self.times = array("d")


class Busy(asyncio.Protocol):
    """A session that sends a statement, waits for its one row, and sends the next.

    No task, and no parsing while answers come whole and are as expected: both would cost more
    than the rest of a turn.
    """

    def __init__(self, transport: asyncio.Transport, work: Work, number: int) -> None:
        self.began = 0.0  # of the statement under way; 0: none is
        self._lost = False
        self._work = work
        self._write = transport.write
        # Each session goes through the texts from another place.
        texts = work.texts
        place = number % len(texts)
        self._next: Callable[[], bytes] = itertools.cycle(texts[place:] + texts[:place]).__next__  # type: ignore[operator]
        self._pending = bytearray()
        transport.set_protocol(self)

    def send(self) -> None:
        """Send the next statement."""
        if self._work.running and not self._lost:
            self.began = clock()
            self._write(self._next())

    def data_received(self, data: bytes) -> None:
        """Note how long the answer took; go on."""
        if data.endswith(wire.ONE_ROW) and not self._pending:
            work = self._work
            now = clock()
            work.times.append(now - self.began)
            if work.think or not work.running:
                self._pause()
            else:
                self.began = now
                self._write(self._next())
        else:
            self._piece(data)

    def _pause(self) -> None:
        self.began = 0.0
        work = self._work
        if work.running:
            wait = work.think * random.uniform(0.5, 1.5)
            asyncio.get_running_loop().call_later(wait, self.send)

    def _piece(self, data: bytes) -> None:
        """Take an answer that came in pieces, or is none that was expected."""
        self._pending += data
        if not self._pending.endswith(wire.READY):
            return
        whole = bytes(self._pending)
        self._pending.clear()
        if whole.endswith(wire.ONE_ROW):
            self.data_received(whole)
            return
        self._note(whole)
        self._pause()
        if not self._work.think:
            self.send()

    def _note(self, whole: bytes) -> None:
        errors = [body for kind, body in wire.take(bytearray(whole)) if kind == b"E"]
        if not errors:
            self._work.problems.add(f"not one row: {whole[:100]!r}")
        for body in errors:
            self._work.problems.add(wire.error_text(body))

    def connection_lost(self, exc: Exception | None) -> None:
        """Note it, with what the server said last."""
        self.began = 0.0
        self._lost = True
        if self._pending:
            self._note(bytes(self._pending))
        self._work.problems.add(f"busy: connection lost: {exc or 'closed'}")


@dataclass(frozen=True)
class Flood:
    """A big answer that was counted and thrown away: its size, its time, its last bytes."""

    size: int
    seconds: float
    end: bytes


def flood(transport: asyncio.Transport, statement: bytes) -> Flood:
    """Send a statement, and read its answer as fast as one can; call it in a thread of its own.

    With plain reads into one buffer: an event loop would take a third of the speed of a fast
    server. Raises OSError when nothing comes for as long as `SILENCE`.
    """
    transport.pause_reading()
    descriptor = os.dup(transport.get_extra_info("socket").fileno())
    with socket.socket(fileno=descriptor) as sock:
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", SILENCE, 0))
        began = clock()
        sock.sendall(statement)
        count, end = _read(sock)
        seconds = clock() - began
        sock.settimeout(0)  # the event loop's again
    return Flood(count, seconds, end)


def _read(sock: socket.socket) -> tuple[int, bytes]:
    buffer = bytearray(BUFFER)
    count = 0
    while True:
        size = sock.recv_into(buffer)
        count += size
        if not size or buffer.endswith(wire.READY, 0, size):
            return count, bytes(buffer[max(0, size - 200) : size])
