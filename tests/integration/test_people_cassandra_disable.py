"""Who is disabled, or whose time is over, has nothing in Cassandra either, and gets it back."""

from datetime import datetime, timedelta

import pytest

from myriad import Myriad
from myriad.cql.connection import Connection
from myriad.people import NewPerson, People, Roster, Synced
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


def test_a_list_of_people_counts_in_cassandra_too(people: People, login: Login, tag: str) -> None:
    """Nobody else is in the lists of these tests, who would leave."""
    names = [f"{letter} {tag}" for letter in "abc"]
    says, heard = frozenset({"name", "groups"}), list[Synced]()
    people.sync_people(Roster([NewPerson(name) for name in names], says), heard.append)
    assert people.behind == ""
    passwords = dict(heard[0].passwords)
    session = login(names[0], passwords[names[0]])
    others = Roster([NewPerson(name) for name in names[1:]], says)
    people.sync_people(others, heard.append, most=100)
    cannot_log_in(login, names[0], passwords[names[0]])
    refused(session, "SELECT release_version FROM system.local")
    people.sync_people(others, heard.append, most=100, remove=True)
    assert heard[-1].removed == [names[0]]
    login(names[1], passwords[names[1]])
    people.remove(names[1:])


def test_who_leaves_and_owns_a_keyspace_is_kept(people: People, login: Login, tag: str) -> None:
    says, heard = frozenset({"name", "owner"}), list[Synced]()
    both = [NewPerson(f"o {tag}", owner=True), NewPerson(f"p {tag}")]
    people.sync_people(Roster(both, says), heard.append)
    keyspace, name = f"own_{tag}", both[0].name
    session = own(login, name, dict(heard[0].passwords)[name], keyspace)
    people.sync_people(Roster(both[1:], says), heard.append, remove=True)
    assert heard[-1].removed == []
    assert f'keyspace "{keyspace}"' in heard[-1].kept[name]
    refused(session, f"SELECT k FROM {keyspace}.t")
    people.sync_people(Roster(both, says), heard.append)
    session.query(f"DROP KEYSPACE {keyspace}")
    people.remove([each.name for each in both])
