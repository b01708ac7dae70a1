"""The small surface that an embedded and an attached PostgreSQL share."""

from dataclasses import dataclass, field
from typing import Protocol

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from myriad import administrator
from myriad.home.home import Running

CONTROL_DATABASE = "myriad"


@dataclass(frozen=True)
class Server:
    """A PostgreSQL that runs: how Myriad reaches it, and how people do.

    Attributes:
        kind: `embedded` or `attached`.
        dsn: connects as administrator; has no database name.
        host, port: where people connect: the door's address. An engine of which no door is told
            yet gives its own.
        version: as `server_version_num` has it; 0 where nobody knows it yet.
    """

    kind: str
    dsn: str = field(repr=False)  # an attached one may hold a password
    host: str
    port: int
    version: int = 0

    @classmethod
    def of(cls, running: Running) -> "Server":
        """Return the one that is up on a home."""
        return cls(running.engine, running.dsn, running.host, running.port, running.version)

    def connect(
        self, database: str = CONTROL_DATABASE, *, autocommit: bool = False
    ) -> psycopg.Connection:
        """Open an administrator's connection, whatever the database's owner made or set there.

        Tables need their schema: see `administrator`. The caller closes it. Raises
        psycopg.OperationalError.
        """
        connection = psycopg.connect(self.address(database), autocommit=True)
        try:
            connection.execute(administrator.TAKE_BACK)
            connection.autocommit = autocommit
        except BaseException:
            connection.close()
            raise
        return connection

    def address(self, database: str, **settings: str) -> str:
        """Return the DSN of an administrator's connection, which begins with these settings."""
        given = str(conninfo_to_dict(self.dsn).get("options") or "")
        all_settings = dict(administrator.settings(self.version)) | settings
        ours = (f"-c {name}={_escaped(value)}" for name, value in all_settings.items())
        return make_conninfo(self.dsn, dbname=database, options=" ".join([given, *ours]))


def _escaped(value: str) -> str:
    """Return a value as libpq's `options` has it: a space separates them."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


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
