"""Many people at the door at once, from one process: sessions that speak the bare protocol.

Drivers hide what is tested here: which message ended what, and what a client gets that does
nothing, or does not read.
"""

import asyncio
import resource
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg
import uvloop
from psycopg.conninfo import make_conninfo

import myriad
from benchmarks import load_fleet, load_wire
from myriad import Myriad
from myriad.engines.postgres.base import Server
from myriad.home.home import Home
from myriad.running import door
from tests.harness import MOST_POLL, Up, reachable_folder, up

PASSWORD = "everybody's secret"
AT_ONCE = 200  # logins of a crowd under way at a time
SPARE_FILES = 500  # of this process, and of the door beside its clients
ANSWER_SECONDS = 30.0
SOON = 30.0  # what comes within a second, on a busy machine
# A statement that runs for minutes, and writes nothing to disk; people may not sleep.
LONG = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b"
POLL = 0.02
T = TypeVar("T")


class Lost(Exception):
    """The connection ended before the answer had."""


@dataclass
class Answer:
    """What a server said to one statement, or to a pipeline up to Sync.

    Attributes:
        rows: all values as text.
        tags: what was completed.
        errors: the SQLSTATE of each error; `hints` and `messages` go with them.
        status: of the transaction afterwards: I, T or E; empty if the connection ended.
    """

    rows: list[list[str | None]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    severities: list[str] = field(default_factory=list)
    status: str = ""
    suspended: int = 0

    @property
    def error(self) -> str:
        """The first error's SQLSTATE, empty without one."""
        return self.errors[0] if self.errors else ""


class Member(asyncio.Protocol):
    """One session after its login."""

    def __init__(self, transport: asyncio.Transport, name: str) -> None:
        self.transport = transport
        self.name = name
        self.lost = asyncio.get_running_loop().create_future()
        self.unasked: Answer = Answer()  # what came while nothing was asked
        self.copying = asyncio.Event()
        self._buffer = bytearray()
        self._answer: Answer | None = None
        self._done: asyncio.Future[Answer] | None = None
        transport.set_protocol(self)

    async def ask(self, sql: str, seconds: float = ANSWER_SECONDS) -> Answer:
        """Run a simple query; raises Lost, TimeoutError."""
        return await self.send(load_wire.query(sql), seconds)

    async def send(self, messages: bytes, seconds: float = ANSWER_SECONDS) -> Answer:
        """Send messages that one ReadyForQuery answers; raises Lost, TimeoutError."""
        return await asyncio.wait_for(self.begin(messages), seconds)

    def begin(self, messages: bytes) -> asyncio.Future[Answer]:
        """Send messages; the future gets their answer, or Lost."""
        self._answer = Answer()
        self._done = asyncio.get_running_loop().create_future()
        if self.lost.done():
            self._done.set_exception(Lost(self.name))
        else:
            self.transport.write(messages)
        return self._done

    @property
    def so_far(self) -> Answer:
        """What has come of an answer."""
        return self._answer or self.unasked

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        for kind, body in load_wire.take(self._buffer):
            self._take(kind, body)

    def _take(self, kind: bytes, body: bytes) -> None:
        answer = self.so_far
        if kind == b"D":
            answer.rows.append(row(body))
        elif kind == b"C":
            answer.tags.append(body[:-1].decode())
        elif kind == b"E":
            note_error(answer, body)
        elif kind == b"s":
            answer.suspended += 1
        elif kind in {b"G", b"H"}:
            self.copying.set()
        elif kind == b"Z":
            answer.status = body.decode()
            self._finish()

    def _finish(self) -> None:
        done, answer = self._done, self._answer
        self._done = self._answer = None
        self.copying.clear()
        if done is not None and answer is not None and not done.done():
            done.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(exc)
        answer, done = self._answer, self._done
        if done is not None and not done.done():
            # An answer that ended with FATAL is one; without any word it is none.
            if answer is not None and answer.errors:
                done.set_result(answer)
            else:
                done.set_exception(Lost(self.name))

    def close(self) -> None:
        """End the session as a client should."""
        if not self.transport.is_closing():
            self.transport.write(load_wire.TERMINATE)
            self.transport.close()

    def reset(self) -> None:
        """Vanish as a machine does that loses power: with RST."""
        if self.transport.is_closing():
            return
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.transport.abort()


def row(body: bytes) -> list[str | None]:
    """Return the values of a DataRow."""
    values: list[str | None] = []
    at = 2
    for _ in range(int.from_bytes(body[:2])):
        size = int.from_bytes(body[at : at + 4], signed=True)
        at += 4
        values.append(None if size < 0 else body[at : at + size].decode())
        at += max(0, size)
    return values


def note_error(answer: Answer, body: bytes) -> None:
    """Add an ErrorResponse to an answer."""
    fields = {part[:1]: part[1:].decode() for part in body.split(b"\0") if part}
    answer.severities.append(fields[b"V"])
    answer.errors.append(fields[b"C"])
    answer.messages.append(fields[b"M"])
    answer.hints.append(fields.get(b"H", ""))


def parse_bind(sql: str, portal: str = "") -> bytes:
    """Return Parse of the unnamed statement, and Bind to a portal."""
    bind = portal.encode() + b"\0\0" + struct.pack("!HHH", 0, 0, 0)
    return load_wire.parse("", sql) + load_wire.message(b"B", bind)


def execute(rows: int = 0, portal: str = "") -> bytes:
    """Return Execute of a portal, for at most that many rows."""
    return load_wire.message(b"E", portal.encode() + b"\0" + struct.pack("!I", rows))


@dataclass(frozen=True)
class Place:
    """Where a crowd connects."""

    host: str
    port: int
    database: str = "main"
    password: str = PASSWORD

    async def enter(self, name: str, number: int = 0) -> Member:
        """Log in, from an address that depends on `number`; raises LoginFailed, OSError."""
        target = load_fleet.Target(self.host, self.port, self.database, name, 0, self.password)
        return Member(await load_fleet.connect(target, number), name)

    async def enter_all(self, names: Sequence[str], at_once: int = AT_ONCE) -> list[Member]:
        """Log everybody in."""
        return await each(
            [self._entering(name, number) for number, name in enumerate(names)], at_once
        )

    def _entering(self, name: str, number: int) -> Callable[[], Awaitable[Member]]:
        return lambda: self.enter(name, number)

    async def lets_in(self, name: str) -> bool:
        """Say whether somebody can log in now."""
        return not await self.refusal(name)

    async def refusal(self, name: str) -> str:
        """Return the SQLSTATE that a login is refused with, empty if it is not."""
        try:
            member = await self.enter(name)
        except load_wire.LoginFailed as failed:
            words = str(failed).split()
            return words[1] if len(words) > 1 and len(words[1]) == 5 else str(failed)
        member.close()
        return ""


async def each(works: Iterable[Callable[[], Awaitable[T]]], at_once: int) -> list[T]:
    """Do all, at most `at_once` of them at a time; return the results in order."""
    turns = asyncio.Semaphore(at_once)

    async def one(work: Callable[[], Awaitable[T]]) -> T:
        async with turns:
            return await work()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(work)) for work in works]
    return [task.result() for task in tasks]


