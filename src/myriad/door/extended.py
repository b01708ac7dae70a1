"""The extended query protocol of one session: prepared statements that follow it about.

A client's named statement is prepared, on whichever server connection it runs, under one name for
the same text. What the client is not to see of that (an extra ParseComplete), or must see though
nothing was parsed, is kept in `_acks`: one entry for each Parse and Close sent in this unit.
"""

import re
from typing import TYPE_CHECKING

from myriad.door import settle, signals, wire
from myriad.door.pool import EVERYTHING
from myriad.door.refusals import refuse_rest, refuse_unit
from myriad.door.statements import MOST_ON_A_CONNECTION, NOBODY, OURS, Statement
from myriad.door.wire import HEADER_BYTES, Fault, ProtocolViolation, cut

if TYPE_CHECKING:
    from myriad.door.backend import Backend
    from myriad.door.session import Session

PARSE, BIND, DESCRIBE, EXECUTE, CLOSE, FLUSH, CALL = b"PBDECHF"
STATEMENT = ord("S")

PASS, SWALLOW, AS_PARSED = range(3)
_LONE = re.compile(rb'(?i)\s*DEALLOCATE\s+(PREPARE\s+)?("[^"]+"|\w+)\s*;?\s*')
MOST_STATEMENTS = 10_000  # of one session
_UNNAMED = "unnamed prepared statement"
_CALLS = Fault(
    "0A000",
    "function calls of the protocol are not possible here",
    "Call the function with SELECT. Large objects need an account that owns its database.",
)


