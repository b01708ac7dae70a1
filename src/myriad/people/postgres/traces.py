"""Take away what roles were given in any database, by anybody, so that they can be dropped.

The owner of a database may give something there to everybody by name, let somebody else give it,
and close the database. So that nobody's removal depends on that, a right is taken back in the name
of whoever gave it, and a closed database is opened for as long as this takes.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import class_row

from myriad.control.connection import identifiers, is_superuser
from myriad.engines.postgres.base import CONTROL_DATABASE, Server
from myriad.errors import PeopleError
from myriad.people.names import shown
from myriad.people.tables import SQL

LOCKED_WITHIN = "30s"  # an open transaction of somebody's may hold what a right is on


@dataclass(frozen=True)
class _Place:
    """A database in which something names roles: whose it is, whether we get in, which roles.

    Attributes:
        broken: its DROP DATABASE was interrupted; nobody gets in, only another one ends it.
    """

    database: str
    owner: str
    broken: bool
    allows: bool
    most: int
    lets_us_in: bool
    names: list[str]

    @property
    def name(self) -> sql.Identifier:
        return sql.Identifier(self.database)


def become(connection: psycopg.Connection, names: Sequence[str]) -> None:
    """Make Myriad a member: who is no superuser may end sessions and drop rights only so."""
    if not is_superuser(connection):
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(identifiers(names)))


def forget(server: Server, names: Sequence[str]) -> None:
    """Take away every right that `names` hold anywhere.

    Raises PeopleError if somebody holds what it is on for too long.
    """
    with server.connect() as connection:
        become(connection, names)
        with connection.cursor(row_factory=class_row(_Place)) as cursor:
            places = cursor.execute(SQL["traces"], {"names": list(names)}).fetchall()
    for place in sorted(places, key=lambda place: place.database != CONTROL_DATABASE):
        if place.database == CONTROL_DATABASE:
            _forget(server, place)
            continue
        with (
            closing(server.connect(autocommit=True)) as control,
            _standing_for(control, place.owner),
        ):
            if place.broken:
                control.execute(sql.SQL("DROP DATABASE {}").format(place.name))
                continue
            with _open(control, place):
                _forget(server, place)


def _forget(server: Server, place: _Place) -> None:
    try:
        with server.connect(place.database) as connection:
            connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(LOCKED_WITHIN))
            for giver, what in connection.execute(SQL["given"], {"names": place.names}).fetchall():
                _take_back(connection, giver, what)
            connection.execute(sql.SQL("DROP OWNED BY {}").format(identifiers(place.names)))
    except psycopg.errors.LockNotAvailable as error:
        raise PeopleError(
            f"in database {place.database!r} somebody's open transaction holds what was given to"
            f" {shown(place.names)}",
            hint="Try again when it has ended.",
        ) from error
    except psycopg.OperationalError as error:
        raise PeopleError(
            f"something was given to {shown(place.names)} in database {place.database!r}, and that"
            f" lets nobody in: {error}",
            hint="Whoever owns it must open it.",
        ) from error


def _take_back(connection: psycopg.Connection, giver: str, what: str) -> None:
    """Take a right back as whoever gave it: it goes only so. Nothing of theirs runs by that."""
    with _standing_for(connection, giver):
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(giver)))
        # The server quoted the names in it.
        connection.execute(sql.SQL("REVOKE {} CASCADE").format(sql.SQL(what)))
        connection.execute("SET LOCAL ROLE NONE")


@contextmanager
def _standing_for(connection: psycopg.Connection, role: str) -> Iterator[None]:
    """Be a member of a role for a while, if we may; a superuser may do anything anyway."""
    name = sql.Identifier(role)
    if is_superuser(connection) or connection.info.user == role or not _join(connection, name):
        yield
        return
    try:
        yield
    finally:
        if connection.info.transaction_status is not TransactionStatus.INERROR:
            connection.execute(sql.SQL("REVOKE {} FROM CURRENT_USER").format(name))


def _join(connection: psycopg.Connection, name: sql.Identifier) -> bool:
    try:
        with connection.transaction():
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


@contextmanager
def _open(control: psycopg.Connection, place: _Place) -> Iterator[None]:
    """Open a database that its owner has closed to us, for a while."""
    free = is_superuser(control)
    if place.allows and (free or (place.lets_us_in and place.most == -1)):
        yield
        return
    alter = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {} CONNECTION LIMIT {}")
    us = sql.SQL("ON DATABASE {}").format(place.name)
    control.execute(alter.format(place.name, sql.SQL("true"), sql.Literal(-1)))
    if not free:
        control.execute(sql.SQL("GRANT CONNECT {} TO CURRENT_USER").format(us))
    try:
        yield
    finally:
        if not free:
            control.execute(sql.SQL("REVOKE CONNECT {} FROM CURRENT_USER").format(us))
        allows = sql.SQL("true" if place.allows else "false")
        control.execute(alter.format(place.name, allows, sql.Literal(place.most)))
