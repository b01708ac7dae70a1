"""Change what is published without a source: go back, take away, rename, describe."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from myriad.control.connection import control_database
from myriad.engines.postgres import databases
from myriad.engines.postgres.base import Server
from myriad.errors import PublishError, UsageError
from myriad.migrations.migrations import RECORD
from myriad.people.postgres import table_rights
from myriad.publish import naming, recipe_record, recipes
from myriad.publish.history import Run
from myriad.publish.keeping import Keeping
from myriad.publish.options import Progress, silent
from myriad.publish.postgres import (
    describing,
    diff,
    existing,
    record,
    renaming,
    runs,
    version_choice,
    versions,
)
from myriad.publish.postgres.claims import claim
from myriad.publish.postgres.patience import Patience
from myriad.publish.postgres.undo import Back, Undo
from myriad.publish.postgres.unpublish import Removal
from myriad.publish.postgres.version_choice import State
from myriad.settings import Settings

_Chosen = tuple[list[State], list[str]]  # versions to show, and tables to take away


class _NothingYet(PublishError):
    """Myriad never published into this database."""


@dataclass(frozen=True)
class Changes:
    """Changes to what is published in one database.

    Attributes:
        folder: on the disk of the data; None: that is not known.
        progress: hears whom is waited for.
    """

    server: Server
    settings: Settings
    folder: Path | None
    database: str
    progress: Progress = silent

    @property
    def _patience(self) -> Patience:
        return Patience.of(self.server, self.settings.swap_timeout, self.progress)

    def place(self, table: str) -> tuple[str, str] | None:
        """Return dataset and name of what is published, or can be had; None: there is nothing."""
        with suppress(PublishError), self._opened() as connection:
            dataset, name = self._place(connection, table)
            made = record.made(connection, dataset, name) is not None
            if made or versions.query(connection, "newest", dataset=dataset, name=name):
                return dataset, name
        return None

    def past(self, table: str) -> bool:
        """Say whether a table is, or was, published."""
        with suppress(PublishError), self._opened() as connection:
            return bool(self._place(connection, table))
        return False

    def is_there(self, dataset: str, name: str) -> bool:
        """Say whether a table is shown now."""
        with self._opened() as connection:
            return existing.find(connection, dataset, name) is not None

    def tables(self, dataset: str) -> list[str]:
        """Return the tables that are published in a dataset."""
        with suppress(PublishError), self._opened() as connection:
            rows = versions.query(connection, "published_in", dataset=dataset)
            return [row["name"] for row in rows]
        return []

    def goals(self, table: str, to: int | None) -> list[State]:
        """Return the versions that `undo` would show; raises PublishError if there is none."""
        with self._opened() as connection:
            return version_choice.chosen(connection, *self._place(connection, table), to)

    def undo(
        self,
        table: str,
        to: int | None = None,
        run: str | None = None,
        *,
        for_good: bool = False,
    ) -> dict[str, Any]:
        """Show an older version of a table again; return what came of it, in a run of that number.

        `to` is its number; None: the newest that is not shown. Tables of the same run with foreign
        keys between them go together. `for_good`: also where what is shown cannot be kept.
        Raises PublishError and its kinds, psycopg.Error.
        """
        with self._opened() as connection:
            dataset, name = self._place(connection, table)

            def choose() -> _Chosen:
                return version_choice.chosen(connection, dataset, name, to), []

            noted = Run(dataset, "undo")
            noted.id = run or noted.id
            return self._undo(connection, noted, choose, for_good=for_good)

    def undo_run(self, run: str, *, for_good: bool = False) -> dict[str, Any]:
        """Show again what was shown before a run, of all its tables; return what came of it.

        Tables that the run made are taken away. `for_good`: see `undo`.
        Raises PublishError and its kinds, psycopg.Error.
        """
        with self._opened() as connection:
            found = version_choice.query(connection, "run", run=run)
            if not found:
                raise PublishError(
                    f"there is no run {run} in {self.database} whose tables could go back",
                    hint="`myriad history --json` shows the runs.",
                )
            dataset = found[0]["dataset"]

            def choose() -> _Chosen:
                return version_choice.before_run(connection, dataset, run)

            return self._undo(connection, Run(dataset, "undo"), choose, for_good=for_good)

    def _undo(
        self,
        connection: psycopg.Connection,
        run: Run,
        choose: Callable[[], "_Chosen"],
        *,
        for_good: bool,
    ) -> dict[str, Any]:
        goals, gone = choose()
        run.tables = [*(goal.name for goal in goals), *gone]
        with self._noted(connection, run) as report:
            if choose() != (goals, gone):  # until it was claimed
                raise PublishError(
                    "the tables were published again at this moment", hint="Nothing was changed."
                )
            keeping = Keeping.of(self.settings, self.folder)
            place = connection, run.dataset, self._patience
            undo = Undo(*place, keeping, run, for_good=for_good)
            known = recipe_record.of_dataset(self.server, self.database, run.dataset)
            backs = undo.go(goals, gone)
            names = [goal.name for goal in goals]
            with control_database(self.server) as control:
                notes = table_rights.carry(control, connection, run.dataset, names)
            for back in backs:
                back.notes += notes.get(back.state.name, [])
            self._recipes_back(connection, run.dataset, known, backs)
            report["rows"] = sum(back.state.rows for back in backs)
            report["tables"] = [back.as_data() for back in backs]
            report["gone"] = gone
        recipe_record.settle(self.server, self.database)
        return report

    @staticmethod
    def _recipes_back(
        connection: psycopg.Connection,
        dataset: str,
        known: Mapping[str, recipes.Recipe],
        backs: Sequence[Back],
    ) -> None:
        """Let the next publish use the recipes of what is shown again."""
        for back in backs:
            now = known.get(back.state.name, recipes.Recipe())
            recipe = recipes.going_back(now, back.shown, back.state.report)
            if recipe is not None:
                recipe_record.note(connection, dataset, {back.state.name: recipe})
                back.notes += recipes.going_back_notes(now, recipe)

    def diff(self, table: str, first: int | None, second: int | None) -> dict[str, Any]:
        """Return how version `second` of a table differs from version `first`.

        None for the second is what is shown, for the first the newest version before. Raises
        PublishError if one is not kept.
        """
        with self._opened() as connection:
            dataset, name = self._place(connection, table)
            found = diff.diff(connection, dataset, name, (first, second))
        return {"database": self.database, **found}

    def unpublish(
        self,
        tables: Sequence[str],
        dataset: str | None = None,
        *,
        purge: bool = False,
        run: str | None = None,
    ) -> dict[str, Any]:
        """Take tables away, of a dataset or all of it; return what came of it, in a run so called.

        What was shown last can be had by `undo`, unless it is to `purge`. All are of one dataset.
        Raises SchemaRefused that names what depends on them, UsageError, PublishError.
        """
        with self._opened() as connection:
            place, names = self._meant(connection, tables, dataset)
            purge = purge or self.settings.unpublished_days == 0
            noted = Run(place, "unpublish", names)
            noted.id = run or noted.id
            with self._noted(connection, noted) as report:
                removal = Removal(connection, place, names, self._patience)
                kept = removal.take_away(purge=purge)
                report["tables"] = [
                    {"table": name, "version": number} for name, number in kept.items()
                ]
                if purge:
                    recipe_record.note(connection, place, dict.fromkeys(names, recipes.Recipe()))
        if purge:
            table_rights.forget(self.server, (self.database, place), names)
        recipe_record.settle(self.server, self.database)
        return report

    def meant(self, tables: Sequence[str], dataset: str | None) -> tuple[str, list[str]]:
        """Return the dataset and the tables that `unpublish` would take away."""
        with self._opened() as connection:
            return self._meant(connection, tables, dataset)

    def _meant(
        self, connection: psycopg.Connection, tables: Sequence[str], dataset: str | None
    ) -> tuple[str, list[str]]:
        if dataset is not None and tables:
            return dataset, list(dict.fromkeys(tables))
        if dataset is not None:
            rows = versions.query(connection, "published_in", dataset=dataset)
            if not rows:
                raise PublishError(
                    f"nothing is published in dataset {dataset} of {self.database}",
                    hint="`myriad list` shows what there is.",
                )
            return dataset, [row["name"] for row in rows]
        places = [self._place(connection, table) for table in tables]
        if len({place for place, _ in places}) != 1:
            raise UsageError(
                "the tables are of several datasets", hint="Give those of one dataset at a time."
            )
        return places[0][0], list(dict.fromkeys(name for _, name in places))

    def rename(self, table: str, new: str) -> dict[str, Any]:
        """Give a table another name in its dataset; views and foreign keys follow.

        Raises UsageError, PublishError if the name is taken, SwapBlocked.
        """
        with self._opened() as connection:
            dataset, name = self._place(connection, table)
            new = new.removeprefix(f"{dataset}.")
            if "." in new:
                raise UsageError(
                    f"{new!r} is no name within dataset {dataset}",
                    hint="A table stays in its dataset, and a name with a point would be taken for"
                    " DATASET.TABLE.",
                )
            naming.check("table", new)
            run = Run(dataset, "rename", [name, new])
            with self._noted(connection, run) as report:
                recipe = self._recipe(dataset, name)  # before readers have to wait for us
                place = self.database, dataset
                with table_rights.renamed(self.server, place, name, new):
                    renaming.rename(connection, dataset, (name, new), self._patience)
                run.tables = [new]  # as all that was done to it before
                report["tables"] = [{"table": new, "difference": [f"~ {name} → {new}"]}]
                recipe_record.note(connection, dataset, {new: recipe, name: recipes.Recipe()})
        recipe_record.settle(self.server, self.database)
        return report

    def _recipe(self, dataset: str, name: str) -> recipes.Recipe:
        found = recipe_record.of_dataset(self.server, self.database, dataset)
        return found.get(name, recipes.Recipe())

    def describe(self, target: str, text: str) -> dict[str, Any]:
        """Say what a table, or TABLE.COLUMN, is; an empty text says nothing any more.

        Raises PublishError if there is none.
        """
        with self._opened() as connection:
            dataset, name, column = self._target(connection, target)
            with connection.transaction():
                claim(connection, dataset, [name])
                said = self._recipe(dataset, name).describing({column: text})
                describing.describe(connection, dataset, name, column, text)
                recipe_record.note(connection, dataset, {name: said})
            recipe_record.settle(self.server, self.database)
            return {"dataset": dataset, "table": name, "column": column or None, "text": text}

    def descriptions(self, dataset: str, name: str) -> dict[str, str]:
        """Return what is said of a published table, called "", and of its columns."""
        with suppress(_NothingYet), self._opened() as connection:
            return describing.said(connection, dataset, name)
        return {}

    def describe_all(self, place: tuple[str, str], texts: Mapping[str, str]) -> None:
        """Say these texts of a table (dataset, name) and its columns, if it is there already."""
        with suppress(_NothingYet), self._opened() as connection, connection.transaction():
            claim(connection, place[0], [place[1]])
            there = existing.find(connection, *place)
            known = {"", *(column.name for column in there.columns)} if there else set()
            for column in known & texts.keys():
                describing.describe(connection, *place, column, texts[column])

    def _target(self, connection: psycopg.Connection, target: str) -> tuple[str, str, str]:
        """Return dataset, table and column of `TABLE` or `TABLE.COLUMN`, which are there."""
        table, _, column = target.rpartition(".")
        for text, part in ((target, ""), (table, column)):
            with suppress(PublishError):
                dataset, name = self._place(connection, text)
                found = existing.find(connection, dataset, name)
                known = {each.name for each in found.columns} if found else set()
                if found and (not part or part in known):
                    return dataset, name, part
        raise PublishError(
            f"no table or column {target} is published in {self.database}",
            hint="Write TABLE or TABLE.COLUMN; `myriad show TABLE` shows its columns.",
        )

    def history(self, table: str | None, limit: int, *, everywhere: bool) -> list[dict[str, Any]]:
        """Return the newest runs, of one table, or of all: here, or in all databases.

        Raises PublishError if the table never was published.
        """
        if table is None:
            chosen = None if everywhere else self.database
            return runs.everywhere(self.server, chosen, limit)
        with self._opened() as connection:
            dataset, name = self._place(connection, table)
            found = runs.runs(connection, dataset, name, limit)
        return [{"database": self.database, **run} for run in found]

    @contextmanager
    def _opened(self) -> Iterator[psycopg.Connection]:
        """Connect; raises PublishError if nothing is published there."""
        entered = databases.enter(self.server, self.database)
        if entered is None:
            raise _NothingYet(
                f"there is no database {self.database} that Myriad publishes into",
                hint="Choose another with --database; `myriad list` shows them.",
            )
        with closing(entered) as connection:
            if RECORD.number(connection) is None:
                raise _NothingYet(
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
        there = versions.query(connection, "names")
        places = [(row["dataset"], row["name"]) for row in there]
        raise naming.unknown(table, self.database, self.settings.dataset, places)

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
            runs.begin(connection, run)
            with connection.transaction():
                claim(connection, run.dataset, run.tables)
                yield report
                report["seconds"] = round(time.monotonic() - began, 3)
                runs.done(connection, run, report, self.settings.history_runs)
        except BaseException as error:
            runs.failed(self.server, self.database, run, error, self.settings.history_runs)
            raise
