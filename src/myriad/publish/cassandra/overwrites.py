"""Find rows whose keys are there already: Cassandra would overwrite them without a word."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from myriad.cql.names import qualified, quoted
from myriad.cql.session import Session
from myriad.engines.cassandra.base import Cluster
from myriad.errors import KeyRefused
from myriad.publish.cassandra.look.kinds import CqlColumn
from myriad.publish.cassandra.look.proof import Proof
from myriad.publish.cassandra.prepared_table import Prepared
from myriad.publish.cassandra.switch import SLOW


def count(cluster: Cluster, session: Session, made: Prepared, proof: Proof) -> int:
    """Return how many rows with the keys of `made` are there already."""
    columns = proof.columns_of(made.key)
    names = ", ".join(quoted(column.name) for column in columns)
    select = f"SELECT {names} FROM {qualified(made.keyspace, made.name)}"
    pages = session.pages(select, consistency=cluster.consistency, timeout=SLOW)
    places = [column.place for column in columns]
    return made.spool.among(places, _batches(columns, pages))


def refuse(cluster: Cluster, session: Session, made: Prepared, proof: Proof) -> None:
    """Raise KeyRefused, with how many, if rows with the keys of `made` are there already."""
    found = count(cluster, session, made, proof)
    if found:
        raise KeyRefused(
            f"{made.keyspace}.{made.name} has {found:,} such rows already: they would be"
            f" overwritten. For example {proof.first_among(proof.columns_of(made.key))}",
            hint="Leave those records out of the source, let them change the rows with --merge, or"
            " replace the table.",
        )


def _batches(
    columns: Sequence[CqlColumn], pages: Iterator[list[tuple[Any, ...]]]
) -> Iterator[pa.RecordBatch]:
    for page in pages:
        arrays = [
            _array(column, [row[number] for row in page]) for number, column in enumerate(columns)
        ]
        yield pa.RecordBatch.from_arrays(arrays, names=[column.place for column in columns])


def _array(column: CqlColumn, values: Sequence[Any]) -> "pa.Array[Any]":
    """Return values of Cassandra as the spool has them; null for what it cannot have."""
    kind = pa.string() if column.encode else column.arrow
    return pa.array([_value(column, kind, value) for value in values], kind)


def _value(column: CqlColumn, kind: pa.DataType, value: Any) -> Any:  # noqa: ANN401
    if column.type.name == "uuid":
        return value.bytes
    if column.spooled is not None:
        return column.spooled(value)
    if isinstance(value, datetime) and pa.types.is_timestamp(kind) and kind.tz is None:
        return value.replace(tzinfo=None)
    try:
        pa.scalar(value, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None
    return value
