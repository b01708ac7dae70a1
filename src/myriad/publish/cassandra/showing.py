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

NOT_REPLACED = (
    "timestamps of the future: nothing written now replaces them, so the table was dropped and made"
    " anew"
)


@dataclass(frozen=True)
class Showing:
    """Shows loads of one keyspace; each step may be repeated after a crash."""

    cluster: Cluster
    session: Session
    record: Record
    keyspace: str

    def show(self, name: str) -> tuple[Plan, list[str]]:
        """Make the rows of a table's load its own; return how, and what is to be said of it.

        A node that is down is waited for. Raises Taken, and then the load is given up;
        PublishError, EngineError.
        """
        return with_all_nodes(self.cluster, partial(self._show, name))

    def _show(self, name: str) -> tuple[Plan, list[str]]:
        load = self.record.load(self.keyspace, name)
        assert load is not None  # noqa: S101 - it ends when it is written down as published
        plan = switch.plan_from(load.plan)
        if load.state != "switching":
            load = replace(load, ranges=shown.expected(self.cluster, plan, load))
            self.record.switching(self.keyspace, name, load)
        if not present.table_id(self.session, STAGING, load.staged):
            return plan, []  # it was done already: dropping the staged table is the end
        try:
            plan, notes = self._switch(plan, load)
        except Taken:
            self._give_up(plan, load)
            raise
        notes += shown.prove(self.cluster, self.session, plan, load)
        switch.drop(self.session, STAGING, load.staged)
        return plan, notes

    def _switch(self, plan: Plan, load: Load) -> tuple[Plan, list[str]]:
        place = self.cluster, self.session
        try:
            switch.switch(*place, plan, load.staged, load.stamp)
        except FromTheFuture:
            rows = shown.future(self.session, plan, switch.latest())
            plan = plan.remade()
            self.record.switching(self.keyspace, plan.name, replace(load, plan=plan.as_data()))
            switch.switch(*place, plan, load.staged, load.stamp)
            what = f"rows, such as {rows}, with" if rows else "deletions with"
            return plan, [f"{plan.name} had {what} {NOT_REPLACED}"]
        return plan, []

    def _give_up(self, plan: Plan, load: Load) -> None:
        """Forget a load that has no place any more."""
        if present.table_id(self.session, plan.keyspace, plan.name) != plan.table_id:
            swap.take_out(self.cluster, plan.files)
        switch.drop(self.session, STAGING, load.staged)
        self.record.end(self.keyspace, plan.name)
