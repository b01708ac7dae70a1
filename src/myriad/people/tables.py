"""What stands of people in the control database: asked in `tables.sql`, changed one at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from myriad import administrator, named_sql
from myriad.control.connection import control_database, is_superuser
from myriad.engines.postgres.base import Server
from myriad.errors import PeopleError
from myriad.people.names import shown
from myriad.wording import nearest

SQL = named_sql.load("myriad.people", "tables.sql")
# Seconds: a list of ten thousand people may take more than one minute on a busy machine.
LOCKED_WITHIN = 120.0


@contextmanager
def changing(server: Server) -> Iterator[psycopg.Connection]:
    """Enter the control database; nobody else changes people, groups or grants until it ends.

    The door is told when it is committed. Raises PeopleError if somebody else takes too long.
    """
    with control_database(server) as connection:
        _lock(connection)
        if is_superuser(connection):
            connection.execute(administrator.QUIET)
        connection.execute(SQL["tell"])
        yield connection


def _lock(connection: psycopg.Connection) -> None:
    connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(f"{LOCKED_WITHIN:g}s"))
    try:
        with connection.transaction():
            connection.execute(SQL["lock"])
    except psycopg.errors.LockNotAvailable as error:
        rows = connection.execute(SQL["lockers"]).fetchall()
        ends = (f'`myriad sql -c "SELECT pg_terminate_backend({pid})"`' for (pid,) in rows)
        raise PeopleError(
            f"somebody else has been changing people, groups or grants for {LOCKED_WITHIN:g} s"
            " already: nothing was changed",
            hint=f"Try again when that command has ended. To end it: {', '.join(ends)}.",
        ) from error
    connection.execute("SET LOCAL lock_timeout = 0")


def require(connection: psycopg.Connection, what: str, names: Sequence[str]) -> None:
    """Raise PeopleError that lists which of `names` are no `what` (`person` or `group`)."""
    table = sql.Identifier("public", "person" if what == "person" else "grp")
    query = sql.SQL("SELECT name FROM {}").format(table)
    known = {name for (name,) in connection.execute(query)}
    missing = [name for name in names if name not in known]
    if missing:
        near = [nearest(name, known) for name in missing]
        meant = f"Is {shown([name for name in near if name])} meant? " if all(near) else ""
        raise PeopleError(
            f"there is no {what} called {shown(missing)}",
            hint=f"{meant}`myriad {what} list` shows all {len(known)}; `myriad {what} add` makes"
            " one.",
        )


def in_workspaces(connection: psycopg.Connection, database: str) -> set[str]:
    """Return the groups that have a workspace in a database."""
    query = "SELECT grp FROM public.workspace_group WHERE database = %s"
    return {group for (group,) in connection.execute(query, [database])}


def refuse_workspaces(
    connection: psycopg.Connection, database: str, datasets: Sequence[str]
) -> None:
    """Raise PeopleError if a dataset is a workspace: it has no readers but its own people."""
    query = "SELECT dataset FROM public.workspace WHERE database = %s AND dataset = ANY(%s)"
    for (name,) in connection.execute(query, [database, list(datasets)]):
        raise PeopleError(
            f"{name!r} in database {database!r} is a workspace: who reads there makes things there",
            hint=f"`myriad grant GROUP {name} --create` lets a group in.",
        )


def refuse_taken(connection: psycopg.Connection, names: Sequence[str]) -> None:
    """Raise PeopleError that lists which of `names` are in use, and as what."""
    taken: dict[str, list[str]] = {}
    for name, what in connection.execute(SQL["taken"], {"names": list(names)}):
        taken.setdefault(what, []).append(name)
    hints = {
        "person": "Nothing was changed. `myriad person password` gives somebody a new password;"
        " `myriad person sync --from FILE` takes a list in which some are there already.",
        "group": "Nothing was changed. People and groups share their names: choose another.",
        "role": "Nothing was changed. PostgreSQL has such a role, not made by Myriad: choose"
        " another name.",
    }
    for what, some in taken.items():
        raise PeopleError(f"there is a {what} already called {shown(some)}", hint=hints[what])
