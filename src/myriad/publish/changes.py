"""Change what is published without a source: go back, take away, rename, describe."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from myriad.engines import databases
from myriad.engines.base import Server
from myriad.errors import PublishError
from myriad.migrations.migrations import RECORD
from myriad.publish import history, states, versions
from myriad.publish.claims import claim
from myriad.publish.history import Run
from myriad.publish.undo import Undo
from myriad.settings import Settings


@dataclass(frozen=True)
class Changes:
    """Changes to what is published in one database.

    `folder` lies on the disk of the data; None: that is not known.
    """

    server: Server
    settings: Settings
    folder: Path | None
    database: str

    def undo(self, table: str, to: int | None = None) -> dict[str, Any]:
        """Show an older version of a table again; return what came of it.

        `to` is its number; None: the newest that is not shown. Tables of the same run with foreign
        keys between them go together. Raises PublishError and its kinds, psycopg.Error.
        """
        with self._opened() as connection:
            dataset, name = self._place(connection, table)
            goals = states.chosen(connection, dataset, name, to)
            run = Run(dataset, "undo", [goal.name for goal in goals])
            with self._noted(connection, run) as report:
                keeping = versions.Keeping.of(self.settings, self.folder)
                undo = Undo(self.server, connection, dataset, self.settings, keeping, run)
                backs = undo.go(goals)
                report["rows"] = sum(back.state.rows for back in backs)
                report["tables"] = [back.as_data() for back in backs]
            return report

    def history(self, table: str | None, limit: int, *, everywhere: bool) -> list[dict[str, Any]]:
        """Return the newest runs, of one table, or of all: here, or in all databases.

        Raises PublishError if the table never was published.
        """
        if table is None:
            chosen = None if everywhere else self.database
            return history.everywhere(self.server, chosen, limit)
        with self._opened() as connection:
            dataset, name = self._place(connection, table)
            found = history.runs(connection, dataset, name, limit)
        return [{"database": self.database, **run} for run in found]

    @contextmanager
    def _opened(self) -> Iterator[psycopg.Connection]:
        """Connect; raises PublishError if nothing is published there."""
        entered = databases.enter(self.server, self.database)
        if entered is None:
            raise PublishError(
                f"there is no database {self.database} that Myriad publishes into",
                hint="Choose another with --database; `myriad list` shows them.",
            )
        with closing(entered) as connection:
            if RECORD.number(connection) is None:
                raise PublishError(
                    f"nothing is published in {self.database}", hint="`myriad publish FILE`."
                )
            RECORD.bring_up_to_date(connection)
            yield connection

    def _place(self, connection: psycopg.Connection, table: str) -> tuple[str, str]:
        """Return dataset and name of what is, or was, published; raises PublishError."""
        text = table.removeprefix(f"{self.database}.")
        choices = [(self.settings.dataset, table)]
        if "." in text:
            dataset, _, name = text.partition(".")
            choices.append((dataset, name))
        for dataset, name in choices:
            if name and versions.query(connection, "known", dataset=dataset, name=name):
                return dataset, name
        raise PublishError(
            f"no table {table} is published in {self.database}",
            hint="`myriad list` shows what there is.",
        )

    @contextmanager
    def _noted(self, connection: psycopg.Connection, run: Run) -> Iterator[dict[str, Any]]:
        """Run in a transaction that has claimed the tables, and let the history tell of it."""
        began = time.monotonic()
        report: dict[str, Any] = {
            "run": run.id,
            "database": self.database,
            "dataset": run.dataset,
            "kind": run.kind,
        }
        try:
            run.begin(connection)
            with connection.transaction():
                claim(connection, run.dataset, run.tables)
                yield report
                report["seconds"] = round(time.monotonic() - began, 3)
                run.done(connection, report, self.settings.history_runs)
        except BaseException as error:
            run.failed(self.server, self.database, error, self.settings.history_runs)
            raise
