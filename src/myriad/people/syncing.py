"""Make people what a list says: who joins, leaves, comes back, and is in which group."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from myriad.control.connection import control_database
from myriad.engines.postgres.hardening import OWNERS
from myriad.errors import PeopleError
from myriad.people import accounts, actions, groups, names, passwords, roster, tables
from myriad.people.postgres import roles
from myriad.people.records import members
from myriad.people.register import Register
from myriad.people.roster import GONE, LISTED, NEW, Changes, Roster
from myriad.people.tables import SQL

# New roles in one transaction: each is a lock until it ends.
AT_ONCE = 10_000


@dataclass(frozen=True)
class Synced:
    """What became of a list.

    Attributes:
        passwords: of those who joined.
        removed: who left for good; `kept`: who was to, and owns what is said there.
    """

    changes: Changes
    passwords: Sequence[tuple[str, str]]
    removed: Sequence[str]
    kept: Mapping[str, Sequence[str]]


def look(register: Register, wanted: Roster, most: float, *, remove: bool) -> Synced:
    """Return what `sync` would do; raises as it does."""
    _check(register, wanted)
    with register.read() as connection:
        changes = _compare(connection, wanted, ())
        _check_free(connection, wanted, changes)
    changes.refuse_losses(most)
    leaving = [] if not remove else list(changes.gone)
    kept = accounts.owned(register, leaving)
    return Synced(changes, (), [name for name in leaving if name not in kept], kept)


def sync(
    register: Register,
    wanted: Roster,
    tell: Callable[[Synced], None],
    most: float,
    *,
    remove: bool,
) -> None:
    """Make people what a list says; `tell` hears what was done, and the new passwords.

    In one transaction, but for more than 10,000 who join, ended sessions and removals. Wherever it
    is interrupted, the same call completes it: who joined then has a new password, until `tell`
    has returned. One at a time. Raises LossRefused, UsageError, PeopleError.
    """
    _check(register, wanted)
    with _alone(register):
        changes, known = _change(register, wanted, most)
        try:
            if changes.gone:
                roles.end_sessions(register.server, changes.gone)
            leaving = list(changes.gone) if remove else []
            kept = accounts.owned(register, leaving)
            removed = [name for name in leaving if name not in kept]
            if removed:
                accounts.remove(register, removed)
            tell(Synced(changes, list(known.items()), removed, kept))
            with register.read() as connection:
                connection.execute(SQL["heard"], {"names": list(known)})
        finally:
            register.follow()


@contextmanager
def _alone(register: Register) -> Iterator[None]:
    with control_database(register.server, autocommit=True) as connection:
        try:
            connection.execute(SQL["sync_alone"])
        except psycopg.errors.LockNotAvailable:
            raise PeopleError(
                "another `myriad person sync` is at work",
                hint="Nothing was changed. Try again when it has printed what it did.",
            ) from None
        yield


def _check(register: Register, wanted: Roster) -> None:
    wanted.check()
    people = [person.name for person in wanted.people]
    names.check_people(people, list(members(wanted.people)))
    register.refuse_taken([*people, *members(wanted.people)])


def _compare(connection: psycopg.Connection, wanted: Roster, told: Sequence[str]) -> Changes:
    ours = {name for (name,) in connection.execute(SQL["roster_groups"])}
    return roster.compare(wanted, accounts.everybody(connection), ours, told)


def _check_free(connection: psycopg.Connection, wanted: Roster, changes: Changes) -> list[str]:
    """Return which groups are missing; raises PeopleError for names that are in use."""
    tables.refuse_taken(connection, [person.name for person in changes.join])
    return groups.missing(connection, list(members(wanted.people)))


def _change(register: Register, wanted: Roster, most: float) -> tuple[Changes, dict[str, str]]:
    """Change all that stands in PostgreSQL; return the whole of it, and new passwords."""
    known: dict[str, str] = {}
    first: Changes | None = None
    while True:
        with tables.changing(register.server) as connection:
            changes = _compare(connection, wanted, list(known))
            first = first or changes
            changes.refuse_losses(most)
            groups.create(connection, _check_free(connection, wanted, changes))
            joining = changes.join[:AT_ONCE]
            touched = (
                changes.touched()
                if len(joining) == len(changes.join)
                else [person.name for person in joining]
            )
            if touched:
                actions.note(connection, "person sync", touched)
            known |= accounts.create(register, connection, joining)
            _mark(connection, NEW, [person.name for person in joining])
            if len(joining) == len(changes.join):
                known |= _apply(register, connection, wanted, changes)
                return first, known


def _apply(
    register: Register, connection: psycopg.Connection, wanted: Roster, changes: Changes
) -> dict[str, str]:
    """Change who was there before; return passwords that nobody has heard yet."""
    for group, some in changes.into.items():
        roles.put_into(connection, group, some)
    for group, some in changes.out.items():
        roles.take_out(connection, group, some)
    _set_owners(register, connection, changes.owner)
    roles.set_until(connection, changes.until)
    roles.let_log_in(connection, changes.back, "LOGIN")
    roles.let_log_in(connection, changes.leave, "NOLOGIN")
    _mark(connection, LISTED, [*changes.back, *changes.adopt])
    _mark(connection, GONE, changes.leave)
    ours = list(members(wanted.people))
    connection.execute(SQL["set_roster_groups"], {"names": ours})
    known = {name: passwords.generate() for name in changes.untold}
    if known:
        stored = passwords.of_generated(list(known.values()))
        roles.set_passwords(connection, dict(zip(known, stored, strict=True)))
    return known


def _set_owners(
    register: Register, connection: psycopg.Connection, owners: Mapping[str, bool]
) -> None:
    may = [name for name, owner in owners.items() if owner]
    may_not = [name for name, owner in owners.items() if not owner]
    if may:
        roles.open_to_owners(connection, register.server, register.settings.database)
        roles.put_into(connection, OWNERS, may)
    roles.take_out(connection, OWNERS, may_not)
    roles.let_create(connection, owners)
    connection.execute(SQL["set_owner"], {"names": may, "owner": True})
    connection.execute(SQL["set_owner"], {"names": may_not, "owner": False})


def _mark(connection: psycopg.Connection, state: str, some: Sequence[str]) -> None:
    connection.execute(SQL["set_roster"], {"names": list(some), "roster": state})
