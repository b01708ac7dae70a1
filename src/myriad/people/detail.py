"""All that is known of one person."""

from dataclasses import dataclass

from myriad.errors import NotRunning
from myriad.people import accounts, activity, grants, limits
from myriad.people.activity import Activity
from myriad.people.limits import LimitInForce
from myriad.people.records import Grant, Person
from myriad.people.register import Register
from myriad.people.tables import SQL, require


@dataclass(frozen=True)
class Detail:
    """A person, what they may, have, and do now.

    Attributes:
        grants: of their groups.
        owns: what is theirs in either engine, in words.
        by_name: databases of others in which something was given to them beside their groups.
        sessions: None where no door tells of them.
    """

    person: Person
    limits: tuple[LimitInForce, ...]
    grants: tuple[Grant, ...]
    owns: tuple[str, ...]
    by_name: tuple[str, ...]
    sessions: tuple[Activity, ...] | None


def of(register: Register, name: str) -> Detail:
    """Return all that is known of a person; raises PeopleError if there is no such one."""
    with register.read() as connection:
        require(connection, "person", [name])
        [person] = [each for each in accounts.everybody(connection) if each.name == name]
        held = [grant for grant in grants.held(connection) if grant.group in person.groups]
        places = connection.execute(SQL["by_name"], {"name": name}).fetchall()
    return Detail(
        person,
        limits.person(register, name),
        tuple(held),
        tuple(accounts.owned(register, [name]).get(name, ())),
        tuple(place for (place,) in places),
        _sessions(register, name),
    )


def _sessions(register: Register, name: str) -> tuple[Activity, ...] | None:
    try:
        return tuple(activity.now(register.server, [name]))
    except NotRunning:
        return None
