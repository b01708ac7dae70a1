"""COPY FROM STDIN: what a client sends while the server waits for data, or does not any more.

The server passes over Sync and Flush then: libpq sends Sync behind Execute, before it knows that
the statement is a COPY. Any other message but data and its end breaks the protocol. Whether
the server still waits when a message arrives there, nobody here can know: the COPY may have failed
a moment ago. So such a Sync is sent on, and when the COPY has failed, the server is asked behind it
how many it has answered; and the door ends the COPY at a message that may not come in it, which
does nothing where there is none any more.

Source: CopyGetData in PostgreSQL's copyfromparse.c.
"""

from myriad.door.server.asking import Lost
from myriad.door.server.backend import Backend
from myriad.door.session.state import SessionState
from myriad.door.session.unit import DATA, ENDING, NONE, Copy
from myriad.pgwire import wire
from myriad.pgwire.faults import Fault
from myriad.pgwire.kinds import FLUSH, SYNC

PASSED_OVER = frozenset((SYNC, FLUSH))
MOST_EARLY = 1000  # ends of data that come before it was asked for, and are kept in mind
_OUT_OF_STEP = Fault("08P01", "terminating connection because protocol synchronization was lost")


def waits_for_data(session: SessionState) -> bool:
    """Say whether the server waits for data, as far as is known."""
    copy = session.unit.copy
    return copy is not None and copy.state == DATA


# From the client


def goes_ahead(session: SessionState, kind: int) -> bool:
    """Say whether a message need not wait for the answers before it, as COPY is under way.

    One that cannot come within a COPY ends it.
    """
    if not waits_for_data(session):
        return False
    return kind in PASSED_OVER or not ends_by(session, kind)


def takes_sync(session: SessionState) -> bool:
    """Send a Sync on that the server may pass over; False if it does not wait for data."""
    copy, backend = session.unit.copy, session.backend
    if copy is None or copy.state != DATA or backend is None:
        return False
    copy.doubtful = True
    if not session.awaiting:
        session.awaiting = True
        session.unit.close()
    backend.transport.write(wire.SYNC)
    return True


def ends_by(session: SessionState, kind: int) -> bool:
    """End the COPY at a message that cannot come within it; False if none is under way."""
    copy = session.unit.copy
    if copy is None or copy.state != DATA:
        return False
    if copy.fault is None:
        text = f"unexpected message type 0x{kind:02X} during COPY from stdin"
        copy.fault = Fault("08P01", text)
        if session.backend is not None:
            session.backend.transport.write(wire.message(b"f", wire.text(text)))
    return True


def ends(session: SessionState, message: bytes) -> bool:
    """Pass on CopyDone or CopyFail; outside of COPY the server passes over it, and so do we."""
    if session.backend is not None and session.copies() and not _is_stray(session):
        session.backend.transport.write(message)
        _end_data(session, _copy(session))
    return True


def _is_stray(session: SessionState) -> bool:
    """Say whether an end of data comes before each COPY of its unit that it could end.

    It ends none that comes behind it. (What comes behind a query waits for its answer.)
    """
    copy, extended = _copy(session), session.unit.extended
    return extended and copy.state == NONE and len(copy.early) >= copy.due


def sent(session: SessionState) -> None:
    """Hear that what may be a COPY was sent: a query, or the Execute of one statement."""
    _copy(session).due += 1


def _copy(session: SessionState) -> Copy:
    """Return what is known of the COPY that is under way, or about to be."""
    copy = session.unit.copy
    if copy is None:
        copy = Copy()
        session.unit.copies(copy)
    return copy


def _end_data(session: SessionState, copy: Copy) -> None:
    """Hear that the client has ended the data."""
    if copy.state == DATA:
        copy.state = NONE
        if copy.doubtful and session.unit.extended:
            _ask_for_its_end(session, copy)
    elif copy.state == NONE and len(copy.early) < MOST_EARLY:
        copy.early.append(session.awaiting)


# From the server


def begins(session: SessionState) -> None:
    """Hear that the server waits for data; the client may have sent it all."""
    copy, unit = _copy(session), session.unit
    copy.due = max(0, copy.due - 1)
    if not copy.early:
        copy.state = DATA
        copy.doubtful = copy.doubtful or (session.awaiting and unit.extended)
    elif copy.early.popleft() and unit.extended:
        copy.doubtful = True
        _ask_for_its_end(session, copy)
    _go_on(session)


def _ask_for_its_end(session: SessionState, copy: Copy) -> None:
    """Have the server say how it went: it keeps that to itself until the next Sync."""
    copy.state = ENDING
    session.special = True  # so that CommandComplete is shown to us
    if session.backend is not None:
        session.backend.transport.write(wire.FLUSH)


def completed(session: SessionState) -> None:
    """Hear that it has succeeded: whatever was sent before its end was passed over."""
    copy = session.unit.copy
    if copy is None or copy.state != ENDING:
        return
    copy.state, copy.doubtful = NONE, False
    session.awaiting = False
    session.unit.reopen()
    _go_on(session)


def _go_on(session: SessionState) -> None:
    if session.unread and not session.paused:
        session.resume()


def failed(session: SessionState, copy: Copy, message: bytes) -> bytes:
    """Return what the client shall see of an error, which ends the COPY if there is one."""
    backend, unit = session.backend, session.unit
    fault, copy.fault = copy.fault, None
    if fault is not None and fault.message.encode() in message:
        unit.fail(fault.code)
        session.transport.write(fault.encode())
        session.end(_OUT_OF_STEP)
        return b""
    if copy.state != NONE and copy.doubtful and unit.extended and backend is not None:
        # It answers no Sync that it passed over, and so this one.
        copy.statuses = backend.statuses(wire.SYNC)
        session.awaiting = True
        unit.close()
        session.wait_for(_catch_up(session, backend, copy))
    copy.state = NONE
    return message


def unit_over(session: SessionState, copy: Copy) -> None:
    """Ask how many Syncs were answered, when the first answer comes that ends a unit."""
    if copy.doubtful and session.backend is not None:
        copy.statuses = session.backend.statuses()


async def settled(session: SessionState, copy: Copy, status: int) -> int:
    """Return the status behind all that was answered, of which the last is still to be told.

    `status` is that of the first. Raises Lost.
    """
    if copy.statuses is None:
        return status
    *answered, last = [status, *(await copy.statuses)][:-1]
    if session.backend is None:  # the client has gone meanwhile
        raise Lost
    session.transport.write(b"".join(wire.READY[each] for each in answered))
    return last


async def _catch_up(session: SessionState, backend: Backend, copy: Copy) -> None:
    """Tell the client of those Syncs that were answered, or expect one more."""
    if copy.statuses is None:
        return
    *answered, _, status = await copy.statuses
    if session.backend is not backend:
        return
    if session.statements is not None:
        session.statements.unit_over(status)
    session.unit.copies(None)
    if session.unit.bridged:  # one of them was ours
        answered = answered[1:]
    session.transport.write(b"".join(wire.READY[each] for each in answered[:-1]))
    session.unit.bridge(bridged=not answered)  # the client has to send its Sync
    await session.before_ready(status)
