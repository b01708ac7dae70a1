"""What a contract looks at of a table in Cassandra that is there, and of one that is to come."""

from collections.abc import Collection, Sequence

from myriad.cql.names import qualified, quoted
from myriad.cql.session import Session
from myriad.model import Key
from myriad.publish.cassandra import existing
from myriad.publish.cassandra.existing import Existing
from myriad.publish.cassandra.look.kinds import CqlColumn
from myriad.publish.cassandra.look.spool import Spool
from myriad.publish.contract import Change, Difference, Shape

LOOK = 1000  # rows in which a column had a value or had none


def of_there(there: Existing, rows: int) -> Shape:
    """Return the shape of a table that had so many rows at its last publish."""
    return Shape(there.columns, str(there.key), rows)


def of_new(columns: Sequence[CqlColumn], key: Key | None) -> Shape:
    """Return the shape of a table that is to come."""
    kinds = {column.name: existing.written(column.type) for column in columns}
    return Shape(kinds, "" if key is None else str(key), None)


def other_types(name: str, there: Shape, new: Shape, asked: Collection[str]) -> list[Difference]:
    """Return a difference for columns of another type, which Cassandra cannot change.

    But for those in `asked`, for which a person said the type.
    """
    changed = [
        f"{column} {there.columns[column]} → {kind}"
        for column, kind in new.columns.items()
        if there.columns.get(column, kind) != kind and column not in asked
    ]
    if not changed:
        return []
    text = f"types change, and the table would be made anew: {', '.join(changed)}"
    return [Difference(name, Change.TYPES, text)]


def emptied(session: Session, keyspace: str, spool: Spool, there: Shape) -> list[str]:
    """Return the columns that have no value now and had some in the first rows."""
    places = [(place, column.name) for place, column in spool.places()]
    counts = spool.aggregates([f"count({place})" for place, _ in places])
    empty = [
        name
        for (_, name), count in zip(places, counts, strict=True)
        if not count and name in there.columns
    ]
    return [name for name in empty if _had_values(session, keyspace, spool.table.name, name)]


def _had_values(session: Session, keyspace: str, table: str, column: str) -> bool:
    asked = f"SELECT {quoted(column)} FROM {qualified(keyspace, table)} LIMIT {LOOK}"
    return any(value is not None for (value,) in session.query(asked))
