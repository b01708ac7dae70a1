"""PostgreSQL that somebody else runs: checked, prepared, and left alone."""

import time
from contextlib import closing

import psycopg
from psycopg.conninfo import make_conninfo

from myriad.engines.postgres import attachment, databases
from myriad.engines.postgres.base import Server
from myriad.engines.postgres.programs import OLDEST
from myriad.errors import StartFailed, Unsupported
from myriad.settings import Settings

CONNECT_TIMEOUT = 10  # seconds
CHECK_EVERY = 5.0  # seconds


class AttachedPostgres:
    """The PostgreSQL at `dsn`, whose role must have CREATEROLE and CREATEDB."""

    def __init__(self, dsn: str, settings: Settings) -> None:
        self._dsn = dsn
        self._settings = settings
        self._server: Server | None = None
        self._version = ""
        self._checked = 0.0

    def start(self) -> Server:
        """Check version and rights, and make what is missing.

        Raises StartFailed if it cannot be reached, Unsupported if it will not do.
        """
        parts = attachment.parts(self._dsn)
        maintenance = parts.pop("dbname", None) or databases.MAINTENANCE
        parts.setdefault("connect_timeout", str(CONNECT_TIMEOUT))
        parts.setdefault("application_name", "myriad")
        dsn = make_conninfo("", **parts)
        try:
            with closing(Server("attached", dsn, "", 0).connect(maintenance)) as connection:
                self._check(connection)
                info = connection.info
                server = Server("attached", dsn, info.host, info.port, info.server_version)
            databases.prepare(server, self._settings.database, maintenance)
        except psycopg.Error as error:
            raise StartFailed(
                f"the attached PostgreSQL cannot be used ({attachment.place(dsn)}): {error}",
                hint="Try the same DSN with psql, from this machine. Where it has changed, say so"
                " with --postgres-at.",
            ) from error
        self._server, self._checked = server, time.monotonic()
        return server

    def stop(self) -> None:
        """Leave it alone: somebody else runs it."""
        self._server = None

    def failure(self) -> str | None:
        """Return why it cannot be reached, None while it can; looks every few seconds."""
        if self._server is None:
            return "not connected"
        if time.monotonic() - self._checked < CHECK_EVERY:
            return None
        try:
            self._server.connect().close()
        except psycopg.Error as error:
            return str(error)
        self._checked = time.monotonic()
        return None

    def log_tail(self, lines: int) -> list[str]:  # noqa: ARG002 - the surface that both share
        """Raise Unsupported: the log is on the machine of whoever runs it."""
        raise Unsupported(
            "an attached PostgreSQL writes its log where it runs, and Myriad cannot read it there",
            hint="Ask whoever runs it, or look at its log_directory.",
        )

    def describe(self) -> str:
        """Say which PostgreSQL this is."""
        return f"PostgreSQL {self._version}, attached: {attachment.place(self._dsn)}"

    def _check(self, connection: psycopg.Connection) -> None:
        info = connection.info
        self._version = str(info.parameter_status("server_version"))
        if info.server_version < OLDEST * 10000:
            raise Unsupported(
                f"PostgreSQL {self._version} at {info.host} is older than {OLDEST}",
                hint="Upgrade it, or let Myriad run its own: myriad up.",
            )
        row = connection.execute(
            "SELECT rolsuper OR rolcreaterole, rolsuper OR rolcreatedb"
            " FROM pg_roles WHERE rolname = session_user"
        ).fetchone()
        rights = zip(("CREATEROLE", "CREATEDB"), row or (False, False), strict=True)
        missing = [name for name, held in rights if not held]
        if missing:
            raise Unsupported(
                f"role {info.user!r} at {info.host} lacks {' and '.join(missing)}",
                hint=f'As superuser: ALTER ROLE "{info.user}" {" ".join(missing)};',
            )
