"""Two colleagues with the same rights, so on the same server connections: Eve attacks Rose."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.door_script import Place, Wire, add_database

ROWS = 1000
TABLES = f"""
    CREATE TABLE given AS SELECT a FROM generate_series(1, {ROWS}) a;
    CREATE TABLE note (id bigserial, body text);
    CREATE SCHEMA hidden;
    CREATE TABLE hidden.secret AS SELECT 42 AS a
"""


@dataclass(frozen=True)
class Scene:
    """Where it happens; both may read `given` and write `note`."""

    place: Place
    database: str
    eve: str
    rose: str

    def connect(self, name: str, **more: Any) -> psycopg.Connection:
        """Connect through the door."""
        server = self.place.server
        return psycopg.connect(
            host=server.host,
            port=server.port,
            user=name,
            password=self.place.passwords[name],
            dbname=self.database,
            autocommit=True,
            **more,
        )

    def direct(self, name: str) -> psycopg.Connection:
        """Connect past the door: what PostgreSQL itself allows."""
        dsn = make_conninfo(self.place.server.dsn, user=name, dbname=self.database, options="")
        return psycopg.connect(dsn, autocommit=True)

    def wire(self, name: str, **startup: str) -> Wire:
        """Log in through the door, on the bare wire."""
        return self.place.door(name, self.database, **startup)

    def everywhere(self, text: str, connections: int) -> list[list[tuple[Any, ...]]]:
        """Return what Rose gets from each of that many server connections."""
        with ExitStack() as stack:
            each = [
                stack.enter_context(closing(self.connect(self.rose))) for _ in range(connections)
            ]
            for session in each:
                session.execute("BEGIN")
            return [session.execute(text.encode()).fetchall() for session in each]


@contextmanager
def made_scene(place: Place) -> Iterator[Scene]:
    """Make the two and their database, and take them away again."""
    tag = uuid.uuid4().hex[:8]
    database, readers, eve, rose = (f"{each}_{tag}" for each in ("open", "readers", "eve", "rose"))
    add_database(place, database, TABLES)
    people = place.installation.people
    people.add_groups([readers])
    people.grant(readers, "public", database)
    with closing(place.admin(database)) as admin:
        group = sql.Identifier(readers)
        admin.execute(sql.SQL("GRANT INSERT ON note TO {}").format(group))
        admin.execute(sql.SQL("GRANT USAGE ON SEQUENCE note_id_seq TO {}").format(group))
    place.passwords.update(people.add_people([eve, rose], [readers]))
    try:
        yield Scene(place, database, eve, rose)
    finally:
        people.remove([eve, rose])
        people.remove_group(readers)
        with closing(place.admin("myriad")) as admin:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            admin.execute(drop.format(sql.Identifier(database)))
