"""Make databases that are hardened from the first moment anybody can connect to them."""

import hashlib
import logging
from contextlib import closing
from dataclasses import dataclass

import psycopg
from psycopg import sql

from myriad.engines.base import CONTROL_DATABASE, Server
from myriad.engines.hardening import OWNERS, VERSION, harden

MAINTENANCE = "postgres"
TEMPLATE = "template1"
# Which list of rights each database was hardened with; that it is again takes 40 ms for each.
_HARDENED = """
    CREATE TABLE IF NOT EXISTS hardened (database oid PRIMARY KEY, version text NOT NULL)"""
_MARK = """
    INSERT INTO hardened SELECT oid, %(version)s FROM pg_database WHERE datname = ANY(%(names)s)
    ON CONFLICT (database) DO UPDATE SET version = excluded.version"""
# With each, whether it is of, or for, people who make databases of their own.
_OUTDATED = """
    SELECT d.datname, d.datname = %(template)s OR EXISTS (
        SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
        WHERE g.rolname = %(owners)s AND m.member = d.datdba
    )
    FROM pg_database d LEFT JOIN hardened h ON h.database = d.oid
    WHERE d.datallowconn AND d.datconnlimit <> -2 AND h.version IS DISTINCT FROM %(version)s
    ORDER BY d.datname"""

log = logging.getLogger("myriad.engines")


def prepare(server: Server, database: str, maintenance: str = MAINTENANCE) -> None:
    """Make the control database and `database` where missing; templates are hardened first.

    What an older version hardened is hardened again, in our own server. `maintenance` is a
    database that is there already. Interrupted, it just runs again. Raises psycopg.Error.
    """
    with closing(server.connect(maintenance, autocommit=True)) as connection:
        there = exists(connection, CONTROL_DATABASE)
    made = [] if there else [CONTROL_DATABASE]
    if not there:
        if server.kind == "embedded":  # what somebody else runs has templates of its own
            _harden(server, TEMPLATE, owners_may_use=True)
            _harden(server, MAINTENANCE, owners_may_use=False)
            made += [TEMPLATE, MAINTENANCE]
        create_database(server, CONTROL_DATABASE, maintenance)
    with closing(server.connect(autocommit=True)) as connection:
        there = exists(connection, database)
    if not there:
        create_database(server, database)
        made.append(database)
    if server.kind == "embedded":
        _harden_again(server, made)


def _harden_again(server: Server, made: list[str]) -> None:
    """Harden what was hardened with another list of rights; not what was `made` just now."""
    given = {"version": VERSION, "template": TEMPLATE, "owners": OWNERS}
    with closing(server.connect(autocommit=True)) as connection:
        connection.execute(_HARDENED)
        connection.execute(_MARK, {"version": VERSION, "names": made})
        for name, owners_may_use in connection.execute(_OUTDATED, given).fetchall():
            try:
                _harden(server, name, owners_may_use=owners_may_use)
            except psycopg.Error as error:  # one that is broken keeps nobody from the others
                log.warning("database %r could not be hardened again: %s", name, error)
            else:
                connection.execute(_MARK, {"version": VERSION, "names": [name]})


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
    with closing(server.enter(database, autocommit=True)) as connection:
        still_open = harden(connection, owners_may_use=owners_may_use)
    if still_open:
        log.warning(
            "%d rights that could hurt others stay open in the attached server, because its role"
            " may not take them away, such as %s",
            len(still_open),
            still_open[0],
        )
