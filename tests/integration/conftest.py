"""A place to publish from, a mark for names, a way to log in to Cassandra, drivers."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from myriad import Myriad
from tests.cql_people import Login, logins
from tests.drivers import fetched_java, fetched_node
from tests.keyspaces import Space
from tests.publishing import Place


@pytest.fixture
def place(installation: Myriad, database: str, tmp_path: Path) -> Place:
    return Place(installation, database, tmp_path)


@pytest.fixture
def space(clustered: Myriad, dataset: str, tmp_path: Path) -> Space:
    return Space(clustered, dataset, tmp_path)


@pytest.fixture
def tag() -> str:
    return uuid.uuid4().hex[:8]


@pytest.fixture
def login(clustered: Myriad) -> Iterator[Login]:
    with logins(clustered) as log_in:
        yield log_in


@pytest.fixture(scope="session")
def jdbc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PostgreSQL's JDBC driver."""
    [driver] = fetched_java(tmp_path_factory).glob("postgresql-*.jar")
    return driver


@pytest.fixture(scope="session")
def java_drivers(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The class path of Java's drivers."""
    return f"{fetched_java(tmp_path_factory)}/*"


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which programs find Node's drivers."""
    return fetched_node(tmp_path_factory)
