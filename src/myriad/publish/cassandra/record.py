"""The record of what is published to Cassandra, in the control database: `record.sql`."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from myriad import named_sql
from myriad.control.connection import control_database
from myriad.engines.postgres.base import Server
from myriad.errors import PublishError
from myriad.model import Reject
from myriad.publish import recipe_record
from myriad.publish.cassandra import runs
from myriad.publish.options import PUBLISH_AGAIN
from myriad.publish.report import TableReport

SWITCHED_WITHIN = 60.0  # seconds
CLAIM_PAUSE = 0.2  # seconds between two looks whether a table is free
STAGING = "myriad_next"  # the keyspace that only Myriad reads
_SQL = named_sql.load("myriad.publish.cassandra", "record.sql")
KEPT_REJECTS = 20  # shown by `show`; all are in the file


class State(StrEnum):
    """How far a load is."""

    LOADING = "loading"
    LOADED = "loaded"  # all rows are in files of every node
    SWITCHING = "switching"  # so are the deletions of the old ones: from here it is only finished
    UNPROVEN = "unproven"  # it was shown, but was not what was loaded
    SHOWN = "shown"  # by somebody else than the command that began it


@dataclass(frozen=True)
class Load:
    """A load that is on its way, or was cut short.

    Attributes:
        staged: the table that takes the rows, in the keyspace that `plan` says.
        identity: of what is loaded; the same command with the same source has the same.
        stamp: the timestamp of every row, µs.
        acknowledged: so many first rows, in the order of the key, are there.
        plan: what the switch needs to know.
        ranges: [start, end, rows] of each range of tokens, as the target shall have them; known
            when it is loaded.
        published: what is to be written down as published (`Publication`); known when it switches.
        nodes: process and start of every node, as before the first row; None: not known.
    """

    staged: str
    identity: Any
    stamp: int
    acknowledged: int
    state: State
    plan: dict[str, Any]
    ranges: list[list[int]] = field(default_factory=list)
    published: dict[str, Any] | None = None
    nodes: list[list[float]] | None = None


@dataclass(frozen=True)
class Publication:
    """What is written down of a table that is published: plain data.

    Attributes:
        rows: of the source; of an append or a merge, by how many the table grew.
        adds: those that were there stay.
        started: in ISO 8601.
    """

    run: str
    started: str
    rows: int
    bytes: int
    stamp: int
    table_id: str
    source: str
    report: dict[str, Any]
    rejects: list[dict[str, Any]]
    adds: bool

    @classmethod
    def of(
        cls,
        report: TableReport,
        run: str,
        started: datetime,
        more: Mapping[str, Any],
        rejects: Sequence[Reject],
    ) -> "Publication":
        """Return what is to be written down of a report. `more`: bytes, stamp and table_id."""
        adds = report.action in ("appended", "merged")
        return cls(
            run=run,
            started=started.isoformat(),
            rows=report.grown.rows if adds else report.rows,
            source=report.source,
            report=report.as_data(),
            rejects=[_plain(reject) for reject in rejects[:KEPT_REJECTS]],
            adds=adds,
            **more,
        )


class Published(NamedTuple):
    """A published table: the timestamp of its rows, µs, its number if it was kept, its rows."""

    stamp: int
    table_id: UUID | None
    rows: int
    report: Mapping[str, Any]

    @property
    def formats(self) -> dict[str, str]:
        """The orders in which dates were written, by column."""
        return {c["name"]: c["format"] for c in self.report["columns"] if c.get("format")}


class Record:
    """Reads and writes the record over one connection that commits each statement."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    @property
    def connection(self) -> psycopg.Connection:
        """Its connection to the control database."""
        return self._connection

    def _one(self, statement: str, *values: object) -> dict[str, Any] | None:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_SQL[statement], values).fetchone()

    def _run(self, statement: str, *values: object) -> None:
        self._connection.execute(_SQL[statement], values)

    def claim(
        self, keyspace: str, name: str, wait: float = 0.0, *, hint: str = PUBLISH_AGAIN
    ) -> None:
        """Let nobody else publish that table as long as the connection lives.

        Waits up to `wait` seconds for somebody else who does. Raises PublishError.
        """
        load = self.load(keyspace, name)
        # What is shown, or shown again, is being finished: that ends soon.
        switching = load is not None and load.state == State.SWITCHING
        if switching or self._one("back", keyspace, name):
            wait = max(wait, SWITCHED_WITHIN)
        until = time.monotonic() + wait
        while not self.take(keyspace, name):
            if time.monotonic() >= until:
                raise PublishError(
                    f"{keyspace}.{name} is being changed by somebody else right now",
                    hint=hint,
                )
            time.sleep(CLAIM_PAUSE)

    def take(self, keyspace: str, name: str) -> bool:
        """Claim that table unless somebody else has; say whether it is ours now."""
        found = self._connection.execute(_SQL["claim"], [_claimed(keyspace, name)]).fetchone()
        return bool(found and found[0])

    @contextmanager
    def taken(self, keyspace: str, name: str) -> Iterator[bool]:
        """Claim that table, unless somebody else has, for as long as this lasts.

        Yield whether it is ours.
        """
        ours = self.take(keyspace, name)
        try:
            yield ours
        finally:
            if ours:
                self._connection.execute(_SQL["release"], [_claimed(keyspace, name)])

    def keyspace(self, keyspace: str) -> tuple[str, str, bool] | None:
        """Return database and dataset of a keyspace of ours, and whether it was made already."""
        found = self._one("keyspace", keyspace)
        return (found["database"], found["dataset"], found["made"]) if found else None

    def keyspace_of(self, database: str, dataset: str) -> str | None:
        """Return the keyspace that a dataset has already."""
        found = self._one("keyspace_of", database, dataset)
        return found["keyspace"] if found else None

    def is_workspace(self, database: str, dataset: str) -> bool:
        """Say whether people make tables of their own in a dataset, in PostgreSQL."""
        return self._one("workspace", database, dataset) is not None

    def grants_tables(self, database: str, dataset: str) -> bool:
        """Say whether tables of a dataset are granted one by one, there or not."""
        return self._one("granted", database, dataset) is not None

    def announce(self, keyspace: str, database: str, dataset: str) -> None:
        """Write down that a keyspace is about to be made."""
        self._run("announce_keyspace", keyspace, database, dataset)

    def withdraw(self, keyspace: str) -> None:
        """Take back what `announce` wrote: somebody else has made that keyspace."""
        self._run("withdraw_keyspace", keyspace)

    def made(self, keyspace: str) -> None:
        """Write down that a keyspace was made."""
        self._run("keyspace_made", keyspace)

    def load(self, keyspace: str, name: str) -> Load | None:
        """Return the load of a table that has not ended."""
        found = self._one("load", keyspace, name)
        return Load(**{**found, "state": State(found["state"])}) if found else None

    def leave_ahead(self, staged: str) -> None:
        """Write down a staged table that is made before a load begins in it.

        It goes when this connection has ended, unless one has begun.
        """
        self.take(STAGING, staged)  # its name is new
        self._run("leave_ahead", staged)

    def begin(self, keyspace: str, name: str, load: Load) -> None:
        """Write down a load that begins; one from before is forgotten."""
        values = {
            **asdict(load),
            "keyspace": keyspace,
            "name": name,
            "identity": Jsonb(load.identity),
            "plan": Jsonb(load.plan),
            "nodes": None if load.nodes is None else Jsonb(load.nodes),
        }
        self._connection.execute(_SQL["begin_load"], values)

    def acknowledged(self, keyspace: str, name: str, rows: int) -> None:
        """Write down how far a load is."""
        self._run("acknowledged", rows, keyspace, name)

    def loaded(self, keyspace: str, name: str, ranges: list[list[int]]) -> None:
        """Write down that all rows of a load are there, and how many in which range."""
        self._run("loaded", Jsonb(ranges), keyspace, name)

    def switching(self, keyspace: str, name: str, load: Load) -> None:
        """Write down that a load is shown from here on, how, and what is published by that.

        All that the target shall have is in files of every node.
        """
        values = {
            "keyspace": keyspace,
            "name": name,
            "plan": Jsonb(load.plan),
            "ranges": Jsonb(load.ranges),
            "published": Jsonb(load.published),
        }
        self._connection.execute(_SQL["switching"], values)

    def unproven(self, keyspace: str, name: str) -> None:
        """Write down that what is there is neither what was published nor what was loaded.

        The old rows are to be hidden once more, then the load is shown again.
        """
        self._connection.execute(_SQL["unproven"], {"keyspace": keyspace, "name": name})

    def end(self, keyspace: str, name: str) -> None:
        """Forget a load."""
        self._run("end_load", keyspace, name)

    def staged(self) -> list[dict[str, Any]]:
        """Return all loads: keyspace, name, staged, state, whether nothing came for long (`old`).

        And whether it is a switch that can be finished by anybody (`unfinished`).
        """
        return _SQL.query(self._connection, "staged")

    def published(self, keyspace: str, name: str) -> Published | None:
        """Return what is known of a published table, None if it is not."""
        found = self._one("published", keyspace, name)
        return Published(**found) if found else None

    def came(self, keyspace: str) -> dict[str, dict[str, str]]:
        """Return as what each table of a keyspace was published; see `Target.came`."""
        return dict(self._connection.execute(_SQL["came"], [keyspace]).fetchall())

    def publish(
        self, keyspace: str, name: str, made: Publication, *, by_another: bool = False
    ) -> None:
        """Write down that a table is published, and end its load.

        `by_another`: than the command that began it, which may look for it.
        """
        values = {
            **asdict(made),
            "keyspace": keyspace,
            "name": name,
            "report": Jsonb(made.report),
            "rejects": Jsonb(made.rejects),
        }
        with self._connection.transaction():
            statement = "append" if made.adds else "publish"
            self._connection.execute(_SQL[statement], values)
            self._run("leave", keyspace, name)
            self._run("shown" if by_another else "end_load", keyspace, name)
            self._remember(keyspace, name, made, made.started if by_another else None)
            runs.published(self._connection, made.run, made.report, by_another=by_another)

    def _remember(self, keyspace: str, name: str, made: Publication, began: str | None) -> None:
        """Write the recipe of what is published, and take from it what the table is."""
        recipe, place = made.report.get("recipe", {}), self.keyspace(keyspace)
        if place is not None:
            recipe_record.write(self._connection, place[:2], name, recipe, began)
        if recipe.get("description"):
            values = {"keyspace": keyspace, "name": name, "text": recipe["description"]}
            self._connection.execute(_SQL["take_description"], values)


