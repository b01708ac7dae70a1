"""The statement without a name of one session: the next such Parse or simple query ends it.

A Parse ends it also where it fails, but not where an error before it has the server pass over it.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from myriad.door import wire
from myriad.door.answers import Answers
from myriad.door.backend import Backend
from myriad.door.statements import NOBODY, Statement

if TYPE_CHECKING:
    from myriad.door.session import Session


class Unnamed:
    """It, as long as it is there; it takes no server connection with it."""

    __slots__ = ("_answers", "_session", "statement")

    def __init__(self, session: "Session", answers: Answers) -> None:
        self._session, self._answers = session, answers
        self.statement: Statement | None = None

    @property
    def size(self) -> int:
        """How much memory it takes, about."""
        return 0 if self.statement is None else self.statement.size

    def end(self) -> None:
        """Forget it."""
        self.statement = None
        if self._session.backend is not None:
            self._session.backend.unnamed = None

    def end_by_close(self) -> Callable[[], object]:
        """Forget it for what is sent now; return what undoes that, should it be passed over."""
        old, backend = self.statement, self._session.backend
        there = backend if backend is not None and backend.unnamed == _token(old) else None
        self.end()
        return partial(self._keep, old, there)

    def end_by_parse(self, *, alone: bool) -> None:
        """Forget it for a Parse that is sent next; `alone`: as the first of its unit."""
        if self.statement is None or alone or self._session.backend is None:
            self.end()
            return
        # Whether that Parse was passed over, or failed, is told by the answer to what is before it.
        self._answers.completes(ours=True, closed=self.statement, undo=self.end_by_close())
        self._session.backend.transport.write(wire.close_statement(NOBODY))

    def parse(self, backend: Backend, statement: Statement, *, alone: bool) -> None:
        """Send a Parse without a name."""
        self.end_by_parse(alone=alone)
        self.statement, backend.unnamed = statement, statement.token
        self._answers.completes(statement=statement, undo=self.end)
        backend.transport.write(wire.parse(b"", statement.sql, statement.types))

    def _keep(self, old: Statement | None, backend: Backend | None) -> None:
        self.statement = old
        if backend is not None and backend is self._session.backend:
            backend.unnamed = _token(old)


def _token(statement: Statement | None) -> int | None:
    return None if statement is None else statement.token
