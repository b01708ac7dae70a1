"""A person with a database of their own who wants Myriad's rights, and settings of an odd kind."""

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from myriad.door.control.control import Administrator
from myriad.door.server.address import Address
from myriad.engines.postgres.attached import AttachedPostgres
from myriad.engines.postgres.base import Server
from myriad.people import People
from myriad.settings import Settings
from tests.elsewhere import elsewhere
from tests.harness import as_admin

# What pg_settings does not list, but ALTER DATABASE takes; and settings that take no odd value by
# itself.
ODD = {
    "role": "NAME",
    "session_authorization": "NAME",
    "seed": "0.5",
    "search_path": "theirs, pg_catalog",
    "datestyle": "German",
    "timezone": "Asia/Tokyo",
    "timezone_abbreviations": "India",
    "client_encoding": "LATIN1",
    "default_text_search_config": "pg_catalog.german",
    "local_preload_libraries": "nowhere",
    "createrole_self_grant": "set",
    "temp_tablespaces": "pg_default",
}


@dataclass(frozen=True)
class Owner:
    """An owner, and the database that they made."""

    server: Server
    name: str
    password: str
    database: str

    def connect(self, database: str | None = None) -> psycopg.Connection:
        """Connect as this person without the door, to their own database unless told."""
        place = database or self.database
        address = {"dbname": place, "user": self.name, "password": self.password, "options": ""}
        return psycopg.connect(make_conninfo(self.server.dsn, **address), autocommit=True)

    def run(self, statements: str, database: str | None = None) -> None:
        """Run statements as this person."""
        with closing(self.connect(database)) as connection:
            connection.execute(statements.encode())

    def is_superuser(self) -> bool:
        """Say whether they got what they want."""
        query = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = %s"
        with closing(as_admin(self.server)) as connection:
            return connection.execute(query, [self.name]).fetchone() != (False,)

    def remove(self) -> None:
        """Remove this person, and all that they made."""
        with closing(as_admin(self.server, autocommit=True)) as connection:
            name = sql.Identifier(self.database)
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        People(self.server, Settings()).remove([self.name])

    def set_everything(self) -> set[str]:
        """Set what they may on their database and on themselves, to odd values; return the names.

        From `main`, where only the latter count, and not before the next login.
        """
        done = set()
        with closing(self.connect("main")) as connection:
            for name, values in _settings(connection, self.name):
                if any(self._set(connection, name, value) for value in values):
                    done.add(name)
        return done

    def _set(self, connection: psycopg.Connection, name: str, value: str) -> bool:
        text = sql.SQL("ALTER {} SET {} = {}")
        of = {"DATABASE": self.database, "ROLE": self.name}
        targets = (sql.SQL(kind + " ") + sql.Identifier(each) for kind, each in of.items())
        written = sql.SQL(value) if name == "search_path" else sql.Literal(value)
        try:
            for target in targets:
                connection.execute(text.format(target, sql.Identifier(name), written))
        except psycopg.Error:  # not that value, or nobody but superusers
            return False
        return True


def _settings(connection: psycopg.Connection, owner: str) -> Iterator[tuple[str, list[str]]]:
    rows = connection.execute(
        "SELECT lower(name), vartype, setting, min_val, max_val, enumvals FROM pg_settings"
        " WHERE context IN ('user', 'superuser')"
    ).fetchall()
    for name, kind, value, low, high, choices in rows:
        if kind == "bool":
            yield name, ["off" if value == "on" else "on"]
        elif kind == "enum":
            yield name, [choice for choice in choices if choice != value]
        elif kind in ("integer", "real"):
            yield name, [odd for odd in ("1", "2", low, high, "0.5") if odd != value]
        elif name not in ODD:
            yield name, ["C.UTF-8", "heap", "pg_default", ""]
    yield from ((name, [value.replace("NAME", owner)]) for name, value in ODD.items())


def add_owner(server: Server) -> Owner:
    """Add an owner with a database."""
    tag = uuid.uuid4().hex[:8]
    [(name, password)] = People(server, Settings()).add_people([f"owner{tag}"], owner=True)
    owner = Owner(server, name, password, f"own{tag}")
    owner.run(f"CREATE DATABASE {owner.database}", "main")
    return owner


def door_login(server: Server) -> tuple[Address, Administrator]:
    """Return how a door would log in to a server."""
    with closing(server.connect()) as connection:
        info = connection.info
        login = Administrator(info.user, info.password, info.dbname, info.server_version)
        return Address(info.host, info.port), login


@contextmanager
def no_superuser() -> Iterator[tuple[Server, Server]]:
    """Attach to a PostgreSQL with few rights; yields what Myriad has of it, and its superuser's."""
    with elsewhere() as theirs:
        with closing(as_admin(theirs, "postgres", autocommit=True)) as connection:
            connection.execute("CREATE ROLE boss LOGIN CREATEROLE CREATEDB PASSWORD 'boss'")
        dsn = make_conninfo(host=theirs.host, port=theirs.port, user="boss", password="boss")
        yield AttachedPostgres(dsn, Settings()).start(), theirs


def each_owner(request: pytest.FixtureRequest) -> Iterator[Owner]:
    """Give an owner of our own server, or of an attached one where Myriad is no superuser.

    The fixture has the parameters "embedded" and "attached".
    """
    if request.param == "embedded":
        made = add_owner(request.getfixturevalue("installation").server())
        yield made
        made.remove()
        return
    with no_superuser() as (server, _):
        yield add_owner(server)
