"""Short messages between the door's processes, over sockets that `up` made and keeps.

A message may be lost: where a process has ended, or so many wait for it that it does not go on.
Nobody relies on one to come: without it something is late, or a little less is known.
"""

import asyncio
import json
import logging
import socket
from collections import deque
from collections.abc import Callable, Sequence

MOST_BYTES = 4096  # of a message
MOST_WAITING = 1000  # messages to one process
MOST_AT_ONCE = 100  # that are read before others have their turn
RETRY_SECONDS = 0.01

log = logging.getLogger("myriad.door")
Handler = Callable[..., object]


class Post:
    """Sends to the other processes, and has what they send handled."""

    def __init__(
        self, process: int, reading: socket.socket, writing: Sequence[socket.socket]
    ) -> None:
        """The sockets are of datagrams; `writing` has one for each process, this one too."""
        self._loop = asyncio.get_running_loop()
        self._reading = reading
        for each in (reading, *writing):
            each.settimeout(0)
        self._handlers: dict[str, Handler] = {}
        boxes = (_Box(self._loop, each) for each in writing)
        self._boxes = {number: box for number, box in enumerate(boxes) if number != process}

    def begin(self, handlers: dict[str, Handler]) -> None:
        """Call `handlers` by the first word of what comes, with its other words."""
        self._handlers = handlers
        self._loop.add_reader(self._reading, self._read)

    def send(self, process: int, *words: str | float) -> None:
        """Send something to one process; it is nothing to one that there is not."""
        box = self._boxes.get(process)
        if box is not None:
            box.put(json.dumps(words).encode())

    def tell(self, *words: str | float) -> None:
        """Send something to all others."""
        for process in self._boxes:
            self.send(process, *words)

    def _read(self) -> None:
        for _ in range(MOST_AT_ONCE):
            try:
                data = self._reading.recv(MOST_BYTES)
            except BlockingIOError:
                return
            word, *others = json.loads(data)
            try:
                self._handlers[word](*others)
            except Exception:
                log.exception("in a message of another process: %s", word)


class _Box:
    """What waits to be sent to one process."""

    def __init__(self, loop: asyncio.AbstractEventLoop, writing: socket.socket) -> None:
        self._loop, self._writing = loop, writing
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)

    def put(self, message: bytes) -> None:
        if len(message) > MOST_BYTES:
            return
        self._waiting.append(message)
        if len(self._waiting) == 1:
            self._send()

    def _send(self) -> None:
        while self._waiting:
            try:
                self._writing.send(self._waiting[0])
            except (BlockingIOError, OSError):  # macOS says ENOBUFS
                self._loop.call_later(RETRY_SECONDS, self._send)
                return
            self._waiting.popleft()
