"""What the door itself asks on a connection to the server, beside what sessions send there."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from myriad.door.server import settings
from myriad.door.server.outgoing import Outgoing
from myriad.door.server.statements import Description, columns_of, parameters_of
from myriad.pgwire import wire
from myriad.pgwire.faults import Fault, Refused
from myriad.pgwire.kinds import (
    DATA_ROW,
    EMPTY_QUERY,
    ERROR,
    NO_DATA,
    PARAMETER_DESCRIPTION,
    PARAMETER_STATUS,
    READY,
    ROW_DESCRIPTION,
)
from myriad.pgwire.wire import HEADER_BYTES, header

STATUS = frozenset((EMPTY_QUERY, READY))
COLUMNS = frozenset((ROW_DESCRIPTION, NO_DATA))
NO_SUCH_STATEMENT = "26000"  # invalid_sql_statement_name
CANCELLED = "57014"  # query_canceled: by request, or by statement_timeout
MOST_TRIES = 20  # a limit of a millisecond hits one in some thousands of what takes so little
AT_ONCE = 20  # settings that are read in one question: each may have 16 kB, three times
JOB_SECONDS = 30.0  # that a query of the door's own may take: none of them waits for anybody
CANCEL_LOOK = 0.005  # seconds between looks whether a request to cancel has arrived

# What begins and ends a moment within a transaction block that leaves nothing behind.
SAVE, BACK = "SAVEPOINT myriad", "ROLLBACK TO SAVEPOINT myriad; RELEASE SAVEPOINT myriad"
Setting = tuple[str, str | None, str | None, str | None]


class Lost(Exception):
    """The server connection ended before it had answered."""


@dataclass(slots=True)
class _Job:
    """What the door itself asks: its answer never reaches a client, but for changed settings."""

    done: asyncio.Future[Any]
    tell: Callable[[bytes], None] | None = None
    began: float = field(default_factory=time.monotonic)
    rows: list[list[str | None]] = field(default_factory=list)
    described: list[bytes] | None = None
    statuses: list[int] | None = None
    is_over: bool = True
    fault: Fault | None = None

    def note_status(self, kind: int, body: bytes) -> None:
        """Note a ReadyForQuery; it is the query's own behind EmptyQueryResponse."""
        if kind == EMPTY_QUERY:
            self.is_over = True
        elif self.statuses is not None:
            self.statuses.append(body[0])

    @property
    def result(self) -> list[list[str | None]] | Description | list[int]:
        if self.statuses is not None:
            return self.statuses
        return self.rows if self.described is None else Description(*self.described)


