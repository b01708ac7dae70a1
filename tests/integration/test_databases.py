"""Databases that Myriad makes."""

import hashlib
from contextlib import closing

import psycopg
import pytest

from myriad import Myriad
from myriad.engines.postgres import databases
from myriad.engines.postgres.base import Server
from myriad.engines.postgres.databases import create_database
from tests.harness import as_admin
from tests.hostile import add_owner, no_superuser


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


def test_nobody_gets_in_before_it_is_hardened(
    installation: Myriad, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = installation.server()
    owner = add_owner(server)
    tried = []

    def late(server: Server, database: str, *, owners_may_use: bool) -> None:
        with pytest.raises(psycopg.OperationalError, match=r"too many|permission denied"):
            owner.connect(database)
        tried.append(database)
        harden(server, database, owners_may_use=owners_may_use)

    harden = databases._harden  # noqa: SLF001 - the moment before
    monkeypatch.setattr(databases, "_harden", late)
    create_database(server, tag)
    owner.remove()
    assert len(tried) == 1
    with closing(as_admin(server, autocommit=True)) as connection:
        limit = "SELECT datconnlimit FROM pg_database WHERE datname = %s"
        assert connection.execute(limit, [tag]).fetchone() == (-1,)
        connection.execute(f'DROP DATABASE "{tag}"'.encode())


def test_names_of_new_databases_cannot_be_taken_beforehand(tag: str) -> None:
    with no_superuser() as (server, _):
        owner = add_owner(server)
        mark = f"new-{hashlib.sha256(tag.encode()).hexdigest()[:16]}"
        owner.run(f'CREATE DATABASE "{mark}"', "main")
        create_database(server, tag)
        with closing(server.connect()) as connection:
            names = connection.execute("SELECT datname FROM pg_database").fetchall()
        assert {(tag,), (mark,)} <= set(names)


def test_what_an_interrupted_creation_left_is_removed_by_the_next(
    installation: Myriad, tag: str
) -> None:
    server = installation.server()
    left = f"new-{hashlib.sha256(tag.encode()).hexdigest()[:16]}-left"
    with closing(as_admin(server, autocommit=True)) as connection:
        connection.execute(f'CREATE DATABASE "{left}"'.encode())
        create_database(server, tag)
        names = "SELECT datname FROM pg_database WHERE datname IN (%s, %s)"
        assert connection.execute(names, [left, tag]).fetchall() == [(tag,)]
        connection.execute(f'DROP DATABASE "{tag}"'.encode())


# All that is said of a database but its own numbers, and what the next login puts right.
SAID = """
    SELECT to_jsonb(d) - '{oid,datname,datfrozenxid,datminmxid,dathasloginevt}'::text[]
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
