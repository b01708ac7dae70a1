"""Give a published table another name, with all that is known of it."""

import psycopg
from psycopg import sql

from myriad.errors import PublishError
from myriad.people.postgres import table_rights
from myriad.publish.postgres import ddl, existing, record, versions
from myriad.publish.postgres.patience import Patience

LOCK_WAIT_MS = 5000


def rename(
    connection: psycopg.Connection, dataset: str, names: tuple[str, str], patience: Patience
) -> None:
    """Rename a published table from the first of `names` to the second.

    Its indexes keep their names until it is published again. Raises PublishError if there is no
    such table or the new name is taken, SwapBlocked.
    """
    name, new = names
    existing.refuse_foreign_dataset(connection, dataset)
    versions.query(connection, "hold", dataset=dataset, names=list(names))
    table = existing.find(connection, dataset, name)
    if table is None or record.made(connection, dataset, name) is None:
        raise PublishError(
            f"{dataset}.{name} is not published", hint="`myriad list` shows what there is."
        )
    _refuse_taken(connection, dataset, new)
    _hold(connection, dataset, name)
    statement = sql.SQL("ALTER TABLE {} RENAME TO {}").format(
        ddl.qualified(dataset, name), sql.Identifier(new)
    )

    def attempt(_: int) -> None:
        connection.execute(table_rights.SHARED)
        connection.execute(statement)

    patience.until(connection, attempt, [table.oid])
    versions.query(connection, "rename", dataset=dataset, name=name, new=new)


def _hold(connection: psycopg.Connection, dataset: str, name: str) -> None:
    """Let others write nothing that names the table, before readers have to wait for it."""
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")
            versions.query(connection, "hold_keys", dataset=dataset, name=name)
            connection.execute("SET LOCAL lock_timeout = 0")
    except psycopg.errors.LockNotAvailable as error:
        raise PublishError(
            f"a table that points to {dataset}.{name} is being changed right now",
            hint="Wait until that publish has ended.",
        ) from error


def _refuse_taken(connection: psycopg.Connection, dataset: str, new: str) -> None:
    taken = {row["relname"] for row in existing.query(connection, "taken", dataset=dataset)}
    if new in taken:
        raise PublishError(f"{dataset}.{new} is there already", hint="Choose another name.")
    if versions.query(connection, "newest", dataset=dataset, name=new):
        raise PublishError(
            f"versions of a table {dataset}.{new} are kept",
            hint=f"`myriad unpublish {dataset}.{new} --purge` forgets them.",
        )
    # What is past of a table of that name is nothing of this one's.
    versions.query(connection, "forget_name", dataset=dataset, name=new)
