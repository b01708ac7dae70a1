"""What a client is told of errors, notices and notifications of the server's."""

from typing import TYPE_CHECKING

from myriad.door.server.asking import CANCELLED
from myriad.door.server.statements import NOBODY, OURS
from myriad.door.session import quota, signals
from myriad.pgwire import wire
from myriad.pgwire.kinds import NOTICE
from myriad.pgwire.wire import HEADER_BYTES

if TYPE_CHECKING:
    from myriad.door.session.session import Session

NO_SUCH_STATEMENT = "26000"  # invalid_sql_statement_name


def failed(session: "Session", message: bytes) -> None:
    """Tell the client of an error of the server's, and whom else it concerns."""
    extended = session.extended
    if extended is not None and not (message := extended.again.error(message)):
        return
    message = quota.ended(session) if session.muted else _shown(session, message)
    if session.copying is not None:
        message = session.copying.failed(message)
    if message:
        session.deliver(message, 0)
    if extended is not None:
        extended.answers.failed()
    if session.unread and not (session.awaiting or session.paused):
        session.resume()


def _shown(session: "Session", message: bytes) -> bytes:
    fields = wire.error_fields(message[HEADER_BYTES:])
    code = fields.get("C", "")
    if code == NO_SUCH_STATEMENT and session.refusal and NOBODY.decode() in fields.get("M", ""):
        fault, session.refusal = session.refusal, None
        session.errors = fault.code
        return fault.encode()
    if session.backend is not None:
        session.backend.note_error(code, session.errors)
    session.errors = code
    session.door.troubles.note(code, fields.get("M", ""), session.pool.database)
    if code == CANCELLED and session.reason:
        fault = session.reason
        session.errors = fault.code
        return fault.encode()
    return _with_their_names(session, message)


def said_aside(session: "Session", message: bytes) -> bytes:
    """Return a notice or a notification as the client shall see it."""
    if message[0] == NOTICE:
        return _with_their_names(session, message)
    return signals.notified(session, message)


def _with_their_names(session: "Session", message: bytes) -> bytes:
    """Return an error or a notice with the client's name of a statement for ours.

    Of what the door itself prepares or ends nothing is said.
    """
    if not OURS.search(message):
        return message
    if message[0] == NOTICE and NOBODY in message:
        return b""
    name_of = session.extended.name_of if session.extended else lambda _: b""
    body = OURS.sub(lambda found: name_of(found[0]), message[HEADER_BYTES:])
    return wire.message(message[:1], body)
