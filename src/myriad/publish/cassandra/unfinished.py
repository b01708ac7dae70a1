"""What killed publishes have left: switches are finished, loads of long ago taken away."""

import logging

import psycopg

from myriad.cql.session import Session
from myriad.engines.cassandra.base import Cluster
from myriad.engines.postgres.base import Server
from myriad.errors import MyriadError
from myriad.publish.cassandra import record, switch
from myriad.publish.cassandra.record import STAGING, Record, State
from myriad.publish.cassandra.showing import Showing
from myriad.publish.cassandra.undo import Returning
from myriad.publish.cassandra.versions import Versions
from myriad.publish.keeping import Keeping

KEEPING = Keeping(0, None, 0)  # whoever finishes something keeps nothing new

log = logging.getLogger("myriad.engines")


def settle(server: Server, cluster: Cluster) -> None:
    """Finish each switch that nobody is at any more, and remove loads that nobody goes on with.

    Raises NotRunning, EngineError, PublishError of the first that fails; the others are done.
    """
    with record.opened(server) as written:
        left = [load for load in written.staged() if load["unfinished"] or load["old"]]
        failed: list[Exception] = []
        with cluster.session() as session:
            failed += _go_back(server, cluster, session, written)
            for load in left:
                place = load["keyspace"], load["name"]
                try:
                    if load["unfinished"]:
                        _finish(cluster, session, written, *place)
                except (MyriadError, OSError, psycopg.Error) as error:
                    failed.append(error)
            sweep(written, session)
        if failed:
            raise failed[0]


def finish(versions: Versions, keyspace: str, name: str) -> None:
    """Finish what was cut short with one table, which is claimed: a switch, or an `undo`.

    Raises NotRunning, EngineError, PublishError.
    """
    place = versions.cluster, versions.session, versions.record
    load = versions.record.load(keyspace, name)
    if load is not None and load.state == State.SWITCHING:
        Showing(*place, keyspace).finish(name)
    Returning(*place, versions, keyspace, name).settle()


def _go_back(
    server: Server, cluster: Cluster, session: Session, written: Record
) -> list[Exception]:
    """Finish each `undo` that was killed; return what failed."""
    versions = Versions(cluster, session, written, KEEPING, server)
    failed: list[Exception] = []
    for row in versions.query("returning"):
        place = row["keyspace"], row["name"]
        try:
            with written.taken(*place) as ours:
                if ours:
                    Returning(cluster, session, written, versions, *place).settle()
        except (MyriadError, OSError, psycopg.Error) as error:
            failed.append(error)
    return failed


def _finish(cluster: Cluster, session: Session, written: Record, keyspace: str, name: str) -> None:
    with written.taken(keyspace, name) as ours:
        load = written.load(keyspace, name) if ours else None
        if load is not None and load.state == State.SWITCHING:  # nobody did meanwhile
            Showing(cluster, session, written, keyspace).finish(name)
            log.info("finished putting %s.%s in place, whose publish was killed", keyspace, name)


def sweep(written: Record, session: Session) -> None:
    """Drop staged tables that belong to nobody any more."""
    # Before the record is read: a load that begins now is in it before its table is made.
    rows = session.query(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?", [STAGING]
    )
    kept = set()
    for load in written.staged():
        place = load["keyspace"], load["name"]
        stale = load["old"] and load["state"] != State.SWITCHING
        ended = stale and _ended(written, *place)
        if not ended and load["state"] != State.SHOWN:
            kept.add(load["staged"])
    for (name,) in rows:
        if name not in kept:
            with written.taken(STAGING, name) as ours:
                if ours:  # else a publish has made it ahead
                    switch.drop(session, STAGING, name)


def _ended(written: Record, keyspace: str, name: str) -> bool:
    """Forget a load, unless somebody is at that table; say whether it is forgotten."""
    with written.taken(keyspace, name) as ours:
        if ours:
            written.end(keyspace, name)
        return ours
