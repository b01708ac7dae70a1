"""What a group's grant becomes in PostgreSQL, in one database and one dataset (schema)."""

import time
from collections.abc import Iterable, Mapping

import psycopg
from psycopg import sql

from myriad.engines.postgres.base import CONTROL_DATABASE, Server
from myriad.engines.postgres.databases import MAINTENANCE
from myriad.errors import PeopleError
from myriad.people.names import shown

READ = sql.SQL("SELECT")
WRITE = sql.SQL("SELECT, INSERT, UPDATE, DELETE")
# A publish that swaps tables at this moment changes the catalog's same rows.
TRIES = 10
PAUSE = 0.05  # seconds
LOCKED_WITHIN = "30s"  # an open transaction may hold what is granted

_DATABASES = """
    SELECT datname FROM pg_database
    WHERE datallowconn AND NOT datistemplate AND datname <> ALL(%s)
    ORDER BY datname"""
_DATASETS = """
    SELECT nspname FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'myriad', 'myriad_guard')
    ORDER BY nspname"""
_HOLDERS = """
    SELECT DISTINCT r.rolname FROM pg_namespace n, aclexplode(n.nspacl) a
    JOIN pg_roles r ON r.oid = a.grantee WHERE n.nspname = %s"""
# Whoever makes tables here: Myriad, and the owner of a database that a person made.
_LOADERS = """
    SELECT rolname FROM pg_roles
    WHERE rolname = session_user
       OR (oid = (SELECT datdba FROM pg_database WHERE datname = current_database())
           AND pg_has_role(oid, 'USAGE'))"""


def check_database(connection: psycopg.Connection, database: str) -> None:
    """Raise PeopleError if people can be given no rights in such a database."""
    known = granted_in(connection)
    if database not in known:
        raise PeopleError(
            f"there is no database called {database!r} that people may use",
            hint=f"There are: {shown(known)}.",
        )


def check_dataset(server: Server, database: str, dataset: str) -> None:
    """Raise PeopleError if there is no such dataset."""
    with server.connect(database) as connection:
        datasets = [name for (name,) in connection.execute(_DATASETS)]
    if dataset not in datasets:
        raise PeopleError(
            f"there is no dataset {dataset!r} in database {database!r}",
            hint=f"There are: {shown(datasets)}. `myriad publish SOURCE --dataset NAME` makes one.",
        )


def granted_in(connection: psycopg.Connection) -> list[str]:
    """Return the databases in which rights can be granted: not ours, not PostgreSQL's own."""
    rows = connection.execute(_DATABASES, [[CONTROL_DATABASE, MAINTENANCE]])
    return [name for (name,) in rows]


def settle(server: Server, database: str, dataset: str, wanted: Mapping[str, bool | None]) -> None:
    """Make rights in the dataset what `wanted` says: group → may write; None: no right at all.

    Does nothing where the dataset does not exist (yet). Raises PeopleError if somebody holds a
    table of it for too long.
    """
    for left in reversed(range(TRIES)):
        try:
            return _settle(server, database, dataset, wanted)
        except (psycopg.errors.InternalError_, psycopg.errors.UndefinedTable):
            if not left:
                raise
        except psycopg.errors.LockNotAvailable as error:
            raise PeopleError(
                f"somebody's open transaction holds tables of {dataset!r} in database {database!r}",
                hint="Nothing was changed. Try again when it has ended.",
            ) from error
        time.sleep(PAUSE)
    return None


def _settle(server: Server, database: str, dataset: str, wanted: Mapping[str, bool | None]) -> None:
    with server.connect(database) as connection:
        connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(LOCKED_WITHIN))
        if (dataset,) not in connection.execute(_DATASETS).fetchall():
            return
        loaders = [name for (name,) in connection.execute(_LOADERS)]
        for group, write in wanted.items():
            statements = _taking(dataset, group, loaders)
            if write is not None:
                statements += _giving(dataset, group, loaders, write=write)
            connection.execute(sql.SQL("; ").join(statements))


def holders(server: Server, database: str, dataset: str) -> list[str]:
    """Return the roles that hold a right to the dataset itself."""
    with server.connect(database) as connection:
        return [name for (name,) in connection.execute(_HOLDERS, [dataset])]


def let_in(connection: psycopg.Connection, database: str, group: str) -> None:
    """Give the right to connect to `database`, which everybody loses who has none by name."""
    names = sql.Identifier(database), sql.Identifier(group)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(names[0]))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(*names))


def keep_out(connection: psycopg.Connection, database: str, group: str) -> None:
    """Take the right to connect to `database`."""
    names = sql.Identifier(database), sql.Identifier(group)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(*names))


def _taking(dataset: str, group: str, loaders: Iterable[str]) -> list[sql.Composed]:
    names = {"s": sql.Identifier(dataset), "g": sql.Identifier(group)}
    texts = [
        "REVOKE ALL ON ALL TABLES IN SCHEMA {s} FROM {g}",
        "REVOKE ALL ON ALL SEQUENCES IN SCHEMA {s} FROM {g}",
        "REVOKE ALL ON SCHEMA {s} FROM {g}",
    ]
    defaults = [
        "ALTER DEFAULT PRIVILEGES FOR ROLE {l} IN SCHEMA {s} REVOKE ALL ON TABLES FROM {g}",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {l} IN SCHEMA {s} REVOKE ALL ON SEQUENCES FROM {g}",
    ]
    return [sql.SQL(text).format(**names) for text in texts] + [
        sql.SQL(text).format(l=sql.Identifier(loader), **names)
        for loader in loaders
        for text in defaults
    ]


def _giving(dataset: str, group: str, loaders: Iterable[str], *, write: bool) -> list[sql.Composed]:
    names = {
        "s": sql.Identifier(dataset),
        "g": sql.Identifier(group),
        "rights": WRITE if write else READ,
    }
    texts = [
        "GRANT USAGE ON SCHEMA {s} TO {g}",
        "GRANT {rights} ON ALL TABLES IN SCHEMA {s} TO {g}",
    ]
    defaults = [
        "ALTER DEFAULT PRIVILEGES FOR ROLE {l} IN SCHEMA {s} GRANT {rights} ON TABLES TO {g}"
    ]
    if write:
        texts.append("GRANT USAGE ON ALL SEQUENCES IN SCHEMA {s} TO {g}")
        defaults.append(
            "ALTER DEFAULT PRIVILEGES FOR ROLE {l} IN SCHEMA {s} GRANT USAGE ON SEQUENCES TO {g}"
        )
    return [sql.SQL(text).format(**names) for text in texts] + [
        sql.SQL(text).format(l=sql.Identifier(loader), **names)
        for loader in loaders
        for text in defaults
    ]
