"""The port that people connect to: the one set, or the next free one."""

import ipaddress
import socket
from contextlib import suppress

import psutil

from myriad.errors import StartFailed
from myriad.settings import Settings

TRIES = 200
HIGHEST = 65535


def by_hand(settings: Settings) -> bool:
    """Say whether somebody set the port; then no other will do."""
    return "port" in settings.origins


def preferred(settings: Settings, last: int | None) -> int:
    """Return the port to try first: the last one, which people wrote down, if it was chosen."""
    if last is None or by_hand(settings) or not 0 <= last - settings.port < TRIES:
        return settings.port
    return last


def choose(settings: Settings, preferred: int) -> int:
    """Return a port to listen on: the one set by hand, or a free one, first `preferred`.

    Raises StartFailed that names who has the one set by hand.
    """
    _check_loopback(settings.host)
    if by_hand(settings):
        problem = refused(settings.host, settings.port)
        if problem:
            raise StartFailed(
                f"cannot listen on {settings.host} port {settings.port}: {problem}",
                hint="Stop what has it, or choose another with --port or the setting `port`.",
            )
        return settings.port
    candidates: list[int] = [
        preferred,
        *range(settings.port, min(settings.port + TRIES, HIGHEST + 1)),
    ]
    for port in candidates:
        if not refused(settings.host, port):
            return port
    problem = refused(settings.host, preferred)
    raise StartFailed(
        f"cannot listen on {settings.host} port {settings.port} or the next {TRIES}: {problem}",
        hint="Choose another with --port, or another address with the setting `host`.",
    )


def _check_loopback(host: str) -> None:
    try:
        addresses = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise StartFailed(
            f"there is no address {host!r}: {error}", hint="See the setting `host`."
        ) from error
    if not all(ipaddress.ip_address(address).is_loopback for address in addresses):
        raise StartFailed(
            f"{host} is reached from other machines, and this PostgreSQL speaks no TLS",
            hint="Set `host` to 127.0.0.1, and let people come through an SSH tunnel.",
        )


def refused(host: str, port: int) -> str | None:
    """Return why nobody can listen there now, None if one can."""
    if port > HIGHEST:
        return f"ports end at {HIGHEST}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return f"{error.strerror}{_holder(port)}"
    return None


def _holder(port: int) -> str:
    with suppress(psutil.Error, OSError):
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.pid and found.laddr[1:] == (port,):
                return f" (by process {found.pid}, {psutil.Process(found.pid).name()})"
    return ""
