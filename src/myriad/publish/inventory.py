"""What is published, over all databases of PostgreSQL and all keyspaces of Cassandra."""

import logging
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import psycopg

from myriad.engines.postgres import databases
from myriad.engines.postgres.base import Server
from myriad.errors import EngineError, MyriadError
from myriad.publish import naming
from myriad.publish.cassandra import record as cassandra
from myriad.publish.postgres import record
from myriad.settings import Settings

if TYPE_CHECKING:
    from myriad.engines.cassandra.base import Cluster

LOCK_WAIT_MS = 2000  # enough for whoever does not mean to stay

log = logging.getLogger("myriad.publish")
Unread = Callable[[MyriadError], None]


def _write_down(problem: MyriadError) -> None:
    log.warning("%s (%s)", problem.message, problem.hint)


def everywhere(
    server: Server, cluster: "Cluster | None" = None, unread: Unread = _write_down
) -> list[dict[str, Any]]:
    """Return a row for each published table: engine, database, dataset, name, rows, bytes, source.

    Cassandra's come from the record, without those that were dropped by hand if `cluster` answers;
    their bytes are as they were sent. `unread` hears of each database that cannot be read: what
    somebody did to one hides no other.
    """
    with closing(server.connect(autocommit=True)) as control:
        names = databases.ours(control)
    found = []
    for name in names:
        try:
            rows = _of_database(server, name)
        except MyriadError as problem:
            unread(problem)
            continue
        found += [{"engine": "postgres", "database": name, **row} for row in rows]
    rows = cassandra.everywhere(server)
    there = in_cassandra(cluster) if rows and cluster else None
    found += [
        {"engine": "cassandra", **row}
        for row in rows
        if there is None or (row["keyspace"], row["name"]) in there
    ]
    return sorted(found, key=lambda row: (row["database"], row["dataset"], row["name"]))


def _of_database(server: Server, name: str) -> list[dict[str, Any]]:
    try:
        with closing(server.connect(name, autocommit=True)) as connection:
            connection.execute(f"SET lock_timeout = {LOCK_WAIT_MS}")
            return record.published(connection)
    except psycopg.Error as error:
        raise EngineError(
            f"what is published in database {name} cannot be read: {error}",
            hint="Look who did what in it; the other databases are not concerned.",
        ) from error


def in_cassandra(cluster: "Cluster") -> set[tuple[str, str]] | None:
    """Return keyspace and name of all tables of a cluster, None if it does not answer."""
    with suppress(EngineError), cluster.session() as session:
        return set(session.query("SELECT keyspace_name, table_name FROM system_schema.tables"))
    return None


def describe(
    server: Server, settings: Settings, table: str, database: str | None
) -> dict[str, Any]:
    """Return the last report of `table` (`name` or `dataset.name`); raises PublishError.

    A table that is in both engines has Cassandra's report as its `cassandra`.
    """
    place = database or settings.database
    choices = [(settings.dataset, table)]
    if table.startswith(f"{place}."):  # as `publish` writes it
        table = table.removeprefix(f"{place}.")
    if "." in table:
        dataset, _, name = table.partition(".")
        choices.append((dataset, name))
    for dataset, name in choices:
        found = reports(server, place, dataset, name)
        if found:
            return found[0] | ({"cassandra": found[1]} if found[1:] else {})
    raise naming.unknown(table, place, settings.dataset, _places(server, place))


def _places(server: Server, database: str) -> list[tuple[str, str]]:
    """Return dataset and name of what is published there; raises what keeps it from being read."""
    unread: list[MyriadError] = []
    rows = everywhere(server, unread=unread.append)
    if unread:
        raise unread[0]
    return [(row["dataset"], row["name"]) for row in rows if row["database"] == database]


def reports(server: Server, database: str, dataset: str, name: str) -> list[dict[str, Any]]:
    """Return the last report of a table in each engine that has it, PostgreSQL's first."""
    found = (
        _in_postgres(server, database, dataset, name),
        cassandra.details(server, database, dataset, name),
    )
    return [{"database": database, **report} for report in found if report is not None]


def _in_postgres(server: Server, database: str, dataset: str, name: str) -> dict[str, Any] | None:
    with closing(server.connect(autocommit=True)) as control:
        owner = databases.owner(control, database)
    if owner is None or not owner.ours:
        return None  # a dataset may be in Cassandra only; in others' databases is none of ours
    with closing(server.connect(database, autocommit=True)) as connection:
        found = record.details(connection, dataset, name)
    return {"engine": "postgres", **found} if found else None
