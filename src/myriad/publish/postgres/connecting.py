"""Connect to the database that is published into; it is made where it is missing."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg

from myriad.engines.postgres import databases
from myriad.engines.postgres.base import Server
from myriad.errors import PublishError
from myriad.publish.postgres import copy

MADE_WITHIN = 60.0  # seconds; it takes tenths of one


@contextmanager
def connected(server: Server, database: str, *, create: bool) -> Iterator[psycopg.Connection]:
    """Connect to the database; made if it is not there and `create`. Raises PublishError.

    Without `create`, one that is made and dropped again stands for one that is not there.
    """
    with closing(server.connect(autocommit=True)) as control:
        is_there = _check_owner(control, database)
        if create and not is_there:
            _make(control, server, database)
    entered = closing(_connect(server, database)) if create or is_there else _scratch(server)
    with entered as connection:
        yield connection


@contextmanager
def _scratch(server: Server) -> Iterator[psycopg.Connection]:
    with closing(server.connect(autocommit=True)) as control:
        _take_turns(control, databases.SCRATCH)
        name = databases.create_scratch(server)
        connection = server.connect(name, autocommit=True)
    try:
        with closing(connection):
            yield connection
    finally:
        databases.drop_scratch(server, name)


def _make(control: psycopg.Connection, server: Server, database: str) -> None:
    """Create the database, unless somebody else has made it while we waited for our turn."""
    _take_turns(control, database)
    if not _check_owner(control, database):
        databases.create_database(server, database)


def _connect(server: Server, database: str) -> psycopg.Connection:
    connection = server.connect(database, autocommit=True)
    try:
        _check_owner(connection, database)  # it keeps its name as long as we are in it
    except BaseException:
        connection.close()
        raise
    copy.widen_socket(connection)
    return connection


def _take_turns(control: psycopg.Connection, database: str) -> None:
    """Wait for who publishes into the same new database at once, and makes it."""
    control.execute(f"SET lock_timeout = '{MADE_WITHIN:g}s'")
    try:
        control.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"make {database}"])
    except psycopg.errors.LockNotAvailable as error:
        raise PublishError(
            f"another publish has been making database {database} for {MADE_WITHIN:g} s already",
            hint="See `myriad status` and `myriad logs`; end the other command, or try again.",
        ) from error
    control.execute("SET lock_timeout = 0")


def _check_owner(connection: psycopg.Connection, database: str) -> bool:
    """Say whether that database is there; raises PublishError if it is somebody else's."""
    owner = databases.owner(connection, database)
    if owner and not owner.ours:
        raise PublishError(
            f"database {database} belongs to {owner.name}, not to Myriad",
            hint="Choose another with --database; a new one is made.",
        )
    return owner is not None
