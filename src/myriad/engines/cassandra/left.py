"""Whether killed publishes have left something in Cassandra that somebody has to finish."""

from myriad.engines.postgres import databases
from myriad.engines.postgres.base import Server

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


def anything(server: Server) -> bool:
    """Say whether there is something; costs a question. Raises as `databases.control`."""
    with databases.control(server, autocommit=True) as connection:
        found = connection.execute(_LEFT).fetchone()
    return bool(found and found[0])
