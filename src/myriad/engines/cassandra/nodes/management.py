"""What only a node itself can do: its Java's management beans, reached while they are needed.

Nothing listens otherwise. Jolokia's agent is attached to the node's process, answers on the node's
address to a password that is made for this one time, and is taken out again. A node has one agent
at most: those who need it at the same time share it. `up` takes it out when nobody uses it any
more, so that nobody has to wait for that, and one of a command that was killed goes too.
"""

import base64
import fcntl
import json
import os
import re
import secrets
import socket
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import filelock
import psutil

from myriad.engines.cassandra.nodes import attach, jars, node
from myriad.errors import EngineError, NotRunning
from myriad.machine import process

STORAGE = "org.apache.cassandra.db:type=StorageService"
STARTS_YET = "javax.management.InstanceNotFoundException"  # its beans are not there
# A node that comes back has its manager before it has heard of all that was made meanwhile
# (StorageService.java, ColumnFamilyStore.java of Cassandra 5.0).
_BEHIND = re.compile(
    "Unknown keyspace/cf pair|Keyspace .* does not exist|Not yet initialized|until bootstrap"
)
ANSWERS_WITHIN = 600.0  # seconds; a flush writes all that is in memory
AGENT_WITHIN = 60.0  # seconds
# In a node's folder, where all of `conf` is ours: who uses its agent, who attaches it just now, and
# how it is reached.
USED, ATTACHING, ATTACHED = "conf/agent.used", "conf/agent.lock", "conf/agent.json"
STARTS = ("--startTimeout", "30000")  # ms; its own default is too short for a busy machine


@dataclass(frozen=True)
class Beans:
    """The management beans of one node, while its agent is attached."""

    address: str
    port: int
    password: str

    def call(self, operation: str, *arguments: object, bean: str = STORAGE) -> Any:  # noqa: ANN401
        """Return what an operation answers (Jolokia's protocol, `exec`); raises EngineError."""
        return self.ask(
            {"type": "exec", "mbean": bean, "operation": operation, "arguments": arguments}
        )

    def ask(self, request: dict[str, object]) -> Any:  # noqa: ANN401 - JSON
        """Return what a request of Jolokia's protocol answers; raises EngineError.

        NotRunning, after which it may be asked again, of what a node that starts does not know yet.
        """
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
        if _BEHIND.search(str(found.get("error", ""))):
            raise NotRunning(
                f"Cassandra at {self.address} has not heard of all tables: {found['error']}",
                hint="See `myriad status`.",
            )
        if found.get("status") != 200:  # noqa: PLR2004 - Jolokia's, as HTTP's
            raise EngineError(
                f"Cassandra at {self.address}: {found.get('error', found)}",
                hint="Its log says more: `myriad logs --cassandra`.",
            )
        return found["value"]


@contextmanager
def beans(place: Path) -> Iterator[Beans]:
    """Attach the agent to the node in folder `place`, unless it is there; see above.

    Raises NotRunning if the node does not run, EngineError.
    """
    with (place / USED).open("a") as used:
        with _one_at_a_time(place):
            found = _there(place) or _attached(place)
            fcntl.flock(used, fcntl.LOCK_SH)
        yield found


@contextmanager
def _one_at_a_time(place: Path) -> Iterator[None]:
    try:
        with filelock.FileLock(place / ATTACHING, timeout=2 * AGENT_WITHIN):
            yield
    except filelock.Timeout as error:
        raise EngineError(
            "Cassandra's manager is being attached by somebody else, and takes long",
            hint="See `myriad status`, and try again.",
        ) from error


def _there(place: Path) -> Beans | None:
    """Return the beans by the agent that somebody has attached to the node that runs now."""
    try:
        said = json.loads((place / ATTACHED).read_text())
        if said.pop("node") != node.start(place):
            return None
        found = Beans(**said)
        found.ask({"type": "version"})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EngineError):
        return None
    return found


def _attached(place: Path) -> Beans:
    found, start = node.running(place), node.start(place)
    if found is None:
        raise NotRunning(f"the node in {place} is down", hint="See `myriad status`.")
    address = node.address(place)
    with _password_file(place) as (path, password, port):
        said = _started(found, address, path, port)
        if said:
            raise EngineError(
                f"Cassandra's manager cannot be reached: {said[-300:]}",
                hint="See `myriad status` and `myriad logs --cassandra`, then try again.",
            )
    made = Beans(address, port, password)
    text = json.dumps({**asdict(made), "node": start})
    path = place / ATTACHED
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return made


def take_out_unused(place: Path) -> None:
    """Take out the agent of commands that have ended. Raises EngineError."""
    if not (place / ATTACHED).exists():
        return
    with (place / USED).open("a") as used, _one_at_a_time(place), suppress(BlockingIOError):
        fcntl.flock(used, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (place / ATTACHED).unlink(missing_ok=True)
        found = node.running(place)
        if found is not None:
            _stop(found)


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


def _started(found: psutil.Process, host: str, config: Path, port: int) -> str:
    """Start the agent; return what went wrong, empty if nothing did."""
    escaped = re.sub(r"([\\,])", r"\\\1", str(config))
    try:
        if attach.jolokia(found.pid):  # one of which nobody knows the password
            attach.load(found.pid, _agent_jar(found), "mode=stop")
        attach.load(found.pid, _agent_jar(found), f"mode=start,host={host},config={escaped}")
        up = process.wait_for(lambda: f":{port}/" in attach.jolokia(found.pid), AGENT_WITHIN)
    except attach.NotThere:
        options = ("start", *STARTS, "--host", host, "--config", str(config))
        if not _launcher(found, *options):
            return ""
        _launcher(found, "stop")
        return _launcher(found, *options)
    return "" if up else "it does not start"


def _stop(found: psutil.Process) -> None:
    """Take the agent out."""
    try:
        attach.load(found.pid, _agent_jar(found), "mode=stop")
    except attach.NotThere:
        _launcher(found, "stop")


def _launcher(found: psutil.Process, action: str, *options: str) -> str:
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
    try:
        command = found.cmdline()
        first = command[command.index("-cp") + 1].split(os.pathsep)[0]
    except (psutil.Error, ValueError) as error:  # before it is Java it has other words
        raise NotRunning("a node starts or ended just now", hint="See `myriad status`.") from error
    name = next(jar.name for jar in jars.locked() if jar.artifact == jars.AGENT)
    return str(Path(first).parent / name)
