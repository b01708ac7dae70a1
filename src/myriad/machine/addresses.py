"""Addresses of this machine: listened on, taken by somebody, answering or not."""

import socket
import struct
from contextlib import closing, suppress

import psutil

HIGHEST = 65535
# Connections that wait while the door restarts; Linux cuts it to net.core.somaxconn (4096).
BACKLOG = 8192
SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL's protocol: answered S or N


def taken(address: str, port: int) -> str | None:
    """Return why nobody can listen on that port of an IP address now, None if one can."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        bind(family, address, port).close()
    except (OSError, OverflowError) as error:
        return reason(error, port)
    return None


def bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    """Return a socket that listens there; raises OSError, OverflowError."""
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:  # `::` is every address, those of IPv4 too
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def reason(error: Exception, port: int) -> str:
    """Say why nobody can listen on that port, and who has it: `error` is what `bind` raised."""
    if not isinstance(error, OSError):
        return f"ports end at {HIGHEST}"
    return f"{error.strerror}{_holder(port)}"


def _holder(port: int) -> str:
    with suppress(psutil.Error, OSError):
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.pid and found.laddr[1:] == (port,):
                return f" (by process {found.pid}, {psutil.Process(found.pid).name()})"
    return ""


def listens(pid: int, address: str, port: int) -> bool | None:
    """Say whether that process listens on that port of that IPv4 address.

    None where we may not look: as root without CAP_SYS_PTRACE, as in many containers.
    """
    try:
        found = psutil.Process(pid).net_connections("tcp")
    except psutil.AccessDenied:
        return None
    except (psutil.Error, OSError):
        return False
    places = (each.laddr for each in found if each.status == psutil.CONN_LISTEN)
    return any((at[0].removeprefix("::ffff:"), at[1]) == (address, port) for at in places)


def connects(address: str, port: int) -> bool:
    """Say whether somebody listens there."""
    with suppress(OSError), closing(socket.create_connection((address, port), 1.0)):
        return True
    return False


def silent(host: str, port: int, timeout: float = 2.0) -> str | None:
    """Return why nothing speaks PostgreSQL's protocol there, None if something does.

    That it can be connected to says nothing: the kernel takes connections for who listens.
    """
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not listened on
    try:
        with socket.create_connection((near, port), timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(SSL_REQUEST)
            answer = connection.recv(1)
    except TimeoutError:
        return f"no answer on {host} port {port} within {timeout:g} seconds"
    except OSError as error:
        return f"no answer on {host} port {port}: {error.strerror or error}"
    return (
        None
        if answer in {b"S", b"N", b"E"}
        else f"a strange answer on {host} port {port}: {answer!r}"
    )
