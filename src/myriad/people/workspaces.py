"""Workspaces: datasets in which a group makes things of its own; see `postgres.workspaces`."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import psycopg

from myriad.errors import PeopleError
from myriad.people import limits, places, tables
from myriad.people.cassandra.state import keyspaces
from myriad.people.places import Texts
from myriad.people.postgres import rights
from myriad.people.postgres import workspaces as rooms
from myriad.people.register import Register
from myriad.people.tables import SQL

MEGABYTES = 1000.0  # what one may hold unless somebody says otherwise


@dataclass(frozen=True)
class Workspace:
    """A dataset in which groups make tables.

    Attributes:
        role: behind it in PostgreSQL: owns what removed people have left.
        megabytes: how much it may hold, in tables, and again in temporary ones.
        groups: whose it is.
        bytes: what it holds, as it was last measured.
    """

    database: str
    dataset: str
    role: str
    megabytes: float
    groups: tuple[str, ...] = ()
    bytes: int = 0


def _all(connection: psycopg.Connection) -> dict[tuple[str, str], Workspace]:
    rows = connection.execute(SQL["workspaces"])
    return {
        (database, dataset): Workspace(database, dataset, role, megabytes, tuple(groups))
        for database, dataset, role, megabytes, groups in rows
    }


def listed(register: Register) -> list[Workspace]:
    """Return every workspace by database and dataset, with what it holds: 0 where it is gone."""
    with register.read() as connection:
        known = list(_all(connection).values())
    held: dict[tuple[str, str], int] = {}
    for database in {each.database for each in known}:
        inside = rooms.rooms(register.server, database)
        held |= {(database, room.dataset): room.bytes for room in inside}
    return [replace(each, bytes=held.get((each.database, each.dataset), 0)) for each in known]


def open_to(
    register: Register, groups: Texts, dataset: str, database: str | None, megabytes: float | None
) -> Workspace:
    """Make a dataset a workspace, if it is none, and let groups make things there.

    `megabytes` changes what it may hold. Raises PeopleError if it is anything else already.
    """
    _check_megabytes(megabytes)
    place = database or register.settings.database
    options = [dataset, "--database", place, "--create"]
    options += [] if megabytes is None else ["--megabytes", f"{megabytes:g}"]
    with register.read() as connection:
        named = places.groups(connection, groups)
    with register.change("grant", named, options) as connection:
        tables.require(connection, "group", named)
        rights.check_database(connection, place)
        there = _all(connection).get((place, dataset))
        with register.server.connect(place) as inside:
            if there and rooms.role_name(inside, dataset) != there.role:
                _forget(connection, there)  # somebody dropped it, or its database
                there = None
            if there is None:
                _refuse_taken(register, connection, place, dataset)
            size = megabytes or (there.megabytes if there else MEGABYTES)
            rooms.install(inside)
            role = there.role if there else rooms.make(inside, dataset, size)
            rooms.limit(inside, dataset, role, size)
            for group in named:
                rooms.give(inside, dataset, role, group)
            rooms.settle(inside)
        values = {"database": place, "dataset": dataset, "role": role, "megabytes": size}
        connection.execute(SQL["enter_workspace"], values)
        for group in named:
            rights.let_in(connection, place, group)
            connection.execute(SQL["open_workspace"], values | {"grp": group})
        return _all(connection)[place, dataset]


def _check_megabytes(megabytes: float | None) -> None:
    problem = None if megabytes is None else limits.problem_of("megabytes", megabytes)
    if problem or megabytes == 0:
        raise PeopleError(
            f"a workspace cannot hold {megabytes:g} MB: {problem or 'it would be of no use'}",
            hint="`--megabytes 500` for example.",
        )


def _refuse_taken(
    register: Register, connection: psycopg.Connection, place: str, dataset: str
) -> None:
    reserved = dataset.startswith(("pg_", "myriad")) or dataset == "information_schema"
    used = "such names are PostgreSQL's own, or Myriad's" if reserved else ""
    if dataset == register.settings.dataset:
        used = "it is where tables are published unless a dataset is named (the setting `dataset`)"
    if used:
        raise PeopleError(f"{dataset!r} cannot be a workspace: {used}", hint="Choose another name.")
    held = connection.execute(SQL["held"]).fetchall()
    granted = sorted({group for group, *at in held if at[:2] == [place, dataset]})
    if granted or (place, dataset) in keyspaces(connection):
        to = f", and granted to {', '.join(granted)}" if granted else ""
        raise PeopleError(
            f"dataset {dataset!r} is published{to}; a workspace is nothing but its people's",
            hint="Choose another name.",
        )


def close_to(register: Register, groups: Texts, dataset: str, database: str | None) -> bool:
    """Take a workspace from groups, its tables stay; False if it is none, or not of all of them."""
    place = database or register.settings.database
    with register.read() as connection:
        there = _all(connection).get((place, dataset))
        if there is None:
            return False
        named = places.groups(connection, groups)
    if not set(named) <= set(there.groups):
        return False
    with register.change("revoke", named, [dataset, "--database", place]) as connection:
        for group in named:
            _close(register, connection, there, group)
    return True


def _close(
    register: Register, connection: psycopg.Connection, there: Workspace, group: str
) -> None:
    values = {"database": there.database, "dataset": there.dataset, "grp": group}
    connection.execute(SQL["close_workspace"], values)
    last = group not in tables.in_workspaces(connection, there.database)
    with rooms.entered(register.server, there.database) as inside:
        if inside is None:
            return
        rooms.take(inside, there.dataset, there.role, group, last=last)
    granted = {(name, at) for name, at, *_ in connection.execute(SQL["held"])}
    if last and (group, there.database) not in granted:
        rights.keep_out(connection, there.database, group)


def drop(register: Register, dataset: str, database: str | None) -> None:
    """Drop a workspace with all that is in it, for good; raises PeopleError if it is none."""
    place = database or register.settings.database
    options = ["--dataset", dataset, "--database", place]
    with register.change("unpublish", [], options) as connection:
        there = _all(connection).get((place, dataset))
        if there is None:
            raise PeopleError(
                f"{dataset!r} in database {place!r} is no workspace",
                hint="`myriad list` shows all.",
            )
        for group in there.groups:
            _close(register, connection, there, group)
        with rooms.entered(register.server, place) as inside:
            if inside is not None:
                rooms.drop(inside, dataset, there.role)
        _forget(connection, there)


def _forget(connection: psycopg.Connection, there: Workspace) -> None:
    """Forget a workspace that is gone."""
    rooms.drop_role(connection, there.role)
    values = {"database": there.database, "dataset": there.dataset}
    connection.execute(SQL["drop_workspace"], values)


def inherit(register: Register, connection: psycopg.Connection, names: Iterable[str]) -> None:
    """Let workspaces own what these people made there: they are about to be removed."""
    places = sorted({database for database, _ in _all(connection)})
    rooms.inherit(register.server, places, list(names))
