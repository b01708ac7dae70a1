"""A connection to a node with many batches in flight; nothing in it blocks."""

import select
import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass

from myriad.cql import frames, messages
from myriad.cql.bulk.batches import Batch
from myriad.cql.bulk.window import BIGGEST, Window
from myriad.cql.frames import HEADER_BYTES, Malformed
from myriad.errors import CqlError

READ = 1 << 16
MOST_ANSWER = 1 << 20  # bytes; an answer to a batch says little
# Seconds without an answer after which a node is taken for dead. It gives up on a write itself
# after 2 seconds (`write_request_timeout`) and then says so.
SILENCE = 10.0
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass
class _Sent:
    batch: Batch
    at: float


@dataclass(frozen=True)
class Answer:
    """What became of a batch; `error` None: it is applied."""

    batch: Batch
    error: CqlError | None


class Pipe:
    """One connection, logged in. What fails raises OSError or Malformed: then it is to be closed.

    Attributes:
        host: the node.
        window: how many batches may be in flight.
    """

    def __init__(self, host: str, connected: socket.socket) -> None:
        self.host = host
        self.window = Window()
        self._socket = connected
        self._socket.settimeout(0)
        self._flying: dict[int, _Sent] = {}
        self._free = list(range(BIGGEST))
        self._out: deque[memoryview] = deque()
        self._in = bytearray()

    def fileno(self) -> int:
        """Return the socket's, for a selector."""
        return self._socket.fileno()

    @property
    def room(self) -> int:
        """How many batches it takes on now."""
        return self.window.size - len(self._flying)

    def events(self) -> int:
        """What to wait for."""
        return select.POLLIN | (select.POLLOUT if self._out else 0)

    def send(self, batch: Batch, tail: bytes) -> None:
        """Send a batch, or as much of it as the socket takes."""
        stream = self._free.pop()
        self._flying[stream] = _Sent(batch, time.monotonic())
        self._out.append(memoryview(frames.frame(stream, frames.BATCH, batch.body(tail))))
        self.flush()

    def flush(self) -> None:
        """Send on what the socket did not take before."""
        while self._out:
            try:
                number = self._socket.send(self._out[0])
            except _LATER:
                return
            if number == len(self._out[0]):
                self._out.popleft()
            else:
                self._out[0] = self._out[0][number:]

    def receive(self) -> list[Answer]:
        """Return the answers that have come, also those that came just before the end."""
        found: list[Answer] = []
        try:
            while self._read():
                self._answers(found)
        except (OSError, Malformed):
            if not found:  # else the next look meets the same
                raise
        return found

    def check(self) -> None:
        """Raise TimeoutError if an answer is overdue."""
        oldest = min((each.at for each in self._flying.values()), default=None)
        if oldest is not None and time.monotonic() - oldest > SILENCE:
            raise TimeoutError(f"no answer within {SILENCE:g} seconds")

    def close(self) -> list[Batch]:
        """Close it; return the batches of which nobody knows whether they were applied."""
        self._socket.close()
        left = [each.batch for each in self._flying.values()]
        self._flying.clear()
        return left

    def _read(self) -> bool:
        try:
            data = self._socket.recv(READ)
        except _LATER:
            return False
        if not data:
            raise ConnectionResetError("the node closed the connection")
        self._in += data
        return True

    def _answers(self, found: list[Answer]) -> None:
        at = 0
        while len(self._in) - at >= HEADER_BYTES:
            head = frames.header(self._in, at)
            if head.length > MOST_ANSWER:
                raise Malformed(f"the answer to a batch has {head.length} bytes")
            end = at + HEADER_BYTES + head.length
            if len(self._in) < end:
                break
            found.append(self._answer(head, bytes(self._in[at + HEADER_BYTES : end])))
            at = end
        del self._in[:at]

    def _answer(self, head: frames.Header, data: bytes) -> Answer:
        sent = self._flying.pop(head.stream, None)
        if sent is None:
            raise Malformed("an answer belongs to no batch")
        self._free.append(head.stream)
        now = time.monotonic()
        try:
            messages.result(head.opcode, frames.body(head.flags, data))
        except CqlError as error:
            if error.retryable:
                self.window.overloaded(sent.at, now)
            return Answer(sent.batch, error)
        self.window.answered(now - sent.at, now)
        return Answer(sent.batch, None)