async def until(condition: Callable[[], object], seconds: float = SOON) -> None:
    """Return when `condition` is true; fail if it is not in time."""

    async def now() -> object:
        return condition()

    await until_answered(now, seconds)


async def until_answered(condition: Callable[[], Awaitable[object]], seconds: float) -> None:
    """Return when `condition` answers that it is so; fail if it does not in time."""
    async with asyncio.timeout(seconds):
        while True:
            asked = time.monotonic()
            if await condition():
                return
            await asyncio.sleep(max(POLL, min(2 * (time.monotonic() - asked), MOST_POLL)))


def tell(text: str) -> None:
    """Say what was measured: pytest shows it with `-s`, or when a test fails."""
    sys.stdout.write(f"{text}\n")


def run(work: Coroutine[Any, Any, T], seconds: float = 120.0) -> T:
    """Run a test's coroutine, bounded."""

    async def bounded() -> T:
        return await asyncio.wait_for(work, seconds)

    return uvloop.run(bounded())


@dataclass(frozen=True)
class Installation:
    """One that is up for a test of its own."""

    home: Home
    myriad: Myriad
    process: Up
    server: Server  # as it was when it began: it stays so, also while it is down

    @property
    def place(self) -> Place:
        """Where people connect."""
        return Place(self.server.host, self.server.port)

    @property
    def door(self) -> psutil.Process:
        """The door's process; fails if there is none."""
        found = door.running(self.home)
        assert found is not None
        return found

    def sql(self, text: str, database: str = "main") -> list[Any]:
        """Run SQL as administrator, around the door."""
        with closing(self.connect(database)) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    def connect(self, database: str = "main") -> psycopg.Connection:
        """Connect as administrator, around the door."""
        dsn = make_conninfo(self.server.dsn, dbname=database)
        return psycopg.connect(dsn, autocommit=True)

    def add(self, names: Sequence[str], groups: Sequence[str] = ("everybody",)) -> None:
        """Add people with PASSWORD: one verifier for all costs one person's time."""
        self.myriad.people.add_people(names, groups, passwords={names[0]: PASSWORD})
        self.same_passwords(names)

    def same_passwords(self, names: Sequence[str]) -> None:
        """Give everybody the password of the first."""
        with closing(self.connect("myriad")) as connection:
            connection.execute(
                "UPDATE pg_authid SET rolpassword = (SELECT rolpassword FROM pg_authid"
                " WHERE rolname = %s) WHERE rolname = ANY(%s)",
                [names[0], list(names)],
            )

    def working(self) -> list[tuple[str, str, str]]:
        """Return state, role and text of what PostgreSQL does for the door's people now."""
        return self.sql(
            "SELECT state, usename::text, query FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND state <> 'idle'"
            " AND pid <> pg_backend_pid() AND application_name !~ '^myriad door'"
        )

    def is_quiet(self) -> bool:
        """Whether PostgreSQL does nothing for people."""
        return not self.working()


