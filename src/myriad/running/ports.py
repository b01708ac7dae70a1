"""The address that people connect to: bound once, and kept while what serves it restarts."""

import ipaddress
import logging
import socket
from pathlib import Path

from myriad.errors import SettingsError, StartFailed
from myriad.home.files import write_private
from myriad.home.home import Home
from myriad.machine.addresses import HIGHEST, bind, reason
from myriad.settings import Settings

TRIES = 200

log = logging.getLogger("myriad.engines")


def listen(home: Home, settings: Settings) -> socket.socket:
    """Return a socket that listens where people connect.

    On the port set by hand, else on that of the last start, which people were told: it is not
    changed without a word. Raises StartFailed that names who has it, SettingsError for an address
    that is not allowed.
    """
    return choose(settings, last(home))


def remember(home: Home, port: int) -> None:
    """Note the port that people are told; say it where it was another."""
    before = last(home)
    if before == port:
        return
    if before is not None:
        log.warning("the port is %d now, before it was %d: tell people", port, before)
    write_private(_memory(home), f"{port}\n")


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


def wanted(settings: Settings, told: int | None) -> int:
    """Return the port to have; `told` is the one that people were told."""
    return settings.port if told is None or by_hand(settings) else told


def choose(settings: Settings, told: int | None) -> socket.socket:
    """Return a socket that listens on the port set by hand, the one `told`, or else a free one.

    Raises StartFailed, SettingsError as `listen` does.
    """
    family, host = _address(settings)
    first = wanted(settings, told)
    fixed = by_hand(settings) or told is not None
    problems: list[str] = []
    for port in range(first, first + 1 if fixed else min(first + TRIES, HIGHEST + 1)):
        try:
            return bind(family, host, port)
        except (OSError, OverflowError) as error:
            problems.append(reason(error, port))
    others = "" if fixed else f" or the next {TRIES}"
    known = ", which people were told" if first == told else ""
    raise StartFailed(
        f"cannot listen on {settings.host} port {first}{known or others}: {problems[0]}",
        hint="Stop what has it, or choose another with --port or the setting `port`"
        f"{' and tell people' if known else ''}; the address is the setting `host`.",
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
        bind(*_address(settings), port).close()
    except (OSError, OverflowError) as error:
        return reason(error, port)
    return None
