"""Connections to the control database, and what is often done over them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from myriad.engines.postgres.base import Server
from myriad.migrations.migrations import CONTROL

STATEMENTS_AT_ONCE = 500  # each round trip costs; a single text for 10,000 people costs memory


@contextmanager
def control_database(server: Server, *, autocommit: bool = False) -> Iterator[psycopg.Connection]:
    """Connect to the control database, which is as this Myriad needs it.

    Our own server's was brought up to date by `up`, and is not changed under one that runs; an
    attached one's is by whoever comes first. Raises EngineError, TooNew, NotOurs.
    """
    with server.connect(autocommit=autocommit) as connection:
        if server.kind == "embedded":
            CONTROL.require(connection)
        else:
            CONTROL.bring_up_to_date(connection)
        yield connection


def is_superuser(connection: psycopg.Connection) -> bool:
    """Say whether Myriad is superuser there; it always is in an embedded server."""
    return connection.info.parameter_status("is_superuser") == "on"


def run_all(connection: psycopg.Connection, statements: Sequence[sql.Composable]) -> None:
    """Run statements without parameters, many in one round trip."""
    for start in range(0, len(statements), STATEMENTS_AT_ONCE):
        batch = statements[start : start + STATEMENTS_AT_ONCE]
        connection.execute(sql.SQL("; ").join(batch))


def identifiers(names: Sequence[str]) -> sql.Composed:
    """Return `names` quoted, with commas."""
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)
