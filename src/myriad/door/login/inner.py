"""The inner way in: a program of ours, such as the HTTP server, names the person it speaks for.

It says so in its startup message, as a client would who is that person, by options of the protocol:

    user, database              the person, and where
    _pq_.myriad_address         where their own client is: an IP address, or `local`
    _pq_.myriad_way             the word for this way in, in audit and activity: `http`
    _pq_.myriad_id              by which all sessions with it can be ended, such as a token's number
    _pq_.myriad_scope           `read`: nothing is written; `all`: what they may

All four must be there, once. No password is asked for; everything else is as for everybody.
"""

import asyncio
import ipaddress
import re

from myriad.door.control.accounts import Entry
from myriad.door.login.login import LOCAL, Login, Logins
from myriad.door.ports import DIRECTLY, Came
from myriad.door.server import peers
from myriad.pgwire.faults import Fault, Refused
from myriad.pgwire.startup import EXTENSIONS, Startup, read_startup
from myriad.pgwire.wire import ProtocolViolation

OURS = f"{EXTENSIONS}myriad_"
NAMES = tuple(f"{OURS}{name}" for name in ("address", "way", "id", "scope"))
READ, ALL = "read", "all"
_WAY = re.compile(r"[a-z][a-z0-9_-]{0,15}")
_ID = re.compile(r"[!-~]{1,64}")
_STRANGER = Fault(
    "28000", "only programs of this installation connect here", "See `myriad connect`."
)


class InnerLogin(Login):
    """A program of ours that begins a session for a person."""

    def __init__(self, logins: Logins, uid: int) -> None:
        """Trust only who runs as the user with that number."""
        super().__init__(logins)
        self._uid = uid
        self._tls = None  # it does not leave this machine

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if it is one."""
        if peers.user(transport) == self._uid:
            super().connection_made(transport)
            return
        self._transport = transport
        self._refuse(_STRANGER)

    async def _identify(self, packet: bytes) -> tuple[Startup, Entry, Came]:
        startup = read_startup(packet, once=True)
        came = came_by(startup)
        self._negotiate(startup.minor, [name for name in startup.extensions if name not in NAMES])
        entry = await self._logins.gate.trust(startup.user, startup.database)
        return startup, entry, came


def came_by(startup: Startup) -> Came:
    """Return how the person came, as it is said there; raises ProtocolViolation, Refused."""
    given = {name: value for name, value in startup.extensions.items() if name.startswith(OURS)}
    if wrong := given.keys() ^ set(NAMES):
        missing = "is missing" if min(wrong) in NAMES else "is not known"
        raise ProtocolViolation(f"startup option {min(wrong)} {missing}")
    address, way, number, scope = (given[name] for name in NAMES)
    if not _WAY.fullmatch(way) or way == DIRECTLY:
        raise _wrong("way")
    if not _ID.fullmatch(number):
        raise _wrong("id")
    if scope not in {READ, ALL}:
        raise _wrong("scope")
    return Came(_address(address), way, reads=scope == READ, vouched=True, id=number)


def _address(text: str) -> str:
    if text == LOCAL:
        return text
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise _wrong("address") from None


def _wrong(name: str) -> Refused:
    return Refused(Fault("22023", f"startup option {OURS}{name} has no such value"))
