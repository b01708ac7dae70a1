"""What goes to the server on one connection: messages of one unit in one system call, if they can.

Each call to the system costs the door as much as handling a message does, and wakes the server,
which finds a Parse and waits for its Bind.
"""

import asyncio
from typing import Any

MOST_BYTES = 64 << 10  # that wait; copying more into one piece would cost what it saves


class Outgoing:
    """A transport to the server, whose `gather` lets a message wait for those that follow it."""

    __slots__ = ("_size", "_transport", "_waiting")

    def __init__(self, transport: Any) -> None:  # noqa: ANN401 - uvloop's have no types
        self._transport = transport
        self._waiting: list[bytes] = []
        self._size = 0

    def gather(self, message: bytes) -> None:
        """Send a message with what follows it, or as soon as what has come is handled."""
        self._size += len(message)
        if self._size > MOST_BYTES:
            self.write(message)
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(message)

    def write(self, message: bytes) -> None:
        """Send a message now, behind all that wait."""
        if self._waiting:
            self._waiting.append(message)
            message = b"".join(self._waiting)
            self._waiting.clear()
        self._size = 0
        self._transport.write(message)

    def _flush(self) -> None:
        if self._waiting and not self._transport.is_closing():
            self.write(b"")

    def get_write_buffer_size(self) -> int:
        """Return how many bytes the server has not taken."""
        return int(self._transport.get_write_buffer_size()) + sum(map(len, self._waiting))

    def close(self) -> None:
        """End the connection when all is sent."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """End it now."""
        self._waiting.clear()
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
