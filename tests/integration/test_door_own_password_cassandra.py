"""Who changes their own password at the door logs in to Cassandra with it, or not at all."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from myriad import Myriad
from myriad.cql.connection import Connection
from myriad.errors import CqlError
from tests.cql_people import Login, cannot_log_in
from tests.harness import wait_until


@pytest.fixture
def rose(clustered: Myriad, tag: str) -> Iterator[tuple[str, str]]:
    """Somebody who may log in to both; her name and password."""
    people, group = clustered.people, f"g {tag}"
    people.add_groups([group])
    people.grant(group, "public")
    [found] = people.add_people([f"rose {tag}"], [group])
    yield found
    people.remove([found[0]])
    people.remove_group(group)


def change(clustered: Myriad, name: str, password: str, text: str) -> list[str]:
    """Change it; return what is told of that."""
    server, told = clustered.server(), []
    session = psycopg.connect(
        host=server.host,
        port=server.port,
        user=name,
        password=password,
        dbname="main",
        autocommit=True,
    )
    session.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
    with closing(session):
        session.execute(text.encode())
    return told


def logs_in(login: Login, name: str, password: str) -> Connection | None:
    try:
        return login(name, password)
    except CqlError:
        return None


def test_cassandra_follows_a_password_in_plain_text_and_forgets_the_old_one_for_a_verifier(
    clustered: Myriad, rose: tuple[str, str], login: Login
) -> None:
    name, old = rose
    login(name, old)
    [told] = change(clustered, name, old, "ALTER ROLE CURRENT_USER PASSWORD 'gänz neu'")
    assert "Cassandra takes it" in told
    wait_until(lambda: logs_in(login, name, "gänz neu"))
    cannot_log_in(login, name, old)
    with closing(psycopg.connect(clustered.server().dsn)) as any_connection:
        made = any_connection.pgconn.encrypt_password(b"another", b"", b"scram-sha-256").decode()
    [told] = change(clustered, name, "gänz neu", f"ALTER ROLE CURRENT_USER PASSWORD '{made}'")
    assert "you cannot log in to Cassandra now" in told
    wait_until(lambda: logs_in(login, name, "gänz neu") is None)
    cannot_log_in(login, name, "another")
    people = clustered.people
    assert [each.cassandra for each in people.list_people() if each.name == name] == [False]


def test_what_cassandra_would_see_a_part_of_is_refused(
    clustered: Myriad, rose: tuple[str, str]
) -> None:
    name, old = rose
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="Cassandra would look only"):
        change(clustered, name, old, f"ALTER ROLE CURRENT_USER PASSWORD '{'x' * 73}'")
    assert change(clustered, name, old, "SELECT 1") == []
