"""The history of a database: every run that changed tables, or tried to, with what came of it."""

import getpass
import logging
import os
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from myriad import named_sql
from myriad.engines.postgres import databases
from myriad.engines.postgres.base import Server
from myriad.errors import ContractRefused
from myriad.migrations.migrations import RECORD

LOCK_WAIT_MS = 2000  # whoever waits for the end of a run that failed waits no longer
MOST_ERROR = 2000  # characters of an error that are kept
_SQL = named_sql.load("myriad.publish", "history.sql")

log = logging.getLogger("myriad.publish")


def account() -> str:
    """Return the machine's user who runs this."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return str(os.getuid())


@dataclass
class Run:
    """One run in one dataset: what it is, and since when."""

    dataset: str
    kind: str = "publish"
    tables: Sequence[str] = ()
    sources: Sequence[str] = ()
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def begin(self, connection: psycopg.Connection) -> None:
        """Write down that it runs, before the transaction that does it."""
        connection.execute(_SQL["begin"], self.values())

    def mark(self, connection: psycopg.Connection) -> int:
        """Return the number of the transaction, or savepoint, that this is within."""
        row = connection.execute(_SQL["mark"], {"run": self.id}).fetchone()
        return int(row[0]) if row else 0

    def done(self, connection: psycopg.Connection, report: dict[str, Any], keep: int) -> None:
        """Write down what came of it, in the transaction that did it; forget old runs.

        `report` has `rows`, `seconds` and `tables`. Of the same tables the newest `keep` stay.
        """
        result = {name: report.get(name) for name in ("rows", "seconds")}
        connection.execute(_SQL["done"], self.values() | result | {"report": Jsonb(report)})
        self._forget(connection, keep)

    def failed(self, server: Server, database: str, error: BaseException, keep: int) -> None:
        """Write down that nothing came of it, and why; never hides the error itself."""
        try:
            connection = databases.enter(server, database)
            if connection is not None:
                with closing(connection):
                    self._failed(connection, error, keep)
        except Exception as hidden:  # noqa: BLE001 - what happened matters more than the note of it
            log.warning("a run in %s that failed was not written down: %s", database, hidden)

    def _failed(self, connection: psycopg.Connection, error: BaseException, keep: int) -> None:
        if not RECORD.number(connection):
            return  # nothing was ever published here
        RECORD.bring_up_to_date(connection)
        connection.execute(f"SET lock_timeout = {LOCK_WAIT_MS}")
        passed = (datetime.now(UTC) - self.started).total_seconds()
        said = str(error) or type(error).__name__
        result = {
            "outcome": outcome(error),
            "seconds": round(passed, 3),
            "error": storable(said)[:MOST_ERROR],
        }
        connection.execute(_SQL["failed"], self.values() | result)
        self._forget(connection, keep)

    def _forget(self, connection: psycopg.Connection, keep: int) -> None:
        connection.execute(_SQL["forget"], self.values() | {"keep": keep})

    def values(self) -> dict[str, Any]:
        """Return what the record has of every run."""
        return {
            "run": self.id,
            "started": self.started,
            "dataset": self.dataset,
            "kind": self.kind,
            "account": account(),
            "tables": sorted(map(storable, self.tables)),
            "sources": [storable(source) for source in self.sources],
        }


def storable(text: str) -> str:
    """Return what PostgreSQL can hold of a text, such as a file's name."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "")


def outcome(error: BaseException) -> str:
    """Say whether an error is the no of a contract, or of anything else."""
    return "refused" if isinstance(error, ContractRefused) else "failed"


def runs(
    connection: psycopg.Connection, dataset: str | None, table: str | None, limit: int
) -> list[dict[str, Any]]:
    """Return the newest runs first: of one table, of a dataset, or of the whole database."""
    if not RECORD.number(connection):
        return []
    RECORD.bring_up_to_date(connection)
    values = {"dataset": dataset, "table": table, "limit": limit}
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL["runs"], values).fetchall()


def everywhere(server: Server, database: str | None, limit: int) -> list[dict[str, Any]]:
    """Return the newest runs in one database, or in all of ours, with their `database`."""
    with closing(server.connect(autocommit=True)) as control:
        names = [name for name in databases.ours(control) if database in (None, name)]
    found = []
    for name in names:
        connection = databases.enter(server, name)
        if connection is not None:
            with closing(connection):
                of_it = runs(connection, None, None, limit)
            found += [{"database": name, **run} for run in of_it]
    return sorted(found, key=lambda run: run["started"], reverse=True)[:limit]
