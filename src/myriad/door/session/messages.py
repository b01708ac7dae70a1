"""What a client is told of errors, notices and notifications of the server's."""

from myriad.door.server.asking import CANCELLED
from myriad.door.server.statements import NOBODY, OURS
from myriad.door.session import copying, signals
from myriad.door.session.hints import hinted
from myriad.door.session.state import SessionState
from myriad.pgwire import wire
from myriad.pgwire.kinds import NOTICE
from myriad.pgwire.wire import HEADER_BYTES

NO_SUCH_STATEMENT = "26000"  # invalid_sql_statement_name


def failed(session: SessionState, message: bytes) -> None:
    """Tell the client of an error of the server's, and whom else it concerns."""
    statements = session.statements
    if statements is not None and not (message := statements.resend.error(message)):
        return
    message = over_limit(session) if session.quota.muted else _shown(session, message)
    if session.unit.copy is not None:
        message = copying.failed(session, session.unit.copy, message)
    if message:
        session.deliver(message, 0)
    if statements is not None:
        statements.answers.failed()
    if session.unread and not (session.awaiting or session.paused):
        session.resume()


def over_limit(session: SessionState) -> bytes:
    """Return the error about a limit, now that the server has ended what was over it."""
    session.quota.unmute()
    if session.backend is not None:
        session.backend.regulate()
    fault = session.unit.reason or session.quota.too_much()
    session.unit.fail(fault.code)
    return fault.encode()


def _shown(session: SessionState, message: bytes) -> bytes:
    fields = wire.error_fields(message[HEADER_BYTES:])
    unit, code = session.unit, fields.get("C", "")
    if code == NO_SUCH_STATEMENT and unit.refusal and NOBODY.decode() in fields.get("M", ""):
        fault = unit.refusal
        unit.refuse(None)
        unit.fail(fault.code)
        return fault.encode()
    if session.backend is not None:
        session.backend.note_error(code, unit.errors)
    unit.fail(code)
    session.shared.troubles.note(code, fields.get("M", ""), session.pool.database)
    if code == CANCELLED and unit.reason:
        unit.fail(unit.reason.code)
        return unit.reason.encode()
    return hinted(_with_their_names(session, message), fields)


def said_aside(session: SessionState, message: bytes) -> bytes:
    """Return a notice or a notification as the client shall see it."""
    if message[0] == NOTICE:
        return _with_their_names(session, message)
    return signals.notified(session, message)


def _with_their_names(session: SessionState, message: bytes) -> bytes:
    """Return an error or a notice with the client's name of a statement for ours.

    Of what the door itself prepares or ends nothing is said.
    """
    if not OURS.search(message):
        return message
    if message[0] == NOTICE and NOBODY in message:
        return b""
    name_of = session.statements.name_of if session.statements else lambda _: b""
    body = OURS.sub(lambda found: name_of(found[0]), message[HEADER_BYTES:])
    return wire.message(message[:1], body)
