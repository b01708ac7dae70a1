"""Who may see a table, in each engine, and by what: a grant, or what was given by hand."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from myriad.errors import EngineError
from myriad.people import accounts, grants, places
from myriad.people.cassandra import state
from myriad.people.postgres import access
from myriad.people.postgres.access import EVERYBODY, Held
from myriad.people.records import Grant
from myriad.people.register import Register

BY_HAND = "by hand"
WORKSPACE = "myriad"  # how its role begins, as no group's does
ALL = Held(read=True, write=True)


@dataclass(frozen=True)
class Access:
    """One way in which somebody may see a table.

    Attributes:
        who: a person; a role that Myriad did not make; empty: everybody who gets to the dataset.
        person: whether it is one of Myriad's people.
        engine: `postgres` or `cassandra`.
        columns: that alone may be read; none: all.
        by: what gives it: `group: dataset (right)`, or who owns it, or that it was given by hand.
        granted: whether Myriad gave it.
    """

    who: str
    person: bool
    engine: str
    write: bool
    columns: tuple[str, ...]
    by: str
    granted: bool

    def right(self) -> str:
        """Say what they may."""
        if self.write:
            return "write"
        return f"read {', '.join(self.columns)}" if self.columns else "read"


@dataclass(frozen=True)
class Who:
    """Who may see one table.

    Attributes:
        views: that read it in the name of who owns them: whoever may see one sees what it shows.
        unknown: what could not be looked at, and why.
    """

    database: str
    dataset: str
    table: str
    access: tuple[Access, ...]
    views: tuple[str, ...]
    unknown: str = ""


@dataclass(frozen=True)
class _Table:
    database: str
    dataset: str
    name: str
    people: Mapping[str, tuple[frozenset[str], bool]]  # groups; whether they log in to Cassandra
    grants: Sequence[Grant]
    columns: Sequence[str]

    def in_order(self, columns: Iterable[str]) -> tuple[str, ...]:
        """Return columns as the table has them; others, which it lacks, behind them."""
        places = {name: place for place, name in enumerate(self.columns)}
        return tuple(sorted(columns, key=lambda name: (places.get(name, len(places)), name)))

    def of_group(self, group: str) -> list[Grant]:
        return [
            replace(grant, columns=self.in_order(grant.columns))
            for grant in self.grants
            if grant.group == group
            and (grant.database, grant.dataset) == (self.database, self.dataset)
            and grant.table in (None, self.name)
        ]


def who(register: Register, text: str, database: str | None) -> Who:
    """Return who may see a table (`dataset.table`, or one of the default dataset).

    Raises PeopleError if there is none, NotRunning.
    """
    place = database or register.settings.database
    with (
        register.read() as control,
        places.opened(register, control, place) as there,
    ):
        dataset, name = there.table(text, register.settings.dataset)
        people = {
            each.name: (frozenset(each.groups), each.cassandra and each.may_log_in)
            for each in accounts.everybody(control)
        }
        keyspace = state.keyspaces(control).get((place, dataset))
        inside = access.listed(there.connection, dataset, name)
        columns = inside.columns if inside else ()
        table = _Table(place, dataset, name, people, grants.held(control), columns)
        outside = (dataset, name) in there.outside
    found = list(_in_postgres(table, inside)) if inside else []
    unknown = ""
    if keyspace is not None and outside:
        more, unknown = _in_cassandra(register, table, keyspace)
        found += more
    views = tuple(f"{one}.{view}" for one, view in inside.views) if inside else ()
    return Who(place, dataset, name, tuple(found), views, unknown)


def _in_postgres(table: _Table, listed: access.Listed) -> Iterator[Access]:
    if listed.held.get(EVERYBODY):
        yield _access("", table, listed.held[EVERYBODY], f"{BY_HAND}, to everybody: PUBLIC")
    for name, (superuser, roles) in listed.reach.items():
        if superuser:
            yield _access(name, table, ALL, "superuser")
            continue
        if listed.owner in roles:
            way = "owner" if listed.owner == name else f"owner: {listed.owner}"
            yield _access(name, table, ALL, way)
        for role in roles:
            if role not in (EVERYBODY, listed.owner):
                yield from _by_role(name, table, role, listed.held[role])


def _by_role(
    name: str, table: _Table, role: str, held: Held, engine: str = "postgres"
) -> Iterator[Access]:
    """Yield what somebody has by one role: by each grant to it, and what is beyond these."""
    known = Held()
    for grant in table.of_group(role):
        one = Held(not grant.columns, frozenset(grant.columns), grant.write)
        known = Held(known.read or one.read, known.columns | one.columns, known.write or one.write)
        if one.beyond(held) != one:
            yield _access(name, table, one, _told(grant), engine, granted=True)
    rest = held.beyond(known)
    if rest and role.startswith(WORKSPACE):
        yield _access(name, table, rest, f"workspace {table.dataset}", engine, granted=True)
    elif rest:
        by = BY_HAND if role == name else f"{BY_HAND}, to {role}"
        yield _access(name, table, rest, by, engine)


def _access(
    name: str,
    table: _Table,
    held: Held,
    by: str,
    engine: str = "postgres",
    *,
    granted: bool = False,
) -> Access:
    columns = () if held.read else table.in_order(held.columns)
    person = name in table.people
    return Access(name, person, engine, held.write, columns, by, granted)


def _in_cassandra(register: Register, table: _Table, keyspace: str) -> tuple[list[Access], str]:
    """Return who may see it there, and what is not known."""
    cluster = register.cluster
    if cluster is None or not register.reaches_cassandra:
        return [], "" if cluster is None else "Cassandra asks nobody who they are"
    with suppress(EngineError), cluster.session() as session:
        actual = state.actual(session, cluster.consistency)
        return list(_by_permissions(table, keyspace, actual)), ""
    granted = [
        _access(
            name, table, Held(read=True, write=grant.write), _told(grant), "cassandra", granted=True
        )
        for name, (groups, known) in sorted(table.people.items())
        for group in sorted(groups)
        for grant in table.of_group(group)
        if known and not grant.columns
    ]
    return granted, "Cassandra does not answer: what was given there by hand is not known"


def _told(grant: Grant) -> str:
    return f"{grant.group}: {grant.name} ({grant.right()})"


def _by_permissions(table: _Table, keyspace: str, actual: state.Actual) -> Iterator[Access]:
    above = state.keyspace_resource(keyspace)
    resources = {state.ROOT, above, state.table_resource(keyspace, table.name)}
    for name, role in sorted(actual.roles.items()):
        if not role.login or name.startswith("myriad"):
            continue
        for one in sorted({name} | _groups(actual, name)):
            some = [actual.permissions.get((one, place), state.NOTHING) for place in resources]
            may = frozenset().union(*some)
            held = Held(read="SELECT" in may, write="MODIFY" in may)
            yield from _by_role(name, table, one, held, "cassandra")


def _groups(actual: state.Actual, name: str) -> set[str]:
    """Return all roles that somebody is a member of, also by others."""
    found: set[str] = set()
    left = [name]
    while left:
        role = actual.roles.get(left.pop())
        new = (role.groups if role else frozenset()) - found
        found |= new
        left += new
    return found
