"""Clients come by one listening socket to all processes of the door: who takes the next one.

Whoever has more than others leaves it to them for a moment. No more: one that hangs takes nobody,
and then somebody else must.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine
from typing import Any

MORE, SHARE = 1, 16  # a process may have so many clients more than the least, or a part of these
LEAVE_SECONDS = 0.005
FULL_SECONDS = 0.1  # until it is tried again, where no more files may be open
_FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

Spawn = Callable[[Coroutine[Any, Any, None]], object]
Protocol = Callable[[], asyncio.BaseProtocol]


class Accepting:
    """Takes clients from a socket; `clients` gives how many are here, and in each other process."""

    def __init__(
        self,
        listening: socket.socket,
        protocol: Protocol,
        spawn: Spawn,
        clients: Callable[[], tuple[int, list[int]]],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening, self._protocol = listening, protocol
        self._spawn, self._clients = spawn, clients
        self._later: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Take clients from now on."""
        self._listening.settimeout(0)
        self._loop.add_reader(self._listening, self._ready)

    def end(self) -> None:
        """Take nobody any more; those who come wait for the others."""
        if self._later is not None:
            self._later.cancel()
        self._loop.remove_reader(self._listening)
        self._listening.close()

    def _ready(self) -> None:
        here, elsewhere = self._clients()
        least = min(elsewhere, default=here)
        if here > least + max(MORE, least // SHARE):
            self._pause(LEAVE_SECONDS)
        else:
            self._take()

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._later = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._loop.add_reader(self._listening, self._ready)
        self._take()

    def _take(self) -> None:
        """Take one: meanwhile others may take the next one."""
        try:
            client, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self._pause(FULL_SECONDS)
            return
        client.settimeout(0)
        self._spawn(self._hand_over(client))

    async def _hand_over(self, client: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, client)
        except OSError:  # it has gone already
            client.close()
