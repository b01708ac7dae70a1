"""What Cassandra lets everybody do and our nodes do not: own passwords, others' keyspaces."""

import importlib.resources
from collections.abc import Iterator
from dataclasses import replace

import pytest
from cassandra import InvalidRequest
from cassandra.query import BatchStatement

from myriad import Myriad
from myriad.cql.connection import Connection
from myriad.cql.names import quoted
from myriad.engines.cassandra.nodes import node
from myriad.errors import CqlError
from myriad.people import NewPerson, People
from tests.cql_people import Login, as_administrator, cannot_log_in, driver, refused
from tools import classes

SALT = "abcdefghijklmnopqrstuu"
HASH = f"{SALT}abcdefghijklmnopqrstuvwxyz01234"
FUNCTION = "CALLED ON NULL INPUT RETURNS int LANGUAGE java AS 'return k;'"
ONE = "WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"


@pytest.fixture
def people(clustered: Myriad) -> People:
    return clustered.people


@pytest.fixture
def owner(people: People, login: Login, tag: str) -> Iterator[Connection]:
    """An owner who has a keyspace of their own, `own_…`."""
    [(name, password)] = people.add_people([f"o {tag}"], owner=True)
    session = login(name, password)
    session.query(f"CREATE KEYSPACE own_{tag} {ONE}")
    yield session
    session.query(f"DROP KEYSPACE own_{tag}")
    people.remove([name])


def test_our_classes_were_made_from_their_sources() -> None:
    made, kept = classes.compiled(), importlib.resources.files("myriad.engines.cassandra.nodes")
    assert {name: kept.joinpath(name).read_bytes() for name in node.CLASSES} == made


def test_nobody_changes_a_role_by_themselves_nor_their_own_password(
    clustered: Myriad, people: People, login: Login, tag: str
) -> None:
    [(name, password)] = people.add_people([f"r{tag}"], owner=True)
    session, row = login(name, password), f"SELECT * FROM system_auth.roles WHERE role = 'r{tag}'"
    before = as_administrator(clustered, row)
    for change in (
        # 2^30 rounds: 20 hours of a core for the statement, and for each login with it.
        f"ALTER ROLE {name} WITH HASHED PASSWORD = '$2a$30${HASH}'",
        # Of a hash only the first 60 characters are looked at, and it is written unescaped.
        f"ALTER ROLE {name} WITH HASHED PASSWORD = '$2a$04${HASH}'', is_superuser = true'",
        f"ALTER ROLE {name} WITH PASSWORD = 'mine'",
        f"ALTER USER {name} WITH PASSWORD 'mine'",
        f"ALTER ROLE IF EXISTS {name} WITH PASSWORD = 'mine'",
        f"ALTER ROLE {name} WITH SUPERUSER = true",
        f"ALTER ROLE {name} WITH LOGIN = true AND ACCESS TO ALL DATACENTERS",
        f"CREATE ROLE other WITH HASHED PASSWORD = '$2a$30${HASH}' AND LOGIN = true",
        f"DROP ROLE {name}",
        f"GRANT myriad TO {name}",
        f"ADD IDENTITY 'spiffe://me' TO ROLE '{name}'",
    ):
        refused(session, change)
    assert as_administrator(clustered, row) == before
    login(name, password)
    cannot_log_in(login, name, "mine")
    people.remove([name])


@pytest.mark.parametrize("change", ["ALTER ROLE {}", "CREATE ROLE other"])
def test_no_hash_is_tried_for_a_statement_that_nobody_may_run(
    people: People, clustered: Myriad, tag: str, change: str
) -> None:
    """Cassandra looks at a hash as it prepares, also for a batch, before it asks who says so."""
    [(name, password)] = people.add_people([f"r {tag}"])
    text = f"{change.format(quoted(name))} WITH HASHED PASSWORD = '$2a$30${HASH}'"
    with driver(clustered, name, password) as session:
        with pytest.raises(InvalidRequest, match="doesn't support HASHED_PASSWORD"):
            session.prepare(text)
        batch = BatchStatement()
        batch.add(text)
        with pytest.raises(InvalidRequest, match="doesn't support HASHED_PASSWORD"):
            session.execute(batch)
    people.remove([name])


def test_an_owner_makes_nothing_in_the_keyspace_of_another(
    owner: Connection, keyspace: str, tag: str
) -> None:
    for made in (
        f"CREATE TABLE {keyspace}.t (k int PRIMARY KEY)",
        f"CREATE TABLE IF NOT EXISTS {keyspace}.t (k int PRIMARY KEY)",
        f"CREATE TYPE {keyspace}.y (k int)",
        f"CREATE FUNCTION {keyspace}.f (k int) {FUNCTION}",
        f"CREATE AGGREGATE {keyspace}.a (int) SFUNC f STYPE int",
        f"DROP KEYSPACE {keyspace}",
        f"ALTER KEYSPACE {keyspace} {ONE}",
    ):
        refused(owner, made)
    owner.query(f"USE {keyspace}")
    refused(owner, "CREATE TABLE t (k int PRIMARY KEY)")
    owner.query(f"CREATE TABLE own_{tag}.t (k int PRIMARY KEY)")
    owner.query(f"CREATE TYPE own_{tag}.y (k int)")
    owner.query(f"USE own_{tag}")
    owner.query("CREATE TABLE u (k int PRIMARY KEY)")


def test_who_was_handed_a_keyspace_over_makes_tables_there(
    people: People, login: Login, owner: Connection, tag: str
) -> None:
    [(name, password)] = people.add_people([f"friend {tag}"])
    owner.query(f"GRANT CREATE ON KEYSPACE own_{tag} TO {quoted(name)}")
    friend = login(name, password)
    friend.query(f"CREATE TABLE own_{tag}.t (k int PRIMARY KEY)")
    friend.query(f"DROP TABLE own_{tag}.t")
    people.remove([name])


def test_nobody_makes_a_table_with_the_number_of_one_that_is_there(
    clustered: Myriad, owner: Connection, keyspace: str, tag: str
) -> None:
    as_administrator(clustered, f"CREATE TABLE {keyspace}.t (k int PRIMARY KEY)")
    [(number,)] = as_administrator(
        clustered, f"SELECT id FROM system_schema.tables WHERE keyspace_name = '{keyspace}'"
    )
    with pytest.raises(CqlError, match="not allowed"):
        owner.query(f"CREATE TABLE own_{tag}.t (k int PRIMARY KEY) WITH id = {number}")


def test_on_somebody_elses_cluster_owners_make_nothing(
    clustered: Myriad, login: Login, keyspace: str, tag: str
) -> None:
    theirs = replace(clustered.cluster(), kind="attached")
    people = People(clustered.server(), clustered.settings, theirs)
    [(name, password)] = people.add_people([f"o {tag}"], owner=True)
    session = login(name, password)
    refused(session, f"CREATE KEYSPACE own_{tag} {ONE}")
    refused(session, f"CREATE TABLE {keyspace}.t (k int PRIMARY KEY)")
    people.remove([name])


def test_a_login_costs_a_node_little_whoever_tries(
    clustered: Myriad, people: People, tag: str
) -> None:
    people.add([NewPerson(f"t {tag}", password="typed"), NewPerson(f"g {tag}")])
    where = f"WHERE role IN ('t {tag}', 'g {tag}')"
    rows = as_administrator(clustered, f"SELECT salted_hash FROM system_auth.roles {where}")
    assert {str(hashed)[:7] for (hashed,) in rows} == {"$2a$06$", "$2a$04$"}  # 4 ms and 1 ms
    people.remove([f"t {tag}", f"g {tag}"])
