"""Show an older version of a table in Cassandra again, or take a table away."""

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

from psycopg.types.json import Jsonb

from myriad.cql.session import Session
from myriad.engines.cassandra import all_nodes, swap
from myriad.engines.cassandra.all_nodes import with_all_nodes
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.kept_files import Kept
from myriad.engines.postgres import databases
from myriad.errors import PublishError, SchemaRefused, WouldBeLost
from myriad.publish import recipe_record, recipes
from myriad.publish.cassandra import describing, existing, switch
from myriad.publish.cassandra.record import Record, State
from myriad.publish.cassandra.switch import Plan
from myriad.publish.cassandra.versions import NOT_KEPT, Versions
from myriad.publish.options import AGAIN

_DONE = "SELECT FROM myriad.run WHERE run = %s AND outcome = 'done'"
CUT_SHORT = "an undo that was cut short wanted this version: it is finished now"
Row = dict[str, Any]

log = logging.getLogger("myriad.engines")


@dataclass
class Back:
    """One table that goes back, and what came of it.

    Attributes:
        version: that was meant, as the record has it.
        before: the number of what was shown until now; None: it is not kept.
        shown: the version is; if not, the notes say why.
    """

    version: Row
    before: int | None
    notes: list[str] = field(default_factory=list)
    shown: bool = True

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
        self.record.claim(self.keyspace, self.name, wait, hint=AGAIN)
        load = self.record.load(self.keyspace, self.name)
        if load is not None and load.state == State.SWITCHING:
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
        # What is shown is a version too where somebody was killed who had kept it.
        there_now = existing.table_id(self.session, self.keyspace, self.name)
        shown = self._of_published() if there_now else 0
        there = [row for row in self.all() if row["number"] != shown]
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
            hint=f"There are: {numbers}. `myriad history {self._full}` says which is which.",
        )

    def begin(self, goal: Row, run: str, *, awaits: bool = False, for_good: bool = False) -> Back:
        """Keep what is shown, and write down that `goal` is shown again from here on.

        `awaits`: only if the run is done in PostgreSQL. `for_good`: also where what is shown cannot
        be kept. Raises WouldBeLost, PublishError, SchemaRefused, Taken, EngineError; nothing is
        changed then.
        """
        there = self.refuse_foreign()
        self._refuse_dependents(there)
        wanted = {"types": goal["made"]["fields"]}
        existing.refuse_used_types(self.session, self.keyspace, self.name, wanted)
        self._refuse_lost(goal)
        # From here on nobody takes its files away, however long it takes to keep what is shown.
        if not self.versions.query("hold", number=goal["number"], **self._place):
            raise PublishError(
                f"version {goal['number']} of {self._full} in Cassandra is not kept any longer",
                hint=f"Nothing was changed. {self._see_history}",
            )
        try:
            number, notes = self._kept(there, for_good=for_good)
            if there and goal["made"]["columns"] != self._columns():
                notes.append("its columns are others than those of what was shown")
            back = self._begin(goal, there, wanted, run, awaits=awaits)
            return Back({**goal, "back": back}, number or None, notes)
        except BaseException:
            self.withdraw(goal)
            raise

    def _kept(self, there: str, *, for_good: bool) -> tuple[int, list[str]]:
        """Keep what is shown; return its number, 0 if it is not kept, and notes."""
        number, notes = self.versions.keep(self.keyspace, self.name)
        if there and not number:
            if not for_good:
                raise WouldBeLost(f"{self._full} in Cassandra")
            notes = notes or [NOT_KEPT.split(":", maxsplit=1)[0]]
        return number, notes

    def _begin(self, goal: Row, there: str, wanted: Row, run: str, *, awaits: bool) -> Row:
        made, new = goal["made"], str(uuid4())
        statements = [*made["types"], f"{made['table']} AND id = {new}"]
        plan = Plan(self.keyspace, self.name, [], [], {}, statements, wanted, False, there, new)  # noqa: FBT003 - it appends nothing
        back = {**plan.as_data(), "run": run}
        place = {**self._place, "number": goal["number"]}
        self.versions.query("return", plan=Jsonb(back), awaits=run if awaits else None, **place)
        return back

    @property
    def _see_history(self) -> str:
        return f"`myriad history {self._full}` says which versions there are."

    def _refuse_lost(self, goal: Row) -> None:
        """Raise PublishError if a node has no files of that version, which is not kept then."""
        kept = Kept(self.keyspace, self.name, goal["files"])
        lacking = with_all_nodes(self.cluster, partial(all_nodes.lacking, self.cluster, kept))
        if lacking:
            self._give_up(goal)
            raise PublishError(
                self._lost(goal, lacking), hint=f"Nothing was changed. {self._see_history}"
            )

    def _lost(self, goal: Row, lacking: Sequence[int]) -> str:
        nodes = ", ".join(map(str, lacking))
        return f"node {nodes} has no files of version {goal['number']} of {self._full}"

    def _give_up(self, goal: Row) -> None:
        """Write down that a version is not kept any longer."""
        self.withdraw(goal)
        self.versions.query("unkept", files=goal["files"])
        self.versions.sweep()

    def settle(self) -> Back | None:
        """Finish a return that was cut short, and give it; None if there is none to finish.

        One that waited for a run in PostgreSQL which came to nothing is taken back. So is one whose
        files are lost, before anything was dropped: it is given, and is not `shown`.
        """
        goal = self.pending()
        if goal is None:
            return None
        if not goal["back"] or (goal["awaits"] is not None and not self.is_done(goal["awaits"])):
            self.withdraw(goal)
            return None
        lacking = self._cannot_finish(goal)
        if lacking:
            swap.take_out(self.cluster, _plan(goal).files)
            self._give_up(goal)
            note = f"{self._lost(goal, lacking)}: an undo that was cut short is taken back"
            log.warning("%s", note)
            return Back(goal, None, [note], shown=False)
        newest = self.all()[0]["number"]
        back = Back(goal, newest if newest != goal["number"] else None, [CUT_SHORT])
        self.finish(back)
        log.info("finished the return of %s to version %d", self._full, goal["number"])
        return back

    def _cannot_finish(self, goal: Row) -> list[int]:
        """Return the nodes that lack files, if these are needed yet."""
        plan, kept = _plan(goal), Kept(self.keyspace, self.name, goal["files"])
        there = existing.table_id(self.session, self.keyspace, self.name)
        if there == plan.table_id:
            return []
        lacking = with_all_nodes(self.cluster, partial(all_nodes.lacking, self.cluster, kept))
        return [] if lacking and self._placed(plan, there) else lacking

    def _placed(self, plan: Plan, there: str) -> bool:
        """Say whether all nodes have the files in the new table's folder.

        Only then what was there is dropped.
        """
        return bool(plan.before) and not there and not all_nodes.lacking(self.cluster, plan.files)

    def is_done(self, run: str) -> bool:
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
        plan = _plan(back.version)
        kept = Kept(self.keyspace, self.name, back.version["files"])
        drops = back.version["made"]["drops"]
        with_all_nodes(self.cluster, partial(self._show, plan, kept, drops))
        place = {**self._place, "number": back.version["number"]}
        run = back.version["back"].get("run")
        dataset = self.record.keyspace(self.keyspace)
        if dataset is not None:
            recipe_record.settle(self.versions.server, dataset[0])  # what is noted is older
        with self.record.connection.transaction():
            back.notes += self._recipe_back(back.version)
            self.versions.query("returned", table_id=plan.table_id, run=run, **place)
        self.versions.query("forget_past", **self._place)
        self.versions.sweep()
        back.notes += describing.freshen(self.session, self.record, self.keyspace, self.name)

    def _recipe_back(self, goal: Row) -> list[str]:
        """Let the next publish use the recipe of what is shown again; return what is said of it."""
        shown = self.record.published(self.keyspace, self.name)
        place = self.record.keyspace(self.keyspace)
        if shown is None or place is None:
            return []
        now = recipe_record.one(self.record.connection, place[:2], self.name)
        recipe = recipes.going_back(now, shown.report, goal["published"]["report"])
        if recipe is None:
            return []
        recipe_record.write(self.record.connection, place[:2], self.name, recipe.as_data())
        return recipes.going_back_notes(now, recipe)

    def _show(self, plan: Plan, kept: Kept, drops: Sequence[str]) -> None:
        all_nodes.check(self.cluster)  # before anything is dropped
        there = existing.table_id(self.session, plan.keyspace, plan.name)
        if there != plan.table_id:
            if not (all_nodes.lacking(self.cluster, kept) and self._placed(plan, there)):
                swap.put_in(self.cluster, kept, plan.files, {})
            switch.make_target(self.cluster, self.session, plan)
        for drop in drops:
            self.session.query(drop, timeout=switch.SLOW)
            self.session.await_schema()

    def refuse_foreign(self) -> str:
        """Return the number of the table that is there, nothing if none is.

        Raises SchemaRefused for somebody else's.
        """
        there = existing.table_id(self.session, self.keyspace, self.name)
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
        hangs = existing.obstacles(self.session, self.keyspace, self.name) if there else []
        if hangs:
            raise SchemaRefused(
                f"this depends on {self._full} in Cassandra: {', '.join(hangs)}",
                hint="Drop it first: nothing was changed.",
            )

    def _columns(self) -> dict[str, str]:
        there = existing.find(self.session, self.keyspace, self.name)
        return dict(there.columns) if there else {}

    def refuse_removal(self, *, purge: bool) -> None:
        """Raise SchemaRefused if the table cannot be taken away, or kept where it is not purged."""
        there = self.refuse_foreign()
        self._refuse_dependents(there)
        shown = self.record.published(self.keyspace, self.name) is not None
        if shown and not there and not purge and not self._of_published():
            raise SchemaRefused(
                f"{self._full} was dropped in Cassandra by somebody: nothing of it can be kept",
                hint="`myriad undo` shows an older version, --purge takes those away too.",
            )

    def _of_published(self) -> int:
        """Return the version that has what is published, 0 if none has."""
        found = self.versions.query("of_published", **self._place)
        return found[0]["number"] if found else 0

    def _keep(self) -> int:
        """Keep what is published, however large, and return its version. Raises SchemaRefused."""
        number = self.versions.keep(self.keyspace, self.name, unbounded=True)[0]
        number = number or self._of_published()  # of one that was killed after the drop
        if not number:
            raise SchemaRefused(
                f"{self._full} in Cassandra cannot be kept for `undo`",
                hint="Nothing was changed. Say --purge to take it away for good.",
            )
        return number

    def take_away(self, *, purge: bool, forget: bool = False) -> int | None:
        """Drop the table; return the version that it is then, None if nothing is kept.

        `forget`: its recipe too. May be repeated. Raises SchemaRefused, EngineError.
        """
        place = self.record.keyspace(self.keyspace)
        self.refuse_removal(purge=purge)
        shown = self.record.published(self.keyspace, self.name) is not None
        number = self._keep() if shown and not purge else None
        switch.drop(self.session, self.keyspace, self.name)
        with self.record.connection.transaction():
            if forget and place is not None:
                recipe_record.write(self.record.connection, place[:2], self.name, {})
            if purge:
                self.versions.query("purge", **self._place)
                describing.forget(self.record, self.keyspace, self.name)
            elif shown:
                self.versions.query("unpublished", number=number, **self._place)
            self.versions.query("unpublish", **self._place)
            self.versions.query("forget_past", **self._place)
        self.versions.sweep()
        newest = self.all()
        return newest[0]["number"] if newest else None


def _plan(goal: Row) -> Plan:
    """Return how a version is being shown again."""
    return switch.plan_from({name: of for name, of in goal["back"].items() if name != "run"})
