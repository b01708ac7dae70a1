"""Change what is published, in each engine that has it; what is left undone is said."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from myriad.control.connection import control_database
from myriad.errors import HalfPublished, MyriadError, PublishError, UsageError
from myriad.named_sql import Row
from myriad.publish import comments
from myriad.publish.cassandra import runs
from myriad.publish.cassandra.changes import CassandraChanges, refuse_rename
from myriad.publish.cassandra.undo import Back, Returning
from myriad.publish.history import Run
from myriad.publish.postgres.changes import Changes

ENGINES = ("postgres", "cassandra")
Place = tuple[str, str]
Report = dict[str, Any]


@dataclass(frozen=True)
class Everywhere:
    """Changes to what is published in one database's datasets, in both engines.

    `engine`, where it is given, is the only one that is meant.
    """

    postgres: Changes
    cassandra: CassandraChanges

    def undo(
        self,
        table: str,
        to: int | None = None,
        engine: str | None = None,
        *,
        for_good: bool = False,
    ) -> Report:
        """Show an older version of a table again; see `Changes.undo`.

        A table that is in both goes back to the same run in both, or in neither. A return that
        was cut short is finished first: that is all, unless `to` is another version. Raises besides
        HalfPublished: Myriad itself finishes it then, within seconds.
        """
        inside, outside = self._places(table, engine)
        if outside is None:
            return self.postgres.undo(table, to, for_good=for_good)
        self.cassandra.refuse_attached(
            f"{table} cannot go back in Cassandra",
            "Publish what it was again under another name, or go back in PostgreSQL alone, where it"
            " is there too: --engine postgres.",
        )
        run = Run(outside[0], "undo", [outside[1]])
        with self._noted(run) as report, self._opened(run, outside) as one:
            back = _settled(one)
            if back is None or to not in (None, back.version["number"]):
                goal = one.chosen(to)
                if inside is not None:
                    wanted = table, to
                    back, done = self._in_both(one, goal, run.id, wanted, for_good=for_good)
                    report["tables"] = done["tables"]
                else:
                    back = one.begin(goal, run.id, for_good=for_good)
                    one.finish(back)
            one.versions.expire(one.keyspace, one.name)
            report["rows"] = back.version["published"]["rows"]
            report["tables"] = [*report.get("tables", []), back.as_data(one.name)]
            report["gone"] = []
        return report

    def _in_both(
        self,
        one: Returning,
        goal: Row,
        run: str,
        wanted: tuple[str, int | None],
        *,
        for_good: bool,
    ) -> tuple[Back, Report]:
        """Let a table (name, version) go back in both engines; return that in each."""
        table, to = wanted
        goals = self.postgres.goals(table, to)
        if [each.name for each in goals] != [one.name]:
            raise PublishError(
                f"{table} goes back together with {', '.join(each.name for each in goals[1:])}",
                hint="In both engines at once only tables without foreign keys do: go back in each,"
                " with --engine.",
            )
        if goals[0].run != goal["published"]["run"]:
            raise PublishError(
                f"version {goals[0].number} of {table} in PostgreSQL and {goal['number']} in"
                " Cassandra are not of the same publish",
                hint="Go back in each by itself: --engine postgres, --engine cassandra, with --to.",
            )
        back = one.begin(goal, run, awaits=True, for_good=for_good)
        try:
            done = self.postgres.undo(table, to, run, for_good=for_good)
        except BaseException:
            if not one.is_done(run):  # else it is finished, by whoever keeps Cassandra
                one.withdraw(goal)
            raise
        hint = (
            "Myriad itself finishes it within seconds; the same command could go back once more."
            f" `myriad history {table}` says what came of it."
        )
        with _half(f"{table} is back in PostgreSQL, and not yet in Cassandra", hint=hint):
            one.finish(back)
        return back, done

    def diff(self, table: str, first: int | None, second: int | None) -> Report:
        """Return how a version of a table differs from another, in PostgreSQL; see `diff.diff`."""
        self._refuse_outside(table)
        return self.postgres.diff(table, first, second)

    def _refuse_outside(self, table: str) -> None:
        """Raise PublishError for a table that is in Cassandra alone."""
        if not self.postgres.past(table) and self.cassandra.past(table) is not None:
            raise PublishError(
                f"{table} is in Cassandra alone, not in PostgreSQL",
                hint="`myriad show` and `myriad history` tell of it; with --to both it is in both.",
            )

    def undo_run(self, run: str, *, for_good: bool = False) -> Report:
        """Show again what was shown before a run; see `Changes.undo_run`.

        Raises PublishError for a run that changed Cassandra: there tables go back one by one.
        """
        found = self.cassandra.of_run(run)
        if found is not None:
            dataset, names = found
            commands = "; ".join(f"myriad undo {dataset}.{name}" for name in names[:5])
            raise PublishError(
                "that run changed Cassandra, where tables go back one by one",
                hint=f"{commands}.",
            )
        return self.postgres.undo_run(run, for_good=for_good)

    def meant(
        self,
        tables: Sequence[str],
        dataset: str | None,
        engine: str | None = None,
        *,
        purge: bool = False,
    ) -> tuple[str, list[str], list[str]]:
        """Return the dataset, and the tables that `unpublish` would take away in each engine.

        Those that were taken away before only if they are to be purged; raises PublishError where
        none is left then, UsageError.
        """
        place, inside, outside = self._known(tables, dataset, engine)
        if purge or self.postgres.settings.unpublished_days == 0:
            return place, inside, outside
        shown = self.postgres.tables(place) if inside else []
        there = self.cassandra.tables(place) if outside else []
        left = (
            [name for name in inside if name in shown],
            [name for name in outside if name in there],
        )
        if not any(left):
            raise self._gone(place, (*inside, *outside)[0])
        return place, *left

    def _gone(self, dataset: str, name: str) -> PublishError:
        """Return the error for a table that was taken away before."""
        full = f"{dataset}.{name}"
        kept = self.cassandra.place(full) is not None
        with suppress(PublishError):
            kept = bool(self.postgres.goals(full, None)) or kept
        if not kept:
            return PublishError(
                f"no table {full} is published, and no version of it is kept",
                hint="`myriad list` shows what there is, `myriad history` what there was.",
            )
        return PublishError(
            f"no table {full} is published any more; what it showed last is kept for `undo`",
            hint=f"`myriad undo {full}` brings it back, `myriad unpublish {full} --purge` takes it"
            " away for good.",
        )

    def _known(
        self, tables: Sequence[str], dataset: str | None, engine: str | None
    ) -> tuple[str, list[str], list[str]]:
        """Return the dataset, and the tables of these that are there, or were, in each engine."""
        if dataset is not None and not tables:
            outside = self.cassandra.tables(dataset) if engine != "postgres" else []
            if engine == "cassandra" and not outside:
                raise PublishError(
                    f"nothing of dataset {dataset} is published in Cassandra",
                    hint="`myriad list` shows what there is.",
                )
            found: list[tuple[Place | None, Place | None]]
            found = [(None, (dataset, name)) for name in outside]
            if engine != "cassandra" and (self.postgres.tables(dataset) or not outside):
                inside = self.postgres.meant((), dataset)[1]
                return dataset, inside, outside
        else:
            named = [f"{dataset}.{table}" if dataset else table for table in tables]
            found = [self._places(table, engine) for table in named]
        outside = list(dict.fromkeys(place[1] for _, place in found if place is not None))
        if not outside and engine != "cassandra":
            return *self.postgres.meant(tables, dataset), []
        places = {place[0] for pair in found for place in pair if place is not None}
        if len(places) != 1:
            raise UsageError(
                "the tables are of several datasets", hint="Give those of one dataset at a time."
            )
        inside = list(dict.fromkeys(place[1] for place, _ in found if place is not None))
        return places.pop(), inside, outside

    def unpublish(
        self,
        tables: Sequence[str],
        dataset: str | None = None,
        *,
        purge: bool = False,
        engine: str | None = None,
    ) -> Report:
        """Take tables away, of a dataset or all of it; see `Changes.unpublish`.

        Raises besides HalfPublished: the same command finishes it then.
        """
        place, inside, outside = self.meant(tables, dataset, engine, purge=purge)
        if not outside:
            return self.postgres.unpublish(inside, place, purge=purge)
        purge = purge or self.postgres.settings.unpublished_days == 0
        if not purge:
            self.cassandra.refuse_attached(
                f"nothing of {', '.join(outside)} can be kept in Cassandra",
                "Say --purge to take it away for good.",
            )
        run = Run(place, "unpublish", outside)
        with self._noted(run) as report, self._all_opened(run, outside) as found:
            for one in found:
                one.settle()
                one.refuse_removal(purge=purge)
            report["tables"] = []
            if inside:
                done = self.postgres.unpublish(inside, place, purge=purge, run=run.id)
                report["tables"] = done["tables"]
            for number, one in enumerate(found):
                left = ", ".join(each.name for each in found[number:])
                begun = bool(inside) or number > 0
                with _half(f"not yet taken away in Cassandra: {left}", begun=begun):
                    alone = self.postgres.place(f"{place}.{one.name}") is None
                    version = one.take_away(purge=purge, forget=purge and alone)
                gone = {"engine": "cassandra", "table": one.name, "version": version}
                report["tables"].append(gone)
        return report

    def rename(self, table: str, new: str) -> Report:
        """Give a table another name; see `Changes.rename`. Raises UsageError if in Cassandra."""
        if self._places(table, None)[1] is not None:
            raise refuse_rename(table)
        return self.postgres.rename(table, new)

    def describe(self, target: str, text: str) -> Report:
        """Say what a table, or TABLE.COLUMN, is; see `Changes.describe`.

        In Cassandra columns have no comments. Raises besides HalfPublished, UsageError.
        """
        comments.check(text)
        outside = self.cassandra.place(target)
        if outside is None:
            table, _, column = target.rpartition(".")
            inside = table and self.postgres.place(table)
            if table and not inside and self.cassandra.place(table) is not None:
                raise UsageError(
                    f"column {column} of {table} is in Cassandra, where columns have no comments",
                    hint="Say it of the table.",
                )
            return self.postgres.describe(target, text)
        dataset, name = outside
        report: Report = {"dataset": dataset, "table": name, "column": None, "text": text}
        inside = self.postgres.place(target)
        if inside is not None and self.postgres.is_there(*inside):
            report = self.postgres.describe(target, text)
        with _half(f"{target} is not yet described in Cassandra", begun=inside is not None):
            self.cassandra.describe(dataset, name, text)
        return report

    def descriptions(self, dataset: str, name: str) -> dict[str, str]:
        """Return what is said of a published table, called "", and of its columns."""
        outside = self.cassandra.said(dataset, name)
        return outside | self.postgres.descriptions(dataset, name)

    def describe_all(self, place: Place, texts: Mapping[str, str]) -> None:
        """Say these texts of a table (dataset, name) and its columns, if it is there already.

        Raises UsageError, also where it is not there, for what no description may have.
        """
        for text in texts.values():
            comments.check(text)
        self.postgres.describe_all(place, texts)
        if "" in texts and place[1] in self.cassandra.tables(place[0]):
            self.cassandra.describe(*place, texts[""])

    def history(self, table: str | None, limit: int, *, everywhere: bool) -> list[Report]:
        """Return the newest runs in both engines, with their `engine`; see `Changes.history`."""
        found: list[Report] = []
        place = None
        if table is not None:
            place = self.cassandra.past(table)
        if table is None or place is None or self.postgres.past(table):
            inside = self.postgres.history(table, limit, everywhere=everywhere)
            found += [{"engine": "postgres", **run} for run in inside]
        if table is None or place is not None:
            outside = self.cassandra.runs(place, limit, here=not everywhere or table is not None)
            found += [{"engine": "cassandra", **run} for run in outside]
        return sorted(found, key=lambda run: run["started"], reverse=True)[:limit]

    def _places(self, table: str, engine: str | None) -> tuple[Place | None, Place | None]:
        """Return where a table is, or can be had, in PostgreSQL and in Cassandra.

        Raises PublishError if it is not in Cassandra, which alone is meant.
        """
        inside = None if engine == "cassandra" else self.postgres.place(table)
        outside = None if engine == "postgres" else self.cassandra.place(table)
        if engine == "postgres":
            self._refuse_outside(table)
        if engine == "cassandra" and outside is None:
            raise PublishError(
                f"no table {table} is published in Cassandra, and no version of it is kept",
                hint="`myriad list` shows what there is.",
            )
        return inside, outside

    @contextmanager
    def _opened(self, run: Run, place: Place) -> Iterator[Returning]:
        with self._all_opened(run, [place[1]]) as [one]:
            yield one

    @contextmanager
    def _all_opened(self, run: Run, names: Sequence[str]) -> Iterator[list[Returning]]:
        """Claim tables in Cassandra, and let the history tell that this runs."""
        with self.cassandra.opened(run.dataset, names) as found:
            runs.begin(found[0].record.connection, self.cassandra.database, run)
            yield found

    @contextmanager
    def _noted(self, run: Run) -> Iterator[Report]:
        """Let the history tell of what came of a run in Cassandra."""
        began, keep = time.monotonic(), self.cassandra.settings.history_runs
        database, server = self.cassandra.database, self.cassandra.server
        report: Report = {
            "run": run.id,
            "database": database,
            "dataset": run.dataset,
            "kind": run.kind,
        }
        try:
            yield report
            report["seconds"] = round(time.monotonic() - began, 3)
            with control_database(server, autocommit=True) as connection:
                runs.done(connection, database, run, report, keep)
        except BaseException as error:
            runs.failed(server, database, run, error, keep)
            raise


def _settled(one: Returning) -> Back | None:
    """Finish a return that was cut short. Raises PublishError if its files are lost."""
    back = one.settle()
    if back is not None and not back.shown:
        full = f"{one.keyspace}.{one.name}"
        hint = f"Nothing was changed. `myriad history {full}` says which versions there are."
        raise PublishError(back.notes[0], hint=hint)
    return back


@contextmanager
def _half(
    said: str, *, begun: bool = True, hint: str = "The same command finishes it."
) -> Iterator[None]:
    """Raise HalfPublished with what is missing, where the second half fails after the first."""
    try:
        yield
    except (MyriadError, psycopg.Error, OSError) as error:
        if not begun:
            raise
        raise HalfPublished(f"{said}: {error}", hint=hint) from error
