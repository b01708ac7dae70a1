"""What a grant of a table becomes in PostgreSQL; it is given again to what takes the table's place.

Nobody publishes what has no rights yet, or has lost some meanwhile: whoever swaps tables holds
`SHARED` from before it looks at rights until its end, whoever changes rights holds `ALONE`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg import sql

from myriad.control.connection import control_database, identifiers
from myriad.engines.postgres.base import Server
from myriad.errors import PeopleError
from myriad.people.names import shown
from myriad.people.records import Grant
from myriad.people.tables import SQL

SHARED = "SELECT pg_advisory_xact_lock_shared(hashtextextended('myriad grants', 0))"
ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('myriad grants', 0))"

READ = sql.SQL("SELECT")
WRITE = sql.SQL("SELECT, INSERT, UPDATE, DELETE")

# Tables and views of a dataset, with the columns that people made.
_RELATIONS = """
    SELECT c.relname::text, array(
        SELECT attname::text FROM pg_attribute
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum
    )
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(dataset)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND (%(names)s::text[] IS NULL OR c.relname = ANY(%(names)s::text[]))"""
# Of columns that count on: a table's sequences.
_SEQUENCES = """
    SELECT s.relname::text FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_class'::regclass
      AND d.deptype IN ('a', 'i') AND s.relnamespace = n.oid
      AND n.nspname = %s AND c.relname = %s"""

Relations = Mapping[str, list[str]]  # name → columns


def relations(
    connection: psycopg.Connection, dataset: str, names: Collection[str] | None = None
) -> dict[str, list[str]]:
    """Return what of these names, else all that is there, with the columns of each."""
    chosen = None if names is None else list(names)
    return dict(connection.execute(_RELATIONS, {"dataset": dataset, "names": chosen}).fetchall())


def refuse_missing(database: str, grants: Iterable[Grant], there: Relations) -> None:
    """Raise PeopleError that names tables and columns of the grants that are not there."""
    for grant in grants:
        if grant.table is None:
            continue
        if grant.table not in there:
            raise PeopleError(
                f"there is no table {grant.name} in database {database!r}",
                hint=f"There are: {shown(sorted(there)) or 'none'}.",
            )
        missing = [name for name in grant.columns if name not in there[grant.table]]
        if missing:
            raise PeopleError(
                f"table {grant.name} has no column called {shown(missing)}",
                hint=f"It has: {shown(there[grant.table])}.",
            )


def giving(connection: psycopg.Connection, grant: Grant, columns: list[str]) -> list[sql.Composed]:
    """Return what gives a group a table that is there: of its columns those that still are."""
    table = sql.Identifier(grant.dataset, grant.table or "")
    group = sql.Identifier(grant.group)
    if not grant.columns:
        rights = WRITE if grant.write else READ
        texts = [sql.SQL("GRANT {} ON TABLE {} TO {}").format(rights, table, group)]
        if grant.write:
            place = [grant.dataset, grant.table]
            texts += [
                sql.SQL("GRANT USAGE ON SEQUENCE {} TO {}").format(
                    sql.Identifier(grant.dataset, name), group
                )
                for (name,) in connection.execute(_SEQUENCES, place)
            ]
        return texts
    some = [name for name in grant.columns if name in columns]
    text = sql.SQL("GRANT SELECT ({}) ON TABLE {} TO {}")
    return [text.format(identifiers(some), table, group)] if some else []


def carry(
    control: psycopg.Connection,
    connection: psycopg.Connection,
    dataset: str,
    names: Collection[str],
) -> dict[str, list[str]]:
    """Give groups what they were granted of these tables again: some may be new, or have columns.

    Runs in the caller's transaction, which has changed them; `control` says what is granted.
    Returns, by table, notes on what is granted and not there any more.
    """
    connection.execute(SHARED)
    there = relations(connection, dataset, names)
    notes: dict[str, list[str]] = {}
    for grant in _granted(control, connection.info.dbname, dataset):
        if grant.table is None or grant.table not in there:
            continue
        columns = there[grant.table]
        for text in giving(connection, grant, columns):
            connection.execute(text)
        gone = [name for name in grant.columns if name not in columns]
        if gone:
            notes.setdefault(grant.table, []).append(
                f"{grant.group} may read {', '.join(gone)}, which is not there any more: the grant"
                " is kept, and holds again when it comes back"
            )
    return notes


@contextmanager
def renamed(server: Server, place: tuple[str, str], name: str, new: str) -> Iterator[None]:
    """Let what was granted of a table of `place` (database, dataset) follow it to another name.

    It is written at the end of the block. What was granted of one of the new name is forgotten.
    """
    values = {"database": place[0], "dataset": place[1]}
    with control_database(server) as control:
        control.execute(SQL["forget_table"], values | {"name": new})
        control.execute(SQL["rename_table"], values | {"name": name, "new": new})
        control.execute(SQL["tell"])
        yield


def forget(server: Server, place: tuple[str, str], names: Iterable[str]) -> None:
    """Forget what was granted of tables that are gone for good."""
    values = {"database": place[0], "dataset": place[1]}
    with control_database(server) as control:
        for name in names:
            control.execute(SQL["forget_table"], values | {"name": name})
        control.execute(SQL["tell"])


def _granted(control: psycopg.Connection, database: str, dataset: str) -> list[Grant]:
    values = {"database": database, "dataset": dataset}
    return [
        Grant(group, database, dataset, write, table, tuple(columns))
        for group, table, write, columns in control.execute(SQL["given_tables"], values)
    ]
