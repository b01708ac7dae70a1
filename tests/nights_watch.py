"""Who is at work while tables are published: readers through the door, and somebody who writes.

A reader takes every answer to be a state that was shown at some time while it was asked for: whole,
with its very types. So half a table, a stale one, or one of other types fails it.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg.types.string import TextLoader

from tests.nights import State, state

READERS = 20
# Seconds between two questions of one reader, so that publishes come to their turn; on a busy
# machine it is so many times as long as the answer took.
PAUSE, PAUSES = 0.5, 10
THEIRS = 10**9  # keys from here on are the writer's
TYPES = {20: "bigint", 1700: "numeric", 25: "text"}


def as_text(connection: psycopg.Connection) -> psycopg.Connection:
    """Have numbers of this connection come as the text that the server sends."""
    for name in ("int8", "numeric"):
        connection.adapters.register_loader(name, TextLoader)
    return connection


def seen(connection: psycopg.Connection, table: str) -> State:
    """Return what a table is, but for the writer's rows; its rows and types by one question."""
    cursor = connection.execute(f'SELECT * FROM "{table}"'.encode(), prepare=False)
    types = {each.name: TYPES[each.type_code] for each in cursor.description or ()}
    rows = (dict(zip(types, row, strict=True)) for row in cursor if int(row[0]) < THEIRS)
    return state(types, rows)


@dataclass
class Shown:
    """A state, and from when until when it may be seen; None: still."""

    state: State
    since: float
    until: float | None = None


class Timeline:
    """Which states of which table may be seen when."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: dict[str, list[Shown]] = {}

    def may_come(self, table: str, state: State) -> None:
        """Note what may be shown from now on."""
        with self._lock:
            self._shown.setdefault(table, []).append(Shown(state, time.monotonic()))

    def is_now(self, table: str, state: State) -> None:
        """Note that nothing but `state` may be shown from now on."""
        with self._lock:
            now = time.monotonic()
            for each in self._shown[table]:
                if each.state != state and each.until is None:
                    each.until = now
            kept = [each for each in self._shown[table] if (each.until or now) > now - 60]
            self._shown[table] = kept

    def allows(self, table: str, state: State, since: float, *, marks: bool = False) -> bool:
        """Say whether a state, or just its marks, may have been seen since then."""
        with self._lock:
            known = [
                each.state
                for each in self._shown[table]
                if each.until is None or each.until >= since
            ]
        if marks:
            return state.rows in {each.marks() for each in known}
        return state in known


@dataclass
class Crowd:
    """Readers of some tables; `views` of them have the columns that never go."""

    uris: list[str]
    tables: list[str]
    timeline: Timeline
    reads: list[int] = field(default_factory=lambda: [0] * READERS)
    stop: threading.Event = field(default_factory=threading.Event)
    jobs: list[Future[None]] = field(default_factory=list)

    def failed(self) -> bool:
        """Say whether somebody is not at work any more."""
        return any(job.done() for job in self.jobs)

    def read(self, number: int) -> None:
        """Read until told to stop; fails on an answer that should not be."""
        turn = number
        with closing(psycopg.connect(self.uris[number], autocommit=True)) as connection:
            as_text(connection)
            took = 0.0
            while not self.stop.wait(max(PAUSE, PAUSES * took)):
                turn += 1
                asked = time.monotonic()
                self._ask(connection, self.tables[turn % len(self.tables)], way=number % 4)
                took = time.monotonic() - asked
                self.reads[number] += 1

    def _ask(self, connection: psycopg.Connection, table: str, way: int) -> None:
        since = time.monotonic()
        if way < 2:
            found = seen(connection, table)
        elif way == 2:  # a plan that is kept meets a table that was swapped
            found = _marks(connection, f'SELECT id, mark FROM "{table}" WHERE id < %s')
        else:
            found = _marks(connection, f'SELECT id, mark FROM "{table}_seen" WHERE id < %s')
        allowed = self.timeline.allows(table, found, since, marks=way >= 2)
        assert allowed, f"{table}: nobody published this: {found}"


def _marks(connection: psycopg.Connection, question: str) -> State:
    rows = connection.execute(question.encode(), [THEIRS], prepare=True).fetchall()
    return State((), frozenset(rows))


@dataclass
class Writer:
    """Somebody with a right to write, who adds rows to a table one by one."""

    uri: str
    table: str
    crowd: Crowd
    written: list[int] = field(default_factory=list)  # keys of rows that are committed

    def write(self) -> None:
        """Add rows until told to stop; each is committed."""
        statement = f'INSERT INTO "{self.table}" (id, mark) VALUES (%s, -1)'.encode()
        with closing(psycopg.connect(self.uri, autocommit=True)) as connection:
            number = THEIRS
            while not self.crowd.stop.wait(PAUSE):
                connection.execute(statement, [number])
                self.written.append(number)
                number += 1


@contextmanager
def at_work(crowd: Crowd, writer: Writer) -> Iterator[None]:
    """Have them at work; at the end the first failure of one of them is raised."""
    with ThreadPoolExecutor(READERS + 1) as pool:
        crowd.jobs = [pool.submit(crowd.read, n) for n in range(READERS)]
        crowd.jobs.append(pool.submit(writer.write))
        try:
            yield
        finally:
            crowd.stop.set()
            ended = [job.exception(60) for job in crowd.jobs]
        for error in filter(None, ended):
            raise error
