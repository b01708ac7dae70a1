"""The small surface that an embedded and an attached PostgreSQL share."""

from dataclasses import dataclass, field
from typing import Protocol

import psycopg
from psycopg.conninfo import make_conninfo

CONTROL_DATABASE = "myriad"


@dataclass(frozen=True)
class Server:
    """A PostgreSQL that runs: how Myriad reaches it, and how people do.

    Attributes:
        kind: `embedded` or `attached`.
        dsn: connects as administrator; has no database name.
        host, port: where people connect: the door's address. An engine of which no door is told
            yet gives its own.
    """

    kind: str
    dsn: str = field(repr=False)  # an attached one may hold a password
    host: str
    port: int

    def connect(
        self, database: str = CONTROL_DATABASE, *, autocommit: bool = False
    ) -> psycopg.Connection:
        """Open an administrator's connection; the caller closes it.

        Raises psycopg.OperationalError.
        """
        return psycopg.connect(make_conninfo(self.dsn, dbname=database), autocommit=autocommit)

    def enter(self, database: str, *, autocommit: bool = False) -> psycopg.Connection:
        """Open an administrator's connection to a database in which people own things.

        No function or operator of theirs is found by an unqualified name, whatever search path
        the database's owner set. The caller closes it. Raises psycopg.OperationalError.
        """
        connection = self.connect(database, autocommit=True)
        connection.execute("SET search_path = pg_catalog, pg_temp")
        connection.autocommit = autocommit
        return connection


class PostgresEngine(Protocol):
    """What the supervisor does with a PostgreSQL, whoever runs it."""

    def start(self) -> Server:
        """Make it ready; raises StartFailed, ProgramMissing or Unsupported."""

    def stop(self) -> None:
        """Stop it gracefully; an attached server is left alone."""

    def failure(self) -> str | None:
        """Return why it does not run any more, None while it does."""

    def log_tail(self, lines: int) -> list[str]:
        """Return the engine's last log lines; raises Unsupported where it has none for us."""

    def describe(self) -> str:
        """Say which PostgreSQL this is, for people."""
