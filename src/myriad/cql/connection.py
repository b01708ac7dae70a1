"""One connection to a Cassandra node: statements, prepared behind the scenes, page by page."""

import select
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Self

from myriad.cql import frames, messages, stream
from myriad.cql.asked import PAGE_ROWS, Ask, Asked
from myriad.cql.frames import Malformed
from myriad.cql.messages import Consistency, Page, Prepared
from myriad.cql.stream import LOOK_AT_STATUS, Endpoint
from myriad.cql.values import encode
from myriad.errors import CqlError, NotRunning, UsageError

__all__ = ["Connection", "Consistency", "Endpoint", "Page", "Prepared"]

KEPT_STATEMENTS = 200
HEAD_START = 0.02  # seconds that the first of two statements has before the second is sent
IN_FLIGHT = 64  # statements that one connection sends ahead; a node's queue holds 128 of all


class Connection(Asked):
    """A blocking connection to one node. Not for several threads at once.

    A connection that failed other than by a CqlError is closed: what it would bring next belongs
    to a statement of before. `sent` tells whether the last statement may have reached the node.
    `raw`: the values of rows stay in wire form, null is None.
    """

    def __init__(
        self, endpoint: Endpoint, host: str, *, timeout: float = 10.0, raw: bool = False
    ) -> None:
        self.host = host
        self.sent = False
        self._where = f"{host}:{endpoint.port}"
        self._timeout = timeout
        self._raw = raw
        self._statements: OrderedDict[str, Prepared] = OrderedDict()
        self._closed = False
        self._socket = stream.connect(endpoint, host, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def page(self, ask: Ask, state: bytes | None = None) -> Page:
        """Run a statement; return the page that begins at `state`. Raises as `query` does."""
        until = self._until(ask.timeout)
        self.sent = False
        if not ask.values:
            body = messages.query(ask.text, ask.consistency, ask.rows, state)
            return self._page(frames.QUERY, body, until)
        for last in (False, True):
            statement = self._prepare(ask.text, until)
            bound = _bound(statement, ask.values)
            body = messages.execute(statement, bound, ask.consistency, ask.rows, state)
            try:
                return self._page(frames.EXECUTE, body, until)
            except CqlError as error:
                if error.code != CqlError.UNPREPARED or last:
                    raise
                del self._statements[ask.text]  # the node forgot it, as it may
        raise AssertionError(ask.text)

    def prepare(self, text: str) -> Prepared:
        """Return the prepared statement; the node is asked once. Raises as `query` does."""
        return self._prepare(text, self._until(None))

    def run_all(
        self,
        statements: Sequence[str],
        *,
        consistency: Consistency = Consistency.LOCAL_ONE,
        timeout: float | None = None,
    ) -> None:
        """Run statements, many in flight and in no particular order.

        When one fails no more are sent; those in flight are awaited, and the first one's error is
        raised. `timeout` in seconds, for each answer. Raises as `query` does.
        """
        self.sent = False
        waiting = deque(enumerate(statements))
        free = list(range(IN_FLIGHT))
        flying: dict[int, int] = {}
        failed: dict[int, CqlError] = {}
        while flying or (waiting and not failed):
            until = self._until(timeout)
            while waiting and free and not failed:
                number, text = waiting.popleft()
                flying[free[-1]] = number
                self.sent = True
                body = messages.query(text, consistency, PAGE_ROWS, None)
                self._send(free.pop(), frames.QUERY, body, until)
            answered, found = self._receive(until)
            if answered not in flying:
                raise self._broken(Malformed("an answer belongs to no question"))
            if isinstance(found, CqlError):
                failed[flying[answered]] = found
            del flying[answered]
            free.append(answered)
        if failed:
            raise failed[min(failed)]

    def in_step(self, first: str, then: str, *, timeout: float) -> None:
        """Run two statements, the second of which is sent while the node is at the first.

        Nearly always it does them in that order, but need not. `timeout` in seconds, for both.
        Raises as `query` does.
        """
        self.sent = True
        until = self._until(timeout)
        found: dict[int, Page | Prepared | CqlError] = {}
        for number, text in enumerate((first, then)):
            body = messages.query(text, Consistency.LOCAL_ONE, PAGE_ROWS, None)
            self._send(number, frames.QUERY, body, until)
            if text is first:
                self._comes(HEAD_START)
        while len(found) < len((first, then)):
            answered, answer = self._receive(until)
            if answered in found or answered not in (0, 1):
                raise self._broken(Malformed("an answer belongs to no question"))
            found[answered] = answer
        for number in sorted(found):
            if isinstance(error := found[number], CqlError):
                raise error

    def alive(self) -> bool:
        """Whether nothing is known against it: a node that stopped has closed its end."""
        if self._closed:
            return False
        return not self._comes(0)  # nobody asked anything, so all that can be read is the end

    def close(self) -> None:
        """Close it; again does nothing."""
        self._closed = True
        self._socket.close()

    def _comes(self, seconds: float) -> bool:
        """Say whether anything can be read within so many seconds."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _until(self, timeout: float | None) -> float:
        return time.monotonic() + (self._timeout if timeout is None else timeout)

    def _prepare(self, text: str, until: float) -> Prepared:
        if text in self._statements:
            self._statements.move_to_end(text)
            return self._statements[text]
        found = self._ask(frames.PREPARE, frames.long_string(text), until)
        if not isinstance(found, Prepared):
            raise self._broken(Malformed("a statement was not prepared"))
        self._statements[text] = found
        if len(self._statements) > KEPT_STATEMENTS:
            self._statements.popitem(last=False)
        return found

    def _page(self, opcode: int, body: bytes, until: float) -> Page:
        self.sent = True
        found = self._ask(opcode, body, until)
        if not isinstance(found, Page):
            raise self._broken(Malformed("a statement was only prepared"))
        return found

    def _ask(self, opcode: int, body: bytes, until: float) -> Page | Prepared:
        self._send(0, opcode, body, until)
        answered, found = self._receive(until)
        if answered:
            raise self._broken(Malformed("an answer belongs to no question"))
        if isinstance(found, CqlError):
            raise found
        return found

    def _send(self, number: int, opcode: int, body: bytes, until: float) -> None:
        if self._closed:
            raise NotRunning(f"the connection to {self._where} is closed", hint=LOOK_AT_STATUS)
        try:
            stream.send(self._socket, frames.frame(number, opcode, body), until)
        except BaseException as error:
            raise self._broken(error) from error

    def _receive(self, until: float) -> tuple[int, Page | Prepared | CqlError]:
        try:
            head, data = stream.receive(self._socket, until)
            body = frames.body(head.flags, data)
            return head.stream, messages.result(head.opcode, body, raw=self._raw)
        except CqlError as error:
            return head.stream, error
        except BaseException as error:
            raise self._broken(error) from error

    def _broken(self, error: BaseException) -> BaseException:
        self.close()
        return stream.translated(error, self._where)


def _bound(statement: Prepared, values: Sequence[object]) -> list[bytes | None]:
    if len(values) != len(statement.columns):
        raise UsageError(
            f"the statement takes {len(statement.columns)} values, not {len(values)}",
            hint="Give one value for each `?`.",
        )
    found = []
    for (name, kind), value in zip(statement.columns, values, strict=True):
        try:
            found.append(encode(kind, value))
        except (ValueError, TypeError, OverflowError, AttributeError) as error:
            raise UsageError(
                f"{name} is {kind}, and {value!r} is not: {error}",
                hint=f"Give a value that fits {kind}.",
            ) from error
    return found
