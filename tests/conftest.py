"""One real installation for all tests, and fresh databases in it.

How to mark what is too costly for every day, and what shares a worker: `selection.py`.
"""

import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from psycopg import sql

import myriad
from myriad import Myriad
from myriad.engines.postgres.databases import create_database
from myriad.engines.postgres.embedded import EmbeddedPostgres
from myriad.home.home import Home
from myriad.machine import logs
from myriad.settings import Settings
from tests import quick_java
from tests.harness import reachable_folder
from tests.own_ports import give_port

pytest_plugins = ("tests.selection",)

LOG_LINES = 60
PAGE_CACHE_MB = 128  # PostgreSQL looks through all of it whenever a table or a database goes
# A copy does not have the rights on its pattern.
RIGHTS = """
    UPDATE pg_database SET datacl = (SELECT datacl FROM pg_database WHERE datname = %s)
    WHERE datname = %s"""
LOGS = ("myriad", "door", "postgres")


@pytest.fixture(autouse=True, scope="session")
def plain_environment(pytestconfig: pytest.Config) -> Iterator[None]:
    """Tests see no settings of whoever runs them but what `--door-processes` says."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("MYRIAD_", "PG")):
                patch.delenv(name)
        # With it every process that a test starts would compile Myriad anew: 0.1 s and more each.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        processes = pytestconfig.getoption("door_processes")
        if processes:
            patch.setenv("MYRIAD_DOOR_PROCESSES", processes)
        yield


@pytest.fixture(autouse=True, scope="session")
def heard_interrupts() -> None:
    """Ctrl-C is heard, also where a shell began the tests in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def by_day(pytestconfig: pytest.Config) -> Callable[[int], int]:
    """How many of so many are enough for every day: an eighth; by night it is all."""
    nightly = pytestconfig.getoption("nightly")
    return lambda count: count if nightly else count // 8


@pytest.fixture(scope="module")
def one_process() -> Iterator[None]:
    """The door has one, whatever `--door-processes` says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYRIAD_DOOR_PROCESSES", "1")
        yield


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the engine's user can reach; pytest's own is closed to it."""
    with reachable_folder() as path:
        yield path


@pytest.fixture
def home(folder: Path) -> Home:
    return Home(folder / "home")


@pytest.fixture(scope="session")
def made() -> Iterator[Path]:
    """The home of an installation that was up once, to copy from: saves initdb's second."""
    with reachable_folder() as path:
        engine = EmbeddedPostgres(Home(path / "home"), Settings())
        engine.start()
        engine.stop()
        yield path / "home"


@pytest.fixture
def made_home(made: Path, home: Home) -> Home:
    """A home of its own that was up before and is down now."""
    subprocess.run(["cp", "-a", made, home.folder], check=True)
    give_port(home)
    return home


@pytest.fixture(scope="session")
def installation() -> Iterator[Myriad]:
    """Up for the whole run, started as `myriad up --detach` does."""
    with reachable_folder() as path:
        installed = myriad.open(path / "home", shared_buffers_mb=PAGE_CACHE_MB)
        installed.up_detached()
        yield installed
        installed.down()


@pytest.fixture(scope="session")
def java() -> Iterator[Path]:
    """The folder of a Java that Cassandra starts quickly with, for the setting `java`."""
    with reachable_folder() as path:
        yield quick_java.make(path / "java")


@pytest.fixture(scope="session")
def clustered(java: Path) -> Iterator[Myriad]:
    """Up for the whole run with one Cassandra node too, on an address that others leave alone."""
    with reachable_folder() as path:
        installed = myriad.open(
            path / "home",
            cassandra=1,
            cassandra_address=f"127.1.{os.getpid() % 250}.1",  # of two runs, each its own
            cassandra_heap_mb=512,
            shared_buffers_mb=PAGE_CACHE_MB,
            java=str(java),
        )
        installed.up_detached()
        yield installed
        installed.down()


@pytest.fixture
def dataset() -> str:
    """The name of a dataset, a keyspace that is not there yet; it goes with its node."""
    return f"test_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def keyspace(clustered: Myriad, dataset: str) -> str:
    """A keyspace that Myriad's publish knows nothing of."""
    cluster = clustered.cluster()
    with cluster.session() as session:
        session.query(f"CREATE KEYSPACE {dataset} WITH replication = {cluster.replication}")
    return dataset


@pytest.fixture(scope="session")
def pattern(installation: Myriad) -> str:
    """The name of a hardened database that nobody connects to: a copy takes a fifth of the time."""
    name = f"pattern_{uuid.uuid4().hex[:12]}"
    create_database(installation.server(), name)
    return name


@pytest.fixture
def database(installation: Myriad, pattern: str) -> Iterator[str]:
    """A fresh hardened database, as `main` is."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    with closing(installation.server().connect(autocommit=True)) as connection:
        connection.execute(copy.format(sql.Identifier(name), sql.Identifier(pattern)))
        connection.execute(RIGHTS, [pattern, name])
    yield name
    with closing(installation.server().connect(autocommit=True)) as connection:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        connection.execute(drop.format(sql.Identifier(name)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    arguments = getattr(item, "funcargs", {})
    installed = arguments.get("clustered") or arguments.get("installation")
    place = arguments.get("home")
    folder = installed.home if isinstance(installed, Myriad) else place
    if report.failed and isinstance(folder, Home):
        nodes = folder.cassandra.glob("node?/logs/system.log")
        for path in (*(folder.logs / f"{name}.log" for name in LOGS), *nodes):
            report.sections.append((str(path), "\n".join(logs.tail(path, LOG_LINES))))
    return report
