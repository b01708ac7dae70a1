"""By which WHERE a table of Cassandra can be asked: that follows from its key."""

from collections.abc import Mapping, Sequence
from typing import Any

from myriad.cql.text import literal, readable
from myriad.cql.types import CqlType
from myriad.model import Key, Order
from myriad.publish.cassandra.look.proof import Partitions
from myriad.wording import average_of


def explain(
    table: tuple[str, str],
    key: Key,
    kinds: Mapping[str, CqlType],
    example: Sequence[Any],
    partitions: Partitions,
) -> list[str]:
    """Return lines for people: statements that work, with values from the data, and what does not.

    `table` is keyspace and name; `example` has a value for each column of the key, in order.
    """
    values = {
        name: literal(kinds[name], value) for name, value in zip(key.columns, example, strict=False)
    }
    if not values:
        return ["The table is empty."]
    head = f"SELECT * FROM {readable(table[0])}.{readable(table[1])} WHERE "
    where = [f"{readable(name)} = {values[name]}" for name in key.partition]
    average = average_of(partitions.average_rows, "row")
    lines = [
        f"{head}{' AND '.join(where)};",
        f"  one partition, {average} on average"
        if key.clustering
        else "  one row: the whole key is needed",
    ]
    for name, order in key.clustering:
        sign, way = ("<=", "newest or largest first") if order is Order.DESC else (">=", "in order")
        lines += [
            f"{head}{' AND '.join([*where, f'{readable(name)} {sign} {values[name]}'])};",
            f"  a range of {readable(name)} within the partition, {way}",
        ]
        where.append(f"{readable(name)} = {values[name]}")
    if key.clustering:
        lines += [f"{head}{' AND '.join(where)};", "  one row"]
    return [*lines, *_not(key, kinds)]


def _not(key: Key, kinds: Mapping[str, CqlType]) -> list[str]:
    needed = " and ".join(map(readable, key.partition))
    others = [readable(name) for name in kinds if name not in key.columns]
    lines = [f"Always with {needed}, each with = or IN; the others from left to right."]
    if others:
        shown = ", ".join(others[:5]) + (", …" if len(others) > 5 else "")  # noqa: PLR2004
        lines.append(
            f"Not by {shown}: publish the same source under another --table with a key that begins"
            " with what you ask by."
        )
    return lines
