"""Show an older version of a table in Cassandra again, or take a table away."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

from psycopg.types.json import Jsonb

from myriad.cql.session import Session
from myriad.engines import databases
from myriad.engines.cassandra import swap
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.swap import Kept, with_all_nodes
from myriad.errors import PublishError, SchemaRefused
from myriad.publish.cassandra import describing, present, switch
from myriad.publish.cassandra.record import Record
from myriad.publish.cassandra.switch import Plan
from myriad.publish.cassandra.versions import NOT_KEPT, Versions

_DONE = "SELECT FROM myriad.run WHERE run = %s AND outcome = 'done'"
Row = dict[str, Any]


@dataclass
class Back:
    """One table that goes back, and what came of it.

    Attributes:
        version: that was meant, as the record has it.
        before: the number of what was shown until now; None: it is not kept.
    """

    version: Row
    before: int | None
    notes: list[str] = field(default_factory=list)

    def as_data(self, name: str) -> Row:
        """Return it as plain data for JSON."""
        published = self.version["published"]
        return {
            "engine": "cassandra",
            "table": name,
            "before": self.before,
            "back_to": self.version["number"],
            "of_run": published["run"],
            "rows": published["rows"],
            "source": published["report"]["source"],
            "published": published["finished"],
            "notes": self.notes,
        }


@dataclass(frozen=True)
class Returning:
    """Changes one table in Cassandra without a source. Use: `claim` first."""

    cluster: Cluster
    session: Session
    record: Record
    versions: Versions
    keyspace: str
    name: str

    @property
    def _place(self) -> dict[str, str]:
        return {"keyspace": self.keyspace, "name": self.name}

    @property
    def _full(self) -> str:
        return f"{self.keyspace}.{self.name}"

    def claim(self, wait: float = 0.0) -> None:
        """Let nobody else change the table as long as the record's connection lives.

        Raises PublishError if somebody does, or a publish that was killed is to be finished first.
        """
        self.record.claim(self.keyspace, self.name, wait)
        load = self.record.load(self.keyspace, self.name)
        if load is not None and load.state == "switching":
            raise PublishError(
                f"a publish of {self._full} was cut short as it put its rows in place",
                hint="Whoever keeps Cassandra finishes it within seconds: try again then.",
            )

    def all(self) -> list[Row]:
        """Return the versions that can be had, the newest first."""
        return self.versions.query("versions", **self._place)

    def pending(self) -> Row | None:
        """Return the version that was being shown when something ended; None: there is none."""
        return next((row for row in self.all() if row["back"] is not None), None)

    def chosen(self, to: int | None) -> Row:
        """Return the version that is meant; None: the newest. Raises PublishError."""
        there = self.all()
        for row in there:
            if to in (None, row["number"]):
                return row
        numbers = ", ".join(str(row["number"]) for row in there)
        if not there:
            raise PublishError(
                f"no older version of {self._full} in Cassandra is kept",
                hint="The setting `versions` says how many are kept.",
            )
        raise PublishError(
            f"version {to} of {self._full} in Cassandra is not kept",
            hint=f"There are: {numbers}. `myriad history {self.name}` says which is which.",
        )

    def begin(self, goal: Row, awaits: str | None = None) -> Back:
        """Keep what is shown, and write down that `goal` is shown again from here on.

        `awaits`: only if this run in PostgreSQL is done. Raises SchemaRefused, Taken, EngineError;
        nothing is changed then.
        """
        there = self.refuse_foreign()
        self._refuse_dependents(there)
        made = goal["made"]
        wanted = {"types": made["fields"]}
        present.refuse_used_types(self.session, self.keyspace, self.name, wanted)
        number, notes = self.versions.keep(self.keyspace, self.name)
        if there and not number and not notes:
            notes = [NOT_KEPT.split(":", maxsplit=1)[0]]
        new = str(uuid4())
        statements = [*made["types"], f"{made['table']} AND id = {new}"]
        plan = Plan(self.keyspace, self.name, [], [], {}, statements, wanted, False, there, new)  # noqa: FBT003 - it appends nothing
        place = {**self._place, "number": goal["number"]}
        self.versions.query("return", plan=Jsonb(plan.as_data()), awaits=awaits, **place)
        if there and made["columns"] != self._columns():
            notes.append("its columns are others than those of what was shown")
        return Back({**goal, "back": plan.as_data()}, number or None, notes)

    def settle(self) -> Back | None:
        """Finish a return that was cut short, and give it; None if there is none to finish.

        One that waited for a run in PostgreSQL which came to nothing is taken back.
        """
        goal = self.pending()
        if goal is None:
            return None
        if goal["awaits"] is not None and not self._is_done(goal["awaits"]):
            self.withdraw(goal)
            return None
        newest = self.all()[0]["number"]
        back = Back(goal, newest if newest != goal["number"] else None)
        self.finish(back)
        return back

    def _is_done(self, run: str) -> bool:
        """Say whether a run of the dataset in PostgreSQL was done."""
        place = self.record.keyspace(self.keyspace)
        connection = databases.enter(self.versions.server, place[0]) if place else None
        if connection is None:
            return False
        with closing(connection):
            found = connection.execute(_DONE, [run]).fetchone()
        return found is not None

    def withdraw(self, goal: Row) -> None:
        """Take back what `begin` wrote, where nothing was done yet."""
        place = {**self._place, "number": goal["number"]}
        self.versions.query("return", plan=None, awaits=None, **place)

    def finish(self, back: Back) -> None:
        """Show the version, and write it down; may be repeated after a crash, by whomever.

        A node that is down is waited for. Raises Taken, EngineError.
        """
        plan = switch.plan_from(back.version["back"])
        kept = Kept(self.keyspace, self.name, back.version["files"])
        drops = back.version["made"]["drops"]
        with_all_nodes(self.cluster, partial(self._show, plan, kept, drops))
        place = {**self._place, "number": back.version["number"]}
        self.versions.query("returned", table_id=plan.table_id, **place)
        self.versions.query("forget_past", **self._place)
        self.versions.sweep()
        back.notes += describing.freshen(self.session, self.record, self.keyspace, self.name)

    def _show(self, plan: Plan, kept: Kept, drops: Sequence[str]) -> None:
        swap.check(self.cluster)  # before anything is dropped
        if present.table_id(self.session, plan.keyspace, plan.name) != plan.table_id:
            swap.put_in(self.cluster, kept, plan.files, {})
            switch.make_target(self.cluster, self.session, plan)
        for drop in drops:
            self.session.query(drop, timeout=switch.SLOW)
            self.session.await_schema()

    def refuse_foreign(self) -> str:
        """Return the number of the table that is there, nothing if none is.

        Raises SchemaRefused for somebody else's.
        """
        there = present.table_id(self.session, self.keyspace, self.name)
        published = self.record.published(self.keyspace, self.name)
        ours = str(published.table_id) if published else ""
        if there not in ("", ours):
            raise SchemaRefused(
                f"{self._full} is there and Myriad did not publish it",
                hint="Rename or drop it first; what was published stays as it is.",
            )
        return there

    def _refuse_dependents(self, there: str) -> None:
        """Raise SchemaRefused that names all that would be lost with the table."""
        hangs = present.obstacles(self.session, self.keyspace, self.name) if there else []
        if hangs:
            raise SchemaRefused(
                f"this depends on {self._full} in Cassandra: {', '.join(hangs)}",
                hint="Drop it first: nothing was changed.",
            )

    def _columns(self) -> dict[str, str]:
        there = present.find(self.session, self.keyspace, self.name)
        return dict(there.columns) if there else {}

    def refuse_removal(self) -> None:
        """Raise SchemaRefused if the table cannot be taken away."""
        self._refuse_dependents(self.refuse_foreign())

    def take_away(self, *, purge: bool) -> int | None:
        """Drop the table; return the version that it is then, None if nothing is kept.

        May be repeated. Raises SchemaRefused, EngineError.
        """
        self.refuse_removal()
        shown = self.record.published(self.keyspace, self.name) is not None
        if shown and not purge:
            self.versions.keep(self.keyspace, self.name, unbounded=True)
        switch.drop(self.session, self.keyspace, self.name)
        with self.record.connection.transaction():
            if purge:
                self.versions.query("purge", **self._place)
                describing.forget(self.record, self.keyspace, self.name)
            elif shown:
                self.versions.query("unpublished", **self._place)
            self.versions.query("unpublish", **self._place)
            self.versions.query("forget_past", **self._place)
        self.versions.sweep()
        newest = self.all()
        return newest[0]["number"] if newest else None
