"""Our own client of the native protocol, with a real node."""

import dataclasses
from collections.abc import Iterator

import pytest

from myriad import Myriad
from myriad.cql.connection import Connection, Endpoint
from myriad.cql.session import Session
from myriad.cql.values import Duration
from myriad.errors import CqlError, NotRunning, UsageError


@pytest.fixture
def session(clustered: Myriad) -> Iterator[Session]:
    with clustered.cluster().session() as opened:
        yield opened


@pytest.fixture
def endpoint(clustered: Myriad) -> Endpoint:
    return clustered.cluster().endpoint


def test_all_pages_are_read(session: Session, keyspace: str) -> None:
    session.query(f"CREATE TABLE {keyspace}.t (k int PRIMARY KEY)")
    session.run_all([f"INSERT INTO {keyspace}.t (k) VALUES ({n})" for n in range(1000)])
    pages = list(session.pages(f"SELECT k FROM {keyspace}.t", rows=300))
    assert [len(page) for page in pages] == [300, 300, 300, 100]
    assert sorted(k for page in pages for (k,) in page) == list(range(1000))


def test_values_of_all_kinds_of_nesting_come_back(session: Session, keyspace: str) -> None:
    session.query(f'CREATE TYPE {keyspace}."odd "" one" (street text, number int)')
    session.query(
        f"""CREATE TABLE {keyspace}.t (k int PRIMARY KEY, d duration, pair tuple<int, text>,
        tags map<text, frozen<set<int>>>, places list<frozen<"odd "" one">>)"""
    )
    row = (1, Duration(1, 2, 3), {"a": {1, 2}}, [{"street": "x", "number": None}], (5, None))
    names = "k, d, tags, places, pair"
    session.query(f"INSERT INTO {keyspace}.t ({names}) VALUES (?, ?, ?, ?, ?)", row)
    assert session.query(f"SELECT {names} FROM {keyspace}.t") == [row]


def test_a_refusal_has_its_code_and_leaves_the_session_usable(session: Session) -> None:
    with pytest.raises(CqlError) as raised:
        session.query("SELECT nonsense")
    assert raised.value.code == CqlError.SYNTAX
    assert session.query("SELECT release_version FROM system.local")[0][0].startswith("5.")


def test_values_that_do_not_fit_are_refused_before_they_are_sent(
    session: Session, keyspace: str
) -> None:
    session.query(f"CREATE TABLE {keyspace}.t (k int PRIMARY KEY)")
    with pytest.raises(UsageError, match="k is int"):
        session.query(f"INSERT INTO {keyspace}.t (k) VALUES (?)", ["text"])
    with pytest.raises(UsageError, match="takes 1 values"):
        session.query(f"INSERT INTO {keyspace}.t (k) VALUES (?)", [1, 2])


def test_many_statements_stop_at_the_first_that_fails(session: Session) -> None:
    good, bad = "SELECT key FROM system.local", "SELECT nonsense"
    with pytest.raises(CqlError) as raised:
        session.run_all([good] * 200 + [bad] + [good] * 200)
    assert raised.value.code == CqlError.SYNTAX
    session.run_all([good] * 200)


def test_a_statement_is_prepared_again_when_its_table_changed(
    session: Session, keyspace: str
) -> None:
    session.query(f"CREATE TABLE {keyspace}.t (k int PRIMARY KEY)")
    insert = f"INSERT INTO {keyspace}.t (k) VALUES (?)"
    session.query(insert, [1])
    session.query(f"DROP TABLE {keyspace}.t")
    session.query(f"CREATE TABLE {keyspace}.t (k int PRIMARY KEY)")
    session.query(insert, [2])
    assert session.query(f"SELECT k FROM {keyspace}.t") == [(2,)]


def test_without_login_and_with_a_wrong_password_nobody_gets_in(endpoint: Endpoint) -> None:
    for user, password in (("", ""), (endpoint.user, "wrong")):
        with pytest.raises(CqlError) as raised:
            Session(dataclasses.replace(endpoint, user=user, password=password))
        assert raised.value.code == CqlError.BAD_CREDENTIALS


def test_a_host_that_does_not_answer_is_passed_over(endpoint: Endpoint) -> None:
    several = dataclasses.replace(endpoint, hosts=("127.0.2.77", *endpoint.hosts))
    with Session(several) as opened:
        assert opened.connection().host == endpoint.hosts[0]
    with pytest.raises(NotRunning, match="Connection refused"):
        Session(dataclasses.replace(endpoint, hosts=("127.0.2.77",)))


def test_a_connection_that_broke_is_replaced(session: Session) -> None:
    session.connection().close()
    assert session.query("SELECT key FROM system.local") == [("local",)]


def test_a_closed_connection_says_so(endpoint: Endpoint) -> None:
    connection = Connection(endpoint, endpoint.hosts[0])
    connection.close()
    with pytest.raises(NotRunning, match="closed"):
        connection.query("SELECT key FROM system.local")
