"""Portals of which more is to be known when they are executed: of DEALLOCATE, DISCARD ALL, COPY.

What ends statements holds when the server has done it.

To bind one of them does nothing yet, and it may fail. A statement of a client's has another name in
the server, or none on this connection, so something of its name is made there, which DEALLOCATE
then ends.
"""

from myriad.door.server.backend import EVERYTHING, Backend
from myriad.door.server.settings import NONE
from myriad.door.server.statements import Statement
from myriad.door.session.answers import Answers
from myriad.door.verdict.verdict import Verdict
from myriad.pgwire import wire

_STAND_IN = Statement(b"", b"\0\0", Verdict(), NONE, shared=False)
PORTAL_BYTES = 400  # of a portal's name, twice; its verdict is kept by its text anyway


class Ending:
    """What ends statements, or loads, among those that a session has bound, and executes.

    Attributes:
        portals: those whose statement ends others, or may load, and its verdict.
        names: of the statements that are being ended.
    """

    __slots__ = ("_answers", "_new", "names", "portals")

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.portals: dict[bytes, Verdict] = {}
        self.names: list[bytes] = []
        self._new: set[bytes] = set()  # portals of this unit

    def bound(self, portal: bytes, statement: Statement) -> None:
        """Note what a portal will do."""
        verdict = statement.verdict
        ends = verdict.by_sql.deallocates or verdict.by_sql.deallocates_all or verdict.discards
        if ends or verdict.may_load:
            self.portals[portal] = verdict
            self._new.add(portal)
        elif self.portals:
            self.portals.pop(portal, None)

    def unit_over(self, status: int, backend: Backend | None, *, failed: bool) -> None:
        """Forget what cannot be executed any more, now that the transaction has that status.

        In a unit that failed that is what it has bound, unless a savepoint keeps it: a load that is
        there no more is expected for nothing, but one that is not expected would hang.
        """
        if backend is not None and _STAND_IN.token in backend.prepared.standing.values():
            backend.reset_level = max(backend.reset_level, EVERYTHING)
        self.names.clear()
        if status == wire.IDLE:
            self.portals.clear()
        for portal in self._new.intersection(self.portals) if failed else ():
            if not self.portals[portal].may_load:
                del self.portals[portal]
        self._new.clear()

    @property
    def held_bytes(self) -> int:
        """How much memory it takes, about."""
        return PORTAL_BYTES * len(self.portals)

    def begin(self, backend: Backend, verdict: Verdict, named: dict[bytes, Statement]) -> None:
        """Let the server have what DEALLOCATE is to end, if that is a statement of the client's."""
        standing = backend.prepared.standing
        for name in map(str.encode, verdict.by_sql.deallocates):
            self.names.append(name)
            if name not in named or standing.get(name) in {named[name].token, _STAND_IN.token}:
                continue
            standing[name] = _STAND_IN.token
            self._answers.completes(ours=True)
            self._answers.completes(ours=True)
            backend.transport.write(wire.close_statement(name) + wire.parse(name, b"", b"\0\0"))

    def execute(self, backend: Backend, message: bytes) -> None:
        """Execute it; what follows waits until it is known whether it did anything."""
        backend.transport.write(message + wire.FLUSH)
        self._answers.wait_for(self)

    def executed(self) -> None:
        """Hear that a command is complete."""
        self._answers.come(self)

    def ended(self) -> bytes | None:
        """Return the name of the statement that DEALLOCATE has ended."""
        return self.names.pop(0) if self.names else None
