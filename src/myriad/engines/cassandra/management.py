"""What only a node itself can do: its Java's management beans, reached while they are needed.

Nothing listens otherwise. Jolokia's agent is attached to the node's process, answers on the node's
address to a password that is made for this one time, and is taken out again.
"""

import base64
import json
import logging
import os
import secrets
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import filelock
import psutil

from myriad.engines import process
from myriad.engines.cassandra import jars, node
from myriad.engines.cassandra.base import Cluster
from myriad.errors import CqlError, EngineError, NotRunning, Unsupported

STORAGE = "org.apache.cassandra.db:type=StorageService"
ANSWERS_WITHIN = 600.0  # seconds; a flush writes all that is in memory
ALL_WITHIN = 300.0  # seconds
# Of a replica (native_protocol_v4.spec, section 9): one that came back may not know the table yet.
FAILURES = (0x1300, 0x1500)
LOOK = 1.0  # seconds between two tries
AGENT_WITHIN = 60.0  # seconds
STARTS = ("--startTimeout", "30000")  # ms; its own default is too short for a busy machine
CONTENTS = "-TOC.txt"  # the end of the name of an SSTable's last component
DATA = "-Data.db"  # the end of the name of the component with the rows


T = TypeVar("T")

log = logging.getLogger("myriad.engines")


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
        if found.get("status") != 200:  # noqa: PLR2004 - Jolokia's, as HTTP's
            raise EngineError(
                f"Cassandra at {self.address}: {found.get('error', found)}",
                hint="Its log says more: `myriad logs --cassandra`.",
            )
        return found["value"]


@contextmanager
def beans(place: Path) -> Iterator[Beans]:
    """Attach the agent to the node in folder `place`, and take it out in the end.

    Raises NotRunning if the node does not run, EngineError.
    """
    found = node.running(place)
    if found is None:
        raise NotRunning(f"the node in {place} is down", hint="See `myriad status`.")
    address = node.address(place)
    with filelock.FileLock(place / "manager.lock"), _password_file(place) as own:
        path, password, port = own
        start = ("start", *STARTS, "--host", address, "--config", str(path))
        try:
            if _agent(found, *start):  # perhaps it has one, of somebody who was killed
                _agent(found, "stop")
                said = _agent(found, *start)
                if said:
                    raise EngineError(f"Cassandra's manager cannot be reached: {said[-300:]}")
            yield Beans(address, port, password)
        finally:
            with suppress(psutil.Error, OSError, EngineError):  # it may be gone
                _agent(found, "stop")


@contextmanager
def _password_file(place: Path) -> Iterator[tuple[Path, str, int]]:
    """Give a file that tells the agent its password, because command lines are public."""
    password, port = secrets.token_urlsafe(32), _free_port(node.address(place))
    descriptor, name = tempfile.mkstemp(dir=place / "conf", prefix="agent-")
    path = Path(name)
    try:
        owner = (place / "data").stat()
        with os.fdopen(descriptor, "w") as file:
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(f"user=myriad\npassword={password}\nport={port}\n")
        yield path, password, port
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


def with_all_nodes(cluster: Cluster, step: Callable[[], T]) -> T:
    """Return what `step` returns, which needs every node: one that is down is waited for.

    Raises what `step` raised last if they are not all back within `ALL_WITHIN` seconds.
    """
    until = time.monotonic() + ALL_WITHIN
    while True:
        try:
            return step()
        except (CqlError, NotRunning) as error:
            if not _passes(error) or cluster.nodes == 1 or time.monotonic() > until:
                raise
            log.info("a node of Cassandra is down; waiting for it: %s", error)
            time.sleep(LOOK)


def _passes(error: CqlError | NotRunning) -> bool:
    return error.retryable or (isinstance(error, CqlError) and error.code in FAILURES)


def swap_in(cluster: Cluster, staged: tuple[str, str], target: tuple[str, str]) -> None:
    """Make all rows of table `staged` (keyspace, name) rows of `target` too, on every node at once.

    Both have the same columns and replication, and `staged` is not compacted meanwhile. A node
    makes all of them visible in one step: a page that is read has all of them, or none. Rows and
    deletions with later timestamps win over what `target` had. May be repeated.
    Raises Unsupported for an attached cluster, NotRunning while a node is down, EngineError.
    """
    places = _places(cluster)
    ids = {name: _table_id(cluster, *name) for name in (staged, target)}
    with ThreadPoolExecutor(len(places)) as pool:
        list(pool.map(lambda place: _swap_in(place, staged, target, ids), places))


def _places(cluster: Cluster) -> list[Path]:
    if cluster.folder is None:
        raise Unsupported(
            "the files of an attached Cassandra cannot be reached, and CQL cannot replace a table"
            " at once",
            hint="Publish under another name with --table, or add to the table with --append.",
        )
    return [cluster.folder / f"node{number + 1}" for number in range(cluster.nodes)]


def _table_id(cluster: Cluster, keyspace: str, table: str) -> str:
    with cluster.session() as session:
        rows = session.query(
            "SELECT id FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?",
            [keyspace, table],
        )
    if not rows:
        raise EngineError(f"there is no table {keyspace}.{table} in Cassandra")
    return str(rows[0][0]).replace("-", "")


def _swap_in(
    place: Path,
    staged: tuple[str, str],
    target: tuple[str, str],
    ids: dict[tuple[str, str], str],
) -> None:
    files = place / "data" / "data"
    source, goal = (files / name[0] / f"{name[1]}-{ids[name]}" for name in (staged, target))
    with beans(place) as node_beans:
        node_beans.call(
            "forceKeyspaceFlush(java.lang.String,[Ljava.lang.String;)", staged[0], [staged[1]]
        )
        _link(source, goal, _user(place))
        node_beans.call("loadNewSSTables(java.lang.String,java.lang.String)", *target)


def _user(place: Path) -> process.EngineUser | None:
    found = node.running(place)
    if found is None:
        raise NotRunning(f"the node in {place} is down", hint="See `myriad status`.")
    return process.user_of(found)


def _link(source: Path, goal: Path, user: process.EngineUser | None) -> None:
    """Give the SSTables of `source` a second name in `goal`; a node that starts takes them too.

    As the node's own user, whose folders these are.
    """
    whole = {path.name.removesuffix(CONTENTS) for path in source.glob(f"*{CONTENTS}")}
    files = [path for path in source.iterdir() if path.name.rpartition("-")[0] in whole]
    if not files:
        return
    # The data itself last: without it the other components are nothing.
    files.sort(key=lambda path: path.name.endswith(DATA))
    code, said = process.run(["ln", "-f", *files, goal], user)
    if code:
        raise EngineError(
            f"the new rows cannot be put beside the old ones: {said[-300:]}",
            hint="Nothing is lost: mend it and publish again.",
        )
