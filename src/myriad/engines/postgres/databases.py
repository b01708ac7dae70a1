"""Make databases that are hardened from the first moment anybody can connect to them."""

import hashlib
import logging
import secrets
from contextlib import closing, suppress
from dataclasses import dataclass

import psycopg
from psycopg import sql

from myriad.engines.postgres.base import CONTROL_DATABASE, Server
from myriad.engines.postgres.hardening import OWNERS, VERSION, harden
from myriad.errors import MyriadError, NotOurs
from myriad.migrations.migrations import CONTROL, RECORD

MAINTENANCE = "postgres"
TEMPLATE = "template1"
SCRATCH = "myriad-check-"
# Of ours, from a creation that was interrupted.
_LEFT = """
    SELECT datname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba
    WHERE starts_with(datname, %s) AND rolname = session_user"""
_DROP = sql.SQL("DROP DATABASE {} WITH (FORCE)")
_MARK = """
    INSERT INTO public.hardened
    SELECT oid, %(version)s FROM pg_database WHERE datname = ANY(%(names)s)
    ON CONFLICT (database) DO UPDATE SET version = excluded.version"""
# With each, whether it is of, or for, people who make databases of their own.
_OUTDATED = """
    SELECT d.datname, d.datname = %(template)s OR EXISTS (
        SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
        WHERE g.rolname = %(owners)s AND m.member = d.datdba
    )
    FROM pg_database d LEFT JOIN public.hardened h ON h.database = d.oid
    WHERE d.datallowconn AND d.datconnlimit <> -2 AND h.version IS DISTINCT FROM %(version)s
    ORDER BY d.datname"""

log = logging.getLogger("myriad.engines")


def prepare(server: Server, database: str, maintenance: str = MAINTENANCE) -> None:
    """Make the control database and `database` where missing; templates are hardened first.

    What an older version made is brought up to date: the control database, the records beside the
    data, and in our own server what is hardened. `maintenance` is a database that is there already.
    Interrupted, it just runs again. Raises TooNew, NotOurs, psycopg.Error.
    """
    with closing(server.connect(maintenance, autocommit=True)) as connection:
        there = _there_and_ours(connection)
    made = [] if there else [CONTROL_DATABASE]
    if not there:
        if server.kind == "embedded":  # what somebody else runs has templates of its own
            _harden(server, TEMPLATE, owners_may_use=True)
            _harden(server, MAINTENANCE, owners_may_use=False)
            made += [TEMPLATE, MAINTENANCE]
        create_database(server, CONTROL_DATABASE, maintenance)
    with closing(server.connect(autocommit=True)) as connection:
        CONTROL.bring_up_to_date(connection)
        there = exists(connection, database)
    if not there:
        create_database(server, database)
        made.append(database)
    if server.kind == "embedded":
        _harden_again(server, made)
    _bring_records_up_to_date(server)


def _there_and_ours(connection: psycopg.Connection) -> bool:
    """Say whether the control database is there; raises NotOurs if somebody else made it."""
    found = owner(connection, CONTROL_DATABASE)
    if found and not (found.ours or found.superuser):
        raise NotOurs(
            f"the database {CONTROL_DATABASE} belongs to {found.name}: what stands in it would run"
            " with our rights",
            hint=f"If Myriad made it, connect as {found.name}, as before; else rename it.",
        )
    return found is not None


def _harden_again(server: Server, made: list[str]) -> None:
    """Harden what was hardened with another list of rights; not what was `made` just now."""
    given = {"version": VERSION, "template": TEMPLATE, "owners": OWNERS}
    with closing(server.connect(autocommit=True)) as connection:
        connection.execute(_MARK, {"version": VERSION, "names": made})
        for name, owners_may_use in connection.execute(_OUTDATED, given).fetchall():
            try:
                _harden(server, name, owners_may_use=owners_may_use)
            except psycopg.Error as error:  # one that is broken keeps nobody from the others
                log.warning("database %r could not be hardened again: %s", name, error)
            else:
                connection.execute(_MARK, {"version": VERSION, "names": [name]})


def _bring_records_up_to_date(server: Server) -> None:
    with closing(server.connect(autocommit=True)) as control:
        names = ours(control)
    for name in names:
        try:
            with closing(server.connect(name, autocommit=True)) as connection:
                if RECORD.number(connection) is not None:
                    RECORD.bring_up_to_date(connection)
        except (MyriadError, psycopg.Error) as error:  # one keeps nobody from the others
            log.warning("what was published in database %r is not to be had: %s", name, error)


