"""What a contract looks at of a PostgreSQL table that is there, and of one that is loaded."""

from collections.abc import Mapping

import psycopg
from psycopg import sql

from myriad.model import TEXT, Table, Type
from myriad.publish import lasting
from myriad.publish.contract import Shape
from myriad.publish.postgres import ddl, existing
from myriad.publish.postgres.existing import Existing
from myriad.publish.postgres.swap import Replacement


def of_there(there: Existing, rows: int) -> Shape:
    """Return the shape of a table that had so many rows at its last publish."""
    columns = {column.name: column.type for column in there.columns}
    return Shape(columns, ", ".join(there.key), rows)


def of_new(table: Table) -> Shape:
    """Return the shape of a table that is to be made."""
    columns = {column.name: existing.written(column.type) for column in table.columns}
    return Shape(columns, ", ".join(table.primary_key), None)


def types(there: Existing, report: Mapping[str, object]) -> dict[str, Type]:
    """Return the types of a table's columns, with the order in which its dates were written.

    `report` is the one of its last publish.
    """
    columns = report.get("columns")
    formats = {
        column.get("name"): column.get("format", "")
        for column in (columns if isinstance(columns, list) else [])
    }
    found = {}
    for column in there.columns:
        kind = existing.type_named(column.type)
        if kind is not None:
            found[column.name] = existing.with_format(kind, str(formats.get(column.name) or ""))
    return found


def held(
    connection: psycopg.Connection,
    dataset: str,
    name: str,
    there: Existing,
    report: Mapping[str, object],
) -> dict[str, Type]:
    """Return the types that a table's columns keep: text that never had a value is free."""
    columns = report.get("columns")
    table = ddl.qualified(dataset, name)
    free = {
        column.get("name")
        for column in (columns if isinstance(columns, list) else [])
        if column.get("why") == lasting.NO_VALUES
    }
    return {
        column: kind
        for column, kind in types(there, report).items()
        if column not in free or kind != TEXT or _has_values(connection, table, column)
    }


def emptied(connection: psycopg.Connection, place: Replacement, there: Shape) -> list[str]:
    """Return the columns that have no value now and had some: the sample of ANALYZE tells."""
    rows = connection.execute(
        "SELECT attname FROM pg_stats WHERE schemaname = %s AND tablename = %s AND null_frac = 1",
        [place.dataset, place.staged],
    ).fetchall()
    empty = [name for (name,) in rows if name in there.columns]
    new = ddl.qualified(place.dataset, place.staged)
    old = ddl.qualified(place.dataset, place.table.name)
    return [
        name
        for name in empty
        if not _has_values(connection, new, name) and _has_values(connection, old, name)
    ]


def _has_values(connection: psycopg.Connection, table: sql.Composable, column: str) -> bool:
    question = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} IS NOT NULL)")
    row = connection.execute(question.format(table, sql.Identifier(column))).fetchone()
    return bool(row and row[0])
