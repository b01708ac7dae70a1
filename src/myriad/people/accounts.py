"""Accounts of people: made, listed, given another password, removed."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import psycopg

from myriad.engines.postgres.hardening import OWNERS
from myriad.people import expiry, groups, limits, names, passwords, tables, workspaces
from myriad.people.postgres import rights, roles
from myriad.people.records import NewPerson, Person, members
from myriad.people.register import Register
from myriad.people.tables import SQL


def add(register: Register, people: Sequence[NewPerson]) -> list[tuple[str, str]]:
    """Add people, and groups that are missing; return each name with its password."""
    wanted = members(people)
    names.check_people([person.name for person in people], list(wanted))
    for person in people:
        register.check_password(person.password)
    known = {
        person.name: passwords.generate() if person.password is None else person.password
        for person in people
    }
    register.refuse_taken([*known, *wanted])
    options = [word for group in wanted for word in ("--group", group)]
    with register.change("person add", list(known), options) as connection:
        tables.refuse_taken(connection, list(known))
        groups.create(connection, groups.missing(connection, list(wanted)))
        create(register, connection, people, known)
    return list(known.items())


def create(
    register: Register,
    connection: psycopg.Connection,
    people: Sequence[NewPerson],
    known: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Add people within a change, to groups that are there; return the passwords, made if None."""
    if not people:
        return {}
    known = known or {person.name: passwords.generate() for person in people}
    _create(register, connection, people, _stored(people, known))
    for group, some in members(people).items():
        roles.put_into(connection, group, some)
    return dict(known)


def _create(
    register: Register,
    connection: psycopg.Connection,
    people: Sequence[NewPerson],
    stored: dict[str, passwords.Stored],
) -> None:
    owners = [person.name for person in people if person.owner]
    verifiers = {name: each.scram for name, each in stored.items()}
    roles.create_people(connection, verifiers, set(owners))
    limited = {person.name: person.until for person in people if person.until}
    roles.set_until(connection, limited)
    limits.forget(connection, list(stored))
    text = "COPY public.person (name, owner, verifier, cassandra) FROM STDIN"
    with connection.cursor().copy(text) as copy:
        for person in people:
            each = stored[person.name]
            copy.write_row((person.name, person.owner, each.scram, each.bcrypt))
    if owners:
        roles.open_to_owners(connection, register.server, register.settings.database)
        roles.put_into(connection, OWNERS, owners)


def _stored(people: Sequence[NewPerson], known: Mapping[str, str]) -> dict[str, passwords.Stored]:
    typed = [person.name for person in people if person.password is not None]
    generated = [person.name for person in people if person.password is None]
    quick = passwords.of_generated([known[name] for name in generated])
    slow = passwords.of_typed([known[name] for name in typed])
    return dict(zip([*generated, *typed], [*quick, *slow], strict=True))


def listed(register: Register) -> list[Person]:
    """Return everybody by name."""
    with register.read() as connection:
        return everybody(connection)


def everybody(connection: psycopg.Connection) -> list[Person]:
    """Return everybody by name."""
    return [
        Person(name, owner, created, hashed is not None, tuple(of), *rest)
        for name, owner, created, hashed, of, *rest in connection.execute(SQL["people"])
    ]


def owned(register: Register, names: Sequence[str]) -> dict[str, list[str]]:
    """Return which of these people own something in an engine, and what; not in workspaces."""
    found: dict[str, list[str]] = {}
    if names:
        with register.read() as connection:
            there = roles.owned(connection, names, but_workspaces=True)
            for name, what in [*there, *register.owned(names)]:
                found.setdefault(name, []).append(what)
    return found


def require(register: Register, some: Sequence[str]) -> None:
    """Raise PeopleError that lists which of `some` are no people."""
    with register.read() as connection:
        tables.require(connection, "person", some)


def check_login(register: Register, name: str | None, database: str) -> None:
    """Raise PeopleError if there is no such person, or no such database for people."""
    with register.read() as connection:
        tables.require(connection, "person", [] if name is None else [name])
        rights.check_database(connection, database)


def remove(register: Register, names: Sequence[str]) -> None:
    """Remove people; returns when their sessions have ended. Raises PeopleError for owners."""
    some = list(dict.fromkeys(names))
    with register.change("person remove", some) as connection:
        tables.require(connection, "person", some)
        roles.refuse_owners(connection, some, but_workspaces=True)
        register.refuse_owners(some)
        with roles.shut_out(register.server, some):
            workspaces.inherit(register, connection, some)
            roles.refuse_owners(connection, some)  # what they made in the meantime
            roles.drop(register.server, connection, some)
            limits.forget(connection, some)
            connection.execute("DELETE FROM public.person WHERE name = ANY(%s)", [some])
            connection.commit()


def disable(register: Register, names: Sequence[str]) -> None:
    """Let people log in no more; returns when their sessions have ended. All else is kept.

    Nobody of them gets in from the first moment on, whatever becomes of the rest.
    """
    some = list(dict.fromkeys(names))
    with register.change_here("person disable", some) as connection:
        tables.require(connection, "person", some)
        roles.let_log_in(connection, some, "NOLOGIN")
        connection.execute(SQL["shut_by_hand"], {"names": some})
    try:
        roles.end_sessions(register.server, some)
    finally:
        register.follow()


def enable(register: Register, names: Sequence[str]) -> None:
    """Let people log in again; no list that does not name them disables them any more."""
    some = list(dict.fromkeys(names))
    with register.change("person enable", some) as connection:
        tables.require(connection, "person", some)
        roles.let_log_in(connection, some, "LOGIN")
        connection.execute(SQL["opened_by_hand"], {"names": some})


def set_until(register: Register, names: Sequence[str], until: datetime | None) -> None:
    """Let accounts end at a moment, or never; sessions end within seconds of it."""
    some = list(dict.fromkeys(names))
    with register.change("person until", some, [expiry.shown(until)]) as connection:
        tables.require(connection, "person", some)
        roles.set_until(connection, dict.fromkeys(some, until))


def set_password(register: Register, name: str, password: str | None) -> str:
    """Give somebody a new password, generated if None; return it."""
    register.check_password(password)
    chosen = passwords.generate() if password is None else password
    with register.change("person password", [name]) as connection:
        tables.require(connection, "person", [name])
        one = NewPerson(name, password=password)
        roles.set_password(connection, name, _stored([one], {name: chosen})[name])
    return chosen
