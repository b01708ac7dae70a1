"""Grants: which group may read, or write, which dataset; what they become: `postgres.rights`."""

import psycopg

from myriad.errors import PeopleError
from myriad.people import tables
from myriad.people.cassandra.state import keyspaces
from myriad.people.postgres import rights
from myriad.people.records import Grant
from myriad.people.register import Register
from myriad.people.tables import SQL


def held(connection: psycopg.Connection) -> list[Grant]:
    """Return every grant by group, database and dataset."""
    return [Grant(*row) for row in connection.execute(SQL["grants"])]


def listed(register: Register) -> list[Grant]:
    """Return every grant by group, database and dataset."""
    with register.read() as connection:
        return held(connection)


def grant(
    register: Register, group: str, dataset: str, database: str | None, *, write: bool
) -> None:
    """Let a group read a dataset, or `write` in it too; the new right replaces an old one."""
    settings, place = register.settings, database or register.settings.database
    options = [dataset, "--database", place, *(["--write"] if write else [])]
    with register.change("grant", [group], options) as connection:
        tables.require(connection, "group", [group])
        rights.check_database(connection, place)
        there = keyspaces(connection)
        if dataset != settings.dataset and (place, dataset) not in there:
            rights.check_dataset(register.server, place, dataset)
        connection.execute(
            "INSERT INTO public.grants VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (grp, database, dataset) DO UPDATE SET write = excluded.write",
            [group, place, dataset, write],
        )
        rights.settle(register.server, place, dataset, {group: write})
        rights.let_in(connection, place, group)


def revoke(register: Register, group: str, dataset: str, database: str | None) -> None:
    """Take a group's right to a dataset, and to the database if it was the last one there."""
    place = database or register.settings.database
    with register.change("revoke", [group], [dataset, "--database", place]) as connection:
        tables.require(connection, "group", [group])
        deleted = connection.execute(
            "DELETE FROM public.grants WHERE (grp, database, dataset) = (%s, %s, %s)",
            [group, place, dataset],
        )
        left = [grant for grant in held(connection) if grant.group == group]
        if not deleted.rowcount:
            raise PeopleError(
                f"group {group!r} has no grant of dataset {dataset!r} in database {place!r}",
                hint=f"It has: {', '.join(grant.place() for grant in left) or 'none'}.",
            )
        if place not in rights.granted_in(connection):
            return
        rights.settle(register.server, place, dataset, {group: None})
        if place not in {grant.database for grant in left}:
            rights.keep_out(connection, place, group)


def apply(register: Register, database: str, dataset: str) -> None:
    """Make rights in a dataset what the grants say; call it when the dataset was made."""
    with tables.changing(register.server) as connection:
        groups = {name for name, *_ in connection.execute(SQL["groups"])}
        wanted: dict[str, bool | None] = {
            name: None
            for name in rights.holders(register.server, database, dataset)
            if name in groups
        }
        for each in held(connection):
            if (each.database, each.dataset) == (database, dataset):
                wanted[each.group] = each.write
        rights.settle(register.server, database, dataset, wanted)
        for group in (group for group, write in wanted.items() if write is not None):
            rights.let_in(connection, database, group)
