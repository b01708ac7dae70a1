"""The extended query protocol of one session: prepared statements that follow it about.

A Parse of the client always goes to the server. Where the session runs on another server connection
later, its statements are prepared there when they are needed (`preparing`). What the server answers
to all that, and what the client is to see of it, is in `answers`.
"""

from functools import partial
from typing import TYPE_CHECKING

from myriad.door.server.backend import EVERYTHING, SEQUENCES
from myriad.door.server.settings import Values
from myriad.door.server.statements import NOBODY, OURS, Statement
from myriad.door.session import copying, guard, signals
from myriad.door.session.client_statements import ClientStatements
from myriad.door.session.own_password import OwnPassword
from myriad.door.session.preparing import Preparing
from myriad.door.session.refusals import refuse_rest, refuse_unit
from myriad.door.session.sql_execute import claim, stand
from myriad.door.session.state import SessionState
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
from myriad.pgwire.wire import HEADER_BYTES, cut, cut_name

if TYPE_CHECKING:
    from collections.abc import Callable

_UNNAMED = "unnamed prepared statement"
_CALLS = Fault(
    "0A000",
    "function calls of the protocol are not possible here",
    "Call the function with SELECT. Large objects need an account that owns its database.",
)
# PostgreSQL 18 keeps one of a simple query that failed, and crashes if it is executed.
_NO_PORTAL = Fault("34000", 'portal "" does not exist')


