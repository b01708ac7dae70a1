"""Who is disabled, or whose time is over, has nothing in Cassandra either, and gets it back."""

from datetime import datetime, timedelta

import pytest

from myriad import Myriad
from myriad.cql.connection import Connection
from myriad.people import People
from tests.cql_people import Login, cannot_log_in, refused

ONE = "WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"


@pytest.fixture
def people(clustered: Myriad) -> People:
    return clustered.people


def own(login: Login, name: str, password: str, keyspace: str) -> Connection:
    """Return a session of an owner with a keyspace of their own."""
    session = login(name, password)
    session.query(f"CREATE KEYSPACE {keyspace} {ONE}")
    session.query(f"CREATE TABLE {keyspace}.t (k int PRIMARY KEY)")
    return session


def test_who_is_disabled_neither_logs_in_nor_goes_on_and_comes_back(
    people: People, login: Login, tag: str
) -> None:
    [(name, password)] = people.add_people([f"o {tag}"], owner=True)
    keyspace = f"own_{tag}"
    session = own(login, name, password, keyspace)
    statement = f"INSERT INTO {keyspace}.t (k) VALUES (1)"
    people.disable([name])
    assert people.behind == ""
    cannot_log_in(login, name, password)
    refused(session, statement)
    refused(session, f"CREATE KEYSPACE more_{tag} {ONE}")
    people.enable([name])
    session.query(statement)
    again = login(name, password)
    assert again.query(f"SELECT k FROM {keyspace}.t") == [(1,)]
    again.query(f"DROP KEYSPACE {keyspace}")
    people.remove([name])


def test_whose_time_is_over_is_out_when_the_keeper_looks(
    people: People, login: Login, tag: str
) -> None:
    [(name, password)] = people.add_people([f"r {tag}"], [f"g {tag}"])
    session = login(name, password)
    people.set_until([name], datetime.now().astimezone() + timedelta(seconds=1))
    session.query("SELECT release_version FROM system.local")
    people.set_until([name], datetime.now().astimezone() - timedelta(seconds=1))
    people.sync()  # as whoever keeps Cassandra does every minute
    cannot_log_in(login, name, password)
    people.set_until([name], None)
    login(name, password)
    people.remove([name])
    people.remove_group(f"g {tag}")
