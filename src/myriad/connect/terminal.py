"""psql, started so that it reaches an installation: as its administrator, or as a person."""

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from myriad import named_sql
from myriad.connect.postgres import Target
from myriad.engines.postgres import programs
from myriad.engines.postgres.base import Server
from myriad.errors import MyriadError, ProgramMissing

_SQL = named_sql.load("myriad", "schemas.sql")
QUOTE = '"'


@dataclass(frozen=True)
class Terminal:
    """A psql to be started: its program, its arguments, and its whole environment."""

    program: Path
    arguments: Sequence[str]
    environment: dict[str, str]

    def become(self) -> None:
        """Be it from now on, so that the terminal and its signals are its own."""
        os.execve(self.program, [self.program.name, *self.arguments], self.environment)  # noqa: S606


def find(setting: str) -> Path:
    """Return psql: that of the server's programs, else the first on the path.

    Raises ProgramMissing.
    """
    problem = ""
    try:
        own = programs.find(setting, Path(os.devnull), None).path("psql")
        if own.exists():
            return own
    except MyriadError as error:
        problem = f": {error.message}"
    found = shutil.which("psql")
    if found:
        return Path(found)
    raise ProgramMissing(
        f"psql was not found, neither beside PostgreSQL's programs nor on the path{problem}",
        hint="Install it (Debian: apt install postgresql-client), or name the folder of"
        " PostgreSQL's programs with the setting `programs`.",
    )


def as_administrator(program: Path, server: Server, database: str) -> Terminal:
    """Return a psql of the engine itself, past the door.

    Names are looked up where nobody else can make any; what others made has to be called with its
    schema. Raises psycopg.OperationalError.
    """
    with closing(server.connect(database, autocommit=True)) as connection:
        found = connection.execute(_SQL["schemas"]).fetchall()
    safe = (f'"{name.replace(QUOTE, 2 * QUOTE)}"' for name, makers, _ in found if not makers)
    path = ", ".join(["pg_catalog", *safe, "pg_temp"])
    return _terminal(program, conninfo_to_dict(server.address(database, search_path=path)))


def as_person(program: Path, to: Target) -> Terminal:
    """Return a psql of somebody's, by the door; it asks for the password.

    The packaged psql speaks no TLS: so `to` should be the door's socket on this machine.
    """
    given = {"host": to.host, "port": str(to.port), "dbname": to.database, "user": to.user}
    return _terminal(program, given)


def _terminal(program: Path, given: Mapping[str, object]) -> Terminal:
    environment = dict(os.environ)
    shown = {name: str(value) for name, value in given.items() if value is not None}
    if "password" in shown:  # others can read command lines
        environment["PGPASSWORD"] = shown.pop("password")
    return Terminal(program, [make_conninfo("", **shown)], environment)
