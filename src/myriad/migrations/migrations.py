"""Numbered migrations: what Myriad keeps in a database is brought up to date, file by file.

Why our own: decisions/0007-numbered-migrations.md.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

import psycopg

from myriad import named_sql
from myriad.errors import EngineError, NotOurs, TooNew

_SQL = named_sql.load("myriad.migrations", "migrations.sql")
SHOWN = 3  # of what somebody else made
_NAME = re.compile(r"(?P<number>\d{4})_(?P<name>\w+)\.sql")


@dataclass(frozen=True)
class Step:
    """One file: its number, from 1 without a gap, what it is called, and its SQL."""

    number: int
    name: str
    text: str


@dataclass(frozen=True)
class Migrations:
    """The migrations of one kind of database, in a folder of files `NNNN_name.sql`.

    How far a database is stands in its table `myriad.migration`. A file runs once, whole or not at
    all, over a connection of `Server.connect`; a file that was released is never changed.
    """

    folder: Traversable

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """All files, in order."""
        found = [(_NAME.fullmatch(file.name), file) for file in self.folder.iterdir()]
        steps = [
            Step(int(match["number"]), match["name"], file.read_text("utf-8"))
            for match, file in found
            if match
        ]
        return tuple(sorted(steps, key=lambda step: step.number))

    def number(self, connection: psycopg.Connection) -> int | None:
        """Return the number of the last migration that ran, 0 if none did, None without a schema.

        Two short questions. Raises TooNew for a number that this program does not have, NotOurs.
        """
        found = connection.execute(_SQL["look"]).fetchone()
        there, counted, theirs = found or (False, False, [])
        if theirs:
            raise NotOurs(
                f"in schema myriad of database {connection.info.dbname} is what Myriad did not"
                f" make: {', '.join(theirs[:SHOWN])}",
                hint="It would run with Myriad's rights. Whoever made it must take it away, or call"
                " the schema otherwise: ALTER SCHEMA myriad RENAME TO ...",
            )
        if counted:
            return self._last(connection)
        return 0 if there else None

    def _last(self, connection: psycopg.Connection) -> int:
        found = connection.execute(_SQL["last"]).fetchone()
        number = int(found[0]) if found else 0
        if number > len(self.steps):
            raise TooNew(
                f"database {connection.info.dbname} was written by a newer Myriad (migration"
                f" {number}); this one knows {len(self.steps)}",
                hint="Use the newer Myriad, or another server.",
            )
        return number

    def require(self, connection: psycopg.Connection) -> None:
        """Raise EngineError if something is missing: the `up` that runs is of an older Myriad.

        For a database in which nobody else can make anything: it is not looked whose that is.
        Raises TooNew too.
        """
        there = connection.execute(_SQL["there"]).fetchone() == (True,)
        have = self._last(connection) if there else 0
        if have < len(self.steps):
            raise EngineError(
                f"the Myriad that is up is older than this one: database {connection.info.dbname}"
                f" has migration {have} of {len(self.steps)}",
                hint="Start it anew: `myriad down`, then `myriad up --detach`.",
            )

    def bring_up_to_date(self, connection: psycopg.Connection) -> None:
        """Run what is missing, each file in a transaction of its own; where all is there, nothing.

        The connection is in no transaction. Raises TooNew, NotOurs, EngineError if somebody holds
        the tables for a minute, psycopg.Error.
        """
        with connection.transaction():
            have = self.number(connection) or 0
        try:
            for step in self.steps[have:]:
                with connection.transaction():
                    self._run(connection, step)
        except psycopg.errors.LockNotAvailable as error:
            raise EngineError(
                f"database {connection.info.dbname} could not be brought up to date: {error}",
                hint="Somebody holds Myriad's tables in it: end what runs there, and try again.",
            ) from error

    def _run(self, connection: psycopg.Connection, step: Step) -> None:
        connection.execute(_SQL["alone"])
        have = self.number(connection)
        if not have:
            connection.execute(_SQL["make"])
        if (have or 0) < step.number:
            connection.execute(step.text)
            connection.execute(_SQL["done"], {"number": step.number, "name": step.name})


CONTROL = Migrations(files("myriad.migrations") / "control")
RECORD = Migrations(files("myriad.migrations") / "record")
