"""Columns that count on by themselves: after what was loaded, and what was given out before."""

from collections.abc import Iterable

import psycopg
from psycopg import sql

from myriad.model import Column
from myriad.publish.naming import shorten
from myriad.publish.postgres.existing import query


def count_on(
    connection: psycopg.Connection, name: sql.Identifier, columns: Iterable[Column] = ()
) -> None:
    """Let the counters of a table go on after its greatest numbers, and those of `columns`."""
    floors = {column.name: column.identity or 0 for column in columns}
    for row in query(connection, "counters", table=name.as_string()):
        column = sql.Identifier(row["name"])
        greatest = sql.SQL("SELECT max({}) FROM {}").format(column, name)
        ((found,),) = connection.execute(greatest).fetchall()
        last = max(found or 0, floors.get(row["name"], 0))
        # Somebody may have said where it begins: then nothing was given out so far.
        given = sql.SQL("last_value - CASE WHEN is_called THEN 0 ELSE 1 END")
        sequence = sql.SQL(row["sequence"])  # as PostgreSQL quoted it
        now = sql.SQL("SELECT {} FROM {}").format(given, sequence)
        if last > connection.execute(now).fetchall()[0][0]:
            query(connection, "count_from", sequence=row["sequence"], last=last)


def renames(connection: psycopg.Connection, name: sql.Identifier, table: str) -> dict[str, str]:
    """Return what the counters of a table are called, and shall be where it is called `table`."""
    rows = query(connection, "counters", table=name.as_string())
    return {row["relation"]: shorten(f"{table}_{row['name']}", "_seq") for row in rows}
