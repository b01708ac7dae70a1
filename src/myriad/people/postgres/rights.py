"""What a group's grant becomes in PostgreSQL, in one database and one dataset (schema)."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

import psycopg
from psycopg import sql

from myriad.engines.postgres.base import CONTROL_DATABASE, Server
from myriad.engines.postgres.databases import MAINTENANCE
from myriad.errors import PeopleError
from myriad.people.names import shown
from myriad.people.postgres import table_rights
from myriad.people.records import Grant

# Somebody changes the catalog's same rows at this moment.
AGAIN = (
    psycopg.errors.InternalError_,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.DeadlockDetected,
)
TRIES = 10
PAUSE = 0.05  # seconds
LOCKED_WITHIN = "30s"  # an open transaction may hold what is granted
# Of two that wait for each other we try again, and no publish. Only a superuser may.
_GIVE_WAY = """
    SELECT set_config('deadlock_timeout', '100ms', true)
    FROM pg_roles WHERE rolname = session_user AND rolsuper"""

Wanted = Mapping[tuple[str, str], Sequence[Grant]]  # (dataset, group) → what it may there

_DATABASES = """
    SELECT datname FROM pg_database
    WHERE datallowconn AND datconnlimit <> -2 AND NOT datistemplate AND datname <> ALL(%s)
    ORDER BY datname"""
_DATASETS = """
    SELECT nspname FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname NOT IN (
        'information_schema', 'myriad', 'myriad_guard', 'myriad_workspace'
    )
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


def datasets(connection: psycopg.Connection) -> list[str]:
    """Return the datasets of a database."""
    return [name for (name,) in connection.execute(_DATASETS)]


def granted_in(connection: psycopg.Connection) -> list[str]:
    """Return the databases in which rights can be granted: not ours, not PostgreSQL's own."""
    rows = connection.execute(_DATABASES, [[CONTROL_DATABASE, MAINTENANCE]])
    return [name for (name,) in rows]


@contextmanager
def settled(
    server: Server, database: str, wanted: Wanted, new: Sequence[Grant] = ()
) -> Iterator[None]:
    """Make rights in datasets what `wanted` says, and commit at the end of the block.

    All that groups may in a dataset: (dataset, group) → grants; none: no right at all. Does nothing
    where the dataset does not exist (yet). What is `new` has to be there. Raises PeopleError if it
    is not, or if somebody holds a table for too long.
    """
    with closing(server.connect(database)) as connection:
        for left in reversed(range(TRIES)):
            try:
                _settle(connection, database, wanted, new)
                break
            except AGAIN:
                connection.rollback()
                if not left:
                    raise
            except psycopg.errors.LockNotAvailable as error:
                names = shown(sorted({dataset for dataset, _ in wanted}))
                raise PeopleError(
                    f"somebody's open transaction holds tables of {names} in database {database!r}",
                    hint="Nothing was changed. Try again when it has ended.",
                ) from error
            time.sleep(PAUSE)
        yield
        connection.commit()


def _settle(
    connection: psycopg.Connection, database: str, wanted: Wanted, new: Sequence[Grant]
) -> None:
    connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(LOCKED_WITHIN))
    connection.execute(_GIVE_WAY)
    connection.execute(table_rights.ALONE)
    known = datasets(connection)
    loaders = [name for (name,) in connection.execute(_LOADERS)]
    for dataset in sorted({dataset for dataset, _ in wanted}):
        there = table_rights.relations(connection, dataset)
        table_rights.refuse_missing(
            database, (grant for grant in new if grant.dataset == dataset), there
        )
        if dataset not in known:
            continue
        for (place, group), grants in wanted.items():
            if place == dataset:
                statements = _taking(dataset, group, loaders)
                statements += _giving_all(connection, loaders, grants, there)
                connection.execute(sql.SQL("; ").join(statements))


def _giving_all(
    connection: psycopg.Connection,
    loaders: Iterable[str],
    grants: Iterable[Grant],
    there: table_rights.Relations,
) -> list[sql.Composed]:
    statements = []
    for grant in grants:
        if grant.table is None:
            statements += _giving(grant.dataset, grant.group, loaders, write=grant.write)
            continue
        names = sql.Identifier(grant.dataset), sql.Identifier(grant.group)
        statements.append(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(*names))
        if grant.table in there:
            statements += table_rights.giving(connection, grant, there[grant.table])
    return statements


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
        "rights": table_rights.WRITE if write else table_rights.READ,
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