class Extended:
    """Prepared statements and their messages, of one session.

    Attributes:
        in_unit: messages were sent that Sync has not ended.
    """

    __slots__ = ("_acks", "_fresh", "_named", "_session", "_unnamed", "in_unit")

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._named: dict[bytes, Statement] = {}
        self._unnamed: Statement | None = None
        self._fresh: dict[int, bytes] = {}
        self._acks: list[tuple[int, Statement | None]] = []
        self.in_unit = False

    def handle(self, kind: int, data: bytes, position: int, stop: int) -> bool:
        """Handle one message; False if it must wait for a server connection."""
        if kind == PARSE:
            return self._parse(data, position, stop)
        if kind == BIND:
            return self._bind(data, position, stop)
        if kind == DESCRIBE:
            return self._describe(data, position, stop)
        if kind == CLOSE:
            return self._close(data, position, stop)
        if kind == CALL:
            return self._call(data[position:stop])
        if kind == FLUSH and not self._session.unit:
            return True
        return self._send(data[position:stop])

    def unit_over(self) -> None:
        """Forget the statements of this unit that the server did not accept."""
        if self._acks:
            for number in range(self._session.acked, len(self._acks)):
                name = self._fresh.get(number)
                if name is not None:
                    self._named.pop(name, None)
            self._acks.clear()
            self._fresh.clear()
        self._session.acked = 0
        self._session.special = False
        self.in_unit = False

    def end_early(self) -> bool:
        """End the unit with a Sync of ours, as a query follows: asyncpg sends one after Flush.

        Sent as it is, the server would pass over it after an error, and never answer.
        """
        session = self._session
        if session.copying:
            raise ProtocolViolation("a query cannot come within COPY")
        session.bridged = session.awaiting = True
        self._backend.transport.write(wire.SYNC)
        return False

    def forget_unnamed(self) -> None:
        """Forget the unnamed statement: a simple query ends it."""
        self._unnamed = None

    def forget_all(self) -> None:
        """Forget every statement, as DEALLOCATE ALL does."""
        self._named.clear()
        self._unnamed = None

    def acknowledged(self, kind: int, message: bytes) -> bytes:
        """Return what the client shall see of a ParseComplete or CloseComplete."""
        session = self._session
        if session.acked >= len(self._acks):
            return message
        what, statement = self._acks[session.acked]
        session.acked += 1
        if statement is not None and kind == PARSED and session.backend is not None:
            session.backend.prepared[statement] = None
        if what == SWALLOW:
            return b""
        return wire.PARSE_COMPLETE if what == AS_PARSED else message

    def name_of(self, ours: bytes) -> bytes:
        """Return how the client calls a statement that the server knows by our name."""
        return next((name for name, known in self._named.items() if known.name == ours), b"")

    def deallocate(self, text: bytes, name: str) -> bytes:
        """Return SQL that ends that statement: with its name in the server if we prepared it."""
        backend = self._session.backend
        if backend is None or self._session.status == wire.FAILED:  # it does nothing then
            return text
        statement = self._named.get(name.encode()) if _LONE.fullmatch(text) else None
        if statement is None:
            return text
        del self._named[name.encode()]
        if statement not in backend.prepared:
            return b"DISCARD PLANS"  # it is not here: succeed, and end nothing
        backend.unsure = True
        del backend.prepared[statement]
        return b'DEALLOCATE "' + statement.name + b'"'

    def _begin(self, text: bytes) -> bool:
        """Have a server connection; False if that takes a while."""
        session = self._session
        if session.backend is None and session.acquire() is None:
            return False
        if not session.unit:
            session.unit = True
            session.start_unit(text)
        self.in_unit = True
        return True

    def _send(self, message: bytes) -> bool:
        if not self._begin(self._session.text):
            return False
        self._backend.transport.write(message)
        return True

    def _send_unknown(self, name: bytes, message: bytes) -> bool:
        """Leave a statement to the server that may know it by SQL, unless it would be another's."""
        if name and not OURS.match(name):
            return self._send(message)
        shown = f'prepared statement "{name.decode(errors="replace")}"' if name else _UNNAMED
        refuse_rest(self._session, Fault("26000", f"{shown} does not exist"))
        return True

    @property
    def _backend(self) -> "Backend":
        backend = self._session.backend
        if backend is None:
            raise ProtocolViolation("no server connection")
        return backend

    def _parse(self, data: bytes, position: int, stop: int) -> bool:
        session = self._session
        name, begin = cut(data, position + HEADER_BYTES, stop)
        text, end = cut(data, begin, stop)
        verdict = session.verdict_of(text)
        if verdict is None:
            return False
        fault = None if verdict.plain else settle.objection(session, verdict)
        again = fault is None and name in self._named
        if fault is None and not again and len(self._named) >= MOST_STATEMENTS:
            fault = Fault("54000", "too many prepared statements", "Close those not needed.")
        if fault:
            refuse_rest(session, fault)
            return True
        if not self._begin(text):
            return False
        sql = text if verdict.plain else settle.rewritten_text(session, text, verdict)
        statement = session.door.statements.of(sql, data[end:stop], verdict)
        if again:
            return self._parse_again(name, statement)
        if name:
            self._fresh[len(self._acks)] = name
            self._named[name] = statement
            self._prepare(statement, PASS)
            return True
        self._unnamed = statement
        self._parse_unnamed(statement, PASS)
        return True

    def _parse_again(self, name: bytes, statement: Statement) -> bool:
        """Refuse a name that is taken, unless the text itself is an error."""
        self._parse_unnamed(statement, SWALLOW)
        self._backend.unnamed = None
        shown = name.decode(errors="replace")
        refuse_rest(self._session, Fault("42P05", f'prepared statement "{shown}" already exists'))
        return True

    def _parse_unnamed(self, statement: Statement, what: int) -> None:
        backend = self._backend
        backend.unnamed = self
        self._acks.append((what, None))
        if what != PASS:
            self._session.special = True
        backend.transport.write(wire.parse(b"", statement.sql, statement.types))

    def _prepare(self, statement: Statement, what: int) -> bytes:
        """Have a statement in the server, and return the name that it has there.

        `what` is for the client's Parse, SWALLOW without one.
        """
        backend = self._backend
        if statement.verdict.deallocates_all or statement.verdict.discards:  # would end itself
            self._parse_unnamed(statement, what)
            backend.unnamed = None
            return b""
        coming = any(known is statement for _, known in self._acks)  # sent in this very unit
        if coming or statement in backend.prepared:
            if not coming:
                backend.prepared.move_to_end(statement)
            if what != SWALLOW:
                self._acknowledge(AS_PARSED, None)
                backend.transport.write(wire.close_statement(NOBODY))
            return statement.name
        if len(backend.prepared) >= MOST_ON_A_CONNECTION:
            oldest, _ = backend.prepared.popitem(last=False)
            self._acknowledge(SWALLOW, None)
            backend.transport.write(wire.close_statement(oldest.name))
        if backend.unsure:
            self._acknowledge(SWALLOW, None)
            backend.transport.write(wire.close_statement(statement.name))
        self._acknowledge(what, statement)
        backend.transport.write(wire.parse(statement.name, statement.sql, statement.types))
        return statement.name

    def _acknowledge(self, what: int, statement: Statement | None) -> None:
        self._acks.append((what, statement))
        self._session.special = True

    def _bind(self, data: bytes, position: int, stop: int) -> bool:
        session = self._session
        portal, begin = cut(data, position + HEADER_BYTES, stop)
        name, end = cut(data, begin, stop)
        statement = self._named.get(name) if name else self._unnamed
        if statement is None:
            return self._send_unknown(name, data[position:stop])
        verdict = statement.verdict
        fault = None if verdict.plain else settle.objection(session, verdict)
        if fault:
            refuse_rest(session, fault)
            return True
        if not self._begin(statement.sql):
            return False
        if not verdict.plain:
            settle.leave_behind(session, verdict)
        backend = self._backend
        values = data[end:stop]
        if verdict.processes is not None:
            values = signals.bound(session, backend, verdict.processes, values)
        there = b""
        if name:
            there = self._prepare(statement, SWALLOW)
        elif backend.unnamed is not self:
            self._parse_unnamed(statement, SWALLOW)
        backend.transport.write(wire.message(b"B", portal + b"\0" + there + b"\0" + values))
        return True

    def _describe(self, data: bytes, position: int, stop: int) -> bool:
        name, _ = cut(data, position + HEADER_BYTES + 1, stop)
        is_statement = data[position + HEADER_BYTES] == STATEMENT
        if not is_statement:
            return self._send(data[position:stop])
        statement = self._named.get(name) if name else self._unnamed
        if statement is None:
            return self._send_unknown(name, data[position:stop])
        if not self._begin(statement.sql):
            return False
        if name:
            message = wire.message(b"D", b"S" + self._prepare(statement, SWALLOW) + b"\0")
        else:
            if self._backend.unnamed is not self:
                self._parse_unnamed(statement, SWALLOW)
            message = data[position:stop]
        self._backend.transport.write(message)
        return True

    def _close(self, data: bytes, position: int, stop: int) -> bool:
        name, _ = cut(data, position + HEADER_BYTES + 1, stop)
        message = data[position:stop]
        if not self._begin(self._session.text):
            return False
        if data[position + HEADER_BYTES] == STATEMENT:
            if not name:
                self._unnamed = None
            elif self._named.pop(name, None) is not None or OURS.match(name):
                message = wire.close_statement(NOBODY)
        self._acks.append((PASS, None))
        self._backend.transport.write(message)
        return True

    def _call(self, message: bytes) -> bool:
        session = self._session
        if session.pool.shared:
            refuse_unit(session, _CALLS, b"function call")
            return True
        if not self._begin(b"function call"):
            return False
        backend = self._backend
        backend.dirt = max(backend.dirt, EVERYTHING)
        session.wants_pin = session.wants_pin or "function call"
        backend.transport.write(message)
        session.awaiting, session.unit = True, False
        return True


PARSED = ord("1")
