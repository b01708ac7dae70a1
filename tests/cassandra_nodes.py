"""What tests of several Cassandra nodes share: clients at QUORUM, and one node read alone."""

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Self, cast

import psutil
from cassandra import ConsistencyLevel
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, Session
from cassandra.policies import ConstantSpeculativeExecutionPolicy, RoundRobinPolicy

from myriad.cql.connection import Connection, Consistency
from myriad.engines.cassandra import announcement
from myriad.engines.cassandra.announcement import READY
from myriad.engines.cassandra.nodes import node
from myriad.errors import CqlError, NotRunning
from myriad.home.home import Home
from tests import quick_java
from tests.harness import COMMAND, Up, reachable_folder, up, wait_until

PLACE = {"MYRIAD_CASSANDRA_ADDRESS": "127.0.0.21", "MYRIAD_CASSANDRA_HEAP_MB": "512"}
ALL = "SELECT role FROM system_auth.roles WHERE role = 'myriad'"
NODE_LOCAL = 11  # org.apache.cassandra.db.ConsistencyLevel; no part of the protocol
PACE = 0.005  # seconds between two writes: the nodes share the machine with everybody
READS_ALONE = "-Dcassandra.enable_nodelocal_queries=true"  # Java's flag, for `read_alone`
STARTS_WITHIN = 120.0  # seconds, on a busy machine


@contextmanager
def connected(home: Home, consistency: int = ConsistencyLevel.QUORUM) -> Iterator[Session]:
    """Connect with the driver that people use, as Myriad, to all nodes.

    A node that does not answer within half a second is not waited for: the next one is asked too.
    """
    said = announcement.read(home)
    assert said is not None
    profile = ExecutionProfile(
        RoundRobinPolicy(),
        consistency_level=consistency,
        request_timeout=30,
        speculative_execution_policy=ConstantSpeculativeExecutionPolicy(0.5, 2),
    )
    login = PlainTextAuthProvider(said.user, said.password)
    cluster = Cluster(
        said.hosts,
        port=said.port,
        auth_provider=login,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
    )
    try:
        yield cluster.connect()
    finally:
        cluster.shutdown()


@contextmanager
def three_up() -> Iterator[Up]:
    """Start three nodes; each can be read alone."""
    with reachable_folder() as folder:
        java = quick_java.make(folder / "java", READS_ALONE)
        with up(
            Home(folder / "home"), "--cassandra", "3", **PLACE, MYRIAD_JAVA=str(java)
        ) as started:
            started.wait_ready(180)
            yield started
            if started.process.poll() is None:
                assert started.end() == 0


class Writer:
    """A client that writes one row after the other, and keeps which were acknowledged."""

    def __init__(self, session: Session, table: str) -> None:
        self._session = session
        self._statement = session.prepare(f"INSERT INTO {table} (a, b) VALUES (?, ?)")
        self._statement.is_idempotent = True  # so the driver asks another node
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.acknowledged: list[int] = []
        self.failures: list[Exception] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _write(self) -> None:
        number = 0
        while not self._ended.wait(PACE):
            try:
                self._session.execute(self._statement, (number, number))
            except Exception as error:  # noqa: BLE001 - any is one too many
                self.failures.append(error)
            else:
                self.acknowledged.append(number)
            number += 1

    def has_written(self, more: int) -> None:
        """Return when it has written so many rows from now on."""
        wanted = len(self.acknowledged) + more
        wait_until(lambda: len(self.acknowledged) >= wanted, 60)


def process_of(home: Home, number: int) -> psutil.Process:
    """Return the process of a node."""
    found = node.running(node.folder(home, number))
    assert found is not None
    return found


def kill(home: Home, *numbers: int) -> None:
    """Kill -9 nodes, at once."""
    for found in [process_of(home, number) for number in numbers]:
        found.kill()


def await_ready(home: Home, *numbers: int) -> None:
    """Return when those nodes are ready, all nodes see all others."""

    def ready() -> bool:
        said = announcement.read(home)
        states = {state.number: state for state in said.nodes} if said else {}
        return all(number in states and states[number].state == READY for number in numbers)

    wait_until(ready, STARTS_WITHIN)
    wait_until(lambda: all(sees_all(home, number) for number in (1, 2, 3)), STARTS_WITHIN)


def sees_all(home: Home, number: int) -> bool:
    """Say whether a node reaches all replicas."""
    try:
        ask(home, number, ALL, consistency=Consistency.ALL)
    except (CqlError, NotRunning):
        return False
    return True


def ask(home: Home, number: int, text: str, **more: Any) -> list[tuple[Any, ...]]:
    """Ask one node, as Myriad."""
    said = announcement.read(home)
    assert said is not None
    endpoint = said.cluster(home).endpoint
    address = node.address(node.folder(home, number))
    with closing(Connection(endpoint, address, timeout=20)) as connection:
        return connection.query(text, **more)


@contextmanager
def paused(home: Home, *numbers: int) -> Iterator[None]:
    """Stop nodes with SIGSTOP; they go on afterwards."""
    processes = [process_of(home, number) for number in numbers]
    for found in processes:
        found.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for found in processes:
            found.send_signal(signal.SIGCONT)


def await_hints_sent(home: Home, *numbers: int) -> None:
    """Return when those nodes keep no writes any more for others."""
    folders = [node.folder(home, number) / "data" / "hints" for number in numbers]
    wait_until(lambda: not any(list(folder.glob("*.hints")) for folder in folders), 90)


def read_alone(home: Home, number: int, text: str) -> list[tuple[Any, ...]]:
    """Return what one node has itself, whatever the others have."""
    return ask(home, number, text, consistency=cast("Consistency", NODE_LOCAL))


@contextmanager
def started(home: Home, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `myriad` in the background; ended at the end."""
    command = [*COMMAND, *arguments, "--home", str(home.folder)]
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
