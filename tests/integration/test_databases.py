"""Databases that Myriad makes."""

from contextlib import closing

import psycopg
import pytest

from myriad import Myriad
from myriad.engines.databases import create_database


def test_a_database_is_closed_to_people_without_a_grant(
    installation: Myriad, database: str
) -> None:
    with closing(installation.server().connect(database)) as connection:
        row = connection.execute(
            "SELECT has_database_privilege('public', current_database(), 'CONNECT'),"
            " has_database_privilege('public', current_database(), 'TEMP'),"
            " has_schema_privilege('public', 'public', 'CREATE')"
        ).fetchone()
    assert row == (False, False, False)


def test_the_first_start_makes_the_control_and_the_main_database(installation: Myriad) -> None:
    with closing(installation.server().connect()) as connection:
        names = connection.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall()
    assert {"main", "myriad"} <= {name for (name,) in names}


def test_a_database_that_is_there_is_not_made_again(installation: Myriad) -> None:
    with pytest.raises(psycopg.errors.DuplicateDatabase):
        create_database(installation.server(), "main")
    with closing(installation.server().connect()) as connection:
        names = connection.execute("SELECT FROM pg_database WHERE datname LIKE 'new-%'")
        assert names.fetchall() == []
