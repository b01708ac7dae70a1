"""People, groups and grants in Cassandra, derived from the control database."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import uuid4

import psycopg

from myriad.control.connection import control_database
from myriad.cql.names import quoted
from myriad.cql.session import Session
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.nodes import clients
from myriad.engines.cassandra.nodes.superuser import forget_everywhere, let_people_in
from myriad.engines.postgres.base import Server
from myriad.errors import CqlError, EngineError, NotRunning, PeopleError
from myriad.people.cassandra import state
from myriad.people.cassandra.plan import Plan, plan
from myriad.people.names import SHOWN, shown
from myriad.people.tables import SQL

DROPPING = 120.0  # seconds; a node takes its time for a role that many are members of
STARTING = (CqlError.BAD_CREDENTIALS,)  # so it answers before it knows Myriad


@dataclass(frozen=True)
class Changes:
    """What `sync` did: names of roles.

    Attributes:
        refused: people and groups that cannot be there: somebody else's roles have their names.
        waiting: people who are not there yet, and why: whoever had their name is connected yet.
    """

    made: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    waiting: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Place:
    """Where a plan is carried out, and by which role Myriad knows that cluster again."""

    control: psycopg.Connection
    session: Session
    cluster: Cluster
    mark: str

    def run(self, statements: Sequence[str]) -> None:
        consistency = self.cluster.consistency
        self.session.run_all(statements, consistency=consistency, timeout=DROPPING)

    def forget(self, names: Sequence[str]) -> None:
        """Write down that roles are no more; sessions of their names may be."""
        values = {"cluster": self.mark, "names": list(names)}
        self.control.execute(SQL["forget_cassandra_roles"], values)


def sync(server: Server, cluster: Cluster) -> Changes:
    """Make roles, members and rights in Cassandra what the control database says.

    Only the differences, of Myriad's own roles only. They count at once, on every node that
    answers. May be run at any time, and by several at once. Does nothing where login is open.
    Raises NotRunning, CqlError, EngineError if another takes too long.
    """
    if cluster.login == "open":
        return Changes()
    with cluster.session() as session, control_database(server, autocommit=True) as connection:
        _lock(connection)
        own = state.OWN if cluster.kind == "embedded" else state.NOTHING
        wanted = state.wanted(connection, own=own)
        actual = state.actual(session, cluster.consistency)
        mark = _mark(connection, session, cluster, actual.roles.keys())
        ours = _ours(connection, mark)
        place = _Place(connection, session, cluster, mark)
        gone = ours.keys() - actual.roles.keys()  # whoever makes them next may be another
        place.forget([name for name in gone if wanted.born.get(name) != ours[name]])
        todo, waiting = plan(wanted, actual, ours), {}
        if todo:
            _take_away(place, todo)
            waiting = _waiting(place, todo, wanted)
            todo = plan(_without(wanted, waiting), actual, ours)
            _give(place, todo, wanted.born)
            forget_everywhere(session, cluster)
        let_people_in(session, cluster)
    return Changes(todo.make, todo.drop, todo.refused, waiting)


def _waiting(place: _Place, todo: Plan, wanted: state.Wanted) -> dict[str, str]:
    """Return who is not to be made yet: Cassandra knows a session by its role's name only.

    Whoever had the name of a new person before, and is connected yet, would have their rights.
    """
    rows = place.control.execute(SQL["cassandra_roles_of_before"], {"cluster": place.mark})
    before = {name for (name,) in rows}
    again = [name for name in todo.make if name in before and wanted.roles[name].login]
    if not again:
        return {}
    forget_everywhere(place.session, place.cluster)  # from here on none of them logs in
    found = clients.connected(place.cluster, place.session)
    if found.silent:
        unknown = f"{', '.join(found.silent)} does not say whether one is open there"
        return {name: found.places.get(name, unknown) for name in again}
    return {name: found.places[name] for name in again if name in found.places}


def _without(wanted: state.Wanted, names: Collection[str]) -> state.Wanted:
    roles = {name: role for name, role in wanted.roles.items() if name not in names}
    return replace(wanted, roles=roles)


def _lock(connection: psycopg.Connection) -> None:
    """Let nobody else sync at the same time; raises EngineError if somebody takes too long."""
    connection.execute(SQL["patience"])
    try:
        connection.execute(SQL["lock_cassandra"])
    except psycopg.errors.LockNotAvailable as error:
        busy = EngineError(
            "somebody else is changing its roles, and takes long", hint="Try again in a minute."
        )
        busy.retryable = True
        raise busy from error


def follow(server: Server, cluster: Cluster) -> str:
    """Do as `sync`; say for people what Cassandra lacks then, nothing if it has all."""
    try:
        changes = sync(server, cluster)
    except EngineError as error:
        back = error.retryable or (isinstance(error, CqlError) and error.code in STARTING)
        when = "and gets this when it is back" if back else "and this must be mended"
        return f"Cassandra does not have it yet, {when}: {error.message}"
    said = [
        f"Cassandra does not have {name!r} yet: whoever had that name before has a session open"
        f" ({place}); it comes when that has ended (`myriad cassandra restart --rolling` ends all)"
        for name, place in changes.waiting.items()
    ]
    if changes.refused:
        names = shown(changes.refused)
        said.append(f"Cassandra has roles called {names}, not made by Myriad, and keeps them")
    return "\n".join(said)


def refuse_taken(server: Server, cluster: Cluster, names: Sequence[str]) -> None:
    """Raise PeopleError that lists which of `names` have a role there that Myriad did not make.

    Where Cassandra does not answer, `sync` finds out.
    """
    session = _open(cluster)
    if session is None:
        return
    with session, control_database(server) as connection:
        roles = state.role_names(session, cluster.consistency)
        ours = _ours(connection, _known_mark(connection, roles))
    taken = [name for name in names if name in roles and name not in ours]
    if taken:
        raise PeopleError(
            f"there is a role already called {shown(taken)} in Cassandra",
            hint="Nothing was changed. Myriad did not make it: choose another name.",
        )


def owned(cluster: Cluster, names: Collection[str]) -> list[tuple[str, str]]:
    """Return the keyspaces and tables over which nobody but `names` rules: who, and what.

    Nothing where Cassandra does not answer: what they have there stays, without owner.
    """
    session = _open(cluster)
    if session is None:
        return []
    with session:
        held = state.permissions(session, cluster.consistency)
    ruled = [place for place, may in held.items() if "AUTHORIZE" in may]
    others = {resource for role, resource in ruled if role not in names}
    return [
        (role, state.shown_resource(resource))
        for role, resource in sorted(ruled)
        if resource not in others and resource.startswith(f"{state.ROOT}/")
    ]


def refuse_owners(cluster: Cluster, names: Sequence[str]) -> None:
    """Raise PeopleError that lists what `names` own there."""
    found = [f"{role!r} owns {what}" for role, what in owned(cluster, names)]
    if found:
        raise PeopleError(
            f"nobody was removed: {'; '.join(found[:SHOWN])}",
            hint="Drop that first, or hand it over, as its owner: GRANT ALL PERMISSIONS ON"
            " KEYSPACE ... TO somebody else (`myriad person password` gives a way in).",
        )


def _take_away(place: _Place, todo: Plan) -> None:
    place.run(todo.leaving)
    place.run(todo.dropping)
    place.forget(todo.drop)


def _give(place: _Place, todo: Plan, born: Mapping[str, datetime]) -> None:
    """Make what is to be made; what was begun is known to be ours, whenever it is interrupted."""
    names = {"cluster": place.mark, "names": list(todo.make)}
    births = {"born": [born[name] for name in todo.make]}
    place.control.execute(SQL["keep_cassandra_roles"], {**names, **births})
    place.run(todo.making)
    place.run(todo.rights)


def _open(cluster: Cluster) -> Session | None:
    """Return a session to look at roles; None if there are none, or nobody answers."""
    if cluster.login == "open":
        return None
    with suppress(NotRunning):
        return cluster.session()
    return None


def _ours(connection: psycopg.Connection, mark: str | None) -> dict[str, datetime]:
    """Return the roles that Myriad made in the cluster with this mark, and when they were born."""
    return dict(connection.execute(SQL["cassandra_roles"], {"cluster": mark}).fetchall())


def _known_mark(connection: psycopg.Connection, roles: Collection[str]) -> str | None:
    marks = {mark for (mark,) in connection.execute(SQL["cassandra_clusters"])}
    return min(marks & set(roles), default=None)


def _mark(
    connection: psycopg.Connection, session: Session, cluster: Cluster, roles: Collection[str]
) -> str:
    """Return the role by which this cluster is known again, made if it is none of those we know.

    Another cluster, or the same one with empty data, has no roles of ours, whatever their names.
    """
    known = _known_mark(connection, roles)
    if known:
        return known
    mark = f"myriad_{uuid4().hex}"
    session.query(f"CREATE ROLE {quoted(mark)}", consistency=cluster.consistency)
    births = {"cluster": mark, "names": [mark], "born": [datetime.now().astimezone()]}
    connection.execute(SQL["keep_cassandra_roles"], births)
    return mark
