"""Which pool somebody's statements run in."""

import asyncpg

from myriad.door.control.accounts import Entry
from myriad.door.control.databases import Databases, Facts, pool_role
from myriad.door.control.roles import PoolRoles
from myriad.door.pool.all_pools import Pools, replaced
from myriad.door.pool.pool import Place, Pool
from myriad.door.ports import Came
from myriad.pgwire.faults import Fault, Refused

_OWN_PASSWORD = Fault(
    "28000",
    "this way in is not for you here: the server wants a password of your own, and has none",
    "Connect with your password, by PostgreSQL's protocol: `myriad connect` says how.",
)


class Chooser:
    """Knows who may share server connections with whom.

    `dataset`: the one in which short names are looked up first. `wants_passwords`: the server wants
    the password of whoever shares none.
    """

    def __init__(
        self,
        databases: Databases,
        roles: PoolRoles,
        pools: Pools,
        *,
        dataset: str,
        wants_passwords: bool,
    ) -> None:
        self._databases = databases
        self._roles = roles
        self._pools = pools
        self._dataset = dataset
        self._wants_passwords = wants_passwords

    async def pool_of(self, entry: Entry, database: str, came: Came) -> Pool:
        """Return where a person's statements run in a database; raises Refused."""
        try:
            return await self._pool_of(entry, database, came)
        except asyncpg.PostgresError as error:
            raise Refused(Fault(error.sqlstate or "08006", str(error))) from error

    async def _pool_of(self, entry: Entry, database: str, came: Came) -> Pool:
        facts = await self._databases.of(database, entry.database)
        if facts.oid != entry.database:
            raise Refused(replaced(database))
        shared = facts.shared_by(entry)
        role = pool_role(entry.groups) if shared else entry.name
        if came.vouched and self._wants_passwords and not shared:
            raise Refused(_OWN_PASSWORD)
        if shared:
            await self._roles.ensure(role, entry.groups)
        place = Place(database, facts.oid, role, came.reads)
        verdicts = facts.verdicts.readers if came.reads else facts.verdicts
        pool = self._pools.of(place, verdicts, shared=shared, whole_sessions=entry.whole_sessions)
        pool.lingers, pool.hides_activity = facts.ours, facts.hides_activity
        self._look(pool, facts, entry)
        return pool

    def _look(self, pool: Pool, facts: Facts, entry: Entry) -> None:
        """Let somebody's short names be looked up where the facts say, if nobody said otherwise."""
        path = None
        if facts.ours and not entry.looks:
            path = facts.schemas.path(entry, self._dataset)
        if entry.asked_at > pool.oldest:  # else it may not know yet why the pool begins anew
            pool.look_in(path, facts.schemas.open.difference(path or ()))
