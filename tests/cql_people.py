"""What tests of accounts in Cassandra share: logging in, and what is refused."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster, Session

from myriad import Myriad
from myriad.cql.connection import Connection, Endpoint
from myriad.errors import CqlError

Login = Callable[[str, str], Connection]


@contextmanager
def logins(installation: Myriad) -> Iterator[Login]:
    """Give what logs somebody in; all connections are closed at the end."""
    to = installation.cluster().endpoint
    with ExitStack() as opened:

        def log_in(name: str, password: str) -> Connection:
            endpoint = Endpoint(to.hosts, to.port, name, password)
            return opened.enter_context(Connection(endpoint, to.hosts[0]))

        yield log_in


@contextmanager
def driver(installation: Myriad, name: str, password: str) -> Iterator[Session]:
    """Connect as somebody with the driver that people use."""
    to = installation.cluster().endpoint
    cluster = Cluster(to.hosts, port=to.port, auth_provider=PlainTextAuthProvider(name, password))
    try:
        yield cluster.connect()
    finally:
        cluster.shutdown()


def as_administrator(installation: Myriad, *statements: str) -> list[tuple[object, ...]]:
    """Run statements as Myriad; return the rows of the last one."""
    rows: list[tuple[object, ...]] = []
    with installation.cluster().session() as session:
        for statement in statements:
            rows = session.query(statement)
    return rows


def refused(connection: Connection, statement: str) -> None:
    """Fail unless the statement is refused for want of a right."""
    with pytest.raises(CqlError) as error:
        connection.query(statement)
    assert error.value.code == CqlError.UNAUTHORIZED


def cannot_log_in(login: Login, name: str, password: str) -> None:
    """Fail unless the login is refused."""
    with pytest.raises(CqlError) as error:
        login(name, password)
    assert error.value.code == CqlError.BAD_CREDENTIALS
