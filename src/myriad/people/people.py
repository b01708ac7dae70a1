"""People, groups, grants and limits of one installation."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import psycopg

from myriad.control.connection import control_database
from myriad.engines.cassandra.base import Cluster
from myriad.engines.postgres.base import Server
from myriad.engines.postgres.hardening import OWNERS
from myriad.errors import PeopleError
from myriad.people import activity, cassandra, grants, limiting, passwords, roles, tables, traces
from myriad.people import names as naming
from myriad.people.activity import Activity, Ran
from myriad.people.limiting import LimitInForce
from myriad.people.records import Grant, Group, NewPerson, Person, members
from myriad.people.tables import SQL, changing
from myriad.settings import Settings


class People:
    """Accounts, groups, grants and limits; every change is all or nothing, one at a time.

    All methods raise PeopleError for names that are not there, there already, or impossible.

    Attributes:
        behind: why Cassandra does not have all of the last change yet; empty if it has, or if
            there is none. It follows when it is back.
    """

    def __init__(self, server: Server, settings: Settings, cluster: Cluster | None = None) -> None:
        self.behind = ""
        self._server = server
        self._settings = settings
        self._cluster = cluster

    @property
    def reach_cassandra(self) -> bool:
        """Whether there is a Cassandra where people log in with the same passwords."""
        return self._cluster is not None and self._cluster.login == "required"

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

        10,000 people take about 12 seconds on two cores, nearly all of it for what is stored of
        their passwords.
        """
        naming.check([person.name for person in people], "person")
        wanted = members(people)
        naming.check(list(wanted), "group")
        for person in people:
            self._check_password(person.password)
        known = {
            person.name: passwords.generate() if person.password is None else person.password
            for person in people
        }
        self._refuse_taken([*known, *wanted])
        with self._change() as connection:
            tables.refuse_taken(connection, list(known))
            self._create(connection, people, _stored(connection, people, known))
            _create_groups(connection, _missing_groups(connection, wanted))
            for group, some in wanted.items():
                roles.put_into(connection, group, some)
        return list(known.items())

    def _create(
        self,
        connection: psycopg.Connection,
        people: Sequence[NewPerson],
        stored: dict[str, passwords.Stored],
    ) -> None:
        owners = [person.name for person in people if person.owner]
        verifiers = {name: each.scram for name, each in stored.items()}
        roles.create_people(connection, verifiers, set(owners))
        limiting.forget(connection, list(stored))
        text = "COPY public.person (name, owner, verifier, cassandra) FROM STDIN"
        with connection.cursor().copy(text) as copy:
            for person in people:
                each = stored[person.name]
                copy.write_row((person.name, person.owner, each.scram, each.bcrypt))
        if owners:
            roles.open_to_owners(connection, self._server, self._settings.database)
            roles.put_into(connection, OWNERS, owners)

    def list_people(self) -> list[Person]:
        """Return everybody by name."""
        with control_database(self._server) as connection:
            return [
                Person(name, owner, created, hashed is not None, tuple(groups))
                for name, owner, created, hashed, groups in connection.execute(SQL["people"])
            ]

    def check_login(self, name: str | None, database: str) -> None:
        """Raise PeopleError if there is no such person, or no such database for people."""
        with control_database(self._server) as connection:
            tables.require(connection, "person", [] if name is None else [name])
            grants.check_database(connection, database)

    def remove(self, names: Sequence[str]) -> None:
        """Remove people; returns when their sessions have ended.

        Refuses if one of them owns a database, a keyspace, or tables in one: the message lists
        them. Where Cassandra does not answer, its keyspaces stay, and nobody owns them.
        """
        some = list(dict.fromkeys(names))
        with self._changing("person", some) as connection:
            roles.refuse_owners(connection, some)
            self._refuse_owners(some)
            with roles.shut_out(self._server, some):
                roles.refuse_owners(connection, some)  # what they made in the meantime
                self._drop(connection, some)
                limiting.forget(connection, some)
                connection.execute("DELETE FROM public.person WHERE name = ANY(%s)", [some])
                connection.commit()

    def remove_group(self, name: str) -> None:
        """Remove a group with its grants; its members stay. Refuses as `remove` does."""
        with self._changing("group", [name]) as connection:
            roles.refuse_owners(connection, [name])
            self._drop(connection, [name])
            limiting.forget(connection, [name])
            connection.execute("DELETE FROM public.grp WHERE name = %s", [name])

    def _drop(self, connection: psycopg.Connection, some: Sequence[str]) -> None:
        traces.forget(self._server, some)
        roles.drop(connection, some)

    def set_password(self, name: str, password: str | None = None) -> str:
        """Give somebody a new password, generated if None; return it. Sessions go on."""
        self._check_password(password)
        chosen = passwords.generate() if password is None else password
        with self._changing("person", [name]) as connection:
            one = NewPerson(name, password=password)
            roles.set_password(connection, name, _stored(connection, [one], {name: chosen})[name])
        return chosen

    def add_groups(self, groups: Sequence[str]) -> None:
        """Add groups."""
        naming.check(groups, "group")
        self._refuse_taken(groups)
        with self._change() as connection:
            tables.refuse_taken(connection, groups)
            _create_groups(connection, groups)

    def list_groups(self) -> list[Group]:
        """Return every group by name."""
        with control_database(self._server) as connection:
            held = _grants(connection)
            return [
                Group(name, members, tuple(grant for grant in held if grant.group == name), pool)
                for name, members, pool in connection.execute(SQL["groups"])
            ]

    def join(self, group: str, names: Sequence[str]) -> None:
        """Put people into a group; who is in it already stays."""
        with self._changing("group", [group]) as connection:
            tables.require(connection, "person", names)
            roles.put_into(connection, group, names)

    def leave(self, group: str, names: Sequence[str]) -> None:
        """Take people out of a group; who is not in it stays out."""
        with self._changing("group", [group]) as connection:
            tables.require(connection, "person", names)
            roles.take_out(connection, group, names)

    def list_grants(self) -> list[Grant]:
        """Return every grant by group, database and dataset."""
        with control_database(self._server) as connection:
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
            there = cassandra.keyspaces(connection)
            if dataset != self._settings.dataset and (place, dataset) not in there:
                grants.check_dataset(self._server, place, dataset)
            connection.execute(
                "INSERT INTO public.grants VALUES (%s, %s, %s, %s)"
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
                "DELETE FROM public.grants WHERE (grp, database, dataset) = (%s, %s, %s)",
                [group, place, dataset],
            )
            held = [grant for grant in _grants(connection) if grant.group == group]
            if not deleted.rowcount:
                raise PeopleError(
                    f"group {group!r} has no grant of dataset {dataset!r} in database {place!r}",
                    hint=f"It has: {', '.join(grant.place() for grant in held) or 'none'}.",
                )
            if place not in grants.granted_in(connection):
                return
            grants.settle(self._server, place, dataset, {group: None})
            if place not in {grant.database for grant in held}:
                grants.keep_out(connection, place, group)

    def set_limits(
        self, names: str | Sequence[str], limits: Mapping[str, float | None], *, reset: bool = False
    ) -> None:
        """Set limits of people: name of the limit → value, 0 for no limit; see `myriad.limits`.

        None leaves a limit to the groups and the settings again, `reset` all that were set before.
        The door obeys at once.
        """
        limiting.check(limits)
        some = [names] if isinstance(names, str) else list(dict.fromkeys(names))
        with changing(self._server) as connection:
            tables.require(connection, "person", some)
            limiting.change(connection, some, limits, reset=reset)

    def limits(self, name: str) -> tuple[LimitInForce, ...]:
        """Return the limits that hold for a person, and where each comes from."""
        with control_database(self._server) as connection:
            tables.require(connection, "person", [name])
            return limiting.of_person(connection, name, self._settings)

    def set_group_limits(
        self,
        group: str,
        limits: Mapping[str, float | None],
        *,
        reset: bool = False,
        pool: str | None = None,
    ) -> None:
        """Set limits of a group as `set_limits` does for people, and how its sessions are pooled.

        They hold for each of its people who has no own: of several groups, the most generous.
        """
        limiting.check(limits)
        if pool not in (None, *limiting.POOLS):
            raise PeopleError(f"no way to pool: {pool!r}", hint="transaction or session.")
        with changing(self._server) as connection:
            tables.require(connection, "group", [group])
            limiting.change(connection, [group], limits, reset=reset)
            if pool:
                connection.execute("UPDATE public.grp SET pool = %s WHERE name = %s", [pool, group])

    def group_limits(self, group: str) -> tuple[LimitInForce, ...]:
        """Return the limits that a group gives to its people, and where each comes from."""
        with control_database(self._server) as connection:
            tables.require(connection, "group", [group])
            return limiting.of_group(connection, group, self._settings)

    def activity(self, names: Sequence[str] = ()) -> list[Activity]:
        """Return what people do now, everybody without names; raises NotRunning without a door."""
        self._require_people(names)
        return activity.now(self._server, names)

    def stop(self, names: Sequence[str]) -> int:
        """Cancel what people run now; return how many statements that were. Sessions go on.

        Raises NotRunning without a door.
        """
        self._require_people(names)
        return activity.stop(self._server, names) if names else 0

    def audit(
        self, name: str | None = None, *, last: int = 50, since: datetime | None = None
    ) -> list[Ran]:
        """Return the last statements of everybody, or of one name (also removed), newest first."""
        return activity.ran(self._server, name, last, since)

    def _require_people(self, names: Sequence[str]) -> None:
        with control_database(self._server) as connection:
            tables.require(connection, "person", names)

    def apply(self, database: str, dataset: str) -> None:
        """Make rights in a dataset what the grants say; call it when the dataset was made."""
        with changing(self._server) as connection:
            groups = {name for name, *_ in connection.execute(SQL["groups"])}
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

    def sync(self) -> None:
        """Make Cassandra equal to what stands here, as every change does; `behind` says if not."""
        self.behind = cassandra.follow(self._server, self._cluster) if self._cluster else ""

    @contextmanager
    def _change(self) -> Iterator[psycopg.Connection]:
        """As `tables.changing`; Cassandra follows when it is committed."""
        with changing(self._server) as connection:
            yield connection
        self.sync()

    @contextmanager
    def _changing(self, what: str, names: Sequence[str]) -> Iterator[psycopg.Connection]:
        with self._change() as connection:
            tables.require(connection, what, names)
            yield connection

    def _check_password(self, typed: str | None) -> None:
        if typed is not None:
            passwords.check(typed, cassandra=self.reach_cassandra)

    def _refuse_taken(self, names: Sequence[str]) -> None:
        if self._cluster:
            cassandra.refuse_taken(self._server, self._cluster, names)

    def _refuse_owners(self, names: Sequence[str]) -> None:
        if self._cluster:
            cassandra.refuse_owners(self._cluster, names)


def _stored(
    connection: psycopg.Connection, people: Sequence[NewPerson], known: Mapping[str, str]
) -> dict[str, passwords.Stored]:
    typed = [person.name for person in people if person.password is not None]
    generated = [person.name for person in people if person.password is None]
    quick = passwords.of_generated([known[name] for name in generated])
    slow = passwords.of_typed(connection, [known[name] for name in typed])
    return dict(zip([*generated, *typed], [*quick, *slow], strict=True))


def _missing_groups(connection: psycopg.Connection, wanted: Mapping[str, object]) -> list[str]:
    there = {name for name, *_ in connection.execute(SQL["groups"])}
    missing = [name for name in wanted if name not in there]
    tables.refuse_taken(connection, missing)
    return missing


def _create_groups(connection: psycopg.Connection, groups: Sequence[str]) -> None:
    roles.create_groups(connection, groups)
    limiting.forget(connection, groups)
    connection.cursor().executemany(
        "INSERT INTO public.grp (name) VALUES (%s)", [[name] for name in groups]
    )


def _grants(connection: psycopg.Connection) -> list[Grant]:
    return [Grant(*row) for row in connection.execute(SQL["grants"])]
