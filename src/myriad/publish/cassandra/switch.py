"""Put a loaded table in the place of the one that is there, so that no reader sees a half.

CQL cannot rename a table. So the rows are loaded into a table of ours beside it. Where the table
stays, they get deletions of every partition of the old rows, a microsecond older than the new ones;
then each node takes that table's files into the real table's, all in one step: from there on a
reader finds the new rows, and the deletions hide the old ones. Where the table is made, it has the
number that we have chosen for it, and each node finds the files in the folder of that name.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from myriad.cql.names import qualified
from myriad.cql.session import Session
from myriad.cql.types import CqlType
from myriad.engines.cassandra import all_nodes, swap
from myriad.engines.cassandra.all_nodes import Files
from myriad.engines.cassandra.base import Cluster
from myriad.errors import EngineError, SchemaRefused
from myriad.publish.cassandra import existing, rights
from myriad.publish.cassandra.record import STAGING

if TYPE_CHECKING:
    import pyarrow as pa

ATTEMPTS = 5
SLOW = 60.0  # seconds that a page, or a change of the schema, may take
FUTURE = 10.0  # seconds that a clock may be ahead
FOREVER = 2**63 - 1


@dataclass(frozen=True)
class Plan:
    """All that a switch needs to know, so that it can be finished after a crash.

    Attributes:
        partition: the partition columns and their types, which are plain ones, in the key's order:
            pairs, since the record's JSON keeps no order of names.
        clustering: the other columns of the key, likewise.
        names: column → what it is called while it is loaded.
        statements: make the target's types and, under its number, the table.
        wanted: the target's signature (`existing.signature`).
        appends: the old rows stay.
        before: the number of the table that was there when the publish began, nothing if none was.
        table_id: the number of the table that gets the rows: `before`, or one that is ours to make.
        merges: new rows take the place of old ones with the same key.
        widen: statements that give a table that stays the columns it lacks, before its new rows.
        narrow: statements that take those that it has too many, afterwards.
    """

    keyspace: str
    name: str
    partition: list[tuple[str, str]]
    clustering: list[tuple[str, str]]
    names: dict[str, str]
    statements: list[str]
    wanted: dict[str, Any]
    appends: bool
    before: str
    table_id: str
    merges: bool = False
    widen: list[str] = field(default_factory=list)
    narrow: list[str] = field(default_factory=list)

    @property
    def key(self) -> dict[str, str]:
        """The columns of the key with their types, in its order."""
        return dict((*self.partition, *self.clustering))

    @property
    def stays(self) -> bool:
        """Whether the table that was there gets the rows."""
        return self.table_id == self.before

    @property
    def files(self) -> Files:
        """The target on the nodes."""
        return Files(self.keyspace, self.name, self.table_id)

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data for the record."""
        return asdict(self)

    def remade(self) -> "Plan":
        """Return the plan by which the table that is there is replaced by one of another number."""
        new = str(uuid4())
        made = [line.replace(self.table_id, new) for line in self.statements]
        return replace(self, statements=made, table_id=new, widen=[], narrow=[])


class Taken(SchemaRefused):
    """Somebody else made a table of that name, or another one, while the rows were loaded."""


Asked = Callable[[], Sequence[str]]
Left = Callable[[Iterator["pa.RecordBatch"]], Iterator["pa.RecordBatch"]]


def prepare(
    cluster: Cluster,
    session: Session,
    plan: Plan,
    staged: str,
    stamp: int,
    left: Left | None = None,
) -> None:
    """Bring all that the target shall have into files of every node; nobody sees it yet.

    `left` says which of the keys of old partitions, in wire form, the new rows do not hide already.
    May be repeated, until `finish` has begun. Raises Taken, FromTheFuture, with nothing changed;
    EngineError, and what else `swap` does.
    """
    all_nodes.check(cluster)
    _refuse_taken(session, plan)
    source = staged_files(session, staged)
    for _ in range(ATTEMPTS):
        before = all_nodes.starts(cluster)
        if plan.stays and not plan.appends:
            _hide_old(cluster, plan, staged, stamp - 1, left)
        if plan.stays:
            swap.flush_both(cluster, source, plan.files, FOREVER if plan.appends else latest())
        else:
            swap.flush(cluster, [source])
        if all_nodes.starts(cluster) == before:  # nothing was forgotten before it was in a file
            return
    raise EngineError(
        "nodes of Cassandra ended again and again while the old rows were hidden",
        hint="Their log says why: `myriad logs --cassandra`. Nothing was changed; publish again.",
    )


