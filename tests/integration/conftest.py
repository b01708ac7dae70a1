"""A database and a folder to publish from, for each test."""

from pathlib import Path

import pytest

from myriad import Myriad
from tests.publishing import Place


@pytest.fixture
def place(installation: Myriad, database: str, tmp_path: Path) -> Place:
    return Place(installation, database, tmp_path)