def ours(control: psycopg.Connection) -> list[str]:
    """Return the databases for data that are of the role that Myriad connects as."""
    rows = control.execute(
        "SELECT datname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba"
        " WHERE datallowconn AND datconnlimit <> -2 AND NOT datistemplate"
        " AND rolname = session_user AND datname <> ALL(%s) ORDER BY datname",
        [[MAINTENANCE, CONTROL_DATABASE]],
    )
    return [name for (name,) in rows]


def exists(connection: psycopg.Connection, database: str) -> bool:
    """Say whether there is such a database."""
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
    return found.fetchone() is not None


def is_open(connection: psycopg.Connection, database: str) -> bool:
    """Say whether there is such a database, and it lets anybody in: not while it is dropped."""
    found = connection.execute(
        "SELECT 1 FROM pg_database WHERE datname = %s AND datallowconn AND datconnlimit <> -2",
        [database],
    )
    return found.fetchone() is not None


@dataclass(frozen=True)
class Owner:
    """Whose a database is; `ours`: of the role that Myriad connects as."""

    name: str
    ours: bool
    superuser: bool


def owner(connection: psycopg.Connection, database: str) -> Owner | None:
    """Return whose that database is, None if there is no such database."""
    row = connection.execute(
        "SELECT r.rolname, r.rolname = session_user, r.rolsuper"
        " FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE d.datname = %s",
        [database],
    ).fetchone()
    return Owner(*row) if row else None


def enter(server: Server, database: str) -> psycopg.Connection | None:
    """Connect to a database of ours; see `enter_beside`."""
    with closing(server.connect(autocommit=True)) as control:
        return enter_beside(control, server, database)


def enter_beside(
    control: psycopg.Connection, server: Server, database: str
) -> psycopg.Connection | None:
    """Connect to a database of ours; None if it is not there, or somebody else's.

    `control`, to the control database, is asked first. While we are in it, it keeps its name: so
    it is asked again then. Raises psycopg.Error.
    """
    found = owner(control, database)
    if found is None or not found.ours:
        return None
    connection = server.connect(database, autocommit=True)
    try:
        found = owner(connection, database)
    except BaseException:
        connection.close()
        raise
    if found is None or not found.ours:
        connection.close()
        return None
    return connection


def create_database(server: Server, name: str, maintenance: str = CONTROL_DATABASE) -> None:
    """Create a hardened database; nobody gets in before it is, and only then it has its name.

    Raises psycopg.errors.DuplicateDatabase, psycopg.Error.
    """
    mark = f"new-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    made = f"{mark}-{secrets.token_hex(4)}"  # nobody can have taken that name before
    new = sql.Identifier(made)
    with closing(server.connect(maintenance, autocommit=True)) as connection:
        for (left,) in connection.execute(_LEFT, [mark]).fetchall():
            connection.execute(_DROP.format(sql.Identifier(left)))
        # Only superusers get in. Where we are none, we would not, either.
        limit = 0 if connection.info.parameter_status("is_superuser") == "on" else -1
        connection.execute(sql.SQL("CREATE DATABASE {} CONNECTION LIMIT {}").format(new, limit))
        try:
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(new))
            _harden(server, made, owners_may_use=False)
            connection.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(new))
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(rename.format(new, sql.Identifier(name)))
        except BaseException:
            connection.execute(_DROP.format(new))
            raise


def create_scratch(server: Server) -> str:
    """Create a hardened database with a name of its own; return that. Its maker drops it.

    What others left, and nobody is in, is dropped: whoever makes one takes turns until it is in it.
    """
    with closing(server.connect(autocommit=True)) as connection:
        for (left,) in connection.execute(_LEFT, [SCRATCH]).fetchall():
            with suppress(psycopg.errors.ObjectInUse):
                connection.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(left))
                )
    name = f"{SCRATCH}{secrets.token_hex(8)}"
    create_database(server, name)
    return name


def drop_scratch(server: Server, name: str) -> None:
    """Drop a database that `create_scratch` made."""
    with closing(server.connect(autocommit=True)) as connection:
        connection.execute(_DROP.format(sql.Identifier(name)))


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
