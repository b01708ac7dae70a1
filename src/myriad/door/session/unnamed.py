"""The statement without a name of one session: the next such Parse or simple query ends it.

A Parse ends it also where it fails, but not where an error before it has the server pass over it.
"""

from collections.abc import Callable
from functools import partial

from myriad.door.server.backend import Backend
from myriad.door.server.statements import NOBODY, Statement
from myriad.door.session.answers import Answers
from myriad.door.session.frontend import Frontend
from myriad.pgwire import wire


class Unnamed:
    """It, as long as it is there; it takes no server connection with it.

    Attributes:
        in_doubt: a unit has failed, and only the server knows whether it is there yet.
    """

    __slots__ = ("_answers", "_frontend", "in_doubt", "statement")

    def __init__(self, frontend: Frontend, answers: Answers) -> None:
        self._frontend, self._answers = frontend, answers
        self.statement: Statement | None = None
        self.in_doubt = False

    @property
    def size(self) -> int:
        """How much memory it takes, about."""
        return 0 if self.statement is None else self.statement.size

    def end(self) -> None:
        """Forget it."""
        self.statement, self.in_doubt = None, False
        if self._frontend.backend is not None:
            self._frontend.backend.unnamed = None

    def end_by_close(self) -> Callable[[], object]:
        """Forget it for what is sent now; return what undoes that, should it be passed over."""
        old, backend = self.statement, self._frontend.backend
        there = backend if backend is not None and backend.unnamed == _token(old) else None
        self.end()
        return partial(self._keep, old, there)

    def end_by_parse(self, *, alone: bool) -> Callable[[], object]:
        """Forget it for a Parse that is sent next, `alone` if as the first of its unit.

        Returns what is to be done if that Parse fails, or is passed over.
        """
        old, backend = self.statement, self._frontend.backend
        if old is None or alone or backend is None:
            self.end()
            return self.end
        if backend.unnamed == old.token:
            self.end()
            return partial(self._keep, old, backend, in_doubt=True)
        # Nothing is there to be asked for. The answer to a Close tells whether Parse was reached.
        self._answers.completes(ours=True, closed=old, undo=self.end_by_close())
        backend.transport.gather(wire.close_statement(NOBODY))
        return self.end

    def parse(self, backend: Backend, statement: Statement, *, alone: bool) -> None:
        """Send a Parse without a name."""
        old = self.statement
        undo = self.end_by_parse(alone=alone)
        self.statement, backend.unnamed = statement, statement.token
        self._answers.completes(statement=statement, closed=old, undo=undo)
        backend.transport.gather(wire.parse(b"", statement.sql, statement.types))

    def end_by_refusal(self, *, alone: bool) -> None:
        """Forget it for a Parse that the door refuses, if the server comes to its place."""
        backend = self._frontend.backend
        if self.statement is None or alone or backend is None:
            self.end()
            return
        self._answers.completes(ours=True, closed=self.statement, undo=self.end_by_close())
        backend.transport.write(wire.close_statement(b""))

    async def find_out(self, backend: Backend) -> None:
        """Ask the server whether it is there; raises Lost."""
        old = self.statement
        there = await backend.has_unnamed()
        if self._frontend.backend is not backend:
            return
        self.end()
        if there:
            self.statement, backend.unnamed = old, _token(old)

    def _keep(
        self, old: Statement | None, backend: Backend | None, *, in_doubt: bool = False
    ) -> None:
        self.statement, self.in_doubt = old, in_doubt
        if backend is not None and backend is self._frontend.backend:
            backend.unnamed = _token(old)


def _token(statement: Statement | None) -> int | None:
    return None if statement is None else statement.token
