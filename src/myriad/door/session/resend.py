"""A unit that failed only because a table was replaced is sent again: nobody saw it fail.

Where it cannot be, its client hears that it must prepare again, as drivers understand it.
"""

import math
import re
from dataclasses import replace

from myriad.door.server.backend import Backend
from myriad.door.server.statements import CHANGED, PREFIX, Statement, is_too_much
from myriad.door.session.answers import Answers
from myriad.door.session.frontend import Frontend
from myriad.door.session.quota import Quota
from myriad.door.session.unit import Unit
from myriad.pgwire import wire

MOST_BYTES = 256 << 10  # of such a unit: it is kept until it is answered
# What the server says of a statement whose table or type is another one now: RevalidateCachedQuery
# (plancache.c), the caches of its catalog, and that one of ours is not there.
_STALE = re.compile(
    rb"\0C0A000\0M.*\0RRevalidateCachedQuery\0"
    rb"|\0CXX000\0M(?:cache lookup failed for |could not open relation with OID )"
    rb"|\0C42704\0Mtype with OID "
    rb"|\0C26000\0M[^\0]*%s_\d" % PREFIX.encode(),
    re.DOTALL,
)


class Resend:
    """The unit of one session that is under way, as its client sent it.

    Attributes:
        bound: the statements that it has bound, by their tokens, the last one last.
        due: it has failed, and is to be sent again.
    """

    __slots__ = (
        "_answers",
        "_bytes",
        "_frontend",
        "_quota",
        "_sent",
        "_tried",
        "_unit",
        "bound",
        "due",
    )

    def __init__(self, frontend: Frontend, unit: Unit, quota: Quota, answers: Answers) -> None:
        self._frontend, self._unit, self._quota = frontend, unit, quota
        self._answers = answers
        self._sent: tuple[bytes, int, int] | None = None
        self._tried = False
        self.bound: dict[int, Statement] = {}
        self._bytes = 0
        self.due = False

    def begins(self, data: bytes, position: int) -> None:
        """Note where the unit begins in what the client sent."""
        self._sent = (data, position, 0) if len(data) <= MOST_BYTES else None

    def ends(self, data: bytes, stop: int) -> None:
        """Note where it ends; it can be sent again if it came in one piece."""
        sent = self._sent
        if sent is not None:
            self._sent = (data, sent[1], stop) if sent[0] is data else None

    def bind(self, statement: Statement, *, lasting: bool) -> None:
        """Note that a statement was bound; what no server connection has any more is forgotten.

        `lasting`: its portal may be described in a later unit.
        """
        bound = self.bound
        statement.told_columns = statement.told_columns or lasting
        if bound.pop(statement.token, None) is None:
            self._bytes += statement.size
        bound[statement.token] = statement
        while is_too_much(len(bound), self._bytes):
            oldest = bound.pop(next(iter(bound)))
            oldest.told_columns = True  # its portal may be described yet
            self._bytes -= oldest.size

    def told(self, *, only_last: bool) -> None:
        """Note that the client is told the columns of what was bound last, or of all."""
        for statement in reversed(self.bound.values()):
            statement.told_columns = True
            if only_last:
                break

    def unit_over(self) -> None:
        """Forget it."""
        self.bound.clear()
        self._bytes = 0
        self._sent = None
        self._tried = self.due = False

    def error(self, message: bytes) -> bytes:
        """Return an error of the server as its client shall see it: not if the unit is sent again.

        What is out of date in the server is not used any more in any case.
        """
        backend = self._frontend.backend
        if not self.bound or backend is None or not _STALE.search(message):
            return message
        was_there = any(self._was_there(backend, statement) for statement in self.bound.values())
        self._drop(backend)
        self.due = self._can_be_sent_again()
        if self.due:
            return b""
        return _changed(message) if was_there else message

    def _was_there(self, backend: Backend, statement: Statement) -> bool:
        """Say whether the server had a statement before this unit: only then it is out of date."""
        if backend.unnamed == statement.token:
            return statement.parsed < math.inf
        instance = backend.prepared.find(statement, shared=True)
        return instance is not None and instance.unit is not self._answers.unit

    def _drop(self, backend: Backend) -> None:
        backend.unnamed = None
        for statement in self.bound.values():
            backend.prepared.drop(statement.token)
            if statement.key is not None:
                backend.prepared.drop(statement.key)

    def _can_be_sent_again(self) -> bool:
        frontend, unit, sent = self._frontend, self._unit, self._sent
        return (
            not unit.has_returned(self._quota)
            and frontend.awaiting
            and unit.status == wire.IDLE
            and sent is not None
            and sent[2] - sent[1] <= MOST_BYTES
            and not (self._tried or unit.reason or unit.bridged or unit.copy)
        )

    def take(self) -> bytes:
        """Return what is to be sent again, once."""
        data, begin, stop = self._sent or (b"", 0, 0)
        self.due = False
        return data[begin:stop]

    def tried(self) -> None:
        """Hear that it is sent for the second time."""
        self._tried = True


def _changed(message: bytes) -> bytes:
    """Return the error by which drivers know that preparing again helps; it quotes PostgreSQL's."""
    fields = wire.error_fields(message[wire.HEADER_BYTES :])
    if fields.get("C") == CHANGED.code:
        return message
    said = f"{CHANGED.hint} PostgreSQL said: {fields.get('M', '')}"
    return replace(CHANGED, hint=said).encode()
