"""The address that people connect to: bound once, and kept while what serves it restarts."""

import ipaddress
import socket
import struct
from contextlib import suppress
from pathlib import Path

import psutil

from myriad.errors import SettingsError, StartFailed
from myriad.home.files import write_private
from myriad.home.home import Home
from myriad.settings import Settings

TRIES = 200
HIGHEST = 65535
# Connections that wait while the door restarts; Linux cuts it to net.core.somaxconn (4096).
BACKLOG = 8192
SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL's protocol: answered S or N


def listen(home: Home, settings: Settings) -> socket.socket:
    """Return a socket that listens where people connect, and remember its port.

    That is the port set by hand, or a free one: first that of the last start. Raises StartFailed
    that names who has the one set by hand, SettingsError for an address that is not allowed.
    """
    listening = choose(settings, preferred(settings, last(home)))
    write_private(_memory(home), f"{listening.getsockname()[1]}\n")
    return listening


def by_hand(settings: Settings) -> bool:
    """Say whether somebody set the port; then no other will do."""
    return "port" in settings.origins


def last(home: Home) -> int | None:
    """Return the port of the last start, None if there was none."""
    try:
        return int(_memory(home).read_text())
    except (OSError, ValueError):
        return None


def _memory(home: Home) -> Path:
    return home.folder / "port"


def preferred(settings: Settings, last: int | None) -> int:
    """Return the port to try first: the last one, which people wrote down, if it was chosen."""
    if last is None or by_hand(settings) or not 0 <= last - settings.port < TRIES:
        return settings.port
    return last


def choose(settings: Settings, preferred: int) -> socket.socket:
    """Return a socket that listens on the port set by hand, or on a free one, first `preferred`.

    Raises StartFailed, SettingsError as `listen` does.
    """
    family, host = _address(settings)
    following = range(settings.port, min(settings.port + TRIES, HIGHEST + 1))
    candidates = [settings.port] if by_hand(settings) else [preferred, *following]
    problems: list[str] = []
    for port in candidates:
        try:
            return _bind(family, host, port)
        except (OSError, OverflowError) as error:
            problems.append(_reason(error, port))
    others = "" if by_hand(settings) else f" or the next {TRIES}"
    raise StartFailed(
        f"cannot listen on {settings.host} port {settings.port}{others}: {problems[0]}",
        hint="Stop what has it, or choose another with --port or the setting `port`;"
        " the address is the setting `host`.",
    )


def _address(settings: Settings) -> tuple[socket.AddressFamily, str]:
    """Return the address to bind: checked as it resolves now, because a name's may change.

    Where a name has several, IPv4 comes first: clients that know only one know that one.
    """
    try:
        found = socket.getaddrinfo(settings.host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise StartFailed(
            f"there is no address {settings.host!r}: {error}", hint="See the setting `host`."
        ) from error
    addresses = sorted({(entry[0], str(entry[4][0])) for entry in found})
    public = [host for _, host in addresses if not ipaddress.ip_address(host).is_loopback]
    if public and settings.tls != "require":
        origin = settings.origins.get("host", "settings")
        raise SettingsError(
            f"{origin}: host = {settings.host!r} is reached from other machines ({public[0]}),"
            f" and tls = {settings.tls!r} lets people send what others can read",
            hint="Set `tls` to require; or set `host` to 127.0.0.1 and let people come through an"
            " SSH tunnel.",
        )
    return addresses[0]


def refused(settings: Settings, port: int) -> str | None:
    """Return why nobody can listen on that port now, None if one can."""
    try:
        _bind(*_address(settings), port).close()
    except (OSError, OverflowError) as error:
        return _reason(error, port)
    return None


def taken(address: str, port: int) -> str | None:
    """Return why nobody can listen on that port of an IP address now, None if one can."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        _bind(family, address, port).close()
    except (OSError, OverflowError) as error:
        return _reason(error, port)
    return None


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
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


def _reason(error: Exception, port: int) -> str:
    if not isinstance(error, OSError):
        return f"ports end at {HIGHEST}"
    return f"{error.strerror}{_holder(port)}"


def _holder(port: int) -> str:
    with suppress(psutil.Error, OSError):
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.pid and found.laddr[1:] == (port,):
                return f" (by process {found.pid}, {psutil.Process(found.pid).name()})"
    return ""


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
    return None if answer in {b"S", b"N"} else f"a strange answer on {host} port {port}: {answer!r}"
