"""The extended query protocol of one session: prepared statements that follow it about.

A Parse of the client always goes to the server. Where the session runs on another server connection
later, its statements are prepared there when they are needed (`preparing`). What the server answers
to all that, and what the client is to see of it, is in `answers`.
"""

from functools import partial
from typing import TYPE_CHECKING

from myriad.door.pool.pool import EVERYTHING, SEQUENCES
from myriad.door.server.backend import Backend
from myriad.door.server.settings import Values
from myriad.door.server.statements import NOBODY, OURS, Statement
from myriad.door.session import settle, signals
from myriad.door.session.again import Again
from myriad.door.session.answers import Answers
from myriad.door.session.ending import Ending
from myriad.door.session.preparing import Preparing
from myriad.door.session.refusals import refuse_rest, refuse_unit
from myriad.door.session.standing import claim, stand
from myriad.door.session.unnamed import Unnamed
from myriad.door.verdict.verdict import Verdict
from myriad.pgwire import wire
from myriad.pgwire.faults import Fault
from myriad.pgwire.kinds import (
    BIND,
    CLOSE,
    DESCRIBE,
    EXECUTE,
    FLUSH,
    FUNCTION_CALL,
    PARSE,
    QUERY,
    STATEMENT,
)
from myriad.pgwire.wire import HEADER_BYTES, ProtocolViolation, cut, cut_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from myriad.door.session.session import Session

MOST_STATEMENTS = 10_000  # of one session
MOST_STATEMENT_BYTES = 64 << 20  # of one session; as much as one message may have
_UNNAMED = "unnamed prepared statement"
_CALLS = Fault(
    "0A000",
    "function calls of the protocol are not possible here",
    "Call the function with SELECT. Large objects need an account that owns its database.",
)
# PostgreSQL 18 keeps one of a simple query that failed, and crashes if it is executed.
_NO_PORTAL = Fault("34000", 'portal "" does not exist')
_TOO_MANY = Fault("54000", "too many prepared statements", "Close those not needed.")


