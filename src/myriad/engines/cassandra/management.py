"""What only a node itself can do: its Java's management beans, reached while they are needed.

Nothing listens otherwise. Jolokia's agent is attached to the node's process, answers on the node's
address to a password that is made for this one time, and is taken out again.
"""

import base64
import json
import os
import secrets
import socket
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from myriad.engines import process
from myriad.engines.cassandra import jars, node
from myriad.errors import EngineError, NotRunning

STORAGE = "org.apache.cassandra.db:type=StorageService"
STARTS_YET = "javax.management.InstanceNotFoundException"  # its beans are not there
ANSWERS_WITHIN = 600.0  # seconds; a flush writes all that is in memory
AGENT_WITHIN = 60.0  # seconds
STARTS = ("--startTimeout", "30000")  # ms; its own default is too short for a busy machine


@dataclass(frozen=True)
class Beans:
    """The management beans of one node, while its agent is attached."""

    address: str
    port: int
    password: str

    def call(self, operation: str, *arguments: object, bean: str = STORAGE) -> Any:  # noqa: ANN401
        """Return what an operation answers (Jolokia's protocol, `exec`); raises EngineError."""
        return self._ask(
            {"type": "exec", "mbean": bean, "operation": operation, "arguments": arguments}
        )

    def _ask(self, request: dict[str, object]) -> Any:  # noqa: ANN401 - JSON
        login = base64.b64encode(f"myriad:{self.password}".encode()).decode()
        asked = urllib.request.Request(
            f"http://{self.address}:{self.port}/jolokia/",
            json.dumps(request).encode(),
            {"Authorization": f"Basic {login}", "Content-Type": "application/json"},
        )
        # No proxy: whatever the environment says, this is our own machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(asked, timeout=ANSWERS_WITHIN) as answer:
                found = json.load(answer)
        except (OSError, ValueError, urllib.error.URLError) as error:
            raise NotRunning(
                f"Cassandra at {self.address} does not answer its manager: {error}",
                hint="`myriad status` shows how it is.",
            ) from error
        if found.get("error_type") == STARTS_YET:
            raise NotRunning(f"Cassandra at {self.address} starts", hint="See `myriad status`.")
        if found.get("status") != 200:  # noqa: PLR2004 - Jolokia's, as HTTP's
            raise EngineError(
                f"Cassandra at {self.address}: {found.get('error', found)}",
                hint="Its log says more: `myriad logs --cassandra`.",
            )
        return found["value"]


@contextmanager
def beans(place: Path) -> Iterator[Beans]:
    """Attach the agent to the node in folder `place`, and take it out in the end.

    One at a time: whoever attaches takes out an agent that is there.
    Raises NotRunning if the node does not run, EngineError.
    """
    found = node.running(place)
    if found is None:
        raise NotRunning(f"the node in {place} is down", hint="See `myriad status`.")
    address = node.address(place)
    with _password_file(place) as (path, password, port):
        start = ("start", *STARTS, "--host", address, "--config", str(path))
        try:
            if _agent(found, *start):  # perhaps it has one, of somebody who was killed
                _agent(found, "stop")
                said = _agent(found, *start)
                if said:
                    raise EngineError(
                        f"Cassandra's manager cannot be reached: {said[-300:]}",
                        hint="See `myriad status` and `myriad logs --cassandra`, then try again.",
                    )
            yield Beans(address, port, password)
        finally:
            with suppress(psutil.Error, OSError, EngineError):  # it may be gone
                _agent(found, "stop")


@contextmanager
def _password_file(place: Path) -> Iterator[tuple[Path, str, int]]:
    """Give a file that tells the agent its password, because command lines are public."""
    password, port = secrets.token_urlsafe(32), _free_port(node.address(place))
    text = f"user=myriad\npassword={password}\nport={port}\n"
    with handed(place, text.encode()) as path:
        yield path, password, port


@contextmanager
def handed(place: Path, content: bytes) -> Iterator[Path]:
    """Give a file that only the user of the node in folder `place` reads; removed in the end."""
    descriptor, name = tempfile.mkstemp(dir=place / "conf", prefix="agent-")
    path = Path(name)
    try:
        owner = (place / "data").stat()
        with os.fdopen(descriptor, "wb") as file:
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(content)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _free_port(address: str) -> int:
    with closing(socket.create_server((address, 0))) as free:
        return int(free.getsockname()[1])


def _agent(found: psutil.Process, action: str, *options: str) -> str:
    """Run Jolokia's launcher; return what it says went wrong, empty if nothing did.

    As the node's own user: others may not attach to its Java.
    """
    try:
        command = [found.exe(), "-jar", _agent_jar(found), action, *options, str(found.pid)]
        code, said = process.run(command, process.user_of(found), timeout=AGENT_WITHIN)
    except psutil.Error as error:
        raise NotRunning("a node ended just now", hint="See `myriad status`.") from error
    # It succeeds where an agent is attached already: another one, with another password.
    return said or "it does not say why" if code or "already" in said else ""


def _agent_jar(found: psutil.Process) -> str:
    """Return the agent's jar, which lies beside those that the node itself was started with."""
    command = found.cmdline()
    first = command[command.index("-cp") + 1].split(os.pathsep)[0]
    name = next(jar.name for jar in jars.locked() if jar.artifact == jars.AGENT)
    return str(Path(first).parent / name)
