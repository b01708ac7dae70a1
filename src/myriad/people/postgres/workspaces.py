"""Workspaces in one database: made, given to groups, measured, kept within their limits.

What holds there is held by the server: `workspaces.sql`, and decisions/0021-workspaces.md.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from myriad import named_sql
from myriad.control.connection import is_superuser, run_all
from myriad.engines.postgres import databases
from myriad.engines.postgres.base import Server
from myriad.errors import PeopleError

SQL = named_sql.load("myriad.people.postgres", "workspaces.sql")
MEGABYTE = 1_000_000
SET_FALSE = 160000  # the first version in which who is a member may have no SET ROLE

_CHANGED = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedObject,
    psycopg.errors.InternalError_,
    psycopg.errors.DeadlockDetected,
)


@dataclass(frozen=True)
class Room:
    """What a workspace holds, as it was last measured, and what it may: in bytes."""

    dataset: str
    bytes: int
    most: int


@contextmanager
def entered(server: Server, database: str) -> Iterator[psycopg.Connection | None]:
    """Change the workspaces of a database, in a transaction; None if there can be none.

    It may have been dropped since it had some, and be somebody's by now, who makes there whatever
    would run with our rights. Raises psycopg.Error.
    """
    with closing(server.connect(autocommit=True)) as control:
        there = databases.is_open(control, database) and _is_ours(control, database)
    if not there:
        yield None
        return
    with server.connect(database) as connection:
        # while we are in it, it keeps its name
        yield connection if _is_ours(connection, database) else None


def _is_ours(connection: psycopg.Connection, database: str) -> bool:
    owner = databases.owner(connection, database)
    return owner is not None and (owner.ours or owner.superuser)


def install(connection: psycopg.Connection) -> None:
    """Let the server hold what holds in workspaces; one at a time, until the transaction ends.

    Raises PeopleError where Myriad may not.
    """
    if not is_superuser(connection):
        raise PeopleError(
            "there are no workspaces on this server: Myriad is no superuser there",
            hint="Only a superuser can hold people to what is safe for others. Give the group a"
            " database, or use a server of Myriad's own.",
        )
    if not _is_ours(connection, connection.info.dbname):
        raise PeopleError(
            f"database {connection.info.dbname!r} is not Myriad's",
            hint="Its owner makes there whatever they want.",
        )
    for part in ("alone", "make_room", "guard", "watch"):
        connection.execute(SQL[part])


def role_name(connection: psycopg.Connection, dataset: str) -> str:
    """Return the name of the role behind the workspace that a schema is: no other has it."""
    row = connection.execute(
        "SELECT 'myriad_workspace_' || d.oid || '_' || n.oid FROM pg_database d, pg_namespace n"
        " WHERE d.datname = current_database() AND n.nspname = %s",
        [dataset],
    ).fetchone()
    return str(row[0]) if row else ""


def make(connection: psycopg.Connection, dataset: str, megabytes: float) -> str:
    """Make the workspace, in a transaction of the caller's; return the name of its role.

    Raises PeopleError if such a dataset holds anything. One that is made already is finished:
    whoever began it was killed before it was written down.
    """
    held = connection.execute(SQL["holds"], {"dataset": dataset}).fetchone()
    begun = held is not None and _is_there(connection, role_name(connection, dataset))
    if held and held[1] and not begun:
        raise PeopleError(
            f"dataset {dataset!r} holds something already: a workspace begins empty",
            hint="Choose another name.",
        )
    schema = sql.Identifier(dataset)
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
    role = role_name(connection, dataset)
    name = sql.Identifier(role)
    if not begun:
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(name))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, name))
    limit(connection, dataset, role, megabytes)
    return role


def _is_there(connection: psycopg.Connection, role: str) -> bool:
    return bool(connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchall())


def limit(connection: psycopg.Connection, dataset: str, role: str, megabytes: float) -> None:
    """Say how much it may hold."""
    most = int(megabytes * MEGABYTE)
    connection.execute(SQL["enter"], {"dataset": dataset, "role": role, "most": most})


def give(connection: psycopg.Connection, dataset: str, role: str, group: str) -> None:
    """Let a group make things there, and read what others of it make."""
    names = {
        "s": sql.Identifier(dataset),
        "g": sql.Identifier(group),
        "r": sql.Identifier(role),
        "d": sql.Identifier(connection.info.dbname),
    }
    sets = " WITH SET FALSE" if connection.info.server_version >= SET_FALSE else ""
    texts = (
        "GRANT {r} TO {g}" + sets,
        "GRANT USAGE, CREATE ON SCHEMA {s} TO {g}",
        "GRANT TEMPORARY ON DATABASE {d} TO {g}",
    )
    run_all(connection, [sql.SQL(text).format(**names) for text in texts])


def take(
    connection: psycopg.Connection, dataset: str, role: str, group: str, *, last: bool
) -> None:
    """Take that from a group; `last`: it has no other workspace in this database."""
    if role_name(connection, dataset) != role:
        return  # it was dropped, and is another one now if there is one
    names = {
        "s": sql.Identifier(dataset),
        "g": sql.Identifier(group),
        "r": sql.Identifier(role),
        "d": sql.Identifier(connection.info.dbname),
    }
    texts = [
        "REVOKE ALL ON ALL TABLES IN SCHEMA {s} FROM {g}",
        "REVOKE ALL ON ALL SEQUENCES IN SCHEMA {s} FROM {g}",
        "REVOKE ALL ON SCHEMA {s} FROM {g}",
        "REVOKE {r} FROM {g}",
    ]
    if last:
        texts.append("REVOKE TEMPORARY ON DATABASE {d} FROM {g}")
    run_all(connection, [sql.SQL(text).format(**names) for text in texts])


def drop(connection: psycopg.Connection, dataset: str, role: str) -> None:
    """Drop the workspace with all that it holds; its role is left, for `drop_role`."""
    if role_name(connection, dataset) == role:  # else it was dropped, and that is another one
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(dataset)))
        connection.execute(SQL["forget_dropped"])
    if _is_there(connection, role):
        connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))


def drop_role(connection: psycopg.Connection, role: str) -> None:
    """Drop the role behind a workspace that is gone, in whatever database."""
    connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def rooms(server: Server, database: str) -> list[Room]:
    """Return what the workspaces of a database hold."""
    with entered(server, database) as connection:
        if connection is None or connection.execute(SQL["installed"]).fetchone() != (True,):
            return []
        return [Room(*row) for row in connection.execute(SQL["rooms"])]


def inherit(server: Server, places: Sequence[str], names: Sequence[str]) -> None:
    """Let workspaces in those databases own what these people own there."""
    for database in places:
        with entered(server, database) as connection:
            if connection is None or connection.execute(SQL["installed"]).fetchone() != (True,):
                continue
            found = connection.execute(SQL["theirs"], {"names": list(names)}).fetchall()
            # The server quoted the names in it.
            run_all(connection, [sql.SQL(text) for (text,) in found])


def settle(connection: psycopg.Connection) -> None:
    """Mend what no event trigger has seen, and close views that show what a group may not read."""
    for found in SQL.query(connection, "unsettled"):
        try:
            with connection.transaction():
                connection.execute(SQL["wait_briefly"])
                connection.execute(sql.SQL(found["text"]))  # the server quoted the names in it
        except psycopg.errors.LockNotAvailable:
            SQL.query(connection, "end_holders", oid=found["oid"])  # they are in the next look
        except _CHANGED:
            continue  # somebody drops it, or changes it again and again: what is measured waits not


def keep(connection: psycopg.Connection) -> None:
    """Measure the workspaces of a database, and end what outgrows one; in no transaction.

    A workspace that is over its limit and grows: who writes into it is stopped. It may have as much
    in temporary tables: beyond, the sessions end of whoever has most.
    """
    settle(connection)
    for found in SQL.query(connection, "measure"):
        over = found["bytes"] > found["most"]
        if found["bytes"] != found["before"]:
            SQL.query(connection, "keep", schema=found["schema"], bytes=found["bytes"])
        if over and found["bytes"] > found["before"]:
            SQL.query(connection, "end_writers", pids=found["writers"])
        if found["temporary"] > found["most"]:
            SQL.query(connection, "end_temporary", person=found["largest"])
