"""Peers whose machine or network is gone: they say nothing at all, and nobody hears of it."""

import socket
import struct
from contextlib import suppress
from typing import Any

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
_linux = struct.Struct("3i")  # struct ucred in unix(7): process, user, group
# macOS: sys/un.h and struct xucred in sys/ucred.h, whose second field is the user.
SOL_LOCAL, LOCAL_PEERCRED, XUCRED_BYTES = 0, 1, 76
_macos = struct.Struct("4xI")


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


def user(transport: Any) -> int | None:  # noqa: ANN401
    """Return the number of the user who connected to a Unix socket, as the system says; or None."""
    raw = transport.get_extra_info("socket")
    if raw is None or raw.family != socket.AF_UNIX:
        return None
    try:
        if hasattr(socket, "SO_PEERCRED"):
            found = raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _linux.size)
            return int(_linux.unpack(found)[1])
        found = raw.getsockopt(SOL_LOCAL, LOCAL_PEERCRED, XUCRED_BYTES)
        return int(_macos.unpack_from(found)[0])
    except (OSError, struct.error):  # it has gone already
        return None


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