class Asker(asyncio.Protocol):
    """The half of a server connection that runs queries of the door's own, one after the other.

    Attributes:
        bound: the portal that is here without a name was made by a Bind.
        cancels: requests to cancel that are under way and could still hit it.
        held: the begin of a message of the server's.
        parameters: what the server reported of its settings.
        reading: what the server sends is read now; only `regulate` begins and ends that.
        unnamed: the token of the statement that is here without a name.
    """

    __slots__ = (
        "_jobs",
        "bound",
        "cancels",
        "closed",
        "held",
        "parameters",
        "reading",
        "transport",
        "unnamed",
    )

    def __init__(self, transport: Outgoing) -> None:
        self.transport = transport
        self.parameters: dict[str, str] = {}
        self.unnamed: int | None = None
        self.bound = self.closed = False
        self.cancels = 0
        self.reading = True
        self.held = b""
        self._jobs: deque[_Job] = deque()

    def regulate(self) -> None:
        """Read what the server sends, or let it wait."""
        raise NotImplementedError

    def hold(self, data: bytes, position: int, size: int) -> int:
        """Keep the begin of a message until the rest of it is there; return the data's end."""
        raise NotImplementedError

    def is_last_word(self, body: bytes) -> bool:
        """Remember why the server is about to end this connection; say whether it is."""
        raise NotImplementedError

    def note_error(self, code: str, before: str) -> None:
        """Hear of an error, and of the one `before` it in the same unit."""
        raise NotImplementedError

    def note_parameter(self, body: bytes) -> None:
        """Remember what the server reports of a setting."""
        raise NotImplementedError

    def run(
        self, sql: str, tell: Callable[[bytes], None] | None = None
    ) -> asyncio.Future[list[list[str | None]]]:
        """Run a query of the door's own and return its rows as text.

        `tell` gets the messages about changed settings. Raises Refused, Lost.
        """
        return self._ask(_Job(asyncio.get_running_loop().create_future(), tell), wire.query(sql))

    def prepare(self, name: bytes, sql: bytes, types: bytes) -> asyncio.Future[Description]:
        """Prepare a statement, in place of any of that name, and return its description.

        Raises Refused, Lost.
        """
        prepare = wire.close_statement(name) + wire.parse(name, sql, types)
        message = prepare + wire.describe_statement(name) + wire.SYNC
        return self._ask(_Job(asyncio.get_running_loop().create_future(), described=[]), message)

    async def has_unnamed(self) -> bool:
        """Say whether there is a statement without a name; raises Lost."""
        job = _Job(asyncio.get_running_loop().create_future(), described=[])
        try:
            await self._ask(job, wire.describe_statement(b"") + wire.SYNC)
        except Refused as refused:
            return refused.fault.code != NO_SUCH_STATEMENT  # but that nothing may be described now
        return True

    def _ask(self, job: _Job, message: bytes) -> asyncio.Future[Any]:
        if self.closed:
            job.done.set_exception(Lost())
            return job.done
        self.unnamed, self.bound = None, False  # a simple query ends both
        self._jobs.append(job)
        self.transport.write(message)
        if not self.reading:
            self.regulate()
        return job.done

    def statuses(self, begin: bytes = b"") -> asyncio.Future[list[int]]:
        """Send messages and an empty query; return the status in each ReadyForQuery up to its own.

        Raises Lost.
        """
        job = _Job(asyncio.get_running_loop().create_future(), statuses=[], is_over=False)
        return self._ask(job, begin + wire.query(""))

    async def ask(
        self, sql: str, tell: Callable[[bytes], None] | None = None, *, before: str = ""
    ) -> list[list[str | None]]:
        """Run a query of the door's own outside of a transaction block, under nobody's settings.

        What is to come `before` runs under those of who was here. What a limit of theirs hits all
        the same, or a request to cancel what they ran, is run again. Raises Refused, Lost.
        """
        text = before + settings.undisturbed(self.version) + sql
        for _ in range(MOST_TRIES):
            try:
                return await self.run(text, tell)
            except Refused as refused:
                if refused.fault.code != CANCELLED:
                    raise
        return await self.run(text, tell)

    async def settings(self, names: Iterable[str], *, within: bool) -> list[Setting]:
        """Return settings: name, value, the server's own value, and the value as it compares.

        Some at once, and no more behind what is too much for a session: see `settings.is_too_much`.
        `within` a transaction block, which stays as it is. Raises Refused, Lost.
        """
        left, found = sorted(names), list[Setting]()
        while left and not settings.is_too_much({name: value or "" for name, value, _, _ in found}):
            found += await self._some_settings(left[:AT_ONCE], within=within)
            del left[:AT_ONCE]
        return found

    async def _some_settings(self, names: list[str], *, within: bool) -> list[Setting]:
        shown = [name for name in settings.ours(self.version) if name in names]
        others = sorted(set(names).difference(shown))
        before, sql = settings.showing(shown), settings.reading(others) if others else ""
        if within:
            first = settings.for_transaction(self.version)
            rows = iter(await self.run(f"{SAVE}; {before}{first}{sql}; {BACK}"))
        else:
            rows = iter(await self.ask(sql, before=before))
        found = [(name, value := next(rows)[0], next(rows)[0], value) for name in shown]
        return [*found, *((row[0] or "", row[1], row[2], row[3]) for row in rows)]

    @property
    def version(self) -> str:
        """Of the server, as it says it."""
        return self.parameters.get("server_version", "")

    def is_overdue(self, now: float) -> bool:
        """Say whether the server owes the door an answer for too long."""
        return bool(self._jobs) and now - self._jobs[0].began > JOB_SECONDS

    def is_held_up(self, now: float, seconds: float) -> bool:
        """Say whether a question waits longer than that for the rest of a client's message."""
        return self.transport.held_up and bool(self._jobs) and now - self._jobs[0].began > seconds

    async def outlive_cancel(self) -> None:
        """Return when no request to cancel can hit what runs here next; raises Lost."""
        while self.cancels and not self.closed:  # noqa: ASYNC110 - seldom, and few looks
            await asyncio.sleep(CANCEL_LOOK)
        try:
            await self.run("SHOW server_version")
        except Refused:  # it was hit by the last one
            await self.run("SHOW server_version")

    def answer_job(self, data: bytes, position: int) -> int:
        """Take the answer of the first job; return where what is not part of it begins."""
        job = self._jobs[0]
        end = len(data)
        while end - position >= HEADER_BYTES:
            kind, size = header(data, position)
            stop = position + size + 1
            if stop > end:
                return self.hold(data, position, size)
            self._answer_part(job, kind, data[position:stop])
            position = stop
            if kind == READY and job.is_over:
                self._jobs.popleft()
                self.regulate()
                self._finish(job)
                return position
        self.held = data[position:]
        return end

    def _answer_part(self, job: _Job, kind: int, message: bytes) -> None:
        body = message[HEADER_BYTES:]
        if kind == DATA_ROW:
            job.rows.append(wire.row(body))
        elif kind == PARAMETER_DESCRIPTION and job.described is not None:
            job.described.append(parameters_of(message))
        elif kind in COLUMNS and job.described is not None:
            job.described.append(columns_of(message))
        elif job.statuses is not None and kind in STATUS:
            job.note_status(kind, body)
        elif kind == ERROR and not self.is_last_word(body):
            fields = wire.error_fields(body)
            self.note_error(fields.get("C", ""), job.fault.code if job.fault else "")
            job.fault = Fault(fields.get("C", ""), fields.get("M", ""), fields.get("H", ""))
        elif kind == PARAMETER_STATUS:
            self.note_parameter(body)
            if job.tell:
                job.tell(message)

    def _finish(self, job: _Job) -> None:
        if job.done.done():  # nobody waits for it any more
            return
        if job.fault:
            job.done.set_exception(Refused(job.fault))
        else:
            job.done.set_result(job.result)

    def end_jobs(self) -> None:
        """Tell those who wait for an answer that there will be none."""
        jobs, self._jobs = self._jobs, deque()
        for job in jobs:
            if not job.done.done():
                job.done.set_exception(Lost())
