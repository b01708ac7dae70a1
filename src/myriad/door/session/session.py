"""What one client does after its login: statements go to the pool's connections, answers come back.

No task, future or timer for a statement: the loop calls `data_received` here and in `Backend`.
A *unit* is what ends with one ReadyForQuery: a simple query, or extended messages up to Sync.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from myriad.door.control.copy_text import fields
from myriad.door.server.backend import Backend
from myriad.door.server.settings import Values
from myriad.door.server.statements import CLOCK
from myriad.door.session import copying, quota, settle, signals, telling, waits
from myriad.door.session.extended import Extended
from myriad.door.session.frontend import Frontend
from myriad.door.session.refusals import left, lost, refuse_unit, refuse_waiting
from myriad.door.session.standing import stands
from myriad.door.verdict.verdict import Verdict
from myriad.pgwire import kinds, wire
from myriad.pgwire.faults import Fault
from myriad.pgwire.kinds import QUERY, SYNC
from myriad.pgwire.wire import HEADER_BYTES

if TYPE_CHECKING:
    from myriad.door.control.accounts import Account
    from myriad.door.door import Door
    from myriad.door.pool.pool import Pool

NOTHING: frozenset[str] = frozenset()
MOST_TEXT_BYTES = 1000  # kept of the last statement, for audit and activity


class Session(Frontend):
    """A client that is logged in.

    Attributes:
        pool: where its statements run; when its rights change it is `next_pool`, as soon as it can.
        initial: the settings it began with, which RESET brings back.
        values: the settings it has now.
        status: of its transaction, as ReadyForQuery says.
        bridged: a query came before the Sync of a unit, and a Sync of ours went ahead of it.
        skipping: after a refusal, everything up to Sync is passed over.
        refusal: takes the place of the server's error about the statement that is never there.
        copying: the COPY FROM STDIN that is under way, or about to be.
        reason: takes the place of the server's word that a statement was cancelled.
        pin: why the server connection stays with this session, empty if it does not.
        tries: server connections that were lost before they could be used.
        touched, restored: settings that this transaction may have changed, or reset.
        local: settings that it may have changed until its own end.
        since: when the session got its server connection, by the clock of statements.
    """

    __slots__ = (
        "account",
        "acked",
        "address",
        "began",
        "bridged",
        "bytes",
        "bytes_before",
        "changed_at",
        "copying",
        "door",
        "errors",
        "extended",
        "initial",
        "key",
        "local",
        "muted",
        "next_pool",
        "number",
        "pin",
        "pool",
        "reason",
        "refusal",
        "renews",
        "restored",
        "rows",
        "rows_before",
        "sequences",
        "since",
        "skipping",
        "special",
        "status",
        "text",
        "touched",
        "tries",
        "unit",
        "values",
        "wants_pin",
        "who",
    )

    def __init__(
        self,
        door: "Door",
        transport: asyncio.Transport,
        account: "Account",
        pool: "Pool",
        values: Values,
        address: str,
    ) -> None:
        super().__init__(transport)
        self.door, self.account, self.pool, self.address = door, account, pool, address
        self.who = fields(account.name, pool.database, address)  # as the audit has them
        self.initial = self.values = values
        self.number, self.key = 0, b""
        self.next_pool: Pool | None = None
        self.status = wire.IDLE
        self.skipping = self.muted = self.bridged = False
        self.copying: copying.Copying | None = None
        self.unit = False  # something was sent to the server that Sync has not followed yet
        self.special = self.sequences = self.renews = False
        self.acked = self.tries = 0
        self.refusal: Fault | None = None
        self.reason: Fault | None = None
        self.pin = self.wants_pin = ""
        self.touched = self.restored = self.local = NOTHING
        self.since = 0
        self.errors, self.text = "", b""
        self.extended: Extended | None = None
        self.began = self.changed_at = time.monotonic()
        self.rows = self.bytes = self.rows_before = self.bytes_before = 0

    def begin(self, statuses: bytes) -> None:
        """Tell the client that it is logged in, and what cancels its statements."""
        named = wire.parameter_status("session_authorization", self.account.name)
        key = wire.key_data(self.number, self.key)
        self.transport.write(statuses + named + key + wire.READY[wire.IDLE])

    # From the client

    def handle(self, kind: int, data: bytes, position: int, stop: int) -> bool:
        """Handle one message; False if it must wait for a server connection."""
        if kind == QUERY and not self.skipping:
            return self._query(data, position, stop)
        if kind in kinds.COPY_ENDS:
            return copying.ends(self, data[position:stop])
        if kind == kinds.TERMINATE:
            self.leave()
            return False
        if kind == SYNC:
            if self.extended is not None:
                self.extended.again.ends(data, stop)
            return self._sync()
        if self.skipping:
            return True
        if self.copying is not None and kind != kinds.FLUSH and self.copying.ends_by(kind):
            return False
        if self.extended is None:
            self.extended = Extended(self)
        return self.extended.handle(kind, data, position, stop)

    def _query(self, data: bytes, position: int, stop: int) -> bool:
        if self.unit and self.extended is not None:
            return self.extended.end_early()
        text = data[position + HEADER_BYTES : stop - 1]
        verdict = self.verdict_of(text)
        if verdict is None:
            return False
        if self.extended is not None:
            self.extended.unnamed.end()
        if not verdict.plain and (fault := settle.objection(self, verdict)):
            refuse_unit(self, fault, text)
            return True
        backend = self.backend or self.acquire()
        if backend is None or not (verdict.plain or stands(self, backend, verdict)):
            return False
        self.start_unit(text)
        backend.unnamed, backend.bound = None, False  # a simple query ends both
        if verdict.plain:
            message = data if stop - position == len(data) else data[position:stop]
        else:
            settle.leave_behind(self, verdict)
            message = settle.rewritten(self, text, verdict)
        self.awaiting = True
        backend.transport.write(message)
        return True

    def verdict_of(self, text: bytes) -> Verdict | None:
        """Return what a text leaves behind; None if finding out takes a while."""
        verdict = self.pool.verdicts.of(text)
        if verdict is None:
            self.study = self.wait_for(waits.study(self, text))
        return verdict

    def _sync(self) -> bool:
        self.skipping = False
        if self.copying is not None and self.copying.takes_sync():
            return True
        if self.backend is None or (self.pin and not self.unit and not self.in_transaction):
            self.transport.write(wire.READY[self.status])
            return True
        self.unit = False
        self.awaiting = True
        self.backend.transport.write(wire.SYNC)
        return True

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction block is open."""
        return self.status != wire.IDLE

    @property
    def busy(self) -> bool:
        """Whether the server works, or may, for this session."""
        return self.awaiting or self.unit

    def copies(self) -> bool:
        """Say whether COPY data may go to the server now; as there, it is passed over elsewhere."""
        return (self.awaiting or self.unit) and not self.paused

    def goes_ahead(self, kind: int) -> bool:
        """Say whether such a message may go to the server now, as COPY is under way."""
        return copying.goes_ahead(self, kind)

    def takes_more(self) -> bool:
        """Say whether the server's answers may come now; they always may if none is passed on."""
        return self.muted or not self.full

    def copied(self) -> None:
        """Let go of a server connection that only waited for the rest of a message."""
        if not self.busy and not self.in_transaction:
            self._let_go()

    def count(self, more: int) -> None:
        """Count so many bytes more, or less, of what is held for this client, if it is much."""
        self.door.room.change(self.account, more)

    def wait_for(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Hold the client back until `work` lets it go on; where that fails, the session ends."""
        self.paused = True
        return self.door.spawn(waits.guarded(self, self.backend, work))

    # To the server

    def acquire(self) -> Backend | None:
        """Return a server connection with our settings; None if that takes a while."""
        backend = self.pool.take(self)
        if backend is None:
            self.paused = True
            self.changed_at = time.monotonic()
            return None
        return backend if self._attach(backend) else None

    def granted(self, backend: Backend) -> None:
        """Take the server connection that we waited for."""
        if self._attach(backend):
            self.resume()

    def _attach(self, backend: Backend) -> bool:
        backend.session = self
        self.take(backend)
        self.since = CLOCK.now
        self.account.running += 1
        if self.pool.whole_sessions and not self.pin:
            settle.keep(self, backend, settle.WHOLE_SESSION)
        if backend.values is self.values:
            return True
        self.wait_for(settle.adopt(self, backend))
        return False

    def queued_too_long(self) -> None:
        """Answer that nobody could serve the statement in time."""
        refuse_waiting(self, quota.queued(self))

    def move(self, pool: "Pool") -> None:
        """Run what comes next in another pool: the person's rights have changed."""
        if self.backend is not None:  # it is guarded as its own pool is
            self.next_pool = pool
            return
        old, self.pool, self.next_pool = self.pool, pool, None
        self.who = fields(self.account.name, pool.database, self.address)
        pool.sessions += 1
        old.leave()
        if self.paused:
            old.give_up(self)
            self.resume()

    def start_unit(self, text: bytes) -> None:
        """Note what begins now, for limits and audit."""
        self.text = text if len(text) < MOST_TEXT_BYTES else text[:MOST_TEXT_BYTES]
        self.began = time.monotonic()
        self.errors = ""
        self.rows_before, self.bytes_before = self.rows, self.bytes

    # From the server

    def deliver(self, data: bytes, rows: int, begin: int = 0) -> None:
        """Pass on a part of an answer; what is no row is passed on whatever the limits are."""
        if self.muted:
            return
        self.rows += rows
        self.bytes += len(data)
        account = self.account
        if self.rows > account.most_rows or self.bytes > account.most_bytes:
            data = quota.within_limits(self, data, rows, begin)
        self.transport.write(data)

    def finished(self, status: int, data: bytes, rows: int, begin: int = 0) -> None:
        """Pass on the end of an answer, and let the server connection go."""
        if self.extended is not None:
            if self.extended.again.due:
                self.awaiting = self.unit = False
                self.extended.send_again()
                return
            self.extended.unit_over()
        elif self.special:
            self.special = False
        if self.copying is not None:
            self.copying.unit_over()
        later = self.touched or self.restored or self.wants_pin or self.renews or self.copying
        in_doubt = self.extended is not None and self.extended.unnamed.in_doubt
        if not (later or in_doubt or self.muted or self.bridged):
            self.deliver(data, rows, begin)
            if not self.muted:
                self.ready(status)
                return
        else:
            self.deliver(data[:-6], rows, begin)
        self.wait_for(settle.before_ready(self, status))

    def ready(self, status: int) -> None:
        """End the unit: the client has been told, or is told by the caller."""
        self.awaiting = self.unit = self.bridged = False
        self.copying = None
        self.tries = 0
        self.status = status
        self.changed_at = time.monotonic()
        self.reason = None  # a statement that is cancelled later has a reason of its own
        self.door.audit.add(self)
        if self.backend is not None and self.backend.aims:
            signals.act(self, self.backend)
        if status == wire.IDLE:
            self.sequences = False
            self.local = NOTHING
            self._let_go()
            if self.next_pool is not None:
                self.move(self.next_pool)
        if self._buffer and not self.paused:
            self.resume()

    def _let_go(self) -> None:
        """Give the server connection back, unless it is ours for longer."""
        if self.backend is None or self.passing:
            return
        if self.pin != settle.HOLDABLE:
            self.rows = self.bytes = 0
        if self.pin:
            return
        backend = self.detach()
        if backend is not None:
            backend.pool.release(backend)

    def notable(self, kind: int, message: bytes) -> None:
        """Take a message that may need a change, and pass it on."""
        if kind == kinds.ERROR:
            telling.failed(self, message)
            return
        if kind in {kinds.COPY_IN, kinds.COPY_BOTH}:
            copying.begins(self)
        elif kind in kinds.ASIDE:
            message = telling.said_aside(self, message)
        elif self.extended is not None:
            message = self.extended.answers.seen(kind, message)
        if message:
            self.deliver(message, 0)
        if kind == kinds.COMMAND_COMPLETE:
            settle.completed(self, message)

    def lost(self, fault: Fault, *, within: bool) -> None:
        """Tell the client that its server connection is gone, and with it what it ran there."""
        lost(self, fault, within=within)

    # Its end

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Give everything back."""
        left(self)

    def detach(self) -> Backend | None:
        """Let go of the server connection; the caller says what becomes of it."""
        backend = self.let_go()
        if backend is not None:
            self.account.running -= 1
            self.unpin(backend)
        return backend

    def unpin(self, backend: Backend) -> None:
        """Keep the server connection no longer than for this transaction."""
        if self.pin:
            self.pin = ""
            backend.pool.pinned -= 1
            self.account.pinned -= 1
