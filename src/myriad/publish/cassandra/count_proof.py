"""What the target has when its new rows are shown: counted, and told where it is not the source."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from myriad.cql.bulk.counts import Counted, Mismatch, Range
from myriad.cql.connection import Consistency
from myriad.cql.names import qualified, quoted
from myriad.cql.session import Session
from myriad.cql.text import literal
from myriad.cql.types import CqlType
from myriad.engines.cassandra import swap
from myriad.engines.cassandra.base import Cluster
from myriad.errors import PublishError
from myriad.publish.cassandra import existing
from myriad.publish.cassandra.record import STAGING, Load
from myriad.publish.cassandra.switch import SLOW, Plan

SHOWN, LINES = 3, 5
SHOWN_CHARACTERS = 200  # of each value
COMPARED = 200_000  # rows of a range, at most, that are looked through for examples


def expected(cluster: Cluster, plan: Plan, load: Load) -> list[list[int]]:
    """Return the rows of each range as the target shall have them: with those that stay there."""
    if not plan.appends:
        return load.ranges
    ranges = [Range(*each) for each in load.ranges]
    there = _target(cluster, plan).rows(ranges)
    return [
        [each.start, each.end, each.rows + rows] for each, rows in zip(ranges, there, strict=True)
    ]


def _target(cluster: Cluster, plan: Plan) -> Counted:
    key = [name for name, _ in plan.partition]
    return Counted(cluster, plan.keyspace, plan.name, key, Consistency.ALL)


def prove(cluster: Cluster, session: Session, plan: Plan, load: Load) -> list[str]:
    """Count the target, range by range; return what is to be said of rows that others wrote.

    Raises PublishError if it is not the source though nobody wrote there; EngineError.
    """
    ranges = [Range(*each) for each in load.ranges]
    wrong = _target(cluster, plan).difference(ranges)
    if plan.merges:
        wrong = [each for each in wrong if not _can_be_merged(each)]
    if not wrong:
        return []
    wanted = sum(each.rows for each in ranges)
    there = wanted + sum(each.rows - each.wanted.rows for each in wrong)
    told = f"{there:,} rows instead of {wanted:,}{_examples(session, plan, load.staged, wrong)}"
    if swap.newest(cluster, plan.files) > load.stamp:
        return [f"others wrote into {plan.name} while it was published, and that stays: {told}"]
    lines = "\n".join(f"  {each}" for each in wrong[:LINES])
    raise PublishError(
        f"{plan.keyspace}.{plan.name} is not what was loaded, it has {told}:\n{lines}",
        hint="Publish again, with the same command; if it happens again, report it.",
    )


def _can_be_merged(range_: Mismatch) -> bool:
    """Say whether so many rows can come of old and new ones, of which some have the same key.

    There must be as many as the old ones, or the new ones: so half of both together.
    """
    return range_.wanted.rows <= 2 * range_.rows <= 2 * range_.wanted.rows


def future(session: Session, plan: Plan, latest: int) -> str:
    """Return which rows have timestamps after `latest`, µs; nothing if only deletions have."""
    there = existing.find(session, plan.keyspace, plan.name)
    key = plan.key
    rest = [name for name in (there.columns if there else {}) if name not in key]
    if not rest:
        return ""
    written = ", ".join(f"maxwritetime({quoted(name)})" for name in rest)
    table = qualified(plan.keyspace, plan.name)
    pages = session.pages(
        f"SELECT {', '.join(map(quoted, key))}, {written} FROM {table}", timeout=SLOW
    )
    late = (
        _told(key, row)
        for page in pages
        for row in page
        if any(stamp and stamp > latest for stamp in row[len(key) :])
    )
    return ", ".join(islice(late, SHOWN))


def _examples(session: Session, plan: Plan, staged: str, wrong: Sequence[Mismatch]) -> str:
    """Return some keys that only one of source and target has, from the first range."""
    wanted = wrong[0].wanted
    if max(wanted.rows, wrong[0].rows) > COMPARED or plan.appends:
        return ""
    key = plan.key
    called = [plan.names[name] for name in key]
    new = _keys(session, (STAGING, staged), called, len(plan.partition), wanted)
    shown = _keys(session, (plan.keyspace, plan.name), list(key), len(plan.partition), wanted)
    found = {"more": shown - new, "missing": new - shown}
    return "".join(
        f"; {what}: {'; '.join(_told(key, row) for row in islice(rows, SHOWN))}"
        for what, rows in found.items()
        if rows
    )


def _keys(
    session: Session, table: tuple[str, str], names: Sequence[str], partition: int, wanted: Range
) -> set[tuple[Any, ...]]:
    token = f"token({', '.join(map(quoted, names[:partition]))})"
    pages = session.pages(
        f"SELECT {', '.join(map(quoted, names))} FROM {qualified(*table)}"
        f" WHERE {token} > ? AND {token} <= ?",
        [wanted.start, wanted.end],
        timeout=SLOW,
    )
    return {tuple(row) for page in pages for row in page}


def _told(key: Mapping[str, str], row: Sequence[Any]) -> str:
    return ", ".join(
        f"{name} = {literal(CqlType(kind), value)}"[:SHOWN_CHARACTERS]
        for (name, kind), value in zip(key.items(), row, strict=False)
    )
