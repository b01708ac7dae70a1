"""How a session fails: by an error of the door's own, in its place, or because a side has gone."""

from myriad.door.server.backend import EVERYTHING
from myriad.door.server.statements import NOBODY
from myriad.door.session import signals
from myriad.door.session.state import SessionState
from myriad.door.session.unit import DATA
from myriad.pgwire import wire
from myriad.pgwire.faults import Fault

CANCELLED = Fault("57014", "canceling statement due to user request")
OUT_OF_STEP = "08P01"  # protocol_violation: what the client sent was passed on, and is no protocol
MOST_TRIES = 5  # who had a connection before may have left a time limit that ends it


def refuse_unit(session: SessionState, fault: Fault, text: bytes) -> None:
    """Answer a unit of one message with an error."""
    session.start_unit(text)
    if session.backend is None:
        session.unit.fail(fault.code)
        session.transport.write(fault.encode() + wire.READY[session.unit.status])
        session.note_ended()
        return
    _poison(session, fault)
    session.backend.transport.write(wire.SYNC)
    session.awaiting = True


def refuse_rest(session: SessionState, fault: Fault) -> None:
    """Fail in this place of a pipeline, and pass over what follows up to Sync."""
    session.unit.skip(skipping=True)
    if session.backend is None:
        session.unit.fail(fault.code)
        session.transport.write(fault.encode())
        session.note_ended()
        return
    session.unit.reopen()
    _poison(session, fault)


def refuse_waiting(session: SessionState, fault: Fault) -> None:
    """Answer with an error what waits for its turn."""
    session.unit.explain(None)
    session.give_up()
    session.paused = False
    text = session.withdraw()
    if text is not None:
        refuse_unit(session, fault, text)
    else:
        refuse_rest(session, fault)
    session.resume()


def end_unit(session: SessionState, fault: Fault) -> None:
    """Let the server fail in a unit that its client has not ended: it may be idle in it."""
    copy, backend = session.unit.copy, session.backend
    if copy is not None and copy.state == DATA and backend is not None:
        backend.transport.write(wire.message(b"f", wire.text(fault.message)))
    elif session.unit.open and not session.awaiting:
        _poison(session, fault)


def _poison(session: SessionState, fault: Fault) -> None:
    """Let the server fail here, as it would have done; the client sees `fault` for its error."""
    session.unit.refuse(fault)
    if session.backend is not None:
        session.backend.transport.write(wire.bind_unknown(NOBODY))


def lost(session: SessionState, fault: Fault, *, within: bool) -> None:
    """Tell the client that its server connection is gone, and with it what it ran there."""
    untouched = session.paused and not session.busy and not _holds(session)
    ends = bool(session.pin.reason) or fault.code == OUT_OF_STEP or signals.is_end(session, fault)
    session.detach()
    if untouched and _try_another(session):
        return
    fault = session.unit.reason or fault
    was_told = session.busy and session.unit.errors  # one error ends a unit
    session.unit.fail(fault.code)
    if within:  # the client would take an error for the rest of a row
        session.note_ended()
        session.transport.abort()
    elif ends or session.in_transaction or session.passing or not session.busy:
        session.note_ended()
        session.end(fault)
    else:
        _end_lost_unit(session, None if was_told else fault)


def _holds(session: SessionState) -> bool:
    """Say whether its server connection stays with a session for what was made there already.

    Until it has the session's settings, nothing was.
    """
    backend = session.backend
    return (
        bool(session.pin.reason)
        and backend is not None
        and backend.values is session.parameters.values
    )


def _try_another(session: SessionState) -> bool:
    """Take another server connection, if nothing was sent yet to the one that is gone."""
    if session.in_transaction or session.rest or session.tries >= MOST_TRIES:
        return False
    session.tries += 1
    session.resume()
    return True


def _end_lost_unit(session: SessionState, fault: Fault | None) -> None:
    unit = session.unit
    waits_for_sync = unit.bridged or not session.awaiting
    if session.statements is not None:
        session.statements.unit_over(wire.IDLE)
    session.parameters.undo()
    session.pin.want_nothing()
    unit.skip(skipping=waits_for_sync)
    if fault is not None:
        session.transport.write(fault.encode())
    session.quota.unmute()
    unit.explain(None)
    unit.refuse(None)
    if not waits_for_sync:
        session.transport.write(wire.READY[wire.IDLE])
    session.paused = False
    session.ready(wire.IDLE)


def left(session: SessionState) -> None:
    """Give back what a session has whose client has gone."""
    session.end_study()
    session.shared.forget(session)
    session.give_up()
    pinned = session.pin.reason
    backend = session.detach()
    if backend is None:
        return
    if session.busy or session.passing or session.paused:
        session.shared.abandon(backend)
        return
    if session.in_transaction or pinned:
        backend.reset_level = max(backend.reset_level, EVERYTHING)
    session.pool.release(backend, rollback=session.in_transaction)
