"""What one client does after its login: statements go to the pool's connections, answers come back.

No task, future or timer for a statement: the loop calls `data_received` here and in `Backend`.
What is known of the session stands in `state`; what happens seldom has a file of its own.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from myriad.door.pool.pool import Pool
from myriad.door.ports import Client
from myriad.door.server.backend import Backend
from myriad.door.server.statements import CLOCK
from myriad.door.session import (
    copying,
    finishing,
    guard,
    messages,
    own_password,
    quota,
    refusals,
    signals,
    waits,
)
from myriad.door.session.client_statements import ClientStatements
from myriad.door.session.extended import Extended
from myriad.door.session.pin import HOLDABLE, WHOLE_SESSION
from myriad.door.session.profiles import Profile
from myriad.door.session.sql_execute import stands
from myriad.door.session.state import SessionState, Shared, Whose
from myriad.door.verdict.verdict import Verdict
from myriad.pgwire import kinds, wire
from myriad.pgwire.faults import Fault
from myriad.pgwire.kinds import QUERY, SYNC
from myriad.pgwire.wire import HEADER_BYTES


class Session(SessionState):
    """A client that is logged in.

    Attributes:
        key: what it cancels with, beside its number.
        statuses: what the client is told of its settings when it begins.
        next_pool: where its statements are to run as soon as they can: its rights have changed.
    """

    __slots__ = ("_extended", "key", "next_pool", "statuses")

    def __init__(self, client: Client, shared: Shared, whose: Whose, profile: Profile) -> None:
        super().__init__(client, shared, whose, profile.values)
        self.key, self.statuses = b"", profile.statuses
        self.next_pool: Pool | None = None
        self._extended: Extended | None = None

    def begin(self) -> None:
        """Tell the client that it is logged in, and what cancels its statements."""
        self.shared.watch(self)
        named = wire.parameter_status("session_authorization", self.account.name)
        key = wire.key_data(self.number, self.key)
        statuses, self.statuses = self.statuses, b""
        self.transport.write(statuses + named + key + wire.READY[wire.IDLE])

    # From the client

    def handle(self, kind: int, data: bytes, position: int, stop: int) -> bool:
        """Handle one message; False if it must wait for a server connection."""
        unit = self.unit
        if kind == QUERY and not unit.skipping:
            return self._query(data, position, stop)
        if kind in kinds.COPY_ENDS:
            return copying.ends(self, data[position:stop])
        if kind == kinds.TERMINATE:
            self.leave()
            return False
        if kind == SYNC:
            if self.statements is not None:
                self.statements.resend.ends(data, stop)
            return self._sync()
        if unit.skipping:
            return True
        if unit.copy is not None and kind != kinds.FLUSH and copying.ends_by(self, kind):
            return False
        if self._extended is None:
            self.statements = ClientStatements(self, unit, self.quota)
            self._extended = Extended(self, self.statements)
        return self._extended.handle(kind, data, position, stop)

    def _query(self, data: bytes, position: int, stop: int) -> bool:
        if self.unit.open and self._extended is not None:
            return self._extended.end_early()
        text = data[position + HEADER_BYTES : stop - 1]
        verdict = self.verdict_of(text)
        if verdict is None:
            return False
        if self.statements is not None:
            self.statements.unnamed.end()
        if not verdict.plain and (fault := guard.objection(self, verdict)):
            refusals.refuse_unit(self, fault, text)
            return True
        if (wanted := own_password.own(self, verdict)) is not None:
            own_password.query(self, text, verdict, wanted)
            return True
        backend = self.backend or self.acquire()
        if backend is None or not (verdict.plain or stands(self, backend, verdict)):
            return False
        self.unit.start(text, self.quota, verdict.shape)
        backend.unnamed, backend.bound = None, False  # a simple query ends both
        if verdict.plain:
            message = data if stop - position == len(data) else data[position:stop]
        else:
            guard.leave_behind(self, verdict)
            message = guard.rewritten(self, text, verdict)
        self.awaiting = True
        if verdict.may_load:
            copying.sent(self)
        backend.transport.write(message)
        return True

    def verdict_of(self, text: bytes) -> Verdict | None:
        """Return what a text leaves behind; None if finding out takes a while."""
        verdict = self.pool.verdicts.of(text)
        if verdict is None:
            self.study = self.wait_for(waits.study(self, text))
        return verdict

    def _sync(self) -> bool:
        unit = self.unit
        if unit.skipping:
            unit.skip(skipping=False)
        if unit.copy is not None and copying.takes_sync(self):
            return True
        if self.backend is None or (self.pin.reason and not unit.open and not self.in_transaction):
            self.transport.write(wire.READY[unit.status])
            return True
        unit.close()
        self.awaiting = True
        self.backend.transport.write(wire.SYNC)
        return True

    def copies(self) -> bool:
        """Say whether COPY data may go to the server now; as there, it is passed over elsewhere."""
        return self.unit.copy is not None and self.busy and not self.paused

    def goes_ahead(self, kind: int) -> bool:
        """Say whether such a message may go to the server now, as COPY is under way."""
        return copying.goes_ahead(self, kind)

    def takes_more(self) -> bool:
        """Say whether the server's answers may come now; they always may if none is passed on."""
        return self.quota.muted or not self.full

    def copied(self) -> None:
        """Let go of a server connection that only waited for the rest of a message."""
        if not self.busy and not self.in_transaction:
            self._let_go()

    def count(self, more: int) -> None:
        """Count so many bytes more, or less, of what is held for this client, if it is much."""
        self.shared.room.change(self.account, more)

    def wait_for(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Hold the client back until `work` lets it go on; where that fails, the session ends."""
        self.paused = True
        return self.shared.spawn(waits.guarded(self, self.backend, work))

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
        if self.shared.siblings.several:
            self.note_server(backend.number)
        if self.pool.whole_sessions and not self.pin.reason:
            self.pin.keep(self.account, self.pool, WHOLE_SESSION)
        if backend.values is self.parameters.values:
            return True
        self.wait_for(waits.apply_settings(self, backend))
        return False

    def give_up(self) -> None:
        """Wait for a server connection no more."""
        self.pool.give_up(self)

    def queued_too_long(self) -> None:
        """Answer that nobody could serve the statement in time."""
        refusals.refuse_waiting(self, quota.queued(self.account))

    def move(self, pool: Pool) -> None:
        """Run what comes next in another pool: the person's rights have changed."""
        if self.backend is not None:  # it is guarded as its own pool is
            self.next_pool = pool
            return
        old, self.pool, self.next_pool = self.pool, pool, None
        self.who = self.who_in(pool)
        pool.sessions += 1
        old.leave()
        if self.paused:
            old.give_up(self)
            self.resume()

    # From the server

    def deliver(self, data: bytes, rows: int, begin: int = 0) -> None:
        """Pass on a part of an answer; what is no row is passed on whatever the limits are."""
        used = self.quota
        if used.muted:
            return
        if used.count(rows, len(data)) and quota.counts(data, rows, begin):
            data = self._within_limits(data, rows, begin)
        self.transport.write(data)

    def _within_limits(self, data: bytes, rows: int, begin: int) -> bytes:
        """Return what of an answer may still be passed on, and end the statement."""
        self.unit.explain(self.quota.too_much())
        data = self.quota.cut(data, rows, begin)
        if self.backend is not None:
            self.backend.regulate()
        self.shared.stop(self)
        return data

    def finished(self, status: int, data: bytes, rows: int, begin: int = 0) -> None:
        """Pass on the end of an answer, and let the server connection go."""
        unit, statements, in_doubt = self.unit, self.statements, False
        if statements is not None:
            if statements.resend.due:
                self.awaiting = False
                unit.close()
                statements.send_again()
                return
            statements.unit_over(status)
            in_doubt = statements.unnamed.in_doubt
        elif self.special:
            self.special = False
        if unit.copy is not None:
            copying.unit_over(self, unit.copy)
        mine = self.parameters
        later = mine.touched or mine.restored or mine.renews or self.pin.wanted
        in_doubt = in_doubt or (unit.copy is not None and unit.copy.statuses is not None)
        if not (later or in_doubt or self.quota.muted or unit.bridged):
            self.deliver(data, rows, begin)
            if not self.quota.muted:
                self.ready(status)
                return
        else:
            self.deliver(data[:-6], rows, begin)
        self.wait_for(self.before_ready(status))

    async def before_ready(self, status: int) -> None:
        """Do what must be done before the client hears that its unit is over, then say so."""
        await finishing.before_ready(self, status)

    def ready(self, status: int) -> None:
        """End the unit: the client has been told, or is told by the caller."""
        unit = self.unit
        self.awaiting = False
        self.tries = 0
        self.changed_at = now = time.monotonic()
        self.shared.ledger.add(unit.ended(now, self.who, self.quota))
        unit.end(status)
        if self.backend is not None and self.backend.aims:
            signals.act(self, self.backend)
        if status == wire.IDLE:
            if self.parameters.local:
                self.parameters.end_transaction()
            self._let_go()
            if self.next_pool is not None:
                self.move(self.next_pool)
        if self._buffer and not self.paused:
            self.resume()

    def _let_go(self) -> None:
        """Give the server connection back, unless it is ours for longer."""
        if self.backend is None or self.passing:
            return
        pinned = self.pin.reason
        if pinned != HOLDABLE:
            self.quota.renew()
        if pinned:
            return
        backend = self.let_go()
        if backend is not None:
            self.account.end()
            if self.shared.siblings.several:
                self.note_server(0)
            self.pool.release(backend)

    def notable(self, kind: int, message: bytes) -> None:
        """Take a message that may need a change, and pass it on."""
        if kind == kinds.ERROR:
            messages.failed(self, message)
            return
        if kind in {kinds.COPY_IN, kinds.COPY_BOTH}:
            copying.begins(self)
        elif kind in kinds.ASIDE:
            message = messages.said_aside(self, message)
        elif self.statements is not None:
            message = self.statements.answers.seen(kind, message)
        if message:
            self.deliver(message, 0)
        if kind == kinds.COMMAND_COMPLETE:
            finishing.completed(self, message)

    def lost(self, fault: Fault, *, within: bool) -> None:
        """Tell the client that its server connection is gone, and with it what it ran there."""
        refusals.lost(self, fault, within=within)

    # Its end

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Give everything back."""
        refusals.left(self)

    def release(self) -> None:
        """Let go of all that is held for the client; nothing waits for the collector."""
        self._extended = None
        super().release()