def finish(
    cluster: Cluster, session: Session, plan: Plan, staged: str, options: Asked = list
) -> None:
    """Make the staged rows, which `prepare` left in files, those of the target.

    `options` is asked for those of the table, in CQL, right before that is made.
    May be repeated, also after a crash in between, by whomever. Raises Taken; EngineError, and
    what else `swap` does.
    """
    all_nodes.check(cluster)  # before anything is dropped
    source = staged_files(session, staged)
    called = {loaded: name for name, loaded in plan.names.items()}
    there = _refuse_taken(session, plan)
    if there != plan.table_id:
        swap.put_in(cluster, source, plan.files, called)
        make_target(cluster, session, plan, options)
    elif plan.stays:
        _change(session, plan.widen)
        swap.swap_in(cluster, source, plan.files, called)
        _change(session, plan.narrow)


def _change(session: Session, statements: Sequence[str]) -> None:
    """Change the schema, by statements that may be run again."""
    for statement in statements:
        session.query(statement, timeout=SLOW)
    if statements:
        session.await_schema()


def staged_files(session: Session, staged: str) -> Files:
    """Return a staged table on the nodes; raises EngineError if nobody has it any more."""
    number = existing.table_id(session, STAGING, staged)
    if not number:
        raise EngineError(
            f"{STAGING}.{staged}, into which the rows were loaded, was dropped",
            hint="Nothing was changed: publish again.",
        )
    return Files(STAGING, staged, number)


def latest() -> int:
    """Return the timestamp, µs, after which nothing was written by a clock that goes right."""
    return int((time.time() + FUTURE) * 1_000_000)


def _refuse_taken(session: Session, plan: Plan) -> str:
    """Return the number of the table that is there; raises Taken if it is a stranger."""
    there = existing.table_id(session, plan.keyspace, plan.name)
    dropped = "" if not plan.stays else plan.table_id  # by us, perhaps
    if there not in (plan.before, plan.table_id, dropped):
        raise Taken(
            f"{plan.keyspace}.{plan.name} is another table than when the publish began: somebody"
            + (" has made it meanwhile" if there else " has dropped it meanwhile"),
            hint="It was not touched. Publish again, when nobody else makes or drops tables there.",
        )
    return there


def make_target(cluster: Cluster, session: Session, plan: Plan, options: Asked = list) -> None:
    """Make the table where it is not there, ours alone; one that it replaces is dropped first.

    `options`: see `finish`.
    Raises Taken, EngineError; SchemaRefused for types of others, with nothing changed.
    """
    there = _refuse_taken(session, plan)
    if there == plan.table_id:
        return
    if there == plan.before:  # else it was dropped by us, and types of its own may be left
        existing.refuse_used_types(session, plan.keyspace, plan.name, plan.wanted)
    rights.free_table(cluster, session, plan.keyspace, plan.name)
    kinds = existing.other_types(session, plan.keyspace, plan.wanted)
    *types, table = plan.statements
    table = " AND ".join([table, *options()])
    drops = [_dropped(plan.keyspace, plan.name)] if there else []
    changes = [f"DROP TYPE IF EXISTS {qualified(plan.keyspace, kind)}" for kind in kinds] + types
    if there and not changes and _was_made(session, plan, table):
        return
    if there and cluster.kind == "embedded":
        swap.flush_all(cluster, existing.keyspaces(session))
    # Whoever reads in between gets an error, so each waits at the node for the one before it.
    if there and not changes:
        session.in_step(drops.pop(), table, timeout=SLOW)
    for statement in (*drops, *changes, table):  # again, as it may have been done first
        session.query(statement, timeout=SLOW)
    session.await_schema()
    if _refuse_taken(session, plan) != plan.table_id:
        raise EngineError(
            f"{plan.keyspace}.{plan.name} is not there: another node was late",
            hint="The same command finishes it.",
        )


def _was_made(session: Session, plan: Plan, table: str) -> bool:
    """Say whether a try of before has made the table, which lost its connection meanwhile.

    A node does one change after the other: with this one, which changes nothing while another
    table is there, those are done that this node was sent before.
    """
    session.query(table, timeout=SLOW)
    session.await_schema()
    return _refuse_taken(session, plan) == plan.table_id


def _dropped(keyspace: str, name: str) -> str:
    return f"DROP TABLE IF EXISTS {qualified(keyspace, name)}"


def drop(session: Session, keyspace: str, name: str) -> None:
    """Drop a table where it is there."""
    session.query(_dropped(keyspace, name), timeout=SLOW)
    session.await_schema()


def _hide_old(cluster: Cluster, plan: Plan, staged: str, stamp: int, left: Left | None) -> None:
    """Delete the partitions of the old table in the staged one, as of `stamp`."""
    from myriad.publish.cassandra import hiding  # noqa: PLC0415 - Arrow, for what stays only

    old = hiding.Partitions(cluster, (plan.keyspace, plan.name), tuple(dict(plan.partition)))
    columns = {plan.names[name]: CqlType(kind) for name, kind in plan.partition}
    keys = iter(old) if left is None else left(iter(old))
    hiding.hide(cluster, keys, (STAGING, staged), columns, stamp)


def plan_from(data: Mapping[str, Any]) -> Plan:
    """Return the plan that `as_data` wrote."""
    return Plan(**data)
