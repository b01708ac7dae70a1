"""People and groups as Cassandra should have them, and as it has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import psycopg

from myriad.cql.connection import Consistency
from myriad.cql.session import Session
from myriad.people.tables import SQL

Permissions = frozenset[str]
ROOT = "data"  # all keyspaces, as `system_auth` names them
READ: Permissions = frozenset({"SELECT"})
WRITE: Permissions = frozenset({"SELECT", "MODIFY"})
# Cassandra knows no right to make keyspaces only: it is one to make tables in any keyspace too. Our
# nodes do not let that happen (Gate.java); somebody else's would.
OWN: Permissions = frozenset({"CREATE"})
NOTHING: Permissions = frozenset()

_ROLES = "SELECT role, can_login, salted_hash, member_of FROM system_auth.roles"
_PERMISSIONS = "SELECT role, resource, permissions FROM system_auth.role_permissions"
_TABLES = "SELECT keyspace_name, table_name FROM system_schema.tables"
_KEYSPACES = "SELECT keyspace_name FROM system_schema.keyspaces"


@dataclass(frozen=True)
class Role:
    """A person or a group, wanted or there.

    Attributes:
        hashed: bcrypt hash of the password; None: nobody logs in.
        groups: the roles it is a member of.
    """

    hashed: str | None = None
    groups: frozenset[str] = frozenset()
    login: bool = False


@dataclass(frozen=True)
class Wanted:
    """What the control database says.

    Attributes:
        born: name → when the person or the group was added.
        permissions: (role, resource) → what it may do there.
        resources: where roles of ours have these permissions, and no others; of a keyspace, also
            on its tables.
    """

    roles: Mapping[str, Role]
    born: Mapping[str, datetime]
    permissions: Mapping[tuple[str, str], Permissions]
    resources: frozenset[str]


@dataclass(frozen=True)
class Actual:
    """What a cluster has, also of others' roles.

    Attributes:
        tables: (keyspace, table).
    """

    roles: Mapping[str, Role]
    permissions: Mapping[tuple[str, str], Permissions]
    keyspaces: frozenset[str]
    tables: frozenset[tuple[str, str]] = frozenset()


def keyspace_resource(keyspace: str) -> str:
    """Return a keyspace as `system_auth` names it."""
    return f"{ROOT}/{keyspace}"


def table_resource(keyspace: str, table: str) -> str:
    """Return a table as `system_auth` names it."""
    return f"{ROOT}/{keyspace}/{table}"


def parts_of(resource: str) -> tuple[str, str]:
    """Return keyspace and table of such a resource; empty if it is of none."""
    inside = resource.removeprefix(f"{ROOT}/") if resource.startswith(f"{ROOT}/") else ""
    keyspace, _, table = inside.partition("/")
    return keyspace, table


def shown_resource(resource: str) -> str:
    """Return a keyspace or table in `system_auth` as people know it."""
    keyspace, table = parts_of(resource)
    return f'table "{keyspace}"."{table}"' if table else f'keyspace "{keyspace}"'


def keyspaces(connection: psycopg.Connection) -> dict[tuple[str, str], str]:
    """Return the keyspaces that Myriad made: (database, dataset) → keyspace."""
    return {
        (database, dataset): name
        for database, dataset, name in connection.execute(SQL["keyspaces"])
    }


def wanted(connection: psycopg.Connection, *, own: Permissions) -> Wanted:
    """Return what the control database says; owners have `own` on all keyspaces."""
    made = keyspaces(connection)
    roles: dict[str, Role] = {}
    permissions: dict[tuple[str, str], Permissions] = {}
    born: dict[str, datetime] = dict(connection.execute(SQL["births"]).fetchall())
    roles.update((group, Role()) for group in born)
    for name, owner, created, hashed, groups, disabled, _, expired, _ in connection.execute(
        SQL["people"]
    ):
        # Who may not log in has no right: a session of theirs goes on, and Cassandra looks only at
        # those.
        may = not (disabled or expired)
        roles[name] = Role(hashed, frozenset(groups if may else ()), hashed is not None and may)
        born[name] = created
        permissions |= {(name, ROOT): own} if owner and may else {}
    for group, database, dataset, write in connection.execute(SQL["grants"]):
        if (database, dataset) in made:
            place = group, keyspace_resource(made[database, dataset])
            permissions[place] = WRITE if write else READ
    for group, database, dataset, name, write in connection.execute(SQL["whole_tables"]):
        if (database, dataset) in made:
            place = group, table_resource(made[database, dataset], name)
            permissions[place] = WRITE if write else READ
    resources = frozenset(map(keyspace_resource, made.values())) | {ROOT}
    return Wanted(roles, born, permissions, resources)


def actual(session: Session, consistency: Consistency) -> Actual:
    """Return what the cluster has."""
    roles = {
        name: Role(hashed, frozenset(groups or ()), bool(login))
        for name, login, hashed, groups in session.query(_ROLES, consistency=consistency)
    }
    there = frozenset(name for (name,) in session.query(_KEYSPACES))
    tables = frozenset((keyspace, name) for keyspace, name in session.query(_TABLES))
    return Actual(roles, permissions(session, consistency), there, tables)


def role_names(session: Session, consistency: Consistency) -> set[str]:
    """Return the names of all roles."""
    rows = session.query("SELECT role FROM system_auth.roles", consistency=consistency)
    return {name for (name,) in rows}


def permissions(session: Session, consistency: Consistency) -> dict[tuple[str, str], Permissions]:
    """Return what each role may do: (role, resource) → permissions."""
    rows = session.query(_PERMISSIONS, consistency=consistency)
    return {(role, resource): frozenset(held or ()) for role, resource, held in rows}
