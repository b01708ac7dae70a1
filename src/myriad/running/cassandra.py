"""What people and publishes get in a Cassandra whenever it is up again."""

from myriad.control.connection import control_database
from myriad.cql.names import qualified
from myriad.engines.cassandra import all_nodes
from myriad.engines.cassandra.base import Cluster
from myriad.engines.postgres.base import Server
from myriad.publish.cassandra.record import STAGING

DROPS_WITHIN = 60.0  # seconds
# A switch at which nobody is any more: who publishes a table holds a lock (`claim`, record.sql).
# In the order of CASE: a lock that is taken here, until the connection ends, is one of those only.
_LEFT = """
SELECT EXISTS (SELECT FROM public.cassandra_load WHERE CASE
    WHEN state = 'switching' AND published IS NOT NULL
    THEN pg_try_advisory_lock(hashtextextended(format('publish %s.%s', keyspace, name), 0))
    ELSE state <> 'switching' AND touched < clock_timestamp() - interval '1 day' END)
OR EXISTS (SELECT FROM public.cassandra_version WHERE CASE
    WHEN back IS NOT NULL AND files IS NOT NULL
    THEN pg_try_advisory_lock(hashtextextended(format('publish %s.%s', keyspace, name), 0)) END)
"""
# Not one that a publish has made ahead, and may still begin to load into.
_DROPPED = """
SELECT staged FROM public.cassandra_left
WHERE pg_try_advisory_lock(hashtextextended('publish ' || %s || '.' || staged, 0))
"""
_FOLLOW = "DELETE FROM public.request WHERE what = 'follow' RETURNING id"


def serve(server: Server, cluster: Cluster) -> None:
    """Give people what is theirs there; see `sync`."""
    from myriad.people.cassandra.sync import sync  # noqa: PLC0415 - only who stays up needs it

    sync(server, cluster)


def settle(server: Server, cluster: Cluster) -> bool:
    """Finish what killed publishes have left there; see `unfinished.settle`.

    Returns whether people are to be served anew: one has changed their own password at the door.
    """
    if cluster.kind == "embedded":  # elsewhere what is loaded is shown at once
        all_nodes.take_out_unused(cluster)
        _drop_left(server, cluster)
        if _anything(server):
            from myriad.publish.cassandra import unfinished  # noqa: PLC0415 - 60 MB of memory

            unfinished.settle(server, cluster)
    with control_database(server, autocommit=True) as connection:
        return bool(connection.execute(_FOLLOW).fetchall())


def _drop_left(server: Server, cluster: Cluster) -> None:
    """Drop the tables that rows were loaded into: no publish waits for that.

    To drop one, a node writes all that it has in memory into files.
    """
    with control_database(server, autocommit=True) as connection:
        left = [name for (name,) in connection.execute(_DROPPED, [STAGING])]
        if not left:
            return
        with cluster.session() as session:
            for name in left:
                table = qualified(STAGING, name)
                session.query(f"DROP TABLE IF EXISTS {table}", timeout=DROPS_WITHIN)
                connection.execute("DELETE FROM public.cassandra_left WHERE staged = %s", [name])


def _anything(server: Server) -> bool:
    """Say whether somebody has to finish something; costs a question."""
    with control_database(server, autocommit=True) as connection:
        found = connection.execute(_LEFT).fetchone()
    return bool(found and found[0])
