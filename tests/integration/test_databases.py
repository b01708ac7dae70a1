"""Databases that Myriad makes."""

from contextlib import closing

import psycopg
import pytest

from myriad import Myriad
from myriad.engines.databases import create_database
from tests.harness import as_admin


def test_a_database_is_closed_to_people_without_a_grant(
    installation: Myriad, database: str
) -> None:
    with closing(as_admin(installation.server(), database)) as connection:
        row = connection.execute(
            "SELECT has_database_privilege('public', current_database(), 'CONNECT'),"
            " has_database_privilege('public', current_database(), 'TEMP'),"
            " has_schema_privilege('public', 'public', 'CREATE')"
        ).fetchone()
    assert row == (False, False, False)


def test_the_first_start_makes_the_control_and_the_main_database(installation: Myriad) -> None:
    with closing(as_admin(installation.server())) as connection:
        names = connection.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall()
    assert {"main", "myriad"} <= {name for (name,) in names}


def test_a_database_that_is_there_is_not_made_again(installation: Myriad) -> None:
    with pytest.raises(psycopg.errors.DuplicateDatabase):
        create_database(installation.server(), "main")
    with closing(as_admin(installation.server())) as connection:
        names = connection.execute("SELECT FROM pg_database WHERE datname LIKE 'new-%'")
        assert names.fetchall() == []


# All that is said of a database but its own numbers.
SAID = """
    SELECT to_jsonb(d) - '{oid,datname,datfrozenxid,datminmxid}'::text[]
           || jsonb_build_object('settings', (SELECT array_agg((setrole, setconfig))
                                              FROM pg_db_role_setting WHERE setdatabase = d.oid))
    FROM pg_database d WHERE datname = %s"""


def test_the_databases_of_tests_are_made_like_any_other(
    installation: Myriad, database: str, tag: str
) -> None:
    create_database(installation.server(), tag)
    with closing(installation.server().connect(autocommit=True)) as connection:
        copied, made = (connection.execute(SAID, [name]).fetchone() for name in (database, tag))
        connection.execute(f'DROP DATABASE "{tag}"'.encode())
    assert copied is not None
    assert copied == made
