"""What a home is attached to: remembered, so that the next `up` comes to the same PostgreSQL."""

import os
from pathlib import Path

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from myriad.errors import HomeError, StartFailed
from myriad.home.files import write_private
from myriad.home.home import Home

OWN = "own"  # in place of a DSN: a PostgreSQL of our own again
# What names files, from the folder that somebody was in.
FILES = ("passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir", "servicefile")
NO_FILE = ("", "system")  # `system` is libpq's word for what the machine trusts
DEFAULT_PORT = "5432"


def parts(dsn: str) -> dict[str, str]:
    """Return what a DSN says, by libpq's keywords; raises StartFailed if it cannot be read."""
    try:
        found = conninfo_to_dict(dsn)
    except psycopg.Error:
        # Its message would quote parts of the DSN, and so perhaps the password.
        raise StartFailed(
            "the DSN of the attached PostgreSQL cannot be read",
            hint="It looks like postgresql://user:password@host:5432/ or host=... user=...",
        ) from None
    return {name: str(value) for name, value in found.items() if value is not None}


def complete(dsn: str) -> str:
    """Return a DSN that means the same in another folder and without libpq's variables.

    Raises StartFailed if it cannot be read.
    """
    given = parts(dsn)
    if "service" not in given and "PGSERVICE" not in os.environ:  # which comes before variables
        given = _from_environment() | given
    for name in FILES:
        if given.get(name, "") not in NO_FILE:
            given[name] = str(Path(given[name]).expanduser().absolute())
    return make_conninfo("", **given)


def _from_environment() -> dict[str, str]:
    """Return what libpq's variables say; the database is the DSN's alone."""
    variables = {
        option.keyword.decode(): option.envvar.decode()
        for option in pq.Conninfo.get_defaults()
        if option.envvar and option.keyword != b"dbname"
    }
    return {name: os.environ[of] for name, of in variables.items() if os.environ.get(of)}


def chosen(home: Home, given: str | None) -> str | None:
    """Return the DSN to attach to: the one given, else the remembered; None for one of our own.

    Raises HomeError where that would begin with nothing beside what people use, StartFailed.
    """
    if given == OWN:
        return None
    dsn = complete(given) if given else remembered(home)
    if dsn is None and not home.postgres.exists() and home.has_served():
        raise HomeError(
            f"{home.folder} has served people, but the data of its PostgreSQL is not there",
            hint="Where it used another PostgreSQL, name that again with --postgres-at; where its"
            f" data lay in {home.postgres}, bring it back. `myriad up --postgres-at {OWN}` begins"
            " with an empty one.",
        )
    return dsn


def remembered(home: Home) -> str | None:
    """Return the DSN that a home is attached to, None if it has a PostgreSQL of its own.

    Raises HomeError if that cannot be read: nobody must take it for the latter.
    """
    path = _path(home)
    try:
        return path.read_text("utf-8").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeError) as error:
        raise HomeError(
            f"{path}, which says what this home is attached to, cannot be read: {error}",
            hint="Run this as the user whose home it is.",
        ) from error


def remember(home: Home, dsn: str | None) -> None:
    """Attach the home to that from now on; None: to its own."""
    if dsn == remembered(home):
        return
    if dsn is None:
        _path(home).unlink(missing_ok=True)
    else:
        write_private(_path(home), f"{dsn}\n")


def place(dsn: str) -> str:
    """Say where a DSN leads, without secrets."""
    said = parts(dsn)
    if "service" in said:
        return f"service {said['service']}"
    user = f" as {said['user']}" if "user" in said else ""
    where = said.get("host") or said.get("hostaddr") or "this machine"
    return f"{where} port {said.get('port', DEFAULT_PORT)}{user}"


def _path(home: Home) -> Path:
    return home.secrets / "postgres_at"
