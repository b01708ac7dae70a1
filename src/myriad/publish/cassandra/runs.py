"""The history of what is in Cassandra: every run that changed tables there, or tried to."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from myriad import named_sql
from myriad.control.connection import control_database
from myriad.engines.postgres.base import Server
from myriad.publish.history import MOST_ERROR, Run, outcome, storable

_SQL = named_sql.load("myriad.publish.cassandra", "runs.sql")

log = logging.getLogger("myriad.publish")


def begin(connection: psycopg.Connection, database: str, run: Run) -> None:
    """Write down that it runs, for as long as this connection to the control database lives."""
    connection.execute(_SQL["begin"], run.values() | {"database": database})


def done(
    connection: psycopg.Connection, database: str, run: Run, report: dict[str, Any], keep: int
) -> None:
    """Write down what came of it; forget old runs.

    `report` has `rows`, `seconds` and `tables`. Of the same tables the newest `keep` stay.
    """
    result = {name: report.get(name) for name in ("rows", "seconds")}
    values = run.values() | {"database": database, "keep": keep}
    connection.execute(_SQL["done"], values | result | {"report": Jsonb(report)})
    connection.execute(_SQL["forget"], values)


def published(
    connection: psycopg.Connection, run: str, report: Mapping[str, Any], *, by_another: bool
) -> None:
    """Write down that a table of a run is published, should the run be killed before its end.

    `by_another`: it was, and somebody else finishes it; with the last table the run is done.
    """
    values = {"run": run, "rows": report["rows"], "table": Jsonb([report])}
    _SQL.query(connection, "published", by_another=by_another, **values)


def failed(server: Server, database: str, run: Run, error: BaseException, keep: int) -> None:
    """Write down that nothing came of it, and why; never hides the error itself."""
    passed = (datetime.now(UTC) - run.started).total_seconds()
    result = {
        "database": database,
        "outcome": outcome(error),
        "seconds": round(passed, 3),
        "error": storable(str(error) or type(error).__name__)[:MOST_ERROR],
    }
    try:
        with control_database(server, autocommit=True) as connection:
            connection.execute(_SQL["failed"], run.values() | result)
            connection.execute(_SQL["forget"], run.values() | {"database": database, "keep": keep})
    except Exception as hidden:  # noqa: BLE001 - what happened matters more than the note of it
        log.warning("a run in %s that failed was not written down: %s", database, hidden)


def runs(
    connection: psycopg.Connection,
    place: tuple[str | None, str | None],
    table: str | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Return the newest runs first, of a `place` (database, dataset), of a table, or of all."""
    values = {"database": place[0], "dataset": place[1], "table": table, "limit": limit}
    return _SQL.query(connection, "runs", **values)


def known(connection: psycopg.Connection, place: tuple[str, str], table: str) -> bool:
    """Say whether some run was about a table."""
    values = {"database": place[0], "dataset": place[1], "table": table}
    return connection.execute(_SQL["known"], values).fetchone() is not None


def of(connection: psycopg.Connection, run: str) -> tuple[str, list[str]] | None:
    """Return dataset and tables of a run that was done."""
    return connection.execute(_SQL["of"], {"run": run}).fetchone()
