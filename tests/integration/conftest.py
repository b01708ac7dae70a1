"""A place to publish from, a mark for names, a way to log in to Cassandra, drivers."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from myriad import Myriad
from myriad.people import People
from tests.cql_people import Login, logins
from tests.drivers import fetched_java, fetched_node
from tests.granting import STAFF, Ask, asking
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


@pytest.fixture
def people(installation: Myriad) -> People:
    return installation.people


@pytest.fixture
def group(people: People, tag: str) -> str:
    people.add_groups([f"g{tag}"])
    return f"g{tag}"


@pytest.fixture
def hr(place: Place) -> Place:
    """A place where hr.people and hr.pay are published."""
    place.publish(place.write("people.csv", STAFF), dataset="hr")
    place.publish(place.write("pay.csv", "id,amount\n1,10\n"), dataset="hr")
    return place


@pytest.fixture
def ask(people: People, group: str, place: Place, tag: str) -> Ask:
    """Ask as somebody of the group."""
    [(name, password)] = people.add_people([f"r{tag}"], [group])
    return asking(place.installation, place.database, name, password)


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
