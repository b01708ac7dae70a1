"""Groups of people: made, listed, joined and left, removed."""

from collections.abc import Sequence

import psycopg

from myriad.people import grants, limits, names, tables
from myriad.people.postgres import roles
from myriad.people.records import Group
from myriad.people.register import Register
from myriad.people.tables import SQL


def add(register: Register, groups: Sequence[str]) -> None:
    """Add groups."""
    names.check(groups, "group")
    register.refuse_taken(groups)
    with register.change("group add", groups) as connection:
        tables.refuse_taken(connection, groups)
        create(connection, groups)


def create(connection: psycopg.Connection, groups: Sequence[str]) -> None:
    """Make groups within a change; their names are free."""
    roles.create_groups(connection, groups)
    limits.forget(connection, groups)
    connection.cursor().executemany(
        "INSERT INTO public.grp (name) VALUES (%s)", [[name] for name in groups]
    )


def missing(connection: psycopg.Connection, wanted: Sequence[str]) -> list[str]:
    """Return which groups are not there; raises PeopleError if their names are in use."""
    there = {name for name, *_ in connection.execute(SQL["groups"])}
    new = [name for name in wanted if name not in there]
    tables.refuse_taken(connection, new)
    return new


def listed(register: Register) -> list[Group]:
    """Return every group by name."""
    with register.read() as connection:
        held = grants.held(connection)
        return [
            Group(name, members, tuple(grant for grant in held if grant.group == name), pool)
            for name, members, pool in connection.execute(SQL["groups"])
        ]


def join(register: Register, group: str, people: Sequence[str]) -> None:
    """Put people into a group; who is in it already stays."""
    with register.change("group join", [group, *people]) as connection:
        tables.require(connection, "group", [group])
        tables.require(connection, "person", people)
        roles.put_into(connection, group, people)


def leave(register: Register, group: str, people: Sequence[str]) -> None:
    """Take people out of a group; who is not in it stays out."""
    with register.change("group leave", [group, *people]) as connection:
        tables.require(connection, "group", [group])
        tables.require(connection, "person", people)
        roles.take_out(connection, group, people)


def remove(register: Register, name: str) -> None:
    """Remove a group with its grants; its members stay. Raises PeopleError if it owns anything."""
    with register.change("group remove", [name]) as connection:
        tables.require(connection, "group", [name])
        roles.refuse_owners(connection, [name])
        roles.drop(register.server, connection, [name])
        limits.forget(connection, [name])
        connection.execute("DELETE FROM public.grp WHERE name = %s", [name])
