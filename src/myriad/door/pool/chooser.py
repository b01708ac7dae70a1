"""Which pool somebody's statements run in."""

import asyncpg

from myriad.door.control.accounts import Entry
from myriad.door.control.databases import Databases, pool_role
from myriad.door.control.roles import PoolRoles
from myriad.door.pool.pool import Place, Pool
from myriad.door.pool.pools import Pools, replaced
from myriad.pgwire.faults import Fault, Refused


class Chooser:
    """Knows who may share server connections with whom."""

    def __init__(self, databases: Databases, roles: PoolRoles, pools: Pools) -> None:
        self._databases = databases
        self._roles = roles
        self._pools = pools

    async def pool_of(self, entry: Entry, database: str) -> Pool:
        """Return where a person's statements run in a database; raises Refused."""
        try:
            facts = await self._databases.of(database, entry.database)
        except asyncpg.PostgresError as error:
            raise Refused(Fault(error.sqlstate or "08006", str(error))) from error
        if facts.oid != entry.database:
            raise Refused(replaced(database))
        shared = facts.shared_by(entry)
        role = pool_role(entry.groups) if shared else entry.name
        if shared:
            await self._roles.ensure(role, entry.groups)
        place = Place(database, facts.oid, role)
        pool = self._pools.of(
            place, facts.verdicts, shared=shared, whole_sessions=entry.whole_sessions
        )
        pool.lingers, pool.hides_activity = facts.ours, facts.hides_activity
        return pool
