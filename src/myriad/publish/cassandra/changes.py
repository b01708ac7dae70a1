"""Change what is published in Cassandra without a source: go back, take away, describe."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myriad.control.connection import control_database
from myriad.engines.cassandra.base import Cluster
from myriad.engines.postgres.base import Server
from myriad.errors import PublishError, Unsupported, UsageError
from myriad.publish import recipe_record
from myriad.publish.cassandra import describing, record, runs, versions
from myriad.publish.cassandra.undo import Returning
from myriad.publish.cassandra.versions import Versions
from myriad.publish.keeping import Keeping
from myriad.settings import Settings

KILLED_WITHIN = 5.0  # seconds that a command which was killed just now may hold a table yet


@dataclass(frozen=True)
class CassandraChanges:
    """Changes to what one database's datasets have in Cassandra.

    Attributes:
        cluster: the one that runs; raises NotRunning.
        folder: on the disk of the data; None: that is not known.
    """

    server: Server
    settings: Settings
    cluster: Callable[[], Cluster]
    folder: Path | None
    database: str

    def place(self, table: str) -> tuple[str, str] | None:
        """Return dataset and name of what is, or can be had; None: there is nothing."""
        with control_database(self.server, autocommit=True) as connection:
            for dataset, name in choices(self.database, self.settings.dataset, table):
                place = {"database": self.database, "dataset": dataset, "name": name}
                if versions.query(connection, "known", **place):
                    return dataset, name
        return None

    def past(self, table: str) -> tuple[str, str] | None:
        """Return dataset and name of what some run was about; None: there was nothing."""
        with control_database(self.server, autocommit=True) as connection:
            for dataset, name in choices(self.database, self.settings.dataset, table):
                if runs.known(connection, (self.database, dataset), name):
                    return dataset, name
        return None

    def tables(self, dataset: str) -> list[str]:
        """Return the tables that are published in a dataset."""
        place = {"database": self.database, "dataset": dataset}
        with control_database(self.server, autocommit=True) as connection:
            return [row["name"] for row in versions.query(connection, "published_in", **place)]

    def said(self, dataset: str, name: str) -> dict[str, str]:
        """Return what is said of a table, called "", if anything is."""
        place = {"database": self.database, "dataset": dataset, "name": name}
        with control_database(self.server, autocommit=True) as connection:
            rows = versions.query(connection, "said", **place)
        return {"": rows[0]["text"]} if rows else {}

    def runs(self, place: tuple[str, str] | None, limit: int, *, here: bool) -> list[Any]:
        """Return the newest runs, of one table (dataset, name), or of all: here, or anywhere."""
        dataset, name = place or (None, None)
        database = self.database if here else None
        with control_database(self.server, autocommit=True) as connection:
            return runs.runs(connection, (database, dataset), name, limit)

    def of_run(self, run: str) -> tuple[str, list[str]] | None:
        """Return dataset and tables of a run that changed Cassandra."""
        with control_database(self.server, autocommit=True) as connection:
            return runs.of(connection, run)

    @contextmanager
    def opened(self, dataset: str, names: Sequence[str]) -> Iterator[list[Returning]]:
        """Connect and claim tables of a dataset; raises PublishError, NotRunning, CqlError."""
        cluster = self.cluster()
        keeping = Keeping.of(self.settings, self.folder)
        with record.opened(self.server) as written, cluster.session() as session:
            keyspace = written.keyspace_of(self.database, dataset)
            if keyspace is None:
                raise PublishError(
                    f"nothing of dataset {dataset} is published in Cassandra",
                    hint="`myriad list` shows what there is.",
                )
            kept = Versions(cluster, session, written, keeping, self.server)
            place = cluster, session, written, kept, keyspace
            found = [Returning(*place, name) for name in sorted(names)]
            for one in found:
                one.claim(KILLED_WITHIN)
            yield found

    def refuse_attached(self, what: str, otherwise: str) -> None:
        """Raise Unsupported on a cluster whose files cannot be reached."""
        if self.cluster().kind == "attached":
            raise Unsupported(
                f"{what}: a version is a table's files, and those of an attached Cassandra cannot"
                " be reached",
                hint=otherwise,
            )

    def describe(self, dataset: str, name: str, text: str) -> None:
        """Say what a table is: in its comment. Raises PublishError, EngineError."""
        with self.opened(dataset, [name]) as [one]:
            if not one.refuse_foreign():
                raise PublishError(
                    f"{dataset}.{name} is not there in Cassandra", hint="Publish it again."
                )
            recipe_record.settle(self.server, self.database)  # what is noted is older than this
            describing.describe(one.session, one.record, one.keyspace, name, text)


def choices(database: str, dataset: str, table: str) -> list[tuple[str, str]]:
    """Return dataset and name of all that `table` may mean: a name, or `DATASET.TABLE`."""
    text = table.removeprefix(f"{database}.")
    found = [(dataset, table)]
    if "." in text:
        place, _, name = text.partition(".")
        found.append((place, name))
    return [(place, name) for place, name in found if name]


def refuse_rename(table: str) -> UsageError:
    """Return why a table in Cassandra keeps its name, and what can be done."""
    return UsageError(
        f"{table} is in Cassandra, where a table cannot be renamed",
        hint="Publish it under the new name with --table, then `myriad unpublish` the old one. In"
        " PostgreSQL alone it can be renamed after `myriad unpublish --engine cassandra`.",
    )
