"""People, groups and grants of one installation."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg

from myriad.engines.base import Server
from myriad.engines.hardening import OWNERS
from myriad.errors import PeopleError
from myriad.people import control, grants, passwords, roles
from myriad.people import names as naming
from myriad.people.control import SQL, changing, reading
from myriad.settings import Settings


@dataclass(frozen=True)
class NewPerson:
    """Somebody to add; without a password one is generated."""

    name: str
    groups: tuple[str, ...] = ()
    owner: bool = False
    password: str | None = None


@dataclass(frozen=True)
class Person:
    """An account; an owner may create databases."""

    name: str
    owner: bool
    created: datetime
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Grant:
    """A group's right to a dataset: to read it, or to write in it too."""

    group: str
    database: str
    dataset: str
    write: bool


@dataclass(frozen=True)
class Group:
    """A set of people: how many they are, and what they may reach."""

    name: str
    members: int
    grants: tuple[Grant, ...]


class People:
    """Accounts, groups and grants; every change is all or nothing, one at a time.

    All methods raise PeopleError for names that are not there, there already, or impossible.
    """

    def __init__(self, server: Server, settings: Settings) -> None:
        self._server = server
        self._settings = settings

    def add_people(
        self,
        names: Sequence[str],
        groups: Sequence[str] = (),
        *,
        owner: bool = False,
        passwords: Mapping[str, str] | None = None,
    ) -> list[tuple[str, str]]:
        """Add people with the same groups; see `add`."""
        given = passwords or {}
        return self.add([NewPerson(name, tuple(groups), owner, given.get(name)) for name in names])

    def add(self, people: Sequence[NewPerson]) -> list[tuple[str, str]]:
        """Add people, and groups that are missing; return each name with its password.

        10,000 people take about 7 seconds on two cores, nearly all of it for the verifiers.
        """
        naming.check([person.name for person in people], "person")
        wanted = _members(people)
        naming.check(list(wanted), "group")
        known = {
            person.name: passwords.generate() if person.password is None else person.password
            for person in people
        }
        with changing(self._server) as connection:
            control.refuse_taken(connection, list(known))
            self._create(connection, people, _verifiers(connection, people, known))
            _create_groups(connection, _missing_groups(connection, wanted))
            for group, members in wanted.items():
                roles.put_into(connection, group, members)
        return list(known.items())

    def _create(
        self,
        connection: psycopg.Connection,
        people: Sequence[NewPerson],
        verifiers: dict[str, str],
    ) -> None:
        owners = [person.name for person in people if person.owner]
        roles.create_people(connection, verifiers, set(owners))
        with connection.cursor().copy("COPY person (name, owner) FROM STDIN") as copy:
            for person in people:
                copy.write_row((person.name, person.owner))
        if owners:
            roles.open_to_owners(connection, self._server, self._settings.database)
            roles.put_into(connection, OWNERS, owners)

    def list_people(self) -> list[Person]:
        """Return everybody by name."""
        with reading(self._server) as connection:
            return [
                Person(name, owner, created, tuple(groups))
                for name, owner, created, groups in connection.execute(SQL["people"])
            ]

    def check_login(self, name: str | None, database: str) -> None:
        """Raise PeopleError if there is no such person, or no such database for people."""
        with reading(self._server) as connection:
            control.require(connection, "person", [] if name is None else [name])
            grants.check_database(connection, database)

    def remove(self, names: Sequence[str]) -> None:
        """Remove people; returns when their sessions have ended.

        Refuses if one of them owns a database, or tables in one: the message lists them.
        """
        some = list(dict.fromkeys(names))
        with self._changing("person", some) as connection:
            roles.refuse_owners(connection, some)
            with roles.shut_out(self._server, some):
                roles.refuse_owners(connection, some)  # what they made in the meantime
                self._drop(connection, some)
                connection.execute("DELETE FROM person WHERE name = ANY(%s)", [some])
                connection.commit()

    def remove_group(self, name: str) -> None:
        """Remove a group with its grants; its members stay. Refuses as `remove` does."""
        with self._changing("group", [name]) as connection:
            roles.refuse_owners(connection, [name])
            self._drop(connection, [name])
            connection.execute("DELETE FROM grp WHERE name = %s", [name])

    def _drop(self, connection: psycopg.Connection, some: Sequence[str]) -> None:
        roles.forget(self._server, some)
        roles.drop(connection, some)

    def set_password(self, name: str, password: str | None = None) -> str:
        """Give somebody a new password, generated if None; return it. Sessions go on."""
        chosen = passwords.generate() if password is None else password
        passwords.check(chosen)
        with self._changing("person", [name]) as connection:
            roles.set_verifier(connection, name, passwords.verifier_of_typed(connection, chosen))
        return chosen

    def add_groups(self, groups: Sequence[str]) -> None:
        """Add groups."""
        naming.check(groups, "group")
        with changing(self._server) as connection:
            control.refuse_taken(connection, groups)
            _create_groups(connection, groups)

    def list_groups(self) -> list[Group]:
        """Return every group by name."""
        with reading(self._server) as connection:
            held = _grants(connection)
            return [
                Group(name, members, tuple(grant for grant in held if grant.group == name))
                for name, members in connection.execute(SQL["groups"])
            ]

    def join(self, group: str, names: Sequence[str]) -> None:
        """Put people into a group; who is in it already stays."""
        with self._changing("group", [group]) as connection:
            control.require(connection, "person", names)
            roles.put_into(connection, group, names)

    def leave(self, group: str, names: Sequence[str]) -> None:
        """Take people out of a group; who is not in it stays out."""
        with self._changing("group", [group]) as connection:
            control.require(connection, "person", names)
            roles.take_out(connection, group, names)

    def list_grants(self) -> list[Grant]:
        """Return every grant by group, database and dataset."""
        with reading(self._server) as connection:
            return _grants(connection)

    def grant(
        self, group: str, dataset: str, database: str | None = None, *, write: bool = False
    ) -> None:
        """Let a group read a dataset, or `write` in it too; covers tables published later.

        Granted again, the new right replaces the old one. The default dataset may be granted
        before anything is published.
        """
        place = database or self._settings.database
        with self._changing("group", [group]) as connection:
            grants.check_database(connection, place)
            if dataset != self._settings.dataset:
                grants.check_dataset(self._server, place, dataset)
            connection.execute(
                "INSERT INTO grants VALUES (%s, %s, %s, %s)"
                " ON CONFLICT (grp, database, dataset) DO UPDATE SET write = excluded.write",
                [group, place, dataset, write],
            )
            grants.settle(self._server, place, dataset, {group: write})
            grants.let_in(connection, place, group)

    def revoke(self, group: str, dataset: str, database: str | None = None) -> None:
        """Take a group's right to a dataset, and to the database if it was the last one there."""
        place = database or self._settings.database
        with self._changing("group", [group]) as connection:
            deleted = connection.execute(
                "DELETE FROM grants WHERE (grp, database, dataset) = (%s, %s, %s)",
                [group, place, dataset],
            )
            held = [grant for grant in _grants(connection) if grant.group == group]
            if not deleted.rowcount:
                raise PeopleError(
                    f"group {group!r} has no grant of dataset {dataset!r} in database {place!r}",
                    hint=f"It has: {', '.join(_place(grant) for grant in held) or 'none'}.",
                )
            if place not in grants.granted_in(connection):
                return
            grants.settle(self._server, place, dataset, {group: None})
            if place not in {grant.database for grant in held}:
                grants.keep_out(connection, place, group)

    def apply(self, database: str, dataset: str) -> None:
        """Make rights in a dataset what the grants say; call it when the dataset was made."""
        with changing(self._server) as connection:
            groups = {name for name, _ in connection.execute(SQL["groups"])}
            wanted: dict[str, bool | None] = {
                name: None
                for name in grants.holders(self._server, database, dataset)
                if name in groups
            }
            for grant in _grants(connection):
                if (grant.database, grant.dataset) == (database, dataset):
                    wanted[grant.group] = grant.write
            grants.settle(self._server, database, dataset, wanted)
            for group in (group for group, write in wanted.items() if write is not None):
                grants.let_in(connection, database, group)

    @contextmanager
    def _changing(self, what: str, names: Sequence[str]) -> Iterator[psycopg.Connection]:
        with changing(self._server) as connection:
            control.require(connection, what, names)
            yield connection