def _claimed(keyspace: str, name: str) -> str:
    return f"publish {keyspace}.{name}"


def _plain(reject: Reject) -> dict[str, Any]:
    return {
        name: value.replace("\0", "\\x00") if isinstance(value, str) else value
        for name, value in asdict(reject).items()
    }


@contextmanager
def opened(server: Server) -> Iterator[Record]:
    """Connect to the control database; raises as `control_database`."""
    with control_database(server, autocommit=True) as connection:
        yield Record(connection)


def everywhere(server: Server) -> list[dict[str, Any]]:
    """Return a row for each published table: database, dataset, name, rows, bytes, source."""
    with control_database(server, autocommit=True) as connection:
        return _SQL.query(connection, "list")


def marked(server: Server, place: tuple[str, str], named: list[str]) -> list[dict[str, Any]]:
    """Return a row for each table of a place (database, dataset) made of any of these sources.

    It has keyspace, name, report and `finished`.
    """
    with control_database(server, autocommit=True) as connection:
        database, dataset = place
        return _SQL.query(connection, "marked", database=database, dataset=dataset, named=named)


def details(server: Server, database: str, dataset: str, name: str) -> dict[str, Any] | None:
    """Return the last report of one table and its first rejects, None if it is not published."""
    with control_database(server, autocommit=True) as connection:
        row = connection.execute(_SQL["show"], [database, dataset, name]).fetchone()
    if row is None:
        return None
    report, dataset, finished, rejects = row
    return {**report, "dataset": dataset, "finished": finished, "first_rejects": rejects}
