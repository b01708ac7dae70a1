"""Put a loaded table in the place of the one that is there, so that no reader sees a half.

CQL cannot rename a table. So the rows are loaded into a table of ours beside it, together with
deletions of every partition of the old one, a microsecond older than the new rows. Then each node
takes that table's files into the real table's, all in one step: from there on a reader finds the
new rows, and the deletions hide the old ones.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from myriad.cql.connection import Consistency
from myriad.cql.names import qualified, quoted
from myriad.cql.session import Session
from myriad.cql.types import CqlType
from myriad.engines.cassandra import swap
from myriad.engines.cassandra.base import Cluster
from myriad.errors import CqlError
from myriad.publish.cassandra import present
from myriad.publish.cassandra.text import literal

STAGING = "myriad_next"
BATCHES_AT_ONCE = 8  # each is up to 200 partitions, on every node: more run into time limits
ATTEMPTS = 5
PAUSE = 0.5
SLOW = 60.0  # seconds that a page of partitions, or a batch of deletions, may take


@dataclass(frozen=True)
class Plan:
    """All that a switch needs to know, so that it can be finished after a crash.

    Attributes:
        partition: the partition columns with their types, which are plain ones.
        statements: make the target's types and the table where they are missing.
        wanted: the target's signature (`present.signature`).
        appends: the old rows stay.
    """

    keyspace: str
    name: str
    partition: dict[str, str]
    statements: list[str]
    wanted: dict[str, Any]
    appends: bool

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data for the record."""
        return asdict(self)


def switch(cluster: Cluster, session: Session, plan: Plan, staged: str, stamp: int) -> None:
    """Make the staged rows those of the target; may be repeated, also after a crash in between.

    Raises EngineError, and what else `swap.swap_in` does.
    """
    if present.find(session, STAGING, staged) is None:
        return  # it was done already: dropping the staged table is the end
    swap.check(cluster)  # before anything is dropped
    make_target(session, plan)
    if not plan.appends:
        _hide_old(cluster, session, plan, staged, stamp - 1)
    swap.swap_in(cluster, (STAGING, staged), (plan.keyspace, plan.name))
    drop(session, STAGING, staged)


def make_target(session: Session, plan: Plan) -> None:
    """Make the table; one that is there with other columns or another key is dropped first."""
    there = present.find(session, plan.keyspace, plan.name)
    fits = there and (plan.appends or present.same(session, plan.keyspace, there, plan.wanted))
    if there is not None and not fits:
        drop(session, plan.keyspace, plan.name)
        there = None
    if there is None:
        for kind in present.other_types(session, plan.keyspace, plan.wanted):
            session.query(f"DROP TYPE IF EXISTS {qualified(plan.keyspace, kind)}")
        for statement in plan.statements:
            session.query(statement, timeout=SLOW)
        session.await_schema()


def drop(session: Session, keyspace: str, name: str) -> None:
    """Drop a table where it is there."""
    session.query(f"DROP TABLE IF EXISTS {qualified(keyspace, name)}", timeout=SLOW)
    session.await_schema()


def _hide_old(cluster: Cluster, session: Session, plan: Plan, staged: str, stamp: int) -> None:
    """Delete every partition of the old table in the staged one, as of `stamp`."""
    batches = _batches(cluster, _deletions(cluster, session, plan, staged), stamp)
    # Each node shows what it has itself: all must have the deletions.
    with cluster.session() as writing:
        while some := list(islice(batches, BATCHES_AT_ONCE)):
            _run(writing, some, Consistency.ALL)


def _deletions(cluster: Cluster, session: Session, plan: Plan, staged: str) -> Iterator[str]:
    names = [quoted(name) for name in plan.partition]
    kinds = [CqlType(kind) for kind in plan.partition.values()]
    table = qualified(plan.keyspace, plan.name)
    head = f"DELETE FROM {qualified(STAGING, staged)} WHERE "
    select = f"SELECT DISTINCT {', '.join(names)} FROM {table}"
    for page in session.pages(select, consistency=cluster.consistency, timeout=SLOW):
        for row in page:
            parts = zip(names, kinds, row, strict=True)
            yield head + " AND ".join(
                f"{name} = {literal(kind, value, exact=True)}" for name, kind, value in parts
            )


def _batches(cluster: Cluster, statements: Iterator[str], stamp: int) -> Iterator[str]:
    some: list[str] = []
    for statement in statements:
        size = sum(map(len, some)) + len(statement)
        if some and (len(some) == cluster.batch_partitions or size > cluster.batch_bytes):
            yield _batch(some, stamp)
            some = []
        some.append(statement)
    if some:
        yield _batch(some, stamp)


def _batch(statements: Sequence[str], stamp: int) -> str:
    return f"BEGIN UNLOGGED BATCH USING TIMESTAMP {stamp} {'; '.join(statements)}; APPLY BATCH"


def _run(session: Session, statements: Sequence[str], consistency: Consistency) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            session.run_all(statements, consistency=consistency, timeout=SLOW)
        except CqlError as error:
            if not error.retryable or attempt == ATTEMPTS:
                raise
            time.sleep(PAUSE * attempt)
        else:
            return


def plan_from(data: Mapping[str, Any]) -> Plan:
    """Return the plan that `as_data` wrote."""
    return Plan(**data)
