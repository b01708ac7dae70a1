"""How a session answers with an error of the door's own, in its place among those of the server."""

from typing import TYPE_CHECKING

from myriad.door import wire
from myriad.door.statements import NOBODY
from myriad.door.wire import Fault

if TYPE_CHECKING:
    from myriad.door.session import Session

CANCELLED = Fault("57014", "canceling statement due to user request")


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


def _poison(session: "Session", fault: Fault) -> None:
    """Let the server fail here, as it would have done; the client sees `fault` for its error."""
    session.refusal = fault
    if session.backend is not None:
        session.backend.transport.write(wire.bind_unknown(NOBODY))
