"""Whose a new keyspace or table is: ours alone, whoever had or has one of that name."""

from collections.abc import Collection

from myriad.cql.session import Session
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.nodes.superuser import forget_everywhere

_HELD = "SELECT role, resource FROM system_auth.role_permissions"
_RULED = "SELECT role, resource, permissions FROM system_auth.role_permissions"
_TAKE = "DELETE FROM system_auth.role_permissions WHERE role = ? AND resource = ?"
# Spelled so by Cassandra.
_TAKE_INDEX = (
    "DELETE FROM system_auth.resource_role_permissons_index WHERE resource = ? AND role = ?"
)


def free_keyspace(cluster: Cluster, session: Session, keyspace: str) -> None:
    """Take everybody's rights on a keyspace that we have just made, and on all in it."""
    _free(cluster, session, (f"data/{keyspace}", f"functions/{keyspace}"))


def free_table(cluster: Cluster, session: Session, keyspace: str, name: str) -> None:
    """Take everybody's rights on a table that we are about to make."""
    _free(cluster, session, (f"data/{keyspace}/{name}",))


def somebody_made(cluster: Cluster, session: Session, keyspace: str, name: str) -> bool:
    """Say whether somebody else has the rights of who made the table that is there."""
    if cluster.login == "open":
        return False
    resource, mine = f"data/{keyspace}/{name}", cluster.endpoint.user
    return any(
        place == resource and role != mine and "AUTHORIZE" in (held or ())
        for role, place, held in session.query(_RULED, consistency=cluster.consistency)
    )


def _free(cluster: Cluster, session: Session, resources: Collection[str]) -> None:
    """Take what others than Myriad have there; written, because REVOKE wants it to be there.

    Who makes something has all rights on it, under its name: who made one of the same name at the
    same moment, on another node, or before, where Cassandra did not forget it, has them too.
    """
    if cluster.login == "open":
        return
    level = cluster.consistency
    taken = [
        (role, resource)
        for role, resource in session.query(_HELD, consistency=level)
        if role != cluster.endpoint.user and _is_in(resource, resources)
    ]
    for role, resource in taken:
        session.query(_TAKE, [role, resource], consistency=level)
        session.query(_TAKE_INDEX, [resource, role], consistency=level)
    if taken:
        forget_everywhere(session, cluster)


def _is_in(resource: str, places: Collection[str]) -> bool:
    return any(resource == place or resource.startswith(f"{place}/") for place in places)
