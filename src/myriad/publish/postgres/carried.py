"""What people gave to a relation and said of it, carried over to the one in its place."""

import secrets
from collections.abc import Collection

import psycopg
from psycopg import sql

from myriad.errors import PublishError
from myriad.named_sql import Row
from myriad.publish.postgres import ddl
from myriad.publish.postgres.existing import query, refuse_foreign_code


def kept(connection: psycopg.Connection, oid: int) -> dict[str, list[Row]]:
    """Return the grants and comments of a relation."""
    return {
        "grants": query(connection, "grants", oid=oid),
        "comments": query(connection, "comments", oid=oid),
    }


def strip(connection: psycopg.Connection, dataset: str, name: str) -> None:
    """Take from a relation all that others than its owner may."""
    oid = connection.execute(
        "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s",
        [dataset, name],
    ).fetchall()[0][0]
    target = ddl.qualified(dataset, name)
    for grant in query(connection, "grants", oid=oid):
        grantee = sql.SQL("PUBLIC") if grant["is_public"] else sql.Identifier(grant["grantee"])
        connection.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(target, grantee))


def give_default(connection: psycopg.Connection, dataset: str, name: str) -> None:
    """Give a relation without rights what a new one gets now."""
    for given in query(connection, "default_rights", dataset=dataset):
        connection.execute(grant(ddl.qualified(dataset, name), given))


def restore(
    connection: psycopg.Connection,
    kind: str,
    schema: str,
    name: str,
    things: dict[str, list[Row]],
    columns: set[str] | None,
) -> None:
    """Give a relation the grants and comments of the one before; only for columns it has."""
    target = ddl.qualified(schema, name)
    for given in things["grants"]:
        if columns is None or given["column"] is None or given["column"] in columns:
            connection.execute(grant(target, given))
    for comment in things["comments"]:
        column = comment["column"]
        if comment["comment"] is None or (column and columns is not None and column not in columns):
            continue
        place = target + sql.SQL(".") + sql.Identifier(column) if column else target
        connection.execute(
            sql.SQL("COMMENT ON {} {} IS {}").format(
                sql.SQL("COLUMN" if column else kind), place, sql.Literal(comment["comment"])
            )
        )


def indexes(
    connection: psycopg.Connection,
    name: sql.Identifier,
    table: str,
    old: int,
    added: Collection[Row],
) -> dict[str, str]:
    """Make indexes again that people added to the relation `old`: temporary → their names.

    `name` gets them, which will be `table`. Raises PublishError if one does not fit, SchemaRefused
    if it would run what somebody else made.
    """
    renames = {}
    if added:
        refuse_foreign_code(connection, table, old)
    for index in added:
        temporary = f"index_{secrets.token_hex(8)}"
        head = sql.SQL("CREATE {} {} ON {} ").format(
            sql.SQL("UNIQUE INDEX" if index["is_unique"] else "INDEX"),
            sql.Identifier(temporary),
            name,
        )
        try:
            with connection.transaction():
                connection.execute(head + sql.SQL(index["rest"]))
        except psycopg.Error as error:
            reason = error.diag.message_primary
            raise PublishError(
                f"index {index['name']} does not fit the new {table}: {reason}",
                hint="Drop the index first. Nothing was changed.",
            ) from error
        renames[temporary] = index["name"]
    return renames


def grant(target: sql.Composable, given: Row) -> sql.Composed:
    """Return the statement that gives a right again, a row of `kept`."""
    column = [] if given["column"] is None else [sql.Identifier(given["column"])]
    where = sql.SQL("").join([sql.SQL(" ("), *column, sql.SQL(")")]) if column else sql.SQL("")
    grantee = sql.SQL("PUBLIC") if given["is_public"] else sql.Identifier(given["grantee"])
    option = sql.SQL(" WITH GRANT OPTION" if given["grantable"] else "")
    return sql.SQL("GRANT {}{} ON {} TO {}{}").format(
        sql.SQL(given["privilege"]), where, target, grantee, option
    )
