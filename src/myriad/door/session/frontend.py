"""The messages of one client, one after the other, each as soon as its turn has come."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from myriad.door.ports import Client
from myriad.door.server.backend import Backend
from myriad.pgwire.faults import Fault
from myriad.pgwire.kinds import CLIENT_KINDS, COPY_DATA, COPY_ENDS, FUNCTION_CALL, QUERY
from myriad.pgwire.wire import HEADER_BYTES, ProtocolViolation, head, header

MOST_MESSAGE_BYTES = 64 << 20  # of a statement or its parameters: they are looked at whole
LAST_WORD_SECONDS = 3.0  # that a client may take to read what it was sent before the end
MOST_BUFFERED_BYTES = 256 << 10  # of what waits for its turn, before the client is held back
MOST_AT_ONCE = 500  # messages, before others have their turn: some 2 ms
UNITS = frozenset((QUERY, FUNCTION_CALL))  # each is answered by a ReadyForQuery of its own
SIZE_BYTES = 4  # a message's size counts itself
COPY_KINDS = COPY_ENDS | {COPY_DATA}


class Frontend(asyncio.Protocol):
    """Cuts what a client sends into messages.

    Attributes:
        backend: the server connection that the session has now.
        special: each of its answers is to be looked at; `acked`: how many ParseComplete and
            CloseComplete have passed without a look, in this unit.
        awaiting: a unit was sent whole, and its ReadyForQuery has not come.
        paused: something must come first: a server connection, or the door's own query.
        descriptor: of the client's socket; -1: it is not looked after.
        rest: bytes that are still to come of a long CopyData message; `passing` if the server has
            its beginning, else they are passed over, too.
        full: the client does not read as fast as the server answers, which therefore waits.
        blocked: that is so, or the server takes no more: what the client has sent waits.
        reading: what the client sends is read now; only `regulate` begins and ends that.
        study: looks at the text whose turn it is, and resumes.
    """

    __slots__ = (
        "_buffer",
        "_counted",
        "_wanted",
        "acked",
        "awaiting",
        "backend",
        "blocked",
        "descriptor",
        "full",
        "passing",
        "paused",
        "reading",
        "rest",
        "special",
        "study",
        "transport",
    )

    def __init__(self, transport: Client) -> None:
        self.transport = transport
        self.backend: Backend | None = None
        self.awaiting = self.paused = self.full = self.blocked = self.passing = False
        self.reading, self.special = True, False
        self.acked, self.rest, self.descriptor = 0, 0, -1
        self.study: asyncio.Task[None] | None = None
        self._buffer: bytes | bytearray = b""
        self._wanted = self._counted = 0

    def handle(self, kind: int, data: bytes, position: int, stop: int) -> bool:
        """Handle one message; False if it must wait, such as for a server connection.

        It comes again then, the same bytes: nothing may have been done for it yet.
        """
        raise NotImplementedError

    def wait_for(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Hold the client back until `work` lets it go on; where that fails, the session ends."""
        raise NotImplementedError

    def copies(self) -> bool:
        """Say whether COPY data may go to the server now; elsewhere it is passed over."""
        raise NotImplementedError

    def goes_ahead(self, kind: int) -> bool:
        """Say whether such a message may go to the server now, as COPY is under way."""
        raise NotImplementedError

    def copied(self) -> None:
        """Hear that a long CopyData message is through."""
        raise NotImplementedError

    def count(self, more: int) -> None:
        """Count so many bytes more, or less, of what is held for this client, if it is much."""
        raise NotImplementedError

    def end(self, fault: Fault) -> None:
        """Tell the client why, and end the connection."""
        if not self.transport.is_closing():
            self.transport.write(fault.encode("FATAL"))
            self.blocked = True  # nothing more of what the client has sent is handled
            self.leave()
            self.drop()

    def leave(self) -> None:
        """End the connection when the client has read what it was sent, or does not read it."""
        self.transport.close()
        if self.transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(LAST_WORD_SECONDS, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """Handle what the client sent."""
        if self._buffer:
            self._append(data)
            if len(self._buffer) < self._wanted or self._must_wait():
                self.regulate()
                return
            data, self._buffer = bytes(self._buffer), b""
        self._pump(data)

    def _must_wait(self) -> bool:
        """Say whether the turn of what is in the buffer has not come; that of COPY data has."""
        if not (self.awaiting or self.paused or self.blocked):
            return False
        return not self._may_pass(self._buffer[0])

    def _may_pass(self, kind: int) -> bool:
        """Say whether a message need not wait until the server has answered those before it."""
        return not self.blocked and (kind in COPY_KINDS or self.goes_ahead(kind))

    @property
    def server(self) -> Backend:
        """The server connection; raises ProtocolViolation where there must be one, and is none."""
        if self.backend is None:
            raise ProtocolViolation("no server connection")
        return self.backend

    @property
    def unread(self) -> bool:
        """Whether the client sent something whose turn has not come."""
        return bool(self._buffer)

    def _append(self, data: bytes) -> None:
        if isinstance(self._buffer, bytes):
            self._buffer = bytearray(self._buffer)
        self._buffer += data

    def _pump(self, data: bytes) -> None:
        """Handle the messages in `data` as far as their turn has come; keep the rest."""
        position, end, left = 0, len(data), MOST_AT_ONCE
        self._wanted = 0
        try:
            if self.rest:
                position = self._copy_on(data)
            while left and end - position >= HEADER_BYTES:
                kind, size = header(data, position)
                stop = position + size + 1
                if kind == COPY_DATA:
                    position = self._copy(data, position, stop)
                    continue
                if (self.awaiting or self.paused or self.blocked) and not self._may_pass(kind):
                    break
                if kind not in CLIENT_KINDS or not SIZE_BYTES <= size <= MOST_MESSAGE_BYTES:
                    raise _violation(kind, size)
                if stop > end:
                    self._wanted = stop - position
                    break
                if not self.handle(kind, data, position, stop):
                    break
                position = stop
                left -= 1
        except ProtocolViolation as problem:
            self.end(Fault(problem.code, str(problem)))
            return
        self._flush()
        if position < end or self._counted or not self.reading:
            self._keep(data[position:], goes_on=not left)

    def _flush(self) -> None:
        """Send what waits for the rest of its unit, which has not come yet."""
        if self.backend is not None and self.backend.transport.waiting:
            self.backend.transport.flush()

    def _keep(self, data: bytes | bytearray, *, goes_on: bool = False) -> None:
        self._buffer = data
        if goes_on:
            asyncio.get_running_loop().call_soon(self._go_on)
        if self._counted or not self.reading or len(data) > MOST_BUFFERED_BYTES:
            self.regulate()

    def _copy(self, data: bytes, position: int, stop: int) -> int:
        """Pass on CopyData, or as much of it as is there; return where what follows begins."""
        if stop - position < HEADER_BYTES:
            raise ProtocolViolation("invalid message length")
        end = len(data)
        passing = self.backend is not None and self.copies()
        self.rest = max(0, stop - end)
        if passing:
            self.backend.transport.write_part(data[position:stop], self.rest)  # type: ignore[union-attr]
        self.passing = passing and self.rest > 0
        return min(stop, end)

    def _copy_on(self, data: bytes) -> int:
        """Pass on more of a long CopyData; return how much of `data` it was."""
        part = min(self.rest, len(data))
        self.rest -= part
        if self.backend is not None and self.passing:
            self.backend.transport.write_part(data[:part], self.rest)
            if not self.rest:
                self.passing = False
                self.copied()
        return part

    def resume(self) -> None:
        """Go on with what the client sent in the meantime."""
        self.paused = False
        self.end_study()
        if self._buffer and not self.transport.is_closing():
            data, self._buffer = bytes(self._buffer), b""
            self._pump(data)

    def end_study(self) -> None:
        """Look no more at a text whose turn is over: it would wake who waits for something else."""
        study, self.study = self.study, None
        if study is not None:
            study.cancel()

    def _go_on(self) -> None:
        """Go on with what waited until either side took more, or others had their turn."""
        if self._buffer and not (self._must_wait() or self.transport.is_closing()):
            data, self._buffer = bytes(self._buffer), b""
            self._pump(data)

    def drop(self) -> None:
        """Keep nothing of what the client sent."""
        self._buffer = b""
        if self._counted:
            self.count(-self._counted)
            self._counted = 0

    def replay(self, messages: bytes) -> None:
        """Handle these messages again, before what waits for its turn.

        Where the rest of a long CopyData is still to come, that is a message of its own from now
        on: it is passed over, as its begin was.
        """
        rest, self.rest = self.rest, 0
        if rest:
            messages += head(COPY_DATA, rest)
        data, self._buffer = messages + self._buffer, b""
        self._pump(bytes(data))

    def withdraw(self) -> bytes | None:
        """Take back the message that waits for its turn, if it is a whole unit; return its text."""
        if not self._buffer or self._buffer[0] not in UNITS:
            return None
        size = header(self._buffer, 0)[1]
        text = bytes(self._buffer[HEADER_BYTES:size])
        self._keep(self._buffer[size + 1 :])
        return text

    @property
    def held_bytes(self) -> int:
        """How much of what either side sent has not been taken by the other one."""
        size = len(self._buffer)
        if not self.transport.is_closing():
            size += self.transport.get_write_buffer_size()
        if self.backend is not None and not self.backend.closed:
            size += int(self.backend.transport.get_write_buffer_size())
        return size

    def _count_held(self) -> None:
        """Count what is held, if it is much: each turn of a short statement costs nothing."""
        size = len(self._buffer) if len(self._buffer) > MOST_BUFFERED_BYTES else 0
        if self.backend is not None and self.backend.full and not self.backend.closed:
            size += int(self.backend.transport.get_write_buffer_size())
        more, self._counted = size - self._counted, size
        if more:
            self.count(more)

    # How fast: each side is read as long as the other side takes what comes

    def regulate(self) -> None:
        """Read what the client sends, or leave it in the network; nothing else decides that.

        It is left there while the server takes no more, while the client does not read what it is
        answered, and while more of it waits for its turn than the next message needs. To be called
        whenever any of that has changed.
        """
        if self.transport.is_closing():
            return
        self._count_held()
        blocked = self.full or (self.backend is not None and self.backend.full)
        if blocked != self.blocked:
            self.blocked = blocked
            if not blocked and self._buffer:
                asyncio.get_running_loop().call_soon(self._go_on)
        ahead = len(self._buffer) > max(self._wanted, MOST_BUFFERED_BYTES)
        reading = not (ahead or blocked)
        if reading != self.reading:
            self.reading = reading
            self.transport.resume_reading() if reading else self.transport.pause_reading()

    def takes_more(self) -> bool:
        """Say whether the server's answers may come now."""
        return not self.full

    def pause_writing(self) -> None:
        """Let the server wait, and what the client sends: it does not read."""
        self.full = True
        if self.backend is not None:
            self.backend.regulate()
        self.regulate()

    def resume_writing(self) -> None:
        """Let the server go on, and the client."""
        self.full = False
        if self.backend is not None:
            self.backend.regulate()
        self.regulate()

    def take(self, backend: Backend) -> None:
        """Have a server connection from now on."""
        self.backend = backend
        if self.full:
            backend.regulate()
        if backend.full:
            self.regulate()

    def let_go(self) -> Backend | None:
        """Have a server connection no longer; what was held up on either side goes on."""
        backend, self.backend = self.backend, None
        if backend is not None:
            backend.session = None
            if self.full:
                backend.regulate()
            if backend.full:
                self.regulate()
        return backend


def _violation(kind: int, size: int) -> ProtocolViolation:
    if kind not in CLIENT_KINDS or size < SIZE_BYTES:
        return ProtocolViolation(f"invalid frontend message type {kind}")
    return ProtocolViolation(
        f"a statement or its parameters may have {MOST_MESSAGE_BYTES >> 20} MB here; load more"
        " with COPY",
        "54000",
    )
