"""Show what was loaded: put it in the place of the table, and prove what is there then."""

from dataclasses import dataclass, replace
from functools import partial

from myriad.cql.session import Session
from myriad.engines.cassandra import swap
from myriad.engines.cassandra.base import Cluster
from myriad.engines.cassandra.swap import FromTheFuture, with_all_nodes
from myriad.publish.cassandra import present, shown, switch
from myriad.publish.cassandra.record import Load, Record
from myriad.publish.cassandra.switch import STAGING, Plan, Taken


@dataclass(frozen=True)
class Showing:
    """Shows loads of one keyspace; each step may be repeated after a crash."""

    cluster: Cluster
    session: Session
    record: Record
    keyspace: str

    def show(self, name: str, load: Load) -> tuple[Plan, list[str]]:
        """Make a load's rows those of its table; return how, and what is to be said of it.

        Raises Taken, and then the load is given up; PublishError, EngineError.
        """
        plan = switch.plan_from(load.plan)
        if load.state != "switching":
            expected = partial(shown.expected, self.cluster, plan, load)
            load = replace(load, ranges=with_all_nodes(self.cluster, expected))
            self.record.switching(self.keyspace, name, load)
        if not present.table_id(self.session, STAGING, load.staged):
            return plan, []  # it was done already: dropping the staged table is the end
        try:
            plan, notes = self._switch(plan, load)
        except Taken:
            self._give_up(plan, load)
            raise
        prove = partial(shown.prove, self.cluster, self.session, plan, load)
        notes += with_all_nodes(self.cluster, prove)
        switch.drop(self.session, STAGING, load.staged)
        return plan, notes

    def _switch(self, plan: Plan, load: Load) -> tuple[Plan, list[str]]:
        try:
            self._change(plan, load)
        except FromTheFuture:
            rows = shown.future(self.session, plan, switch.latest())
            plan = plan.remade()
            self.record.switching(self.keyspace, plan.name, replace(load, plan=plan.as_data()))
            self._change(plan, load)
            what = (
                f"rows with timestamps of the future, such as {rows}"
                if rows
                else ("deletions with timestamps of the future")
            )
            note = (
                f"{plan.keyspace}.{plan.name} had {what}: nothing written now replaces them, so the"
            )
            return plan, [f"{note} table was dropped and made anew"]
        return plan, []

    def _change(self, plan: Plan, load: Load) -> None:
        change = partial(switch.switch, self.cluster, self.session, plan, load.staged, load.stamp)
        with_all_nodes(self.cluster, change)

    def _give_up(self, plan: Plan, load: Load) -> None:
        """Forget a load that has no place any more."""
        if present.table_id(self.session, plan.keyspace, plan.name) != plan.table_id:
            swap.take_out(self.cluster, plan.files)
        switch.drop(self.session, STAGING, load.staged)
        self.record.end(self.keyspace, plan.name)
