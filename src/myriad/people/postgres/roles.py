"""People and groups as PostgreSQL's roles: made, and removed with every trace."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import LiteralString

import psycopg
from psycopg import sql

from myriad.control import asking
from myriad.control.connection import identifiers, is_superuser, run_all
from myriad.engines.postgres.base import Server
from myriad.engines.postgres.databases import MAINTENANCE
from myriad.engines.postgres.hardening import OWNERS
from myriad.errors import PeopleError
from myriad.people.names import SHOWN
from myriad.people.passwords import Stored
from myriad.people.postgres.traces import become, forget
from myriad.people.tables import SQL
from myriad.wording import number_of

SESSIONS_END_WITHIN = 20.0  # seconds; an ended session first rolls back
POLL = 0.02
LAST_ANSWER_WITHIN = 2.0  # seconds that a busy door has, however little of the others is left


def create_people(
    connection: psycopg.Connection, verifiers: dict[str, str], owners: set[str]
) -> None:
    """Create a role that may log in for each name; raises PeopleError if they are too many."""
    names = {"names": list(verifiers), "verifiers": list(verifiers.values())}
    at_once = is_superuser(connection)
    statements = []
    for name, verifier in verifiers.items():
        rights = sql.SQL("LOGIN INHERIT CREATEDB" if name in owners else "LOGIN INHERIT")
        password = sql.SQL("") if at_once else sql.SQL(" PASSWORD {}").format(verifier)
        role = sql.Identifier(name)
        statements.append(sql.SQL("CREATE ROLE {} {}{}").format(role, rights, password))
    try:
        run_all(connection, statements)
    except psycopg.errors.OutOfMemory as error:  # each new role is a lock until the commit
        raise PeopleError(
            f"PostgreSQL cannot add {len(verifiers)} people at once",
            hint="Nothing was changed. Add them in parts, of 10,000 for example.",
        ) from error
    if at_once:
        connection.execute(SQL["set_verifiers"], names)


def open_to_owners(connection: psycopg.Connection, server: Server, database: str) -> None:
    """Make the group of owners, and let it connect where databases are created from.

    That is `database`, and where `psql -l`, `createdb` and pgAdmin connect by default.
    """
    if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [OWNERS]).fetchall():
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(OWNERS)))
    for name in {database, MAINTENANCE} if server.kind == "embedded" else {database}:
        text = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}")
        connection.execute(text.format(sql.Identifier(name), sql.Identifier(OWNERS)))


def put_into(connection: psycopg.Connection, group: str, names: Sequence[str]) -> None:
    """Make people members of a group; those who are already stay."""
    if names:
        text = sql.SQL("GRANT {} TO {}")
        connection.execute(text.format(sql.Identifier(group), identifiers(names)))


def take_out(connection: psycopg.Connection, group: str, names: Sequence[str]) -> None:
    """End people's membership of a group; those who are none stay so."""
    if names:
        text = sql.SQL("REVOKE {} FROM {}")
        connection.execute(text.format(sql.Identifier(group), identifiers(names)))


def create_groups(connection: psycopg.Connection, groups: Sequence[str]) -> None:
    """Create a role that nobody logs in as for each group."""
    run_all(
        connection,
        [sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)) for name in groups],
    )


def set_password(connection: psycopg.Connection, name: str, stored: Stored) -> None:
    """Let somebody log in with another password."""
    text = sql.SQL("ALTER ROLE {} PASSWORD {}")
    connection.execute(text.format(sql.Identifier(name), stored.scram))
    connection.execute(
        "UPDATE public.person SET verifier = %s, cassandra = %s WHERE name = %s",
        [stored.scram, stored.bcrypt, name],
    )


def set_passwords(connection: psycopg.Connection, stored: Mapping[str, Stored]) -> None:
    """Let many people log in with other passwords."""
    verifiers = [each.scram for each in stored.values()]
    names = {"names": list(stored), "verifiers": verifiers}
    if is_superuser(connection):
        connection.execute(SQL["set_verifiers"], names)
    else:
        text = sql.SQL("ALTER ROLE {} PASSWORD {}")
        pairs = zip(map(sql.Identifier, stored), verifiers, strict=True)
        run_all(connection, [text.format(*pair) for pair in pairs])
    hashes = [each.bcrypt for each in stored.values()]
    connection.execute(SQL["set_hashes"], {**names, "hashes": hashes})


def let_create(connection: psycopg.Connection, owners: Mapping[str, bool]) -> None:
    """Give or take the right to create databases."""
    rights = {True: sql.SQL("ALTER ROLE {} CREATEDB"), False: sql.SQL("ALTER ROLE {} NOCREATEDB")}
    run_all(connection, [rights[may].format(sql.Identifier(name)) for name, may in owners.items()])


