"""Make databases that are hardened from the first moment anybody can connect to them."""

import hashlib
import logging
from contextlib import closing
from dataclasses import dataclass

import psycopg
from psycopg import sql

from myriad.engines.base import CONTROL_DATABASE, Server
from myriad.engines.hardening import harden

MAINTENANCE = "postgres"

log = logging.getLogger("myriad.engines")


def prepare(server: Server, database: str, maintenance: str = MAINTENANCE) -> None:
    """Make the control database and `database` where missing; templates are hardened first.

    `maintenance` is a database that is there already. Interrupted, it just runs again.
    Raises psycopg.Error.
    """
    with closing(server.connect(maintenance, autocommit=True)) as connection:
        there = exists(connection, CONTROL_DATABASE)
    if not there:
        if server.kind == "embedded":  # what somebody else runs has templates of its own
            _harden(server, "template1", owners_may_use=True)
            _harden(server, MAINTENANCE, owners_may_use=False)
        create_database(server, CONTROL_DATABASE, maintenance)
    with closing(server.connect(autocommit=True)) as connection:
        there = exists(connection, database)
    if not there:
        create_database(server, database)


def exists(connection: psycopg.Connection, database: str) -> bool:
    """Say whether there is such a database."""
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
    return found.fetchone() is not None


@dataclass(frozen=True)
class Owner:
    """Whose a database is; `ours`: of the role that Myriad connects as."""

    name: str
    ours: bool


def owner(connection: psycopg.Connection, database: str) -> Owner | None:
    """Return whose that database is, None if there is no such database."""
    row = connection.execute(
        "SELECT pg_get_userbyid(datdba), pg_get_userbyid(datdba) = current_user"
        " FROM pg_database WHERE datname = %s",
        [database],
    ).fetchone()
    return Owner(*row) if row else None


def create_database(server: Server, name: str, maintenance: str = CONTROL_DATABASE) -> None:
    """Create a hardened database; it gets its name only when it is hardened.

    Raises psycopg.errors.DuplicateDatabase, psycopg.Error.
    """
    new = f"new-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    with closing(server.connect(maintenance, autocommit=True)) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(new)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(new)))
        try:
            _harden(server, new, owners_may_use=False)
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(rename.format(sql.Identifier(new), sql.Identifier(name)))
        except BaseException:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(new)))
            raise


def _harden(server: Server, database: str, *, owners_may_use: bool) -> None:
    with closing(server.connect(database, autocommit=True)) as connection:
        still_open = harden(connection, owners_may_use=owners_may_use)
    if still_open:
        log.warning(
            "%d rights that could hurt others stay open in the attached server, because its role"
            " may not take them away, such as %s",
            len(still_open),
            still_open[0],
        )
