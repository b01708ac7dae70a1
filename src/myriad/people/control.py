"""The control database: people and what they may, and its connection."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from myriad import named_sql
from myriad.engines.postgres import databases
from myriad.engines.postgres.base import Server
from myriad.errors import PeopleError
from myriad.people.names import shown

SQL = named_sql.load("myriad.people", "control.sql")
STATEMENTS_AT_ONCE = 500  # each round trip costs; a single text for 10,000 people costs memory


@contextmanager
def reading(server: Server) -> Iterator[psycopg.Connection]:
    """Connect to the control database in a transaction; raises as `databases.control`."""
    with databases.control(server) as connection:
        yield connection


@contextmanager
def changing(server: Server) -> Iterator[psycopg.Connection]:
    """As `reading`, but nobody else changes people, groups or grants until it ends.

    The door is told when it is committed.
    """
    with reading(server) as connection:
        connection.execute(SQL["lock"])
        if is_superuser(connection):
            connection.execute(SQL["quiet"])
        connection.execute(SQL["tell"])
        yield connection


def is_superuser(connection: psycopg.Connection) -> bool:
    """Say whether Myriad is superuser there; it always is in an embedded server."""
    return connection.info.parameter_status("is_superuser") == "on"


def require(connection: psycopg.Connection, what: str, names: Sequence[str]) -> None:
    """Raise PeopleError that lists which of `names` are no `what` (`person` or `group`)."""
    table = sql.Identifier("public", "person" if what == "person" else "grp")
    query = sql.SQL("SELECT name FROM {}").format(table)
    known = {name for (name,) in connection.execute(query)}
    missing = [name for name in names if name not in known]
    if missing:
        raise PeopleError(
            f"there is no {what} called {shown(missing)}",
            hint=f"`myriad {what} list` shows all {len(known)}; `myriad {what} add` makes one.",
        )


def refuse_taken(connection: psycopg.Connection, names: Sequence[str]) -> None:
    """Raise PeopleError that lists which of `names` are in use, and as what."""
    taken: dict[str, list[str]] = {}
    for name, what in connection.execute(SQL["taken"], {"names": list(names)}):
        taken.setdefault(what, []).append(name)
    hints = {
        "person": "Nothing was changed. `myriad person password` gives somebody a new password.",
        "group": "Nothing was changed. People and groups share their names: choose another.",
        "role": "Nothing was changed. PostgreSQL has such a role, not made by Myriad: choose"
        " another name.",
    }
    for what, some in taken.items():
        raise PeopleError(f"there is a {what} already called {shown(some)}", hint=hints[what])


def run_all(connection: psycopg.Connection, statements: Sequence[sql.Composable]) -> None:
    """Run statements without parameters, many in one round trip."""
    for start in range(0, len(statements), STATEMENTS_AT_ONCE):
        batch = statements[start : start + STATEMENTS_AT_ONCE]
        connection.execute(sql.SQL("; ").join(batch))


def identifiers(names: Sequence[str]) -> sql.Composed:
    """Return `names` quoted, with commas."""
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)
