"""What PostgreSQL's own lists of rights say of one table, whoever gave them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg

EVERYBODY = ""  # PUBLIC
CHANGES = frozenset(("INSERT", "UPDATE", "DELETE", "TRUNCATE"))
# What these may, they may with every table.
ALWAYS = {"pg_read_all_data": "SELECT", "pg_write_all_data": "UPDATE"}

_TABLE = """
    SELECT c.oid, pg_get_userbyid(c.relowner)::text FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s"""
_HELD = """
    SELECT coalesce(r.rolname::text, ''), x.privilege_type, NULL
    FROM pg_class c CROSS JOIN aclexplode(c.relacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
    WHERE c.oid = %(oid)s AND x.grantee <> c.relowner
    UNION ALL
    SELECT coalesce(r.rolname::text, ''), x.privilege_type, a.attname::text
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid CROSS JOIN aclexplode(a.attacl) x
    LEFT JOIN pg_roles r ON r.oid = x.grantee
    WHERE a.attrelid = %(oid)s AND NOT a.attisdropped AND x.grantee <> c.relowner
    ORDER BY 1, 2, 3"""
_COLUMNS = """
    SELECT attname::text FROM pg_attribute
    WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
# Who gets into the database and the dataset, and which of these roles' rights they have.
_REACH = """
    SELECT r.rolname::text, r.rolsuper, array(
        SELECT name FROM unnest(%(roles)s::text[]) AS name
        WHERE name = '' OR pg_has_role(r.oid, name, 'USAGE')
    )
    FROM pg_roles r
    WHERE r.rolcanlogin AND r.rolname !~ '^(pg_|myriad)' AND r.rolname <> session_user
      AND coalesce(r.rolvaliduntil > now(), true)
      AND has_database_privilege(r.oid, current_database(), 'CONNECT')
      AND has_schema_privilege(r.oid, %(dataset)s, 'USAGE')
    ORDER BY 1"""
_VIEWS = """
    SELECT DISTINCT n.nspname::text, v.relname::text FROM pg_depend d
    JOIN pg_rewrite w ON w.oid = d.objid JOIN pg_class v ON v.oid = w.ev_class
    JOIN pg_namespace n ON n.oid = v.relnamespace
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = %s AND v.oid <> d.refobjid
    ORDER BY 1, 2"""


@dataclass(frozen=True)
class Held:
    """What one role may do with a table.

    Attributes:
        read: all of its columns.
        columns: that may be read, where not all may.
        write: change it, or some column of it.
    """

    read: bool = False
    columns: frozenset[str] = frozenset()
    write: bool = False

    def beyond(self, other: "Held") -> "Held":
        """Return what the other does not hold of this."""
        columns = frozenset() if other.read else self.columns - other.columns
        return Held(self.read and not other.read, columns, self.write and not other.write)

    def __bool__(self) -> bool:
        return self.read or self.write or bool(self.columns)


@dataclass(frozen=True)
class Listed:
    """Who holds what of a table.

    Attributes:
        owner: a role; may do anything.
        held: by role; `EVERYBODY` has no name.
        reach: who logs in and gets to it → whether that is a superuser, and whose rights they have.
        views: (dataset, name) of what reads it in the name of whoever owns that.
        columns: of the table, in its order.
    """

    owner: str
    held: Mapping[str, Held]
    reach: Mapping[str, tuple[bool, Sequence[str]]]
    views: Sequence[tuple[str, str]]
    columns: Sequence[str]


def listed(connection: psycopg.Connection, dataset: str, table: str) -> Listed | None:
    """Return who holds what; None if there is no such table."""
    found = connection.execute(_TABLE, [dataset, table]).fetchone()
    if found is None:
        return None
    oid, owner = found
    rows = [
        *connection.execute(_HELD, {"oid": oid}),
        *((role, right, None) for role, right in ALWAYS.items()),
    ]
    by_role: dict[str, list[tuple[str, str | None]]] = {}
    for role, right, column in rows:
        by_role.setdefault(role, []).append((right, column))
    held = {role: _held(some) for role, some in by_role.items()}
    values = {"roles": [*held, owner], "dataset": dataset}
    reach = {
        name: (superuser, roles)
        for name, superuser, roles in connection.execute(_REACH, values).fetchall()
    }
    views = connection.execute(_VIEWS, [oid]).fetchall()
    columns = [name for (name,) in connection.execute(_COLUMNS, [oid])]
    return Listed(owner, held, reach, views, columns)


def _held(rights: Sequence[tuple[str, str | None]]) -> Held:
    read = ("SELECT", None) in rights
    columns = frozenset(name for right, name in rights if right == "SELECT" and name is not None)
    return Held(read, frozenset() if read else columns, any(r in CHANGES for r, _ in rights))
