"""Take from everybody, in one database, what a reader needs for no query but can hurt others with.

The list is in `hardening.sql`, by name and prefix over PostgreSQL's own catalog, so that every
overload of every version is covered.
"""

import hashlib

import psycopg
from psycopg import sql

from myriad import named_sql

OWNERS = "myriad_owner"
# Event triggers on login came with PostgreSQL 17.
LOGIN_TRIGGERS = 170000

_SQL = named_sql.load("myriad.engines.postgres", "hardening.sql")
# What a database was hardened with: another one, and it is hardened again.
VERSION = hashlib.sha256("".join(_SQL.values()).encode()).hexdigest()[:16]


def harden(connection: psycopg.Connection, *, owners_may_use: bool) -> list[str]:
    """Harden the connected database in one transaction; running it again changes nothing.

    With `owners_may_use` (for template1, and what owners made of it) everybody keeps what reaches
    no further than that database: people have connections in their own name there. The group
    `myriad_owner` keeps the rest; and such a database lets in only its owner and people with a
    grant (PostgreSQL 17 and later).

    Returns the rights that are still open because the connected role may not take them away:
    always empty for a superuser.
    """
    with connection.transaction():
        if _is_superuser(connection):
            _answer_for_oneself(connection)
            _prepare_template(connection) if owners_may_use else _drop_guard(connection)
        for change, what, reachable in _rights(connection, owners=owners_may_use):
            if reachable:
                # The server quoted the names in it.
                connection.execute(sql.SQL("{} {}").format(sql.SQL(change), sql.SQL(what)))
        left = _rights(connection, owners=owners_may_use)
        return [what for change, what, _ in left if change == "REVOKE"]


def _rights(connection: psycopg.Connection, *, owners: bool) -> list[tuple[str, str, bool]]:
    return connection.execute(_SQL["rights"], {"owners": owners}).fetchall()


def _answer_for_oneself(connection: psycopg.Connection) -> None:
    for (statement,) in connection.execute(_SQL["own_views"]).fetchall():
        connection.execute("SET LOCAL allow_system_table_mods = on")
        connection.execute(sql.SQL(statement))


def _is_superuser(connection: psycopg.Connection) -> bool:
    row = connection.execute(
        "SELECT rolsuper FROM pg_roles WHERE rolname = session_user"
    ).fetchone()
    return row is not None and bool(row[0])


def _prepare_template(connection: psycopg.Connection) -> None:
    if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [OWNERS]).fetchall():
        connection.execute(_SQL["make_owners"])
    connection.execute(_SQL["log_little"])
    connection.execute(_SQL["close_template0"])
    if connection.info.server_version >= LOGIN_TRIGGERS and not _guarded(connection):
        for (rename,) in connection.execute(_SQL["foreign_guard"]).fetchall():
            connection.execute(sql.SQL(rename))
        connection.execute(_SQL["guard"])


def _guarded(connection: psycopg.Connection) -> bool:
    found = connection.execute("SELECT FROM pg_event_trigger WHERE evtname = 'myriad_guard'")
    return bool(found.fetchall())


def _drop_guard(connection: psycopg.Connection) -> None:
    if _guarded(connection):
        connection.execute(_SQL["no_guard"])
