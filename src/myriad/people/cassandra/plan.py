"""What has to be done so that Cassandra has people and groups as it should."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from myriad.cql.names import quoted
from myriad.people.cassandra.state import (
    NOTHING,
    ROOT,
    Actual,
    Role,
    Wanted,
    keyspace_resource,
    parts_of,
)

# Members of one group are one partition. 30 of the longest names stay below the 5 KiB at which a
# stock cluster warns of a batch.
MEMBERS_AT_ONCE = 30
# That a role may have on keyspaces; others are of a version that we do not know.
PERMISSIONS = frozenset(
    ("ALTER", "AUTHORIZE", "CREATE", "DROP", "MODIFY", "SELECT", "SELECT_MASKED", "UNMASK")
)

Members = Mapping[str, frozenset[str]]  # role → groups


@dataclass(frozen=True)
class Plan:
    """Names, and statements in lists that are run one after the other; each in any order.

    Roles, passwords and members are written into system_auth, as CREATE ROLE, ALTER ROLE and GRANT
    do. Those try a password against the hash and read the tree of roles each time: 5 ms for a role
    and 1.5 ms for a member, 100 s for 10,000 people in three groups. DROP ROLE is used: it finds
    all that a role left.

    Attributes:
        refused: names that roles of somebody else have there.
        drop, make: roles.
    """

    refused: tuple[str, ...]
    drop: tuple[str, ...]
    make: tuple[str, ...]
    leaving: tuple[str, ...]
    dropping: tuple[str, ...]
    making: tuple[str, ...]
    rights: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.leaving or self.dropping or self.making or self.rights)


def plan(wanted: Wanted, actual: Actual, ours: Mapping[str, datetime]) -> Plan:
    """Return the differences; `ours` are roles that Myriad made there, and when they were born."""
    here = {name: born for name, born in ours.items() if name in actual.roles}
    refused = {name for name in wanted.roles if name in actual.roles and name not in here}
    roles = {name: role for name, role in wanted.roles.items() if name not in refused}
    # A name that is used again is somebody else, who must not inherit what the first one had.
    drop = {name for name, born in here.items() if wanted.born.get(name) != born}
    stay = {name: actual.roles[name] for name in here.keys() - drop}
    make = [name for name in roles if name not in stay]
    wants = {name: role.groups & roles.keys() for name, role in roles.items()}
    has = {name: role.groups & here.keys() for name, role in stay.items()}
    leave = {name: groups - (wants[name] - drop) for name, groups in has.items()}
    stays = {name: groups - leave[name] for name, groups in has.items()}
    join = {name: groups - stays.get(name, NOTHING) for name, groups in wants.items()}
    return Plan(
        refused=tuple(sorted(refused)),
        drop=tuple(sorted(drop)),
        make=tuple(sorted(make)),
        leaving=tuple(_leaving(leave)),
        dropping=tuple(f"DROP ROLE IF EXISTS {quoted(name)}" for name in drop),
        making=(*_making(roles, make), *_changing(roles, stay), *_joining(join)),
        rights=tuple(_rights(wanted, actual, roles, stay)),
    )


def _making(roles: Mapping[str, Role], names: Collection[str]) -> Iterator[str]:
    for name in names:
        login, hashed = str(roles[name].login).lower(), _or_null(roles[name].hashed)
        yield (
            "INSERT INTO system_auth.roles (role, can_login, is_superuser, salted_hash)"
            f" VALUES ({_text(name)}, {login}, false, {hashed})"
        )


def _changing(roles: Mapping[str, Role], stay: Mapping[str, Role]) -> Iterator[str]:
    for name, there in stay.items():
        role = roles[name]
        if (role.login, role.hashed) != (there.login, there.hashed):
            login, hashed = str(role.login).lower(), _or_null(role.hashed)
            change = f"can_login = {login}, salted_hash = {hashed}"
            yield f"UPDATE system_auth.roles SET {change} WHERE role = {_text(name)}"


def _leaving(members: Members) -> Iterator[str]:
    yield from _moving(members, "-")
    text = "DELETE FROM system_auth.role_members WHERE role = {} AND member = {}"
    yield from _by_group(members, text)


def _joining(members: Members) -> Iterator[str]:
    yield from _moving(members, "+")
    text = "INSERT INTO system_auth.role_members (role, member) VALUES ({}, {})"
    yield from _by_group(members, text)


def _by_group(members: Members, text: str) -> Iterator[str]:
    """Yield batches of `text` for each group and some of its members."""
    by_group: dict[str, list[str]] = {}
    for name, groups in members.items():
        for group in groups:
            by_group.setdefault(group, []).append(name)
    for group, names in by_group.items():
        for start in range(0, len(names), MEMBERS_AT_ONCE):
            some = names[start : start + MEMBERS_AT_ONCE]
            lines = (text.format(_text(group), _text(name)) for name in some)
            yield f"BEGIN UNLOGGED BATCH {' '.join(lines)} APPLY BATCH"


def _moving(members: Members, sign: str) -> Iterator[str]:
    for name, groups in members.items():
        if groups:
            listed = ", ".join(map(_text, groups))
            yield (
                f"UPDATE system_auth.roles SET member_of = member_of {sign} {{{listed}}}"
                f" WHERE role = {_text(name)}"
            )


def _rights(
    wanted: Wanted, actual: Actual, roles: Collection[str], stay: Collection[str]
) -> Iterator[str]:
    """Yield GRANT and REVOKE on keyspaces and tables that are there; others' are theirs."""
    for (role, resource), want in wanted.permissions.items():
        if role in roles and _is_there(resource, actual):
            have = actual.permissions.get((role, resource), NOTHING) if role in stay else NOTHING
            for name in sorted(want - have):
                yield f"GRANT {name} ON {_place(resource)} TO {quoted(role)}"
    for (role, resource), have in actual.permissions.items():
        # What a person was given of a table is of others: Myriad gives tables to groups.
        group = role in roles and not wanted.roles[role].login
        above = keyspace_resource(parts_of(resource)[0])
        ours = resource in wanted.resources or (group and above in wanted.resources)
        if role in stay and ours:
            want = wanted.permissions.get((role, resource), NOTHING)
            for name in sorted((have & PERMISSIONS) - want):
                yield f"REVOKE {name} ON {_place(resource)} FROM {quoted(role)}"


def _is_there(resource: str, actual: Actual) -> bool:
    keyspace, table = parts_of(resource)
    if table:
        return (keyspace, table) in actual.tables
    return resource == ROOT or keyspace in actual.keyspaces


def _place(resource: str) -> str:
    keyspace, table = parts_of(resource)
    if table:
        return f"TABLE {quoted(keyspace)}.{quoted(table)}"
    return f"KEYSPACE {quoted(keyspace)}" if keyspace else "ALL KEYSPACES"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _or_null(value: str | None) -> str:
    return "null" if value is None else _text(value)
