"""How a session fails: by an error of the door's own, in its place, or because a side has gone."""

from typing import TYPE_CHECKING

from myriad.door.pool.pool import EVERYTHING
from myriad.door.server.statements import NOBODY
from myriad.door.session import signals
from myriad.pgwire import wire
from myriad.pgwire.faults import Fault

if TYPE_CHECKING:
    from myriad.door.session.session import Session

CANCELLED = Fault("57014", "canceling statement due to user request")
OUT_OF_STEP = "08P01"  # protocol_violation: what the client sent was passed on, and is no protocol
MOST_TRIES = 5  # who had a connection before may have left a time limit that ends it


def refuse_unit(session: "Session", fault: Fault, text: bytes) -> None:
    """Answer a unit of one message with an error."""
    session.start_unit(text)
    if session.backend is None:
        session.errors = fault.code
        session.transport.write(fault.encode() + wire.READY[session.status])
        session.door.audit.add(session)
        return
    _poison(session, fault)
    session.backend.transport.write(wire.SYNC)
    session.awaiting = True


def refuse_rest(session: "Session", fault: Fault) -> None:
    """Fail in this place of a pipeline, and pass over what follows up to Sync."""
    session.skipping = True
    if session.backend is None:
        session.errors = fault.code
        session.transport.write(fault.encode())
        session.door.audit.add(session)
        return
    session.unit = True
    _poison(session, fault)


def refuse_waiting(session: "Session", fault: Fault) -> None:
    """Answer with an error what waits for its turn."""
    session.reason = None
    session.pool.give_up(session)
    session.paused = False
    text = session.withdraw()
    if text is not None:
        refuse_unit(session, fault, text)
    else:
        refuse_rest(session, fault)
    session.resume()


def end_unit(session: "Session", fault: Fault) -> None:
    """Let the server fail in a unit that its client has not ended: it may be idle in it."""
    if session.copying is not None and session.copying.waits_for_data:
        session.copying.give_up(fault.message)
    elif session.unit and not session.awaiting:
        _poison(session, fault)


def _poison(session: "Session", fault: Fault) -> None:
    """Let the server fail here, as it would have done; the client sees `fault` for its error."""
    session.refusal = fault
    if session.backend is not None:
        session.backend.transport.write(wire.bind_unknown(NOBODY))


def lost(session: "Session", fault: Fault, *, within: bool) -> None:
    """Tell the client that its server connection is gone, and with it what it ran there."""
    untouched = session.paused and not session.busy and not _holds(session)
    ends = bool(session.pin) or fault.code == OUT_OF_STEP or signals.is_end(session, fault)
    session.detach()
    if untouched and _try_another(session):
        return
    fault = session.reason or fault
    told = session.busy and session.errors  # one error ends a unit
    session.errors = fault.code
    if within:  # the client would take an error for the rest of a row
        session.door.audit.add(session)
        session.transport.abort()
    elif ends or session.in_transaction or session.passing or not session.busy:
        session.door.audit.add(session)
        session.end(fault)
    else:
        _end_lost_unit(session, None if told else fault)


def _holds(session: "Session") -> bool:
    """Say whether its server connection stays with a session for what was made there already.

    Until it has the session's settings, nothing was.
    """
    backend = session.backend
    return bool(session.pin) and backend is not None and backend.values is session.values


def _try_another(session: "Session") -> bool:
    """Take another server connection, if nothing was sent yet to the one that is gone."""
    if session.in_transaction or session.rest or session.tries >= MOST_TRIES:
        return False
    session.tries += 1
    session.resume()
    return True


def _end_lost_unit(session: "Session", fault: Fault | None) -> None:
    waits_for_sync = session.bridged or not session.awaiting
    if session.extended is not None:
        session.extended.unit_over()
    session.touched = session.restored = session.local = frozenset()
    session.wants_pin = ""
    session.skipping = waits_for_sync
    if fault is not None:
        session.transport.write(fault.encode())
    session.muted, session.reason, session.refusal = False, None, None
    if not waits_for_sync:
        session.transport.write(wire.READY[wire.IDLE])
    session.paused = False
    session.ready(wire.IDLE)


def left(session: "Session") -> None:
    """Give back what a session has whose client has gone."""
    session.end_study()
    session.door.forget(session)
    session.pool.give_up(session)
    pinned = session.pin
    backend = session.detach()
    if backend is None:
        return
    if session.busy or session.passing or session.paused:
        session.door.abandon(backend)
        return
    if session.in_transaction or pinned:
        backend.dirt = max(backend.dirt, EVERYTHING)
    backend.pool.release(backend, rollback=session.in_transaction)