def owned(
    connection: psycopg.Connection, names: Sequence[str], *, but_workspaces: bool = False
) -> list[tuple[str, str]]:
    """Return what `names` own: who, and what.

    `but_workspaces`: what is in workspaces is left to those before they go.
    """
    rows = connection.execute(SQL["owned"], {"names": list(names), "left": but_workspaces})
    return [(name, what) for name, what in rows]


def refuse_owners(
    connection: psycopg.Connection, names: Sequence[str], *, but_workspaces: bool = False
) -> None:
    """Raise PeopleError that lists what `names` own, as `owned`: it would be lost with them."""
    found = owned(connection, names, but_workspaces=but_workspaces)
    if found:
        listed = "; ".join(f"{name!r} owns {what}" for name, what in found[:SHOWN])
        raise PeopleError(
            f"nobody was removed: {listed}",
            hint="Drop that first, or hand it over with ALTER ... OWNER TO, as its owner"
            " (`myriad person password` gives a way in) or as the administrator: `myriad sql`.",
        )


@contextmanager
def shut_out(server: Server, names: Sequence[str]) -> Iterator[None]:
    """End the sessions of `names`; meanwhile, and if all goes well ever after, none can begin.

    Raises as `end_sessions`; who could log in before can do so then.
    """
    with server.connect() as connection:
        rows = connection.execute(SQL["open_accounts"], {"names": list(names)})
        could = [name for (name,) in rows]
        let_log_in(connection, names, "NOLOGIN")
    try:
        end_sessions(server, names)
        yield
    except BaseException:
        with server.connect() as connection:
            let_log_in(connection, could, "LOGIN")
        raise


def let_log_in(connection: psycopg.Connection, names: Sequence[str], right: LiteralString) -> None:
    """Give or take LOGIN within a change; the door hears of it when that is committed."""
    text = sql.SQL("ALTER ROLE {} " + right)
    run_all(connection, [text.format(sql.Identifier(name)) for name in names])
    if names:
        become(connection, names)
    connection.execute(SQL["tell"])  # the door lets nobody in whom it knew before


def set_until(connection: psycopg.Connection, ends: Mapping[str, datetime | None]) -> None:
    """Let each role's login end at a moment, or never, within a change."""
    text = sql.SQL("ALTER ROLE {} VALID UNTIL {}")
    moments = {
        name: until.astimezone().isoformat() if until else "infinity"
        for name, until in ends.items()
    }
    run_all(
        connection,
        [text.format(sql.Identifier(name), sql.Literal(end)) for name, end in moments.items()],
    )


def end_sessions(server: Server, names: Sequence[str]) -> None:
    """End the sessions of people who may not log in; returns when they have ended.

    Raises PeopleError if a session does not end, NotRunning if a door does not answer.
    """
    deadline = time.monotonic() + SESSIONS_END_WITHIN
    _end_at_the_door(server, names, deadline)
    _end_in_the_server(server, names, deadline)


def _end_at_the_door(server: Server, names: Sequence[str], deadline: float) -> None:
    """End sessions whose work runs in the name of a pool's role."""
    if not asking.is_there(server):
        return
    while left := _ended_at_the_door(server, names, deadline):
        _give_up_after(deadline, left)
        time.sleep(POLL)


def _ended_at_the_door(server: Server, names: Sequence[str], deadline: float) -> int:
    """Return how many sessions there were still; those that were logging in come later."""
    within = max(LAST_ANSWER_WITHIN, deadline - time.monotonic())
    return int(asking.ask(server, "end", names, within=within)["ended"])


def _end_in_the_server(server: Server, names: Sequence[str], deadline: float) -> None:
    with server.connect(autocommit=True) as connection:
        while left := connection.execute(SQL["end_sessions"], {"names": list(names)}).fetchall():
            _give_up_after(deadline, len(left))
            time.sleep(POLL)


def _give_up_after(deadline: float, left: int) -> None:
    if time.monotonic() > deadline:
        raise PeopleError(
            f"{number_of(left, 'session')} did not end within {SESSIONS_END_WITHIN:g} seconds",
            hint="Nobody was removed, and who was disabled stays so. Try again.",
        )


def drop(server: Server, connection: psycopg.Connection, names: Sequence[str]) -> None:
    """Drop roles with every right that they hold; raises PeopleError if something names them."""
    forget(server, names)
    try:
        run_all(
            connection, [sql.SQL("DROP ROLE {}").format(sql.Identifier(name)) for name in names]
        )
    except psycopg.errors.DependentObjectsStillExist as error:
        raise PeopleError(
            f"{error.diag.message_primary}: {error.diag.message_detail}",
            hint="Whoever gave that must take it back: REVOKE ... FROM ..., there.",
        ) from error
