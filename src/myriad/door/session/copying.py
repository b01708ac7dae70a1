"""COPY FROM STDIN: what a client sends while the server waits for data, or does not any more.

The server passes over Sync and Flush then: libpq sends Sync behind Execute, before it knows that
the statement is a COPY. Any other message but data and its end breaks the protocol. Whether
the server still waits when a message arrives there, nobody here can know: the COPY may have failed
a moment ago. So such a Sync is sent on, and when the COPY has failed, the server is asked behind it
how many it has answered; and the door ends the COPY at a message that may not come in it, which
does nothing where there is none any more.

Source: CopyGetData in PostgreSQL's copyfromparse.c.
"""

from collections import deque
from typing import TYPE_CHECKING

from myriad.door.server.asking import Lost
from myriad.door.session import settle
from myriad.pgwire import wire
from myriad.pgwire.faults import Fault
from myriad.pgwire.kinds import FLUSH, SYNC

if TYPE_CHECKING:
    import asyncio

    from myriad.door.server.backend import Backend
    from myriad.door.session.session import Session

PASSED_OVER = frozenset((SYNC, FLUSH))
# The server waits for data, as far as is known; the client has ended it, and a Sync before that is
# in doubt, until the server says how it went.
NONE, DATA, ENDING = range(3)
MOST_EARLY = 1000  # ends of data that come before it was asked for, and are kept in mind
_OUT_OF_STEP = Fault("08P01", "terminating connection because protocol synchronization was lost")


class Copying:
    """A COPY FROM STDIN of one session.

    Attributes:
        doubtful: whether the server has answered a Sync, or passed over it, is not known.
    """

    __slots__ = ("_early", "_fault", "_session", "_state", "_statuses", "doubtful")

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._state = NONE
        self.doubtful = False
        self._early: deque[bool] = deque()  # whether a Sync was sent before
        self._fault: Fault | None = None
        self._statuses: asyncio.Future[list[int]] | None = None

    @property
    def waits_for_data(self) -> bool:
        """Whether the server waits for data, as far as is known."""
        return self._state == DATA

    @property
    def _extended(self) -> bool:
        extended = self._session.extended
        return extended is not None and extended.in_unit

    # From the client

    def takes_sync(self) -> bool:
        """Send a Sync on that the server may pass over; False if it does not wait for data."""
        session, backend = self._session, self._session.backend
        if self._state != DATA or backend is None:
            return False
        self.doubtful = True
        if not session.awaiting:
            session.awaiting, session.unit = True, False
        backend.transport.write(wire.SYNC)
        return True

    def ends_by(self, kind: int) -> bool:
        """End the COPY at a message that cannot come within it; False if none is under way."""
        if self._state == DATA and self._fault is None:
            text = f"unexpected message type 0x{kind:02X} during COPY from stdin"
            self._fault = Fault("08P01", text)
            self.give_up(text)
        return self._state == DATA

    def give_up(self, why: str) -> None:
        """Let the COPY fail."""
        if self._session.backend is not None:
            self._session.backend.transport.write(wire.message(b"f", wire.text(why)))

    def ends(self) -> None:
        """Hear that the client has ended the data."""
        if self._state == DATA:
            self._state = NONE
            if self.doubtful and self._extended:
                self._ask_for_its_end()
            elif not self.doubtful:
                self._session.copying = None
        elif self._state == NONE and len(self._early) < MOST_EARLY:
            self._early.append(self._session.awaiting)

    # From the server

    def begins(self) -> None:
        """Hear that the server waits for data; the client may have sent it all."""
        session = self._session
        if not self._early:
            self._state = DATA
            self.doubtful = self.doubtful or (session.awaiting and self._extended)
        elif self._early.popleft() and self._extended:
            self.doubtful = True
            self._ask_for_its_end()
        elif not (self._early or self.doubtful):
            session.copying = None
        self._go_on()

    def _ask_for_its_end(self) -> None:
        """Have the server say how it went: it keeps that to itself until the next Sync."""
        self._state = ENDING
        self._session.special = True  # so that CommandComplete is shown to us
        if self._session.backend is not None:
            self._session.backend.transport.write(wire.FLUSH)

    def completed(self) -> None:
        """Hear that it has succeeded: whatever was sent before its end was passed over."""
        if self._state != ENDING:
            return
        session = self._session
        self._state, self.doubtful = NONE, False
        if not self._early:
            session.copying = None
        session.awaiting, session.unit = False, True
        self._go_on()

    def _go_on(self) -> None:
        if self._session.unread and not self._session.paused:
            self._session.resume()

    def failed(self, message: bytes) -> bytes:
        """Return what the client shall see of an error, which ends the COPY if there is one."""
        session, backend = self._session, self._session.backend
        fault, self._fault = self._fault, None
        if fault is not None and fault.message.encode() in message:
            session.errors = fault.code
            session.transport.write(fault.encode())
            session.end(_OUT_OF_STEP)
            return b""
        if self._state != NONE and not self.doubtful:
            session.copying = None
        elif self._state != NONE and self._extended and backend is not None:
            # It answers no Sync that it passed over, and so this one.
            self._statuses = backend.statuses(wire.SYNC)
            session.awaiting, session.unit = True, False
            session.wait_for(self._catch_up(backend))
        self._state = NONE
        return message

    def unit_over(self) -> None:
        """Ask how many Syncs were answered, when the first answer comes that ends a unit."""
        if self.doubtful and self._session.backend is not None:
            self._statuses = self._session.backend.statuses()

    async def settled(self, status: int) -> int:
        """Return the status behind all that was answered, of which the last is still to be told.

        `status` is that of the first. Raises Lost.
        """
        if self._statuses is None:
            return status
        *answered, last = [status, *(await self._statuses)][:-1]
        if self._session.backend is None:  # the client has gone meanwhile
            raise Lost
        self._session.transport.write(b"".join(wire.READY[each] for each in answered))
        return last

    async def _catch_up(self, backend: "Backend") -> None:
        """Tell the client of those Syncs that were answered, or expect one more."""
        session = self._session
        if self._statuses is None:
            return
        *answered, _, status = await self._statuses
        if session.backend is not backend:
            return
        if session.extended is not None:
            session.extended.unit_over()
        session.copying = None
        if session.bridged:  # one of them was ours
            answered = answered[1:]
        session.transport.write(b"".join(wire.READY[each] for each in answered[:-1]))
        session.bridged = not answered  # the client has to send its Sync
        await settle.before_ready(session, status)


def goes_ahead(session: "Session", kind: int) -> bool:
    """Say whether a message need not wait for the answers before it, as COPY is under way.

    One that cannot come within a COPY ends it.
    """
    copying = session.copying
    if copying is None or not copying.waits_for_data:
        return False
    return kind in PASSED_OVER or not copying.ends_by(kind)


def begins(session: "Session") -> None:
    """Hear that the server wants data."""
    if session.copying is None:
        session.copying = Copying(session)
    session.copying.begins()


def ends(session: "Session", message: bytes) -> bool:
    """Pass on CopyDone or CopyFail; outside of COPY the server passes over it, and so do we."""
    if session.backend is not None and session.copies():
        session.backend.transport.write(message)
        if session.copying is None:
            session.copying = Copying(session)
        session.copying.ends()
    return True
