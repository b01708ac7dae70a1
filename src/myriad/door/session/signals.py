"""Numbers of sessions in what a person sends: which process, or which session, they mean.

Only sessions of the same person are ever meant: any other number stays what it is. They may be in
another process of the door, which then does what is asked.
"""

import struct
from typing import NamedTuple

from myriad.door.server.backend import Backend
from myriad.door.session.state import SessionState
from myriad.door.verdict.processes import Processes, Signal
from myriad.door.verdict.rewriting import Place
from myriad.pgwire import wire
from myriad.pgwire.faults import Fault
from myriad.pgwire.numbers import FIRST_NUMBER, LAST_NUMBER
from myriad.pgwire.wire import HEADER_BYTES, header

TERMINATE = "pg_terminate_backend"
TERMINATED = Fault("57P01", "terminating connection due to administrator command")
# Stands in a parameter for the number of another session: the door itself does what is asked.
OTHER = LAST_NUMBER + 1
_OWN = "pg_catalog.pg_backend_pid()"
_COUNT = struct.Struct("!H")
_SIZE = struct.Struct("!i")
_NUMBERS = {4: struct.Struct("!i"), 8: struct.Struct("!q")}  # int4 and int8 in binary
_LONGEST = 10  # digits of a number as text


class Target(NamedTuple):
    """A session, and the process of the server that serves it now: 0 for none.

    Attributes:
        session: None if it is in another process of the door.
    """

    number: int
    server: int
    session: SessionState | None


def meant(session: SessionState, number: int) -> Target | None:
    """Return the session of the same person that has this number."""
    shared, account = session.shared, session.account
    found = shared.sessions.get(number)
    if found is not None:
        server = found.backend.number if found.backend is not None else 0
        return Target(number, server, found) if found.account is account else None
    elsewhere = shared.siblings.server_of(number, account.oid)
    return Target(number, elsewhere, None) if elsewhere is not None else None


# In a text


def whole(session: SessionState, signal: Signal) -> str | None:
    """Return what to send for a statement that only signals; None: what its writer wrote."""
    alias = signal.alias.replace('"', '""')
    if signal.parameter:
        who = f"${signal.parameter}::pg_catalog.int4"
        return (
            f"SELECT CASE WHEN {who} OPERATOR(pg_catalog.=) {OTHER} THEN true"
            f" ELSE {signal.call}(CASE WHEN {who} OPERATOR(pg_catalog.=) {session.number}"
            f' THEN {_OWN} ELSE {who} END{signal.timeout}) END AS "{alias}"'
        )
    target = meant(session, signal.number)
    if target is None or target.session is session:
        return None
    return f'SELECT true AS "{alias}"'


def places(session: SessionState, processes: Processes, *, now: bool) -> list[Place]:
    """Return what to write for numbers in a text.

    With `now` it runs at once, so the process that serves another session at the moment can stand
    for it; but nothing is signalled that may serve a third one by then.
    """
    found = []
    for span in processes.asked:
        number = f'(SELECT {session.number}::pg_catalog.int4 AS "{span.alias}")'
        found.append(Place(span.start, span.end, number))
    for span in processes.written:
        target = meant(session, int(span.alias))
        if target is not None and target.session is session:
            found.append(Place(span.start, span.end, _OWN))
        elif target is not None and now and (process := _process_of(session, target, processes)):
            found.append(Place(span.start, span.end, str(process)))
    return found


# In parameters


def bound(session: SessionState, backend: Backend, processes: Processes, body: bytes) -> bytes:
    """Return what follows the names in a Bind, with processes for numbers of sessions.

    `backend` is where it runs; whom it cancels or ends is noted there.
    """
    try:
        start, values, end = _parameters(body)
    except struct.error:  # the server says what is wrong with it
        return body
    new = list(values)
    for at, value in enumerate(values):
        target = meant(session, _number(value)) if value else None
        if target is None or value is None:
            continue
        signal = processes.signal
        if signal is None or signal.parameter != at + 1:
            process = _process_of(session, target, processes)
            new[at] = _as(value, process) if process else value
        elif target.session is not session:  # whose own number its statement has
            backend.aims.add((signal.function, target.number))
            new[at] = _as(value, OTHER)
    if new == values:
        return body
    sized = (_SIZE.pack(-1 if value is None else len(value)) + (value or b"") for value in new)
    return body[:start] + b"".join(sized) + body[end:]


