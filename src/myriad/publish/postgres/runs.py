"""The history of a database: every run that changed tables in it, or tried to."""

import logging
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from myriad import named_sql
from myriad.engines.postgres import databases
from myriad.engines.postgres.base import Server
from myriad.errors import PublishError
from myriad.migrations.migrations import RECORD
from myriad.publish.history import MOST_ERROR, Run, outcome, storable

LOCK_WAIT_MS = 2000  # whoever waits for the end of a run that failed waits no longer
INTERRUPTED_WAIT_MS = 500
_SQL = named_sql.load("myriad.publish.postgres", "runs.sql")

log = logging.getLogger("myriad.publish")


def begin(connection: psycopg.Connection, run: Run) -> None:
    """Write down that it runs, before the transaction that does it."""
    connection.execute(_SQL["begin"], run.values())


def mark(connection: psycopg.Connection, run: Run) -> int:
    """Return the number of the transaction, or savepoint, that this is within."""
    row = connection.execute(_SQL["mark"], {"run": run.id}).fetchone()
    return int(row[0]) if row else 0


def done(connection: psycopg.Connection, run: Run, report: dict[str, Any], keep: int) -> None:
    """Write down what came of it, in the transaction that did it; forget old runs.

    `report` has `rows`, `seconds` and `tables`. Of the same tables the newest `keep` stay.
    """
    result = {name: report.get(name) for name in ("rows", "seconds")}
    connection.execute(_SQL["done"], run.values() | result | {"report": Jsonb(report)})
    _forget(connection, run, keep)


def failed(server: Server, database: str, run: Run, error: BaseException, keep: int) -> None:
    """Write down that nothing came of it, and why; never hides the error itself."""
    try:
        connection = databases.enter(server, database)
        if connection is not None:
            with closing(connection):
                _failed(connection, run, error, keep)
    except Exception as hidden:  # noqa: BLE001 - what happened matters more than the note of it
        log.warning("a run in %s that failed was not written down: %s", database, hidden)


def _failed(connection: psycopg.Connection, run: Run, error: BaseException, keep: int) -> None:
    if not RECORD.number(connection):
        return  # nothing was ever published here
    RECORD.bring_up_to_date(connection)
    patience = INTERRUPTED_WAIT_MS if isinstance(error, KeyboardInterrupt) else LOCK_WAIT_MS
    connection.execute(f"SET lock_timeout = {patience}")
    passed = (datetime.now(UTC) - run.started).total_seconds()
    said = str(error) or type(error).__name__
    result = {
        "outcome": outcome(error),
        "seconds": round(passed, 3),
        "error": storable(said)[:MOST_ERROR],
    }
    connection.execute(_SQL["failed"], run.values() | result)
    _forget(connection, run, keep)


def _forget(connection: psycopg.Connection, run: Run, keep: int) -> None:
    connection.execute(_SQL["forget"], run.values() | {"keep": keep})


def runs(
    connection: psycopg.Connection, dataset: str | None, table: str | None, limit: int
) -> list[dict[str, Any]]:
    """Return the newest runs first: of one table, of a dataset, or of the whole database."""
    if not RECORD.number(connection):
        return []
    RECORD.bring_up_to_date(connection)
    values = {"dataset": dataset, "table": table, "limit": limit}
    return _SQL.query(connection, "runs", **values)


def everywhere(server: Server, database: str | None, limit: int) -> list[dict[str, Any]]:
    """Return the newest runs in one database, or in all of ours, with their `database`."""
    with closing(server.connect(autocommit=True)) as control:
        names = [name for name in databases.ours(control) if database in (None, name)]
    if database is not None and not names:
        raise PublishError(
            f"there is no database {database} that Myriad publishes into",
            hint="Choose another with --database; `myriad list` shows them.",
        )
    found = []
    for name in names:
        connection = databases.enter(server, name)
        if connection is not None:
            with closing(connection):
                of_it = runs(connection, None, None, limit)
            found += [{"database": name, **run} for run in of_it]
    return sorted(found, key=lambda run: run["started"], reverse=True)[:limit]