@contextmanager
def installed_copy(made: Path, **settings: object) -> Iterator[Installation]:
    """Run `myriad up` on a copy of that home."""
    with reachable_folder() as folder:
        subprocess.run(["cp", "-a", made, folder / "home"], check=True)
        with installed(Home(folder / "home"), **settings) as found:
            yield found


@contextmanager
def installed(home: Home, **settings: object) -> Iterator[Installation]:
    """Run `myriad up` with these settings, and a group `everybody` that reads `main`."""
    environment = {f"MYRIAD_{name.upper()}": str(value) for name, value in settings.items()}
    with up(home, **environment) as started:
        started.wait_ready()
        opened = myriad.open(home)
        found = Installation(home, opened, started, opened.server())
        if "everybody" not in {group.name for group in found.myriad.people.list_groups()}:
            found.myriad.people.add_groups(["everybody"])
            found.myriad.people.grant("everybody", "public", "main")
        yield found
        if started.process.poll() is None:
            assert started.end() == 0


def most_clients(wanted: int) -> int:
    """Return how many connections fit in this machine's limit of files; says so if fewer."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    fitting = most if most != resource.RLIM_INFINITY else wanted + SPARE_FILES
    if fitting - SPARE_FILES < wanted:
        tell(f"a process may open {most} files here: {fitting - SPARE_FILES}, not {wanted}")
    return min(wanted, fitting - SPARE_FILES)


def resident_mb(found: psutil.Process) -> float:
    """Return the memory of a process in MB."""
    return float(found.memory_info().rss) / 1e6