class Extended:
    """Prepared statements and their messages, of one session.

    Attributes:
        in_unit: messages were sent that Sync has not ended.
        named_bytes: how much memory the statements take that have a name, about.
    """

    __slots__ = (
        "_bound_portal",
        "_preparing",
        "_session",
        "again",
        "answers",
        "ending",
        "in_unit",
        "named",
        "named_bytes",
        "unnamed",
    )

    def __init__(self, session: "Session") -> None:
        self._session = session
        self.answers = Answers(session)
        self._preparing = Preparing(session, self.answers)
        self.named: dict[bytes, Statement] = {}
        self.unnamed = Unnamed(session, self.answers)
        self.named_bytes = 0
        self.again = Again(session, self.answers)
        self._bound_portal, self.in_unit = b"", False
        self.ending = Ending(self.answers)

    def handle(self, kind: int, data: bytes, position: int, stop: int) -> bool:
        """Handle one message; False if it must wait for a server connection."""
        if kind == BIND:
            return self._bind(data, position, stop)
        if kind == PARSE:
            return self._parse(data, position, stop)
        if kind == DESCRIBE:
            return self._describe(data, position, stop)
        if kind == EXECUTE and (self.ending.portals or self._session.status == wire.FAILED):
            return self._execute(data, position, stop)
        if kind == CLOSE:
            return self._close(data, position, stop)
        if kind == FUNCTION_CALL:
            return self._call(data[position:stop])
        if kind == FLUSH and not self._session.unit:
            return True
        return self._send(data[position:stop])

    def unit_over(self) -> None:
        """Forget what concerns this unit alone, and what the server did not accept in it."""
        self.answers.unit_over()
        self.again.unit_over()
        session = self._session
        session.acked, session.special, self.in_unit = 0, False, False
        if session.errors and session.backend is not None:
            session.backend.bound = False  # its Bind may be what failed
        if self.ending.portals or self.ending.names:
            self.ending.unit_over(session.status, session.backend, failed=bool(session.errors))

    def end_early(self) -> bool:
        """End the unit with a Sync of ours, as a query or call follows: asyncpg sends one so.

        Sent as it is, the server would pass over it after an error, and never answer.
        """
        session = self._session
        if session.copying is not None and session.copying.ends_by(QUERY):
            return False
        session.bridged = session.awaiting = True
        self._backend.transport.write(wire.SYNC)
        return False

    @property
    def held_bytes(self) -> int:
        """How much memory the statements take, about."""
        return self.named_bytes + self.unnamed.size

    def forget_all(self) -> None:
        """Forget every statement that has a name, as DEALLOCATE ALL does."""
        self.named.clear()
        self.named_bytes = 0

    def forget(self, name: bytes) -> Statement | None:
        """Forget a statement of the client's by its name."""
        statement = self.named.pop(name, None)
        if statement is not None:
            self.named_bytes -= statement.size
        return statement

    def _keep(self, name: bytes, statement: Statement) -> None:
        self.named[name] = statement
        self.named_bytes += statement.size

    def name_of(self, ours: bytes) -> bytes:
        """Return how the client calls a statement that the server knows by our name."""
        backend = self._session.backend
        key = backend.prepared.key_of(ours) if backend is not None else None
        if key is None:
            return b""
        return next((n for n, each in self.named.items() if key in {each.token, each.key}), b"")

    # One unit

    def _begin(self, text: bytes, data: bytes, position: int) -> bool:
        """Have a server connection; False if that takes a while."""
        session = self._session
        if session.backend is None and session.acquire() is None:
            return False
        if not session.unit:
            session.unit = True
            session.start_unit(text)
            self.again.begins(data, position)
        self.in_unit = True
        return True

    def send_again(self) -> None:
        """Send the unit that has failed again, from its first message on."""
        messages = self.again.take()
        self.unit_over()
        self.again.tried()
        self._session.replay(messages)

    def _send(self, message: bytes) -> bool:
        if not self._begin(self._session.text, b"", 0):
            return False
        self._backend.transport.write(message)
        return True

    def _send_unknown(self, name: bytes, message: bytes) -> bool:
        """Leave a statement to the server that may know it by SQL, unless it would be another's."""
        if name and not OURS.match(name):
            return self._send(message)
        shown = f'prepared statement "{name.decode(errors="replace")}"' if name else _UNNAMED
        return self._refuse(Fault("26000", f"{shown} does not exist"))

    def _refuse(self, fault: Fault) -> bool:
        refuse_rest(self._session, fault)
        return True

    @property
    def _backend(self) -> Backend:
        backend = self._session.backend
        if backend is None:
            raise ProtocolViolation("no server connection")
        return backend

    # Parse

    def _parse(self, data: bytes, position: int, stop: int) -> bool:
        session = self._session
        name, begin = cut_name(data, position + HEADER_BYTES, stop)
        text, end = cut(data, begin, stop)
        verdict = session.verdict_of(text)
        if verdict is None:
            return False
        fault = None if verdict.plain else settle.objection(session, verdict)
        alone = not session.unit
        if fault := fault or self._objection(name, stop - begin):
            if not name:
                self.unnamed.end_by_refusal(alone=alone)
            return self._refuse(fault)
        if not self._begin(text, data, position):
            return False
        if verdict.secret:  # the server shows it until something else runs
            self._backend.dirt = max(self._backend.dirt, SEQUENCES)
        found = self._preparing.settings(self._backend, verdict, alone=alone)
        if found is None:
            return False
        if name in self.named:
            return self._parse_again(name, text, data[end:stop])
        stand(self, self._backend, verdict)
        statement = self._statement(text, data[end:stop], verdict, found)
        described = data[stop : stop + 1] == b"D" and data[stop + HEADER_BYTES :][:1] == b"S"
        self._parse_new(name, statement, described=described, alone=alone)
        return True

    def _objection(self, name: bytes, size: int) -> Fault | None:
        if name in self.named:
            return None
        old = 0 if name else self.unnamed.size
        too_long = self.held_bytes - old + size > MOST_STATEMENT_BYTES and self.held_bytes > old
        return _TOO_MANY if too_long or len(self.named) >= MOST_STATEMENTS else None

    def _statement(
        self, text: bytes, types: bytes, verdict: Verdict, found: tuple[Values, bool]
    ) -> Statement:
        session = self._session
        sql = text if verdict.plain else settle.rewritten_text(session, text, verdict)
        return Statement(sql, types, verdict, *found)

    def _parse_new(
        self, name: bytes, statement: Statement, *, described: bool, alone: bool
    ) -> None:
        backend = self._backend
        if name:
            claim(self, backend, name, statement)
            self._keep(name, statement)
            undo = partial(self.forget, name)
            self._preparing.fresh(backend, statement, undo, described=described)
            return
        self._preparing.close_gone(backend)
        self.unnamed.parse(backend, statement, alone=alone)

    def _parse_again(self, name: bytes, text: bytes, types: bytes) -> bool:
        """Refuse a name that is taken, unless the text itself is an error."""
        backend = self._backend
        backend.unnamed = None
        self.answers.completes(ours=True)
        backend.transport.write(wire.parse(b"", text, types))
        shown = name.decode(errors="replace")
        return self._refuse(Fault("42P05", f'prepared statement "{shown}" already exists'))

    # Bind, Describe, Execute, Close

    def _bind(self, data: bytes, position: int, stop: int) -> bool:
        session = self._session
        portal, begin = cut_name(data, position + HEADER_BYTES, stop)
        name, end = cut_name(data, begin, stop)
        statement = self.named.get(name) if name else self.unnamed.statement
        if statement is None:
            return self._send_unknown(name, data[position:stop])
        verdict = statement.verdict
        if not verdict.plain and (fault := settle.objection(session, verdict)):
            return self._refuse(fault)
        alone = not session.unit
        if not self._begin(statement.sql, data, position):
            return False
        there = self._place(statement, again=wire.describes(portal, data, stop), alone=alone)
        if there is None:
            return not session.paused
        if not verdict.plain:
            settle.leave_behind(session, verdict)
        self._note_bound(portal, statement)
        if there == name and verdict.processes is None:
            self._backend.transport.write(data[position:stop])
            return True
        values = data[end:stop]
        if verdict.processes is not None:
            values = signals.bound(session, self._backend, verdict.processes, values)
        self._backend.transport.write(wire.message(b"B", portal + b"\0" + there + b"\0" + values))
        return True

    def _place(self, statement: Statement, *, again: bool, alone: bool) -> bytes | None:
        """Return the statement's name in the server; None: it waits for that, or was refused."""
        backend = self._backend
        if backend.unnamed == statement.token:
            return b""
        alone = not stand(self, backend, statement.verdict) and alone
        there = self._preparing.place(backend, statement, again=again, alone=alone)
        if isinstance(there, Fault):
            refuse_rest(self._session, there)
            return None
        return None if there is None else there.name

    def _note_bound(self, portal: bytes, statement: Statement) -> None:
        self.again.bind(statement, lasting=bool(portal) or self._session.in_transaction)
        self._bound_portal = portal
        self._backend.bound = not portal or self._backend.bound
        self.ending.bound(portal, statement)

    def _describe(self, data: bytes, position: int, stop: int) -> bool:
        name, _ = cut_name(data, position + HEADER_BYTES + 1, stop)
        if data[position + HEADER_BYTES] != STATEMENT:
            self.again.told(only_last=name == self._bound_portal)
            return self._send(data[position:stop])
        statement = self.named.get(name) if name else self.unnamed.statement
        if statement is None:
            sent = self._send_unknown(name, data[position:stop])
            if sent and not self._session.skipping:
                self.answers.describes(ours=False)  # SQL may have prepared it
            return sent
        alone = not self._session.unit
        if not self._begin(statement.sql, data, position):
            return False
        there = self._place(statement, again=False, alone=alone)
        if there is None:
            return not self._session.paused
        statement.told_parameters = statement.told_columns = True
        instance = self._backend.prepared.find(statement, shared=True) if there else None
        self.answers.describes(ours=False, instance=instance, statement=statement)
        self._backend.transport.write(wire.describe_statement(there))
        return True

    def _execute(self, data: bytes, position: int, stop: int) -> bool:
        portal, _ = cut_name(data, position + HEADER_BYTES, stop)
        verdict = self.ending.portals.get(portal)
        if verdict is None:
            if self._session.status == wire.FAILED and not (portal or self._backend.bound):
                return self._refuse(_NO_PORTAL)
            return self._send(data[position:stop])
        self._session.special = True
        self.deallocates(verdict)
        self.ending.execute(self._backend, data[position:stop])
        return True

    def completed(self) -> None:
        """Hear that a DEALLOCATE of one statement was executed."""
        if (name := self.ending.ended()) is not None:
            self.forget(name)
            self._backend.prepared.standing.pop(name, None)

    def deallocates(self, verdict: Verdict) -> None:
        """Prepare for what a text does, if it ends a statement by its name."""
        self.ending.begin(self._backend, verdict, self.named)

    def _close(self, data: bytes, position: int, stop: int) -> bool:
        name, _ = cut_name(data, position + HEADER_BYTES + 1, stop)
        if not self._begin(self._session.text, b"", 0):
            return False
        message: bytes = data[position:stop]
        undo: Callable[[], object] | None = None
        closed: Statement | None = None
        if data[position + HEADER_BYTES] == STATEMENT:
            if not name:
                closed = self.unnamed.statement
                undo = self.unnamed.end_by_close()
            elif OURS.match(name):
                message = wire.close_statement(NOBODY)
            elif (closed := self.forget(name)) is not None:
                message = wire.close_statement(self._backend.prepared.stood(name))
                self._backend.prepared.drop(closed.token)
                self._preparing.close_gone(self._backend)
                undo = partial(self._keep, name, closed)
        self.answers.completes(closed=closed, undo=undo)
        self._backend.transport.write(message)
        return True

    def _call(self, message: bytes) -> bool:
        session = self._session
        if session.unit:
            return self.end_early()
        if session.pool.shared:
            refuse_unit(session, _CALLS, b"function call")
            return True
        if not self._begin(b"function call", b"", 0):
            return False
        backend = self._backend
        backend.dirt = max(backend.dirt, EVERYTHING)
        session.wants_pin = session.wants_pin or "function call"
        backend.transport.write(message)
        session.awaiting, session.unit = True, False
        return True
