"""Which keyspace a dataset is in Cassandra, and whose it is."""

from myriad.cql import names
from myriad.cql.session import Session
from myriad.engines.cassandra.base import Cluster
from myriad.errors import CqlError, PublishError, UsageError
from myriad.publish.cassandra import rights
from myriad.publish.cassandra.record import STAGING, Record
from myriad.settings import Settings

UNLOGGED = " AND durable_writes = false"
_LOGGED = "SELECT durable_writes FROM system_schema.keyspaces WHERE keyspace_name = ?"
FORBIDDEN = (STAGING, "myriad")


def name_of(record: Record, settings: Settings, database: str, dataset: str) -> str:
    """Return the name of a dataset's keyspace, which it keeps.

    A new one is the dataset's, after the database's if that is not the default.
    Raises UsageError if Cassandra has no such names, PublishError if it is not for data.
    """
    if record.is_workspace(database, dataset):
        raise PublishError(
            f"dataset {dataset} is a workspace: its people make tables there, nothing is published",
            hint="Choose another with --dataset.",
        )
    there = record.keyspace_of(database, dataset)
    if there is not None:
        return there
    name = dataset if database == settings.database else f"{database}_{dataset}"
    try:
        names.check("keyspace", name)
    except UsageError as error:
        raise UsageError(
            f"dataset {dataset!r} of database {database!r} would be keyspace {name!r}: "
            f"{error.message}",
            hint=f"{error.hint} Choose another with --dataset.",
        ) from error
    if name in FORBIDDEN or name.lower() == "system" or name.lower().startswith("system_"):
        raise PublishError(
            f"the keyspace cannot be called {name!r}", hint="Choose another with --dataset."
        )
    return name


def check_table(name: str) -> None:
    """Raise UsageError if no table can be called so."""
    try:
        names.check("table", name)
    except UsageError as error:
        raise UsageError(
            error.message, hint=f"{error.hint} Choose another with --table."
        ) from error


def refuse_foreign(
    record: Record, session: Session, keyspace: str, database: str, dataset: str
) -> None:
    """Raise PublishError if the keyspace is there and is not the one that Myriad made for it."""
    ours = record.keyspace(keyspace)
    if ours is not None and ours[:2] != (database, dataset):
        raise PublishError(
            f"keyspace {keyspace} is that of dataset {ours[1]} in database {ours[0]}",
            hint="Choose another --dataset.",
        )
    if ours is not None and (ours[2] or not tables(session, keyspace)):
        return
    _refuse_there(session, keyspace)


def _refuse_there(session: Session, keyspace: str) -> None:
    if _exists(session, keyspace):
        raise PublishError(
            f"keyspace {keyspace} is there and Myriad did not make it",
            hint="Choose another --dataset; a new keyspace is made for it.",
        )


def make(
    record: Record, cluster: Cluster, session: Session, keyspace: str, place: tuple[str, str]
) -> bool:
    """Make the keyspace, of `place` (database, dataset), where it is missing; say if it was.

    Raises PublishError if somebody else makes it at the same moment.
    """
    ours = record.keyspace(keyspace)
    if ours is not None and ours[2] and _exists(session, keyspace):
        return False
    record.announce(keyspace, *place)
    try:
        _run(cluster, session, "CREATE KEYSPACE", keyspace)
    except CqlError as error:
        if error.code != CqlError.ALREADY_EXISTS:
            raise
        if ours is None:
            record.withdraw(keyspace)
            _refuse_there(session, keyspace)
        _run(cluster, session, "ALTER KEYSPACE", keyspace)  # ours was cut short
    rights.free_keyspace(cluster, session, keyspace)
    record.made(keyspace)
    return True


def stages(cluster: Cluster) -> bool:
    """Say whether rows are loaded beside their table; an attached cluster has them right there."""
    return cluster.kind == "embedded"


def make_staging(cluster: Cluster, session: Session) -> None:
    """Make the keyspace that tables are loaded into before they are shown.

    Without a commit log: its rows are in files before anybody sees them, and what a node forgets
    until then is loaded again.
    """
    logged = session.query(_LOGGED, [STAGING])
    if not logged:
        _run(cluster, session, "CREATE KEYSPACE IF NOT EXISTS", STAGING, UNLOGGED)
        rights.free_keyspace(cluster, session, STAGING)
    elif logged[0][0]:  # an older Myriad made it
        _run(cluster, session, "ALTER KEYSPACE", STAGING, UNLOGGED)


def _run(cluster: Cluster, session: Session, words: str, keyspace: str, more: str = "") -> None:
    options = f"replication = {cluster.replication}{more}"
    session.query(f"{words} {names.quoted(keyspace)} WITH {options}")
    session.await_schema()


def _exists(session: Session, keyspace: str) -> bool:
    found = session.query(
        "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?", [keyspace]
    )
    return bool(found)


def tables(session: Session, keyspace: str) -> list[str]:
    """Return the tables that a keyspace has."""
    found = session.query(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?", [keyspace]
    )
    return [name for (name,) in found]
