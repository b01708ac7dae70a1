"""Which sources are what they were when their tables were published: these need not be read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from myriad.engines.postgres import databases
from myriad.engines.postgres.base import Server
from myriad.publish import column_choice, inventory, plan
from myriad.publish.cassandra import record as cassandra
from myriad.publish.options import Options
from myriad.publish.postgres import record as postgres
from myriad.publish.recipes import Recipe, from_data
from myriad.publish.report import Unchanged
from myriad.sources.base import Mark, TableSource
from myriad.sources.places import marks
from myriad.sources.places.addresses import is_address, shown
from myriad.sources.places.names import called, expand
from myriad.wording import readable

if TYPE_CHECKING:
    from myriad.engines.cassandra.base import Cluster

Reports = Mapping[str, dict[str, Any]]  # by the table's name
# What a report must have for it to tell: those of older runs, and of a table that got another name,
# lack some of it.
PARTS = frozenset({"marks", "came", "columns", "recipe"})
NOTHING_TELLS = "nothing tells whether it changed since: "
NO_VERSION = "the server says neither ETag nor Last-Modified"


def asked(options: Options, remembered: Mapping[str, Recipe]) -> bool:
    """Say whether anything might be left as it is: it was said now, or of a table before."""
    if options.if_changed is not None:
        return options.if_changed
    return any(recipe.if_changed for recipe in remembered.values())


def paths(sources: Sequence[str | Path]) -> list[str | Path]:
    """Return the files and addresses that sources stand for, each of which may have changed."""
    return [path for source in sources for path in expand(source)]


@dataclass(frozen=True)
class Before:
    """What sources were when tables were made of them, in each engine.

    Attributes:
        remembered: recipes by table.
        reports: of each engine, those of tables that were made of any of these sources.
        named: all that is published now, each with what its table is called after.
    """

    options: Options
    remembered: Mapping[str, Recipe]
    reports: Mapping[str, Reports]
    named: Mapping[str, str]

    @classmethod
    def of(
        cls,
        engines: tuple[Server, "Cluster | None"],
        place: tuple[str, str],
        options: Options,
        remembered: Mapping[str, Recipe],
        sources: Iterable[str | Path],
    ) -> "Before":
        """Look at what was published in a place (database, dataset)."""
        named = {
            _named(source): plan.table_name(next(called(source)), options, remembered)
            for source in sources
        }
        reports = {
            "postgres": _in_postgres(engines[0], place, named),
            "cassandra": _in_cassandra(engines, place, named),
        }
        return cls(options, remembered, reports, named)

    def split(self, sources: Sequence[str | Path]) -> tuple[Sequence[str | Path], list[Unchanged]]:
        """Return the sources that changed, or may have, and those that did not, unread.

        Raises SourceError.
        """
        left, same = list[str | Path](), list[Unchanged]()
        for source in sources:
            found = self._tables(_named(source))
            now = marks.version(source, private=self.options.read.allow_private) if found else ""
            if found and now and all(mark.version == now for _, _, mark in found):
                same.append(_unchanged(_named(source), found, _same(source)))
            else:
                left.append(source)
        return (sources, []) if left and self.options.table is not None else (left, same)

    def same(self, opened: Sequence[TableSource]) -> list[Unchanged]:
        """Return the sources among those that were opened whose content is what it was."""
        now = {source.named: source.mark for source in opened}
        same = []
        for named, mark in now.items():
            found = self._tables(named) if mark.version and mark.content else []
            if found and all(before.content == mark.content for _, _, before in found):
                same.append(_unchanged(named, found, "its content is the same"))
        whole = self.options.table is None or len(same) == len(self.named)
        return same if whole else []

    def tell(self, opened: Sequence[TableSource]) -> None:
        """Let the report say where nothing tells whether a source changed."""
        for source in opened:
            if not source.mark.version and self._is_asked_of(source.named):
                why = NO_VERSION if is_address(source.named) else "it is a stream"
                source.notes = (*source.notes, NOTHING_TELLS + why)

    def _is_asked_of(self, named: str) -> bool:
        """Say whether a table of that source might be left, now or before."""
        made = (
            name
            for reports in self.reports.values()
            for name, report in reports.items()
            if self._is_of(report, named)
        )
        return any(map(self._is_asked, (self.named.get(named, ""), *made)))

    def _tables(self, named: str) -> list[tuple[str, dict[str, Any], Mark]]:
        """Return the tables that are all of what one source gives; none if any might differ."""
        made = {
            engine: {name: each for name, each in reports.items() if self._is_of(each, named)}
            for engine, reports in self.reports.items()
        }
        tables = {name for reports in made.values() for name in reports}
        if not all(self._is_asked(name) for name in tables):
            return []
        found = []
        for engine in self._engines(tables):
            for name, report in made[engine].items():
                mark = report["marks"][named]
                if {*mark["tables"]} != {*made[engine]} or not self._fits(name, report, named):
                    return []
                found.append((name, report, Mark(mark["version"], mark["content"])))
            if not made[engine]:
                return []
        return found

    def _is_of(self, report: Mapping[str, Any], named: str) -> bool:
        """Say whether a source made that table, and would again."""
        return named in report["marks"] and report["came"]["table"] == self.named.get(named)

    def _is_asked(self, table: str) -> bool:
        if self.options.if_changed is not None:
            return self.options.if_changed
        return bool(self.remembered.get(table, Recipe()).if_changed)

    def _engines(self, tables: Iterable[str]) -> list[str]:
        to = {
            self.options.to or self.remembered.get(name, Recipe()).to or "postgres"
            for name in tables
        }
        return ["postgres", "cassandra"] if len(to) > 1 or "both" in to else [*to]

    def _fits(self, table: str, report: Mapping[str, Any], named: str) -> bool:
        """Say whether a publish would make the same of a table: of the same, in the same way."""
        parts = {named} if self.options.table is None else {*self.named}
        if not self.options.append and {*report["marks"]} != parts:
            return False
        known = self.remembered.get(table, Recipe())
        originals = [column["original"] for column in report["columns"]]
        now = known.updated(column_choice.relevant(self.options.said(table, ()), originals))
        before = known if self.options.adds else from_data(report["recipe"])
        return _plain(now) == _plain(before)


def _named(source: str | Path) -> str:
    return readable(shown(source))


def _same(source: str | Path) -> str:
    """Return what is the same of a source that was not read."""
    return f"it has the same {'ETag or time' if is_address(source) else 'size and time'}"


def _plain(recipe: Recipe) -> Recipe:
    """Return what of a recipe makes a difference to the rows."""
    return replace(recipe, sources=(), if_changed=None, description=None, descriptions={})


def _unchanged(
    named: str, found: Sequence[tuple[str, Mapping[str, Any], Mark]], why: str
) -> Unchanged:
    tables = tuple(sorted({name for name, _, _ in found}))
    return Unchanged(named, tables, min(report["finished"] for _, report, _ in found), why)


def _in_postgres(server: Server, place: tuple[str, str], named: Iterable[str]) -> Reports:
    connection = databases.enter(server, place[0])
    if connection is None:
        return {}
    with closing(connection):
        return _valid(postgres.marked(connection, place[1], sorted(named)))


def _in_cassandra(
    engines: tuple[Server, "Cluster | None"], place: tuple[str, str], named: Iterable[str]
) -> Reports:
    server, cluster = engines
    rows = cassandra.marked(server, place, sorted(named))
    there = inventory.in_cassandra(cluster) if rows and cluster else set()
    return _valid(row for row in rows if (row["keyspace"], row["name"]) in (there or ()))


def _valid(rows: Iterable[dict[str, Any]]) -> Reports:
    """Return the reports that tell all that is asked of them, by table."""

    def pairs() -> Iterator[tuple[str, dict[str, Any]]]:
        for row in rows:
            if row["report"].keys() >= PARTS:
                yield row["name"], {**row["report"], "finished": row["finished"]}

    return dict(pairs())
