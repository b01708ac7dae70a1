"""Clients and servers that have gone: noticed also where the loop would not hear of it.

The loop hears that a peer hung up when it reads on, and it does not read from a client that sends
more than may wait. A peer whose machine or network is gone says nothing at all.
"""

import select
import socket
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from myriad.door.session.frontend import Frontend

# An idle peer is asked for a sign of life, and is gone when it has not answered for a minute.
# macOS has another name for TCP_KEEPIDLE, and its own default where that is not set.
KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
# Who was sent something answers at once. TCP_USER_TIMEOUT is not for us: it also ends a peer that
# lives and only does not read (tcp_probe_timer in Linux' tcp_timer.c), such as a slow reader.
SILENT_SECONDS = 50
MOST_UNANSWERED = 1
_unanswered = struct.Struct("2xBB").unpack_from  # tcpi_retransmits, tcpi_probes
_heard = struct.Struct("56xI").unpack_from  # tcpi_last_ack_recv, in milliseconds
INFO_BYTES = 60


def keep_alive(transport: Any) -> None:  # noqa: ANN401 - uvloop's transports have no types
    """Have the system ask an idle peer for a sign of life."""
    raw = transport.get_extra_info("socket")
    if not _is_tcp(raw):
        return
    with suppress(OSError):  # it has gone already
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE.items():
            if hasattr(socket, name):
                raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def is_silent(transport: Any, seconds: float = SILENT_SECONDS) -> bool:  # noqa: ANN401
    """Say whether a peer has answered nothing for so long, though it was sent something."""
    raw = transport.get_extra_info("socket")
    if not _is_tcp(raw) or not hasattr(socket, "TCP_INFO"):
        return False
    try:
        info = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES)
    except OSError:
        return False
    unanswered, (heard,) = sum(_unanswered(info)), _heard(info)
    return unanswered > MOST_UNANSWERED and bool(heard > seconds * 1000)


def _is_tcp(raw: Any) -> bool:  # noqa: ANN401 - uvloop's own kind of socket
    return raw is not None and raw.family in {socket.AF_INET, socket.AF_INET6}


class HangUps:
    """Clients that hung up: known to the system at once, whether the loop reads or not.

    Where there is no epoll, nothing is noticed here: the loop hears of it when it reads on.
    """

    def __init__(self) -> None:
        self._clients: dict[int, Frontend] = {}
        self._before: set[int] = set()
        self._epoll = select.epoll() if sys.platform == "linux" else None

    def watch(self, client: "Frontend") -> None:
        """Begin to look whether a client hangs up."""
        if self._epoll is None:
            return
        client.descriptor = client.transport.get_extra_info("socket").fileno()
        self._clients[client.descriptor] = client
        self._epoll.register(client.descriptor, select.EPOLLRDHUP)  # the system ends it by itself

    def forget(self, client: "Frontend") -> None:
        """Hear that a client's connection has ended."""
        if self._clients.get(client.descriptor) is client:
            del self._clients[client.descriptor]

    def gone(self) -> "Iterable[Frontend]":
        """Return who had hung up before the last look and is still there."""
        now = {number for number, _ in self._epoll.poll(0)} if self._epoll is not None else set()
        still, self._before = now & self._before, now
        return [self._clients[number] for number in still if number in self._clients]
