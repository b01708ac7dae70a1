"""A database with datasets, and two people who were granted some of them."""

import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from myriad import Myriad
from myriad.connect import Target
from myriad.engines.postgres.databases import create_database
from tests.door_clients import connect
from tests.door_script import hold_log
from tests.harness import as_admin

PATH = "SELECT current_setting('search_path')"


def listed(*names: str) -> str:
    """Return these names as SQL has them, and so a search_path of them."""
    return ", ".join(map(_written, names))


def _written(name: str) -> str:
    return name if re.fullmatch("[a-z_][a-z0-9_]*", name) else sql.Identifier(name).as_string()


@dataclass(frozen=True)
class Datasets:
    """The database, and the group whose people are those with passwords."""

    installation: Myriad
    database: str
    group: str
    passwords: dict[str, str]

    def who(self, name: str) -> Target:
        """Return how somebody connects."""
        server = self.installation.server()
        return Target(server.host, server.port, self.database, name, self.passwords[name])

    def log_in(self, name: str, **more: object) -> psycopg.Connection:
        """Log in at the door, each statement for itself."""
        return connect(self.who(name), **more)

    def path(self, name: str, **more: object) -> str:
        """Return the search_path of a new session."""
        with closing(self.log_in(name, **more)) as session:
            return one(session, PATH)

    def ask(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements as administrator; return the rows of the last one."""
        with closing(as_admin(self.installation.server(), self.database, autocommit=True)) as admin:
            admin.execute("SET client_encoding = 'UTF8'")
            for statement in statements:
                cursor = admin.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def add(self, *names: str, table: str = "t", granted: bool = True) -> None:
        """Make datasets, each with a table that says which one it is in."""
        for name in names:
            schema = listed(name)
            text = sql.Literal(name).as_string()
            self.ask(
                f"CREATE SCHEMA {schema}",
                f'CREATE TABLE {schema}."{table}" AS SELECT {text} AS place',
            )
            if granted:
                self.installation.people.grant(self.group, name, self.database)

    def clear(self) -> None:
        """Take away all datasets but the default one, and what was granted of them."""
        people = self.installation.people
        for grant in people.list_grants():
            if grant.database == self.database and grant.dataset != "public":
                people.revoke(grant.group, grant.dataset, self.database)
        for (name,) in self.ask(
            "SELECT nspname FROM pg_namespace WHERE NOT starts_with(nspname, 'pg_')"
            " AND nspname NOT IN ('information_schema', 'public', 'myriad', 'myriad_guard')"
        ):
            self.ask(f"DROP SCHEMA {listed(str(name))} CASCADE")


def one(session: psycopg.Connection, query: str, values: Sequence[object] = ()) -> str:
    """Return the one value of a query, as text."""
    [(value,)] = session.execute(query.encode(), values or None).fetchall()
    return str(value)


@contextmanager
def made_datasets(installation: Myriad) -> Iterator[Datasets]:
    """Make it all, and take it away again; the door's log must have nothing against it."""
    tag = uuid.uuid4().hex[:8]
    database, group = f"sets_{tag}", f"group_{tag}"
    create_database(installation.server(), database)
    people = installation.people
    passwords = dict(people.add_people([f"ann_{tag}", f"ben_{tag}"], [group]))
    people.grant(group, "public", database)
    made = Datasets(installation, database, group, passwords)
    made.ask("CREATE TABLE public.members AS SELECT 'public' AS place")
    try:
        yield made
    finally:
        people.remove(list(passwords))
        people.remove_group(group)
        with closing(as_admin(installation.server(), autocommit=True)) as admin:
            admin.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())
    hold_log(installation)