class Extended:
    """The messages about the prepared statements of one session."""

    __slots__ = (
        "_answers",
        "_bound_portal",
        "_ending",
        "_own",
        "_preparing",
        "_resend",
        "_session",
        "_statements",
    )

    def __init__(self, session: SessionState, statements: ClientStatements) -> None:
        """Handle those of a session, whose client has prepared these."""
        self._session, self._statements = session, statements
        self._answers, self._resend, self._ending = (
            statements.answers,
            statements.resend,
            statements.ending,
        )
        self._preparing = Preparing(session, statements.answers)
        self._own = OwnPassword(session, statements.answers, statements.resend)
        self._bound_portal = b""

    def handle(self, kind: int, data: bytes, position: int, stop: int) -> bool:
        """Handle one message; False if it must wait for a server connection."""
        if kind == BIND:
            return self._bind(data, position, stop)
        if kind == PARSE:
            return self._parse(data, position, stop)
        if kind == DESCRIBE:
            return self._describe(data, position, stop)
        if kind == EXECUTE and (
            self._ending.portals or self._own.waits or self._session.unit.status == wire.FAILED
        ):
            return self._execute(data, position, stop)
        if kind == CLOSE:
            return self._close(data, position, stop)
        if kind == FUNCTION_CALL:
            return self._call(data[position:stop])
        if kind == FLUSH and not self._session.unit.open:
            return True
        return self._send(data[position:stop])

    def end_early(self) -> bool:
        """End the unit with a Sync of ours, as a query or call follows: asyncpg sends one so.

        Sent as it is, the server would pass over it after an error, and never answer.
        """
        session = self._session
        if copying.ends_by(session, QUERY):
            return False
        session.awaiting = True
        session.unit.bridge(bridged=True)
        self._session.server.transport.write(wire.SYNC)
        return False

    # One unit

    def _begin(self, text: bytes, data: bytes, position: int) -> bool:
        """Have a server connection; False if that takes a while."""
        session = self._session
        if session.backend is None and session.acquire() is None:
            return False
        unit = session.unit
        if not unit.open:
            unit.start(text, session.quota)
            unit.reopen()
            self._resend.begins(data, position)
        if not unit.extended:
            unit.extend()
        return True

    def _send(self, message: bytes) -> bool:
        if not self._begin(self._session.unit.text, b"", 0):
            return False
        self._session.server.transport.gather(message)
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

    # Parse

    def _parse(self, data: bytes, position: int, stop: int) -> bool:
        session = self._session
        name, begin = cut_name(data, position + HEADER_BYTES, stop)
        text, end = cut(data, begin, stop)
        verdict = session.verdict_of(text)
        if verdict is None:
            return False
        fault = None if verdict.plain else guard.objection(session, verdict)
        alone = not session.unit.open
        if fault := fault or self._statements.objection(name, stop - begin):
            if not name:
                self._statements.unnamed.end_by_refusal(alone=alone)
            return self._refuse(fault)
        if not self._begin(text, data, position):
            return False
        if verdict.secret:  # the server shows it until something else runs
            self._session.server.reset_level = max(self._session.server.reset_level, SEQUENCES)
        found = self._preparing.settings(self._session.server, verdict, alone=alone)
        if found is None:
            return False
        statement = self._statement(text, data[end:stop], verdict, found)
        if name in self._statements.named:
            return self._parse_again(name, statement)
        stand(self._statements, self._session.server, verdict)
        described = data[stop : stop + 1] == b"D" and data[stop + HEADER_BYTES :][:1] == b"S"
        self._parse_new(name, statement, described=described, alone=alone)
        return True

    def _statement(
        self, text: bytes, types: bytes, verdict: Verdict, found: tuple[Values, bool]
    ) -> Statement:
        session = self._session
        sql = text if verdict.plain else guard.rewritten_text(session, text, verdict)
        return Statement(sql, types, verdict, *found)

    def _parse_new(
        self, name: bytes, statement: Statement, *, described: bool, alone: bool
    ) -> None:
        backend = self._session.server
        if name:
            claim(self._statements, backend, name, statement)
            self._statements.keep(name, statement)
            undo = partial(self._statements.forget, name)
            self._preparing.fresh(backend, statement, undo, described=described)
            return
        self._preparing.close_gone(backend)
        self._statements.unnamed.parse(backend, statement, alone=alone)

    def _parse_again(self, name: bytes, statement: Statement) -> bool:
        """Refuse a name that is taken, unless the text itself is an error."""
        backend = self._session.server
        backend.unnamed = None
        self._answers.completes(ours=True)
        backend.transport.write(wire.parse(b"", statement.sql, statement.types))
        shown = name.decode(errors="replace")
        return self._refuse(Fault("42P05", f'prepared statement "{shown}" already exists'))

    # Bind, Describe, Execute, Close

    def _bind(self, data: bytes, position: int, stop: int) -> bool:
        session = self._session
        portal, begin = cut_name(data, position + HEADER_BYTES, stop)
        name, end = cut_name(data, begin, stop)
        self._own.rebound(portal)
        statement = self._statements.named.get(name) if name else self._statements.unnamed.statement
        if statement is None:
            return self._send_unknown(name, data[position:stop])
        verdict = statement.verdict
        if not verdict.plain and (fault := guard.objection(session, verdict)):
            return self._refuse(fault)
        alone = not session.unit.open
        if not self._begin(statement.sql, data, position):
            return False
        there = self._place(statement, again=wire.describes(portal, data, stop), alone=alone)
        if there is None:
            return not session.paused
        if not verdict.plain:
            guard.leave_behind(session, verdict)
        session.unit.runs(verdict.shape)
        self._note_bound(portal, statement)
        self._own.bound(portal, verdict, there)
        if there == name and verdict.processes is None:
            self._session.server.transport.gather(data[position:stop])
            return True
        values = data[end:stop]
        if verdict.processes is not None:
            values = signals.bound(session, self._session.server, verdict.processes, values)
        self._session.server.transport.gather(
            wire.message(b"B", portal + b"\0" + there + b"\0" + values)
        )
        return True

    def _place(self, statement: Statement, *, again: bool, alone: bool) -> bytes | None:
        """Return the statement's name in the server; None: it waits for that, or was refused."""
        backend = self._session.server
        if backend.unnamed == statement.token:
            return b""
        alone = not stand(self._statements, backend, statement.verdict) and alone
        there = self._preparing.place(backend, statement, again=again, alone=alone)
        if isinstance(there, Fault):
            refuse_rest(self._session, there)
            return None
        return None if there is None else there.name

    def _note_bound(self, portal: bytes, statement: Statement) -> None:
        self._resend.bind(statement, lasting=bool(portal) or self._session.in_transaction)
        self._bound_portal = portal
        self._session.server.bound = not portal or self._session.server.bound
        self._ending.bound(portal, statement)

    def _describe(self, data: bytes, position: int, stop: int) -> bool:
        name, _ = cut_name(data, position + HEADER_BYTES + 1, stop)
        if data[position + HEADER_BYTES] != STATEMENT:
            self._resend.told(only_last=name == self._bound_portal)
            return self._send(data[position:stop])
        statement = self._statements.named.get(name) if name else self._statements.unnamed.statement
        if statement is None:
            sent = self._send_unknown(name, data[position:stop])
            if sent and not self._session.unit.skipping:
                self._answers.describes(ours=False)  # SQL may have prepared it
            return sent
        alone = not self._session.unit.open
        if not self._begin(statement.sql, data, position):
            return False
        there = self._place(statement, again=False, alone=alone)
        if there is None:
            return not self._session.paused
        statement.told_parameters = statement.told_columns = True
        instance = self._session.server.prepared.find(statement, shared=True) if there else None
        self._answers.describes(ours=False, instance=instance, statement=statement)
        self._session.server.transport.gather(wire.describe_statement(there))
        return True

    def _execute(self, data: bytes, position: int, stop: int) -> bool:
        portal, _ = cut_name(data, position + HEADER_BYTES, stop)
        if self._own.changes(portal):
            return self._own.execute(data[position:stop])
        verdict = self._ending.portals.get(portal)
        if verdict is None:
            if self._session.unit.status == wire.FAILED and not (
                portal or self._session.server.bound
            ):
                return self._refuse(_NO_PORTAL)
            return self._send(data[position:stop])
        if verdict.may_load:
            return self._load(data[position:stop])
        self._session.special = True
        self._statements.deallocates(verdict)
        self._ending.execute(self._session.server, data[position:stop])
        return True

    def _load(self, message: bytes) -> bool:
        """Execute what may be a COPY FROM STDIN."""
        if not self._send(message):
            return False
        copying.sent(self._session)
        return True

    def _close(self, data: bytes, position: int, stop: int) -> bool:
        name, _ = cut_name(data, position + HEADER_BYTES + 1, stop)
        if not self._begin(self._session.unit.text, b"", 0):
            return False
        message: bytes = data[position:stop]
        undo: Callable[[], object] | None = None
        closed: Statement | None = None
        if data[position + HEADER_BYTES] == STATEMENT:
            if not name:
                closed = self._statements.unnamed.statement
                undo = self._statements.unnamed.end_by_close()
            elif OURS.match(name):
                message = wire.close_statement(NOBODY)
            elif (closed := self._statements.forget(name)) is not None:
                message = wire.close_statement(self._session.server.prepared.stood(name))
                self._session.server.prepared.drop(closed.token)
                self._preparing.close_gone(self._session.server)
                undo = partial(self._statements.keep, name, closed)
        self._answers.completes(closed=closed, undo=undo)
        self._session.server.transport.write(message)
        return True

    def _call(self, message: bytes) -> bool:
        session = self._session
        if session.unit.open:
            return self.end_early()
        if session.pool.guarded:
            refuse_unit(session, _CALLS, b"function call")
            return True
        if not self._begin(b"function call", b"", 0):
            return False
        backend = self._session.server
        backend.reset_level = max(backend.reset_level, EVERYTHING)
        session.pin.want("function call")
        backend.transport.write(message)
        session.awaiting = True
        session.unit.close()
        return True
