"""The prepared statements of one client, which follow it from one server connection to another.

What its messages do with them is in `extended`.
"""

from myriad.door.server.statements import Statement
from myriad.door.session.answers import Answers
from myriad.door.session.deallocating import Ending
from myriad.door.session.frontend import Frontend
from myriad.door.session.quota import Quota
from myriad.door.session.resend import Resend
from myriad.door.session.unit import Unit
from myriad.door.session.unnamed import Unnamed
from myriad.door.verdict.verdict import Verdict
from myriad.pgwire.faults import Fault

MOST_STATEMENTS = 10_000  # of one session
MOST_STATEMENT_BYTES = 64 << 20  # of one session; as much as one message may have
_TOO_MANY = Fault("54000", "too many prepared statements", "Close those not needed.")


class ClientStatements:
    """They, and what is known of those in the unit that is under way.

    Attributes:
        named: those that have a name, by it; `named_bytes`: how much memory they take, about.
        unnamed: the one without a name.
        answers: those of the server that are awaited.
        resend: the unit, to be sent again; `ending`: what in it ends statements, or loads.
    """

    __slots__ = (
        "_frontend",
        "_unit",
        "answers",
        "ending",
        "named",
        "named_bytes",
        "resend",
        "unnamed",
    )

    def __init__(self, frontend: Frontend, unit: Unit, quota: Quota) -> None:
        self._frontend, self._unit = frontend, unit
        self.answers = Answers(frontend, unit)
        self.named: dict[bytes, Statement] = {}
        self.named_bytes = 0
        self.unnamed = Unnamed(frontend, self.answers)
        self.resend = Resend(frontend, unit, quota, self.answers)
        self.ending = Ending(self.answers)

    @property
    def held_bytes(self) -> int:
        """How much memory all take, about, and what is kept until the server has answered."""
        return self._bytes + self.answers.bytes + self.ending.held_bytes

    @property
    def _bytes(self) -> int:
        return self.named_bytes + self.unnamed.size

    def objection(self, name: bytes, size: int) -> Fault | None:
        """Return why there cannot be one more of that size, None if there can."""
        if name in self.named:
            return None
        old = 0 if name else self.unnamed.size
        too_long = self._bytes - old + size > MOST_STATEMENT_BYTES and self._bytes > old
        return _TOO_MANY if too_long or len(self.named) >= MOST_STATEMENTS else None

    def keep(self, name: bytes, statement: Statement) -> None:
        """Have a statement of that name."""
        self.named[name] = statement
        self.named_bytes += statement.size

    def forget(self, name: bytes) -> Statement | None:
        """Forget a statement of the client's by its name."""
        statement = self.named.pop(name, None)
        if statement is not None:
            self.named_bytes -= statement.size
        return statement

    def forget_all(self) -> None:
        """Forget every statement that has a name, as DEALLOCATE ALL does."""
        self.named.clear()
        self.named_bytes = 0

    def name_of(self, found: bytes) -> bytes:
        """Return how the client calls a statement that the server knows by our name."""
        backend = self._frontend.backend
        key = backend.prepared.key_of(found) if backend is not None else None
        if key is None:
            return b""
        return next((n for n, each in self.named.items() if key in {each.token, each.key}), b"")

    def deallocates(self, verdict: Verdict) -> None:
        """Prepare for what a text does, if it ends a statement by its name."""
        self.ending.begin(self._frontend.server, verdict, self.named)

    def deallocated(self) -> None:
        """Hear that a DEALLOCATE of one statement was executed."""
        if (name := self.ending.ended()) is not None:
            self.forget(name)
            self._frontend.server.prepared.standing.pop(name, None)

    def unit_over(self, status: int) -> None:
        """Forget what concerns this unit alone, and what the server did not accept in it.

        `status`: of the transaction behind it.
        """
        unit, backend = self._unit, self._frontend.backend
        self.answers.unit_over()
        self.resend.unit_over()
        if unit.errors and backend is not None:
            backend.bound = False  # its Bind may be what failed
        if self.ending.portals or self.ending.names:
            self.ending.unit_over(status, backend, failed=bool(unit.errors))

    def send_again(self) -> None:
        """Send the unit that has failed again, from its first message on."""
        messages = self.resend.take()
        self.unit_over(self._unit.status)
        self.resend.tried()
        self._frontend.replay(messages)

    def leave(self) -> None:
        """Let go of everything."""
        self.forget_all()
        self.unnamed.end()
        self.answers.leave()
