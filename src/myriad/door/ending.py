"""DEALLOCATE and DISCARD ALL in a session's statements: they hold when the server has done them.

To bind one of them does nothing yet, and it may fail. A statement of a client's has another name in
the server, or none on this connection, so something stands in for it there, which
DEALLOCATE then ends.
"""

import re

from myriad.door import wire
from myriad.door.answers import Answers
from myriad.door.backend import Backend
from myriad.door.statements import GONE, Statement
from myriad.door.verdict import Verdict

# Its time is in proportion to the text: no two parts match the same blanks.
_LONE = re.compile(rb'(?i)\s*DEALLOCATE\s+(PREPARE\s+)?("[^"]+"|\w+)\s*(?:;\s*)?')
DEALLOCATING = b'DEALLOCATE "' + GONE + b'"'


def deallocated(text: bytes, verdict: Verdict) -> bytes:
    """Return the name of the one statement that a text ends and does nothing else, or nothing."""
    alone = verdict.deallocates is not None and _LONE.fullmatch(text)
    return verdict.deallocates.encode() if alone and verdict.deallocates else b""


class Ending:
    """What ends statements among those that a session has bound, and executes.

    Attributes:
        portals: those whose statement ends others.
        names: of the statements that are being ended.
    """

    __slots__ = ("_answers", "_new", "names", "portals")

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.portals: dict[bytes, Statement] = {}
        self.names: list[bytes] = []
        self._new: list[bytes] = []  # portals of this unit

    def bound(self, portal: bytes, statement: Statement) -> None:
        """Note what a portal will do."""
        verdict = statement.verdict
        if statement.deallocates or verdict.deallocates_all or verdict.discards:
            self.portals[portal] = statement
            self._new.append(portal)
        elif self.portals:
            self.portals.pop(portal, None)

    def unit_over(self, status: int, *, failed: bool) -> None:
        """Forget what cannot be executed any more; in a unit that failed, what it has bound."""
        self.names.clear()
        if status == wire.IDLE:
            self.portals.clear()
        for portal in self._new if failed else ():
            self.portals.pop(portal, None)
        self._new.clear()

    def stand_in(self, backend: Backend, name: bytes) -> None:
        """Prepare what DEALLOCATE is to end in the server, in place of the client's statement."""
        self.names.append(name)
        self._answers.completes(ours=True)
        self._answers.completes(ours=True)
        backend.transport.write(wire.close_statement(GONE) + wire.parse(GONE, b"", b"\0\0"))

    def execute(
        self, backend: Backend, statement: Statement, message: bytes, *, known: bool
    ) -> None:
        """Execute it; what follows waits until it is known whether it did anything."""
        if statement.deallocates and known:
            self.stand_in(backend, statement.deallocates)
        backend.transport.write(message + wire.FLUSH)
        self._answers.wait_for(self)

    def executed(self) -> None:
        """Hear that a command is complete."""
        self._answers.come(self)

    def ended(self) -> bytes | None:
        """Return the name of the statement that DEALLOCATE has ended."""
        return self.names.pop(0) if self.names else None
