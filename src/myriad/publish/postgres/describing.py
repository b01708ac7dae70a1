"""What a table means and how fresh it is, where every client shows it: in its comment."""

from collections.abc import Mapping
from contextlib import suppress

import psycopg
from psycopg import sql

from myriad import named_sql
from myriad.publish import comments
from myriad.publish.postgres import ddl

LOCK_WAIT_MS = 250  # a vacuum may have the table for hours
_query = named_sql.load("myriad.publish.postgres", "describing.sql").query


def said(connection: psycopg.Connection, dataset: str, table: str) -> dict[str, str]:
    """Return what people said of a table, called "", and of its columns."""
    rows = _query(connection, "said", dataset=dataset, name=table)
    return {row["column"]: row["text"] for row in rows}


def take(
    connection: psycopg.Connection, dataset: str, table: str, texts: Mapping[str, str]
) -> None:
    """Take what its recipe says of a table, called "", and its columns; what is said stays."""
    for column, text in texts.items():
        _query(connection, "take", column=column, text=text, dataset=dataset, name=table)


def freshen(connection: psycopg.Connection, dataset: str, table: str) -> None:
    """Let the comment of a published table say what it is, since when, and from what.

    One that somebody wrote by hand stays. Does nothing where somebody has the table locked.
    """
    with suppress(psycopg.errors.LockNotAvailable), connection.transaction():
        connection.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")
        _freshen(connection, dataset, table)
        connection.execute("SET LOCAL lock_timeout = 0")


def _freshen(connection: psycopg.Connection, dataset: str, table: str) -> None:
    place = {"dataset": dataset, "name": table}
    for facts in _query(connection, "facts", **place):
        if facts["said"] in (None, facts["written"]):
            comment = comments.comment(facts)
            _say(connection, "TABLE", ddl.qualified(dataset, table), comment)
            _query(connection, "written", comment=comment, **place)
    for column in _query(connection, "columns", **place):
        name = sql.Identifier(dataset, table, column["name"])
        _say(connection, "COLUMN", name, column["text"])


def _say(
    connection: psycopg.Connection, kind: str, name: sql.Identifier, comment: str | None
) -> None:
    text = sql.SQL("COMMENT ON {} {} IS {}")
    connection.execute(text.format(sql.SQL(kind), name, sql.Literal(comment)))


def describe(
    connection: psycopg.Connection, dataset: str, table: str, column: str, text: str
) -> None:
    """Say of a table, or of a column of it, what it is; an empty text says nothing any more.

    Whatever was said before goes, also what somebody wrote by hand. Raises LockNotAvailable.
    """
    connection.execute(f"SET LOCAL lock_timeout = {20 * LOCK_WAIT_MS}")
    place = {"dataset": dataset, "name": table}
    if text:
        _query(connection, "describe", column=column, text=text, **place)
    else:
        _query(connection, "describe_no_more", column=column, **place)
    if column:
        _say(connection, "COLUMN", sql.Identifier(dataset, table, column), text or None)
    else:
        _say(connection, "TABLE", ddl.qualified(dataset, table), None)
        _freshen(connection, dataset, table)