def _parameters(body: bytes) -> tuple[int, list[bytes | None], int]:
    """Return the values, and where they begin and end; raises struct.error."""
    (formats,) = _COUNT.unpack_from(body)
    start = position = 2 * _COUNT.size + 2 * formats
    (count,) = _COUNT.unpack_from(body, position - _COUNT.size)
    values: list[bytes | None] = []
    for _ in range(count):
        (size,) = _SIZE.unpack_from(body, position)
        position += _SIZE.size
        values.append(body[position : position + size] if size >= 0 else None)
        position += max(0, size)
    if position > len(body):
        raise struct.error
    return start, values, position


def _process_of(session: SessionState, target: Target, processes: Processes) -> int:
    """Return the process that serves a session now; 0 for none, or one to be left alone."""
    return 0 if processes.signals and target.session is not session else target.server


def _number(value: bytes) -> int:
    """Return the number that a parameter may be, as text or binary; else 0."""
    number = 0
    if value.isdigit() and len(value) <= _LONGEST:
        number = int(value)
    elif len(value) in _NUMBERS:
        (number,) = _NUMBERS[len(value)].unpack(value)
    return number if FIRST_NUMBER <= number <= LAST_NUMBER else 0


def _as(old: bytes, number: int) -> bytes:
    """Return a number in the form that another one had."""
    return str(number).encode() if old.isdigit() else _NUMBERS[len(old)].pack(number)


# When it runs


def aim(session: SessionState, backend: Backend, processes: Processes) -> None:
    """Note whom a statement that is sent now shall cancel or end, if the door must do it."""
    signal = processes.signal
    if signal is None or signal.parameter:
        return
    target = meant(session, signal.number)
    if target is not None and target.session is not session:
        backend.aims.add((signal.function, target.number))


def act(session: SessionState, backend: Backend) -> None:
    """Cancel or end the sessions that a unit named, unless it failed."""
    aims, backend.aims = backend.aims, set()
    for function, number in () if session.unit.errors else aims:
        target = meant(session, number)
        if target is None:
            continue
        if target.session is not None:
            signal(target.session, function)
        else:
            session.shared.siblings.signal(number, session.account.oid, function)


def signal(target: SessionState, function: str) -> None:
    """Cancel what a session runs, or end the session, as a function of PostgreSQL would."""
    if function != TERMINATE:
        target.shared.stop(target)
    elif target.backend is not None and target.backend.within:
        target.transport.abort()  # it would take an error for the rest of a row
    else:
        target.end(TERMINATED)


def is_end(session: SessionState, fault: Fault) -> bool:
    """Say whether a lost server connection ends the session, too: somebody terminated it."""
    return fault.code == TERMINATED.code and not session.pool.shared


def notified(session: SessionState, messages: bytes) -> bytes:
    """Return NotificationResponses that name their senders by the numbers that clients know."""
    named, position = bytearray(messages), 0
    while position < len(named):
        _, size = header(named, position)
        number = _sender(session, wire.integer(messages, position + HEADER_BYTES))
        if number:
            named[position + HEADER_BYTES : position + HEADER_BYTES + 4] = number.to_bytes(4, "big")
        position += size + 1
    return bytes(named)


def _sender(session: SessionState, process: int) -> int:
    """Return the session that had a process when it notified; 0: not one of this person's."""
    backend = session.backend
    if backend is not None and backend.number == process:
        return session.number
    for one in session.pool.backends:
        if one.number == process:
            return one.speaker
    return session.shared.siblings.speaker(process, session.account.oid)
