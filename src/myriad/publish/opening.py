"""Open what is published: each file is read as its table's recipe says."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from myriad.engines.postgres.base import Server
from myriad.errors import SourceEmpty, SourceError, UsageError
from myriad.publish import inventory, plan
from myriad.publish.options import Options
from myriad.publish.recipes import READING, Recipe, from_data
from myriad.sources.base import TableSource, Workspace
from myriad.sources.nothing import Nothing
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions
from myriad.sources.places.names import called


@dataclass(frozen=True)
class Opening:
    """What is known before a file is opened: where its table is, and its recipe if it has one."""

    server: Server
    database: str
    dataset: str
    options: Options
    remembered: Mapping[str, Recipe]

    def opened(self, sources: Sequence[str | Path], workspace: Workspace) -> list[TableSource]:
        """Open all sources; raises SourceError, UsageError."""
        alone = self.options.table is None or len(sources) == 1
        tables = [""]

        def read(name: str) -> ReadOptions:
            tables.append(self._table(name))
            return self._read(name)

        try:
            return open_sources(sources, read, workspace, self._instead if alone else None)
        except (SourceError, UsageError) as error:
            error.hint += self._remembered(tables[-1])
            raise

    def _remembered(self, table: str) -> str:
        """Return the hint at what says how a file was read and was not said now."""
        known, said = self.remembered.get(table, Recipe()).as_data(), self.options.said(table, ())
        names = [name for name in READING if name in known and name not in said.as_data()]
        if not names:
            return ""
        shown = from_data({name: known[name] for name in names}).written()
        forget = " ".join(f"--forget {name}" for name in names)
        place = shlex.quote(f"{self.dataset}.{table}")
        return f" It was read with {shown}, which its recipe has: `myriad recipe {place} {forget}`."

    def tables(self, sources: Sequence[str | Path]) -> list[str]:
        """Return the tables that sources are meant for, as far as names of files say."""
        return list({self._table(name) for source in sources for name in called(source)})

    def engine(self, sources: Sequence[str | Path]) -> str:
        """Return where these tables go unless it is said: as recipes have it, `both` if to each."""
        recipes = [self.remembered.get(table, Recipe()) for table in self.tables(sources)]
        engines = {recipe.to or "postgres" for recipe in recipes}
        return engines.pop() if len(engines) == 1 else "both"

    def _table(self, name: str) -> str:
        return plan.table_name(name, self.options, self.remembered)

    def _read(self, name: str) -> ReadOptions:
        table = self._table(name)
        said = self.options.said(table, ())
        return replace(self.remembered.get(table, Recipe()).updated(said).read, table=table)

    def _instead(self, name: str, origin: str, error: SourceEmpty) -> TableSource:
        """Let an empty file stand for the table that is there, without its rows.

        The contract says whether that may be. Raises the error where there is no such table.
        """
        found = inventory.reports(self.server, self.database, self.dataset, self._table(name))
        columns = [column["original"] for report in found[:1] for column in report["columns"]]
        if not columns:
            raise error
        return Nothing(name, origin, columns)
