"""The Python API: `myriad.open(home)` gives one installation and what can be done with it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from myriad import settings as settings_table
from myriad.engines.postgres.base import Server
from myriad.errors import HomeLocked, NotRunning
from myriad.home.home import Home, demo_folder
from myriad.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from myriad.engines.cassandra.base import Cluster
    from myriad.errors import MyriadError
    from myriad.people import People
    from myriad.publish.everywhere import Everywhere
    from myriad.publish.options import Options, Progress
    from myriad.publish.recipes import Recipe
    from myriad.publish.report import Report


@dataclass(frozen=True)
class Myriad:
    """One installation: its home and its settings."""

    home: Home
    settings: Settings

    def up(self, *, postgres_at: str | None = None) -> None:
        """Start the engines and stay until a signal; see `running.supervisor.run`."""
        from myriad.running import supervisor  # noqa: PLC0415 - most commands never start engines

        supervisor.run(self.home, self.settings, postgres_at=postgres_at)

    def up_detached(
        self, *, postgres_at: str | None = None, tell: "Callable[[str], None] | None" = None
    ) -> Server:
        """Start the engines in the background; return when ready. `tell` hears what they do.

        Where it is up already, that is returned. Raises StartFailed with the engine's own log
        lines, HomeLocked if it is up otherwise than is asked for.
        """
        from myriad.running import background  # noqa: PLC0415

        background.await_other(self.home, tell)
        try:
            return background.run_detached(
                self.home, self.settings, postgres_at=postgres_at, tell=tell
            )
        except HomeLocked:  # another `up` began at the same moment
            if background.await_other(self.home, tell) and (
                server := self.join(postgres_at=postgres_at, tell=tell)
            ):
                return server
            raise

    def join(
        self, *, postgres_at: str | None = None, tell: "Callable[[str], None] | None" = None
    ) -> Server | None:
        """Return what is up already, with a Cassandra beside it if the settings want one.

        None if nothing is up. Raises HomeLocked where it runs otherwise than is asked for.
        """
        from myriad.running import already_up  # noqa: PLC0415

        return already_up.join(self.home, self.settings, postgres_at, tell)

    def down(self) -> bool:
        """Stop what is up on this home; say whether there was anything. Returns when it is gone."""
        from myriad.running import background  # noqa: PLC0415

        return background.stop(self.home, self.settings)

    def server(self) -> Server:
        """Return the PostgreSQL that is up on this home; raises NotRunning."""
        running = self.home.running()
        if running is None:
            raise NotRunning(f"nothing is up on {self.home.folder}", hint=self._start())
        return Server.of(running)

    def _start(self) -> str:
        """Return what to do where nothing is up."""
        said = f"Start it with `myriad up --detach{self.home.option}`."
        demo = Home(demo_folder())
        return f"{said} The demo is up: say --home {demo.folder}." if demo.running() else said

    def cluster(self) -> "Cluster":
        """Return the Cassandra that is up on this home; raises NotRunning."""
        from myriad.engines.cassandra import announcement  # noqa: PLC0415

        said = announcement.read(self.home)
        if said is None or not said.usable:
            raise NotRunning(
                f"no Cassandra is up on {self.home.folder}",
                hint=f"Start one: `myriad up --detach --cassandra 1{self.home.option}`."
                if said is None
                else "Its nodes are starting: see `myriad status`.",
            )
        return said.cluster(self.home)

    def _cluster_if_up(self) -> "Cluster | None":
        from myriad.engines.cassandra import announcement  # noqa: PLC0415

        said = announcement.read(self.home)
        return said.cluster(self.home) if said and said.usable else None

    @property
    def people(self) -> "People":
        """People, groups and grants of the running engines; raises NotRunning."""
        from myriad.engines.cassandra import announcement  # noqa: PLC0415
        from myriad.people import People  # noqa: PLC0415

        said = announcement.read(self.home)  # also one that does not answer now: it follows
        return People(self.server(), self.settings, said.cluster(self.home) if said else None)

    def publish(
        self,
        sources: "str | Path | Sequence[str | Path]",
        options: "Options | None" = None,
        progress: "Progress | None" = None,
    ) -> "Report":
        """Publish files, or one file, as tables; see `publish.publish`."""
        from myriad.publish.options import Options  # noqa: PLC0415
        from myriad.publish.publish import Engines, publish  # noqa: PLC0415

        options = options or Options()
        sources = [sources] if isinstance(sources, (str, Path)) else sources
        cluster = self._cluster_if_up() if options.to in (None, "postgres") else self.cluster()
        engines = Engines(self.server(), cluster)
        report = publish(engines, self.home, self.settings, sources, options, progress)
        if report.first_in_dataset:  # it may have been granted before it was there
            self.people.apply(report.database, report.dataset)
        if report.unshared:
            self.people.sync()
        return report

    def published(
        self, unread: "Callable[[MyriadError], None] | None" = None
    ) -> list[dict[str, Any]]:
        """Return the published tables of both engines; raises NotRunning.

        `unread` hears of each database that cannot be read; else the log does.
        """
        from myriad.publish import inventory  # noqa: PLC0415

        cluster = self._cluster_if_up()
        told = {} if unread is None else {"unread": unread}
        return inventory.everywhere(self.server(), cluster, **told)

    def describe(self, table: str, database: str | None = None) -> dict[str, Any]:
        """Return what is known of one published table (`name` or `dataset.name`), and granted.

        Raises PublishError if there is none, NotRunning.
        """
        from myriad.publish import inventory  # noqa: PLC0415

        found = inventory.describe(self.server(), self.settings, table, database)
        given = self.people.granted(found["database"], found["dataset"], found["table"])
        return found | {"granted": [asdict(grant) | {"right": grant.right()} for grant in given]}

    def history(
        self, table: str | None = None, database: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Return what changed published tables in each engine, or tried to, the newest first.

        Of one table (`name` or `dataset.name`), or of all in all databases, or in one. Raises
        PublishError if the table never was published, NotRunning.
        """
        return self.changes(database).history(table, limit, everywhere=database is None)

    def undo(
        self,
        table: str,
        to: int | None = None,
        database: str | None = None,
        engine: str | None = None,
        *,
        for_good: bool = False,
        progress: "Progress | None" = None,
    ) -> dict[str, Any]:
        """Show an older version of a table again: the one before, or version `to`.

        In all engines that have the table, or in one. `for_good`: also where what is shown now
        could not be had back. `progress` hears whom it waits for. Raises PublishError if it is not
        kept, WouldBeLost, SchemaRefused, SwapBlocked, HalfPublished, Unsupported, NotRunning.
        """
        report = self.changes(database, progress).undo(table, to, engine, for_good=for_good)
        if self._cluster_if_up() is not None:
            self.people.follow(report["database"], report["dataset"])
        return report

    def undo_run(
        self,
        run: str,
        database: str | None = None,
        *,
        for_good: bool = False,
        progress: "Progress | None" = None,
    ) -> dict[str, Any]:
        """Show again, of all tables of a run, what was shown before it.

        Raises as `undo` does, and PublishError if one was changed again since.
        """
        return self.changes(database, progress).undo_run(run, for_good=for_good)

    def diff(
        self,
        table: str,
        first: int | None = None,
        second: int | None = None,
        database: str | None = None,
    ) -> dict[str, Any]:
        """Return how a version of a table differs from another; see `publish.postgres.diff.diff`.

        Raises PublishError if one is not kept, NotRunning.
        """
        return self.changes(database).diff(table, first, second)

    def unpublish(
        self,
        *tables: str,
        dataset: str | None = None,
        database: str | None = None,
        purge: bool = False,
        engine: str | None = None,
        progress: "Progress | None" = None,
    ) -> dict[str, Any]:
        """Take tables away, or all that are published in a dataset; a table without is looked for.

        `undo` brings one back as long as the setting `unpublished_days` says, unless `purge`.
        In all engines that have them, or in one. Raises SchemaRefused that names what depends on
        them, PublishError, HalfPublished, Unsupported, NotRunning.
        """
        changes = self.changes(database, progress)
        return changes.unpublish(tables, dataset, purge=purge, engine=engine)

    def rename(
        self,
        table: str,
        new: str,
        database: str | None = None,
        progress: "Progress | None" = None,
    ) -> dict[str, Any]:
        """Give a published table another name; raises PublishError if it is taken, NotRunning.

        UsageError if it is in Cassandra.
        """
        return self.changes(database, progress).rename(table, new)

    def say(self, target: str, text: str, database: str | None = None) -> dict[str, Any]:
        """Say what a table, or TABLE.COLUMN, is: its comment from now on.

        Raises PublishError if there is none, NotRunning.
        """
        return self.changes(database).describe(target, text)

    def changes(
        self, database: str | None = None, progress: "Progress | None" = None
    ) -> "Everywhere":
        """Return what changes published tables without a source; raises NotRunning."""
        from myriad.publish.cassandra.changes import CassandraChanges  # noqa: PLC0415
        from myriad.publish.everywhere import Everywhere  # noqa: PLC0415
        from myriad.publish.options import silent  # noqa: PLC0415
        from myriad.publish.postgres.changes import Changes  # noqa: PLC0415

        server, name = self.server(), database or self.settings.database
        folder = self.home.folder if server.kind == "embedded" else None
        return Everywhere(
            Changes(server, self.settings, folder, name, progress or silent),
            CassandraChanges(server, self.settings, self.cluster, self.home.folder, name),
        )

    def recipe(self, table: str, database: str | None = None) -> "Recipe":
        """Return what is remembered of how `table` (`name` or `dataset.name`) is published.

        An empty one if nothing is. Raises NotRunning, UsageError.
        """
        from myriad.publish import recipe_record, recipes  # noqa: PLC0415

        place = recipes.place(self.settings, table, database)
        found = recipe_record.of_dataset(self.server(), *place[:2]).get(place[2], recipes.Recipe())
        return found.describing(self.changes(database).descriptions(place[1], place[2]))

    def set_recipe(self, table: str, recipe: "Recipe", database: str | None = None) -> None:
        """Remember how `table` is published; an empty recipe is forgotten.

        Raises UsageError if it names a column that the table cannot have, NotRunning.
        """
        from myriad.publish import column_choice, inventory, recipe_record, recipes  # noqa: PLC0415

        *place, name = recipes.place(self.settings, table, database)
        before = self.recipe(table, database)
        for report in inventory.reports(self.server(), place[0], place[1], name)[:1]:
            column_choice.refuse_unknown(table, recipe, before, report)
        texts = before.said_of
        said = dict.fromkeys(texts, "") | recipe.said_of
        self.changes(database).describe_all(
            (place[1], name),
            {part: text for part, text in said.items() if text != texts.get(part)},
        )
        recipe_record.save(self.server(), (place[0], place[1]), {name: recipe})


def open(home: Home | Path | str | None = None, **flags: object) -> Myriad:  # noqa: A001
    """Open the installation in `home` (default: `MYRIAD_HOME`, else the user's data folder).

    `flags` are settings that override environment and file. Raises SettingsError, TooNew if a newer
    Myriad wrote the home.
    Nothing is created or started yet.
    """
    place = home if isinstance(home, Home) else Home(home)
    place.format()  # what a newer Myriad wrote is none of ours to read
    return Myriad(place, settings_table.load(place.folder, flags))
