"""What the server still has to answer in a unit, and what each answer means.

A client's Parse, Close and Describe of a statement, and those that the door adds, are noted in the
order in which they are sent. What the door added, the client does not see; what the server did not
come to, because of an error before it, is undone.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from myriad.door.server.statements import (
    CLOCK,
    Description,
    Instance,
    Statement,
    columns_of,
    parameters_of,
)
from myriad.door.session.frontend import Frontend
from myriad.door.session.unit import Unit
from myriad.pgwire.kinds import (
    CLOSE_COMPLETE,
    COMMAND_COMPLETE,
    DESCRIPTIONS,
    PARAMETER_DESCRIPTION,
    PARSE_COMPLETE,
)
from myriad.pgwire.wire import FLUSH

MANY = 1000  # answers that are awaited, before those that have come are looked for
# Of statements that are kept until the server has answered: then it is to answer at once, which it
# else does when it is told to, or has 8 kB of answers.
MUCH_BYTES = 1 << 20
COMPLETION_BYTES = 300  # of what is noted beside a statement
COMPLETIONS = frozenset((PARSE_COMPLETE, CLOSE_COMPLETE))


class _Completion(NamedTuple):
    """A ParseComplete or CloseComplete: whether it is ours, what was parsed, how to undo it.

    `size`: of what is kept for that, in bytes.
    """

    ours: bool
    statement: Statement | None
    size: int
    undo: Callable[[], object] | None


class _Description(NamedTuple):
    """A description: whether it is ours, of what, and of which statement's first parse."""

    ours: bool
    instance: Instance | None
    statement: Statement | None


class Answers:
    """The answers that one session waits for.

    Attributes:
        awaited: holds the client back until it has come.
        bytes: of what is kept until an answer has come.
        unit: stands for this unit.
    """

    __slots__ = (
        "_completions",
        "_descriptions",
        "_frontend",
        "_parameters",
        "_reads",
        "_unit",
        "awaited",
        "bytes",
        "unit",
    )

    def __init__(self, frontend: Frontend, unit: Unit) -> None:
        self._frontend, self._unit = frontend, unit
        self._completions: list[_Completion] = []
        self._descriptions: deque[_Description] = deque()
        self._parameters: bytes | None = None
        self._reads = b""
        self.bytes = 0
        self.awaited: object = None
        self.unit = object()

    @property
    def expected(self) -> int:
        """How many answers to Parse and Close are kept in mind."""
        return len(self._completions)

    def completes(
        self,
        *,
        ours: bool = False,
        statement: Statement | None = None,
        closed: Statement | None = None,
        undo: Callable[[], object] | None = None,
    ) -> None:
        """Expect ParseComplete or CloseComplete."""
        size = COMPLETION_BYTES
        if statement is not None:
            size += statement.size
        if closed is not None:
            size += closed.size
        self.bytes += size
        if len(self._completions) >= MANY or self.bytes > MUCH_BYTES:
            self._note_parsed()
            backend = self._frontend.backend
            if self.bytes > MUCH_BYTES and backend is not None:
                backend.transport.write(FLUSH)
        self._completions.append(_Completion(ours, statement, size, undo))
        if ours:
            self._frontend.special = True

    def describes(
        self,
        *,
        ours: bool,
        instance: Instance | None = None,
        statement: Statement | None = None,
    ) -> None:
        """Expect ParameterDescription, and RowDescription or NoData."""
        self._descriptions.append(_Description(ours, instance, statement))
        self._frontend.special = True

    def reads(self, complete: bytes) -> None:
        """Let the next CommandComplete read so."""
        self._reads = complete
        self._frontend.special = True

    def wait_for(self, what: object) -> None:
        """Hold the client back until that has been answered, or an error has come."""
        self.awaited = what
        self._frontend.paused = True

    def come(self, what: object) -> None:
        """Let the client go on, if it is that for which it was held back."""
        if self.awaited is what:
            self._go_on()

    def failed(self) -> None:
        """Pass over what the client sends up to Sync, as the server does from now on."""
        if self._unit.open and not self._frontend.awaiting:
            self._unit.skip(skipping=True)
        self._go_on()

    def _go_on(self) -> None:
        if self.awaited is not None:
            self.awaited = None
            self._frontend.resume()

    def seen(self, kind: int, message: bytes) -> bytes:
        """Return what the client shall see of an answer: not of what it did not ask for."""
        if kind in COMPLETIONS:
            return self._completed(message)
        if kind == COMMAND_COMPLETE and self._reads:
            message, self._reads = self._reads, b""
        return self._described(kind, message) if kind in DESCRIPTIONS else message

    def _completed(self, message: bytes) -> bytes:
        frontend = self._frontend
        if frontend.acked >= len(self._completions):
            return message
        expected = self._completions[frontend.acked]
        frontend.acked += 1
        return b"" if expected.ours else message

    def _described(self, kind: int, message: bytes) -> bytes:
        if kind == PARAMETER_DESCRIPTION:
            self._parameters = parameters_of(message)
            return b"" if self._descriptions and self._descriptions[0].ours else message
        if self._parameters is None or not self._descriptions:
            return message  # of a portal
        described = Description(self._parameters, columns_of(message))
        self._parameters = None
        ours, instance, statement = self._descriptions.popleft()
        if instance is not None:
            instance.described = described
        if statement is not None and statement.shape is None:
            statement.shape = described
        self.come(instance)
        return b"" if ours else message

    def leave(self) -> None:
        """Wait for nothing any more, and keep nothing."""
        self._completions.clear()
        self._descriptions.clear()
        self.awaited = None
        self.bytes = 0

    def unit_over(self) -> None:
        """Note what was parsed, and undo what the server did not come to."""
        if self._completions:
            self._note_parsed()
            for expected in reversed(self._completions):
                if expected.undo is not None:
                    expected.undo()
            self._completions.clear()
        self.bytes = 0
        self._descriptions.clear()
        self.unit = object()
        self._parameters = self.awaited = None
        self._reads = b""
        self._frontend.acked, self._frontend.special = 0, False

    def _note_parsed(self) -> None:
        """Let go of what the server has answered: a unit has no end but its client's."""
        acked, self._frontend.acked = self._frontend.acked, 0
        for expected in self._completions[:acked]:
            self.bytes -= expected.size
            if expected.statement is not None:
                expected.statement.parsed = CLOCK.tick()
        del self._completions[:acked]
