"""A workspace in a database of its own, and its people."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from myriad import Myriad
from myriad.engines.postgres.databases import create_database
from myriad.people import People, Workspace
from myriad.publish.options import Options
from tests.harness import as_admin

MEGABYTES = 8.0


@dataclass(frozen=True)
class Lab:
    """Rose and Bob are in the group `lab`, Mia also in `staff`, Ann in `readers` alone.

    All read what is published in `public`, `staff` also `hr.pay`; `lab` has the workspace `lab`.
    """

    installation: Myriad
    database: str
    tag: str
    passwords: dict[str, str]

    @property
    def people(self) -> People:
        """What is done with accounts and rights."""
        return self.installation.people

    def name(self, of: str) -> str:
        """Return the whole name of a person or a group."""
        return f"{of}_{self.tag}"

    def connect(self, who: str, *, autocommit: bool = True) -> psycopg.Connection:
        """Come through the door."""
        server = self.installation.server()
        address = make_conninfo(
            host=server.host,
            port=server.port,
            user=self.name(who),
            password=self.passwords[self.name(who)],
            dbname=self.database,
        )
        return psycopg.connect(address, autocommit=autocommit)

    def ask(self, who: str, *texts: str) -> list[tuple[Any, ...]]:
        """Run statements in one session; return what the last one gave."""
        rows: list[tuple[Any, ...]] = []
        with closing(self.connect(who)) as connection:
            for text in texts:
                cursor = connection.execute(text.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def refused(self, who: str, *texts: str) -> psycopg.Error:
        """Run statements of which the last one fails; return its error."""
        self.ask(who, *texts[:-1])
        with closing(self.connect(who)) as connection, pytest.raises(psycopg.Error) as caught:
            connection.execute(texts[-1].encode())
        return caught.value

    def makes(self, who: str, text: str) -> bool:
        """Say whether a statement went well."""
        try:
            self.ask(who, text)
        except psycopg.Error:
            return False
        return True

    def admin(self, text: str) -> list[tuple[Any, ...]]:
        """Ask as administrator."""
        server = self.installation.server()
        with closing(as_admin(server, self.database, autocommit=True)) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    def create(self, group: str, dataset: str, megabytes: float | None = None) -> Workspace:
        """Let a group make things."""
        group = self.name(group)
        return self.people.create_workspace(group, dataset, self.database, megabytes=megabytes)

    def workspace(self, dataset: str) -> Workspace:
        """Return how a workspace is shown."""
        [found] = [
            each
            for each in self.people.list_workspaces()
            if (each.database, each.dataset) == (self.database, dataset)
        ]
        return found


def make(installation: Myriad, folder: Path) -> Iterator[Lab]:
    """Make it; all of it goes again."""
    tag = uuid.uuid4().hex[:8]
    database = f"lab_{tag}"
    create_database(installation.server(), database)
    people = installation.people
    added = [("rose", ["lab"]), ("bob", ["lab"]), ("mia", ["lab", "staff"]), ("ann", ["readers"])]
    passwords: dict[str, str] = {}
    for who, groups in added:
        named = [f"{group}_{tag}" for group in groups]
        passwords |= dict(people.add_people([f"{who}_{tag}"], groups=named))
    lab = Lab(installation, database, tag, passwords)
    for dataset, table in [("public", "sales"), ("hr", "pay")]:
        file = folder / f"{table}.csv"
        file.write_text("id,amount\n1,100\n2,200\n", "utf-8")
        installation.publish(file, Options(database=database, dataset=dataset))
    for group in ("lab", "staff", "readers"):
        people.grant(lab.name(group), "public", database)
    people.grant(lab.name("staff"), "hr", database)
    lab.create("lab", "lab", MEGABYTES)
    try:
        yield lab
    finally:
        _forget(lab)


def _forget(lab: Lab) -> None:
    """Its people first: their workspaces own what they leave."""
    known = {person.name for person in lab.people.list_people()}
    lab.people.remove([name for name in lab.passwords if name in known])
    for each in lab.people.list_workspaces():
        if each.database == lab.database:
            lab.people.drop_workspace(each.dataset, lab.database)
    with closing(lab.installation.server().connect(autocommit=True)) as connection:
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(lab.database))
        connection.execute(drop)
    for group in lab.people.list_groups():
        if group.name.endswith(lab.tag):
            lab.people.remove_group(group.name)
