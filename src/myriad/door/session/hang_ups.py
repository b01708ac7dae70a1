"""Clients that hung up while the loop did not read from them: it hears of that when it reads on."""

import select
import sys
from collections.abc import Iterable

from myriad.door.session.frontend import Frontend


class HangUps:
    """Who has: known to the system at once, whether the loop reads or not.

    Where there is no epoll, nothing is noticed here: the loop hears of it when it reads on.
    """

    def __init__(self) -> None:
        self._clients: dict[int, Frontend] = {}
        self._before: set[int] = set()
        self._epoll = select.epoll() if sys.platform == "linux" else None

    def watch(self, client: Frontend) -> None:
        """Begin to look whether a client hangs up."""
        if self._epoll is None:
            return
        connection = client.transport.get_extra_info("socket")
        if connection is None:  # whoever speaks without one is told by its own means
            return
        client.descriptor = connection.fileno()
        self._clients[client.descriptor] = client
        self._epoll.register(client.descriptor, select.EPOLLRDHUP)  # the system ends it by itself

    def forget(self, client: Frontend) -> None:
        """Hear that a client's connection has ended."""
        if self._clients.get(client.descriptor) is client:
            del self._clients[client.descriptor]

    def gone(self) -> Iterable[Frontend]:
        """Return who had hung up before the last look and is still there."""
        now = {number for number, _ in self._epoll.poll(0)} if self._epoll is not None else set()
        still, self._before = now & self._before, now
        return [self._clients[number] for number in still if number in self._clients]
