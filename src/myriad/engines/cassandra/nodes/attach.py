"""Load an agent into a Java that runs, through the socket on which it listens for that.

Java's own way starts another Java first, which takes as long as all else in a small publish. The
protocol is HotSpot's: src/hotspot/os/posix/attachListener_posix.cpp of OpenJDK 17. A request is its
version, a command and three arguments, each ended by a zero; an answer is a code, then text.
"""

import re
import socket
import struct
from contextlib import suppress
from pathlib import Path

VERSION, ARGUMENTS = "1", 3
ANSWERS_WITHIN = 60.0  # seconds
READ = 1 << 16
CREDENTIALS = struct.Struct("3i")  # SO_PEERCRED: process, user, group
_AGENT = re.compile(rb"^jolokia\.agent=(.*)$", re.MULTILINE)


class NotThere(Exception):
    """The Java does not listen where it can be reached so, as always elsewhere than on Linux."""


def load(pid: int, jar: str, options: str) -> None:
    """Run an agent's `agentmain` with these options. Raises NotThere, also if it is refused."""
    answer = _ask(pid, "load", "instrument", "false", f"{jar}={options}")
    # The agent's own code is on the second line.
    if answer.split()[-1:] != [b"0"]:
        raise NotThere(answer.decode(errors="replace"))


def jolokia(pid: int) -> str:
    """Return the address at which Jolokia's agent says that it answers, nothing if there is none.

    Raises NotThere.
    """
    found = _AGENT.search(_ask(pid, "properties"))
    return found[1].decode(errors="replace").strip().replace("\\", "") if found else ""


def _ask(pid: int, *words: str) -> bytes:
    """Return what the Java answers after its code."""
    words += ("",) * (1 + ARGUMENTS - len(words))
    request = b"".join(f"{word}\0".encode() for word in (VERSION, *words))
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.settimeout(ANSWERS_WITHIN)
            listening.connect(str(Path("/proc", str(pid), "root", "tmp", f".java_pid{pid}")))
            _refuse_another(listening, pid)
            listening.sendall(request)
            answer = b""
            while data := listening.recv(READ):
                answer += data
    except OSError as error:
        raise NotThere(str(error)) from error
    code, _, rest = answer.partition(b"\n")
    if code != b"0":
        raise NotThere(answer.decode(errors="replace"))
    return rest


def _refuse_another(connected: socket.socket, pid: int) -> None:
    """Raise NotThere if another process listens: everybody may make such a file in `/tmp`."""
    found = 0
    with suppress(AttributeError, OSError, struct.error):  # only Linux has it
        data = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        found = CREDENTIALS.unpack(data)[0]
    if found != pid:
        raise NotThere(f"process {found} listens there, not {pid}")
