"""What a client says of itself first: user, database, and settings it wants to begin with."""

import re
from dataclasses import dataclass

from myriad.pgwire import wire
from myriad.pgwire.wire import ProtocolViolation

EXTENSIONS = "_pq_."
_WORD = re.compile(r"(?s)(?:\\.|[^\s\\])+")


@dataclass(frozen=True, slots=True)
class Startup:
    """A startup message.

    Attributes:
        minor: of the protocol's version 3.
        named: settings to begin with, in the client's spelling.
        extensions: options of the protocol, which nobody knows but who added them.
    """

    minor: int
    user: str
    database: str
    named: dict[str, str]
    extensions: dict[str, str]


def read_startup(packet: bytes, *, once: bool = False) -> Startup:
    """Read a StartupMessage without its size; raises ProtocolViolation.

    `once`: also for a name that comes twice, of which the last would count.
    """
    version = wire.integer(packet)
    if version >> 16 != 3:  # noqa: PLR2004 - the only major version
        raise ProtocolViolation(
            f"unsupported frontend protocol {version >> 16}.{version & 0xFFFF}: server supports 3.0"
            " to 3.2",
            "0A000",
        )
    parameters = wire.pairs(packet[4:], once=once)
    user = parameters.pop("user", "")
    if not user:
        raise ProtocolViolation("no PostgreSQL user name specified in startup packet", "28000")
    database = parameters.pop("database", "") or user
    if parameters.pop("replication", "false").lower() not in {"false", "off", "no", "0"}:
        raise ProtocolViolation("replication is not possible through the door", "0A000")
    named = options(parameters.pop("options", ""))
    extensions = {name: v for name, v in parameters.items() if name.startswith(EXTENSIONS)}
    named |= {name: v for name, v in parameters.items() if name not in extensions}
    return Startup(version & 0xFFFF, _name(user), _name(database), named, extensions)


def _name(name: str) -> str:
    """Cut a name as PostgreSQL does."""
    return name.encode()[: wire.MOST_NAME_BYTES].decode(errors="ignore")


def options(text: str) -> dict[str, str]:
    """Read the startup parameter `options`: -c name=value and --name=value.

    Raises ProtocolViolation for any other switch: they would reach the server's own settings.
    """
    words = [re.sub(r"(?s)\\(.)", r"\1", word) for word in _WORD.findall(text)]
    found: dict[str, str] = {}
    while words:
        word = words.pop(0)
        if word == "-c" and words:
            word = f"-c{words.pop(0)}"
        setting = word[2:]
        if word[:2] not in {"-c", "--"} or "=" not in setting:
            raise ProtocolViolation(
                f"invalid command-line argument for server process: {word}", "42601"
            )
        name, _, value = setting.partition("=")
        found[name.replace("-", "_")] = value
    return found
