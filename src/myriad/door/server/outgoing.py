"""What goes to the server on one connection: messages of one unit in one system call, if they can.

Each call to the system costs the door as much as handling a message does, and wakes the server,
which finds a Parse and waits for its Bind.

Of a message that a client sends in parts, the server has only the begin for a while. Whatever else
is to be sent meanwhile would be read as its content, and what the client sends after it as
messages, at which nobody here has looked: so it waits for the last part.
"""

from typing import Any

MOST_BYTES = 64 << 10  # that wait; copying more into one piece would cost what it saves


class Outgoing:
    """A transport to the server, whose `gather` lets a message wait for those that follow it.

    Attributes:
        waiting: messages that wait.
    """

    __slots__ = ("_rest", "_size", "_transport", "waiting")

    def __init__(self, transport: Any) -> None:  # noqa: ANN401 - uvloop's have no types
        self._transport = transport
        self.waiting: list[bytes] = []
        self._size = self._rest = 0

    def gather(self, message: bytes) -> None:
        """Send a message with what follows it, or with `flush`, to be called when nothing does."""
        self._size += len(message)
        if self._size > MOST_BYTES:
            self.write(message)
            return
        self.waiting.append(message)

    def write(self, message: bytes) -> None:
        """Send a message as soon as may be, behind all that wait."""
        if self._rest:
            self.waiting.append(message)
            self._size += len(message)
            return
        if self.waiting:
            self.waiting.append(message)
            message = b"".join(self.waiting)
            self.waiting.clear()
        self._size = 0
        self._transport.write(message)

    def write_part(self, part: bytes, rest: int) -> None:
        """Send a part of a message now, of which `rest` bytes are still to come."""
        if not self._rest:
            self.flush()
        self._rest = rest
        self._transport.write(part)
        if not rest:
            self.flush()

    def flush(self) -> None:
        """Send what waits, as far as it may be sent."""
        if self.waiting and not (self._rest or self._transport.is_closing()):
            self.write(b"")

    @property
    def held_up(self) -> bool:
        """Whether something waits for the rest of a message that was sent in part."""
        return self._rest > 0 and bool(self.waiting)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes the server has not taken."""
        return int(self._transport.get_write_buffer_size()) + self._size

    def close(self) -> None:
        """End the connection when all is sent."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """End it now."""
        self.waiting.clear()
        self._size = 0
        self._transport.abort()

    def is_closing(self) -> bool:
        """Say whether it has ended, or ends."""
        return bool(self._transport.is_closing())

    def pause_reading(self) -> None:
        """Leave what the server sends in the network."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read what the server sends."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str) -> Any:  # noqa: ANN401 - asyncio's
        """Return what the transport knows of the connection."""
        return self._transport.get_extra_info(name)
