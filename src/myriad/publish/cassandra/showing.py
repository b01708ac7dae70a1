"""Show what was loaded: put it in the place of the table, and prove what is there then."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial

from myriad.cql.session import Session
from myriad.engines.cassandra import swap
from myriad.engines.cassandra.all_nodes import with_all_nodes
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.swap import FromTheFuture
from myriad.errors import PublishError
from myriad.publish.cassandra import count_proof, describing, existing, switch
from myriad.publish.cassandra.record import STAGING, Load, Publication, Record, State
from myriad.publish.cassandra.switch import Asked, Left, Plan, Taken

NOT_REPLACED = (
    "timestamps of the future: nothing written now replaces them, so the table was dropped and made"
    " anew"
)

Kept = Callable[[], list[str]]  # returns what is to be said of it


@dataclass(frozen=True)
class Showing:
    """Shows loads of one keyspace; each step may be repeated after a crash.

    Whoever keeps Cassandra drops the staged table afterwards: that takes longer than all else.
    """

    cluster: Cluster
    session: Session
    record: Record
    keyspace: str

    def show(
        self,
        name: str,
        published: Publication,
        left: Left | None = None,
        kept: Kept = list,
    ) -> tuple[Plan, list[str]]:
        """Make the rows of a table's load its own; return how, and what is to be said of it.

        `published` is what is to be written down then, by whoever finishes it. A node that is down
        is waited for. `left`: see `switch.prepare`. `kept` returns when what is there is kept.
        Raises Taken, and then the load is given up; PublishError, EngineError.
        """
        return with_all_nodes(self.cluster, partial(self._show, name, published, left, kept))

    def finish(self, name: str) -> None:
        """Finish a table's switch that was cut short, and write down that it is published.

        Raises as `show` does.
        """
        load = self._load(name)
        plan, notes = with_all_nodes(self.cluster, partial(self._show, name))
        if load.published is not None:  # else of an older Myriad: the same command writes it down
            made = Publication(**{**load.published, "table_id": plan.table_id})
            made.report["notes"] = [*made.report["notes"], *notes]
            self.record.publish(self.keyspace, name, made, by_another=True)
            describing.freshen(self.session, self.record, self.keyspace, name)

    def _load(self, name: str) -> Load:
        load = self.record.load(self.keyspace, name)
        assert load is not None  # noqa: S101 - it ends when it is written down as published
        return load

    def _show(
        self,
        name: str,
        published: Publication | None = None,
        left: Left | None = None,
        kept: Kept = list,
    ) -> tuple[Plan, list[str]]:
        load, notes = self._load(name), list[str]()
        old = load.state == State.SWITCHING and load.nodes is None
        if old or load.state in (State.LOADED, State.UNPROVEN):
            load, notes = self._prepared(load, published, left, kept)
        plan = switch.plan_from(load.plan)
        # An older Myriad dropped what was staged in the end.
        if load.state == State.SHOWN or not existing.table_id(self.session, STAGING, load.staged):
            return plan, notes
        with ExitStack() as beside:
            options = self._described(plan, load, beside)
            try:
                switch.finish(self.cluster, self.session, plan, load.staged, options)
            except Taken:
                self._give_up(plan, load)
                raise
            try:
                notes += count_proof.prove(self.cluster, self.session, plan, load)
            except PublishError:
                self.record.unproven(self.keyspace, name)
                raise
        return plan, notes

    def _described(self, plan: Plan, load: Load, beside: ExitStack) -> Asked:
        """Let a table say what it is, now that its rows come for certain.

        One that stays does from now on, until `beside` ends; for one that is made its options are
        returned. Not where columns change too, or where rows stay, whose number is not known yet.
        """
        coming, place = load.published, (self.record, self.keyspace, plan.name)
        if coming is None or plan.appends or plan.widen or plan.narrow:
            return list
        if plan.stays:
            beside.enter_context(describing.beside(self.cluster, *place, coming))
            return list
        return lambda: [describing.option(describing.first(*place, coming))]

    def _prepared(
        self, load: Load, published: Publication | None, left: Left | None, kept: Kept
    ) -> tuple[Load, list[str]]:
        """Bring all into files, and write that down: only from here on it is finished."""
        plan = switch.plan_from(load.plan)
        place, notes = (self.cluster, self.session), list[str]()
        if load.state != State.UNPROVEN:  # else the rows that stay are counted already
            load = replace(load, ranges=count_proof.expected(self.cluster, plan, load))
        try:
            switch.prepare(*place, plan, load.staged, load.stamp, left)
        except Taken:
            self._give_up(plan, load)
            raise
        except FromTheFuture:
            rows = count_proof.future(self.session, plan, switch.latest())
            what = f"rows, such as {rows}, with" if rows else "deletions with"
            notes = [f"{plan.name} had {what} {NOT_REPLACED}"]
            plan = plan.remade()
            switch.prepare(*place, plan, load.staged, load.stamp)
        notes += kept()  # now it may change
        data = None
        if published is not None:
            data = asdict(published) | {"table_id": plan.table_id}
            data["report"]["notes"] = [*data["report"]["notes"], *notes]
        load = replace(load, plan=plan.as_data(), published=data, state=State.SWITCHING)
        self.record.switching(self.keyspace, plan.name, load)
        return load, notes

    def _give_up(self, plan: Plan, load: Load) -> None:
        """Forget a load that has no place any more."""
        if existing.table_id(self.session, plan.keyspace, plan.name) != plan.table_id:
            swap.take_out(self.cluster, plan.files)
        switch.drop(self.session, STAGING, load.staged)
        self.record.end(self.keyspace, plan.name)