def _members(people: Sequence[NewPerson]) -> dict[str, list[str]]:
    members: dict[str, list[str]] = {}
    for person in people:
        for group in dict.fromkeys(person.groups):
            members.setdefault(group, []).append(person.name)
    return members


def _verifiers(
    connection: psycopg.Connection, people: Sequence[NewPerson], known: Mapping[str, str]
) -> dict[str, str]:
    typed = {person.name for person in people if person.password is not None}
    for name in typed:
        passwords.check(known[name])
    generated = [name for name in known if name not in typed]
    quick = passwords.verifiers_of_generated([known[name] for name in generated])
    return {
        **dict(zip(generated, quick, strict=True)),
        **{name: passwords.verifier_of_typed(connection, known[name]) for name in typed},
    }


def _missing_groups(connection: psycopg.Connection, wanted: Mapping[str, object]) -> list[str]:
    there = {name for name, _ in connection.execute(SQL["groups"])}
    missing = [name for name in wanted if name not in there]
    control.refuse_taken(connection, missing)
    return missing


def _create_groups(connection: psycopg.Connection, groups: Sequence[str]) -> None:
    roles.create_groups(connection, groups)
    connection.cursor().executemany(
        "INSERT INTO grp (name) VALUES (%s)", [[name] for name in groups]
    )


def _grants(connection: psycopg.Connection) -> list[Grant]:
    return [Grant(*row) for row in connection.execute(SQL["grants"])]


def _place(grant: Grant) -> str:
    return f"{grant.dataset!r} in database {grant.database!r}"
