"""A database and a folder to publish from, a mark for names, and a way to log in to Cassandra."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from myriad import Myriad
from tests.cql_people import Login, logins
from tests.publishing import Place


@pytest.fixture
def place(installation: Myriad, database: str, tmp_path: Path) -> Place:
    return Place(installation, database, tmp_path)


@pytest.fixture
def tag() -> str:
    return uuid.uuid4().hex[:8]


@pytest.fixture
def login(clustered: Myriad) -> Iterator[Login]:
    with logins(clustered) as log_in:
        yield log_in
