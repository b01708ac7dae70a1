"""Views that come with a file, over its tables, and that read with the rights of who reads them."""

import secrets
from collections.abc import Mapping, Sequence
from functools import partial

import psycopg
from psycopg import sql

from myriad.model import Table, View
from myriad.publish import naming
from myriad.publish.plan import Target
from myriad.publish.postgres import ddl
from myriad.publish.postgres.existing import query

_REFUSALS = (psycopg.ProgrammingError, psycopg.NotSupportedError, psycopg.DataError)


def make(
    connection: psycopg.Connection, dataset: str, targets: Sequence[Target]
) -> dict[str, list[str]]:
    """Make the views of files whose tables were just put in place; what is there stays.

    Returns notes by table on what became of each.
    """
    notes: dict[str, list[str]] = {}
    for target in targets:
        origin = target.sources[0].origin
        near = [each.table for each in targets if each.sources[0].origin == origin]
        tables = {table.original: table for table in near}
        for view in target.table.views:
            problem = _make(connection, dataset, view, tables, keep=target.keep_names)
            came = f"view {_called(view.name, keep=target.keep_names)} came with the file"
            note = f"view {view.name} not carried over: {problem}" if problem else came
            notes.setdefault(target.name, []).append(note)
    return notes


def _make(
    connection: psycopg.Connection,
    dataset: str,
    view: View,
    tables: Mapping[str, Table],
    *,
    keep: bool,
) -> str | None:
    """Make a view, or say why not."""
    called = partial(_called, keep=keep)

    try:
        body = ddl.written(view.phrase, dataset, tables, called)
    except KeyError as missing:
        return f"{missing.args[0]} is left out"
    name = called(view.name)
    own = [table.name for table in tables.values()]
    there = query(connection, "called", dataset=dataset, name=name, tables=own)
    if there and not there[0]["ours"]:
        return f"something else is called {name}"
    staged = f"new_{secrets.token_hex(8)}" if there else name
    columns = ddl.names(map(called, view.columns))
    statement = sql.SQL("CREATE VIEW {} {} WITH (security_invoker = true) AS {}").format(
        ddl.qualified(dataset, staged),
        sql.SQL("({})").format(columns) if view.columns else sql.SQL(""),
        body,
    )
    try:
        with connection.transaction(force_rollback=bool(there)):
            connection.execute(statement)
            if there and _definition(connection, dataset, staged) != _definition(
                connection, dataset, name
            ):
                return f"{name} is there and says something else"
    except _REFUSALS as error:
        return error.diag.message_primary
    return None


def _called(label: str, *, keep: bool) -> str:
    """Return what a view or a column of it is called in PostgreSQL."""
    return naming.unique([label], keep=keep)[0]


def _definition(connection: psycopg.Connection, dataset: str, name: str) -> str:
    # It locks what the view reads, which the transaction has locked already.
    named = ddl.qualified(dataset, name).as_string()
    row = connection.execute("SELECT pg_get_viewdef(%s::regclass)", [named]).fetchone()
    return str(row[0]) if row else ""
