"""Publish into a keyspace of a test's own, and look at what came of it with the usual driver."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster as Driver
from cassandra.cluster import Session as DriverSession

from myriad import Myriad
from myriad.publish.cassandra.record import STAGING
from myriad.publish.keys import parse_keys
from myriad.publish.options import Options, Progress
from myriad.publish.report import Report
from tests.forked import run_until_killed
from tests.harness import as_admin, wait_until

# Publishes, and kills itself, or a node, once, at a chosen place: argument 1 says how, in JSON.
KILLED = """
import json, os, signal, sys
from pathlib import Path
import myriad
from myriad.cql.session import Session
from myriad.engines.cassandra import swap as swapping
from myriad.engines.cassandra.nodes import node
from myriad.publish.keys import parse_keys
from myriad.publish.options import Options
from myriad.publish.cassandra import loading, count_proof, switch
from myriad.publish.cassandra.record import Record
given = json.loads(sys.argv[1])
nodes = [given["node"]] if given.get("node") else []
def die():
    if not given.get("node"):
        os.kill(os.getpid(), signal.SIGKILL)
    while nodes:
        node.running(Path(given["home"], "cassandra", f"node{nodes.pop()}")).kill()
loading.CHECKPOINT = 0
real_query, real_in_step = Session.query, Session.in_step
def dying(real):
    def swap(*arguments):
        if given["at"] == "before the swap": die()
        real(*arguments)
        if given["at"] == "after the swap": die()
    return swap
def query(session, text, *values, **options):
    found = real_query(session, text, *values, **options)
    old = text.startswith("DROP TABLE") and "myriad_next" not in text
    if given["at"] == "after the old table's drop" and old: die()
    return found
def dying_after(at, real):
    def then(*arguments):
        found = real(*arguments)
        if given["at"] == at: die()
        return found
    return then
def in_step(session, first, then, *, timeout):
    if given["at"] == "after the old table's drop":
        session.query(first, timeout=timeout)
        return session.query(then, timeout=timeout)
    return real_in_step(session, first, then, timeout=timeout)
Session.query, Session.in_step = query, in_step
swapping.swap_in = dying(swapping.swap_in)
switch.make_target = dying(switch.make_target)
switch._hide_old = dying_after("after the hiding", switch._hide_old)
switch.prepare = dying_after("after the flush", switch.prepare)
Record.switching = dying_after("when it switches", Record.switching)
Record.publish = dying_after("when it is written down", Record.publish)
count_proof.prove = dying_after("after the proof", count_proof.prove)
swapping._link = dying_after("after the links", swapping._link)
def tell(step):
    if step.phase == given["at"] and step.rows >= given["rows"]: die()
options = Options(**{"to": "cassandra", **given["options"], "keys": parse_keys(given["keys"])})
myriad.open(given["home"]).publish([given["source"]], options, tell)
"""


@dataclass(frozen=True)
class Space:
    """One dataset of a running installation with Cassandra, and a folder for files to publish."""

    installation: Myriad
    dataset: str
    folder: Path

    def publish(
        self, source: str | Path, key: str = "", progress: Progress | None = None, **options: Any
    ) -> Report:
        """Publish into this keyspace."""
        chosen: dict[str, Any] = {"to": "cassandra", "dataset": self.dataset, **options}
        keys = parse_keys([key]) if key else {}
        return self.installation.publish([source], Options(keys=keys, **chosen), progress)

    def killed(
        self,
        source: Path,
        at: str,
        key: str = "",
        rows: int = 0,
        node: int | None = None,
        **options: Any,
    ) -> None:
        """Publish in a process that is killed at a phase, when `rows` are there, or a place.

        Or a `node` is killed there: then the publish ends well.
        """
        given = {
            "home": str(self.installation.home.folder),
            "source": str(source),
            "keys": [key] if key else [],
            "options": {"dataset": self.dataset, **options},
            "at": at,
            "rows": rows,
            "node": node,
        }
        run_until_killed(KILLED, given, 0 if node else -signal.SIGKILL)

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file to publish."""
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    @contextmanager
    def bounded(self, **settings: Any) -> Iterator["Space"]:
        """Give the same installation with other settings for commands."""
        other = replace(self.installation.settings, **settings)
        yield replace(self, installation=replace(self.installation, settings=other))

    @contextmanager
    def driver(self) -> Iterator[DriverSession]:
        """Connect with the driver that people use, as Myriad itself."""
        endpoint = self.installation.cluster().endpoint
        login = PlainTextAuthProvider(endpoint.user, endpoint.password)
        driver = Driver(endpoint.hosts, port=endpoint.port, auth_provider=login)
        try:
            yield driver.connect(self.dataset)
        finally:
            driver.shutdown()

    def ask(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows that `query` gives; `{}` in it is the keyspace."""
        with self.installation.cluster().session() as session:
            return session.query(query.replace("{}", self.dataset), values)

    def tables(self, keyspace: str = "") -> set[str]:
        """Return the tables of a keyspace, this one unless told; not those of other loads."""
        query = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?"
        with as_admin(self.installation.server()) as connection:
            others = connection.execute(
                "SELECT staged FROM cassandra_load WHERE keyspace <> %s", [self.dataset]
            ).fetchall()
        return {name for (name,) in self.ask(query, [keyspace or self.dataset])} - {
            name for (name,) in others
        }

    def staged(self) -> set[str]:
        """Return the staged tables that stay: others go within seconds, by who keeps Cassandra."""
        with suppress(AssertionError):
            wait_until(lambda: not self.tables(STAGING), 30)
        return self.tables(STAGING)

    def loading(self) -> set[str]:
        """Return the staged tables of the loads on their way into this keyspace."""
        with as_admin(self.installation.server()) as connection:
            query = "SELECT staged FROM cassandra_load WHERE keyspace = %s"
            loads = connection.execute(query, [self.dataset]).fetchall()
        return self.tables(STAGING) & {name for (name,) in loads}

    def loads(self) -> list[tuple[Any, ...]]:
        """Return state and acknowledged rows of the loads on their way into this keyspace."""
        with as_admin(self.installation.server()) as connection:
            return connection.execute(
                "SELECT state, acknowledged FROM cassandra_load WHERE keyspace = %s",
                [self.dataset],
            ).fetchall()
