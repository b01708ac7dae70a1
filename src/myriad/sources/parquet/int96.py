"""Timestamps of 96 bits, as Hive, Impala and Spark wrote them: days and nanoseconds.

Arrow reads them as nanoseconds, which end in the year 2262 and begin anew without a word, or as
microseconds, which cut what is finer. Both are read, and compared where both are sound.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

NANO = pa.scalar(1000, pa.int64())
# Microseconds within which nanoseconds of 64 bits are sound: 1677-09-22 to 2262-04-11.
_FIRST, _LAST = pa.scalar(-9_223_372_036_854_775), pa.scalar(9_223_372_036_854_775)


class Finer(Exception):
    """A column has values that microseconds do not keep."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def columns(file: pq.ParquetFile) -> list[str]:
    """Return the columns, not nested, that are written so."""
    schema = file.schema
    found = (schema.column(number) for number in range(len(schema)))
    return [each.path for each in found if each.physical_type == "INT96" and "." not in each.path]


def compared(
    micro: Iterator[pa.RecordBatch], nano: Iterator[pa.RecordBatch], names: list[str]
) -> Iterator[pa.RecordBatch]:
    """Yield the batches of microseconds; raises Finer where nanoseconds say more."""
    for batch, finer in zip(micro, nano, strict=True):
        for name in names:
            _compare(batch.column(name), finer.column(name), name)
        yield batch


def sound(
    micro: Iterator[pa.RecordBatch], nano: Iterator[pa.RecordBatch], names: list[str]
) -> Iterator[pa.RecordBatch]:
    """Yield the batches of nanoseconds; raises ValueError for a year that those cannot say."""
    for batch, whole in zip(micro, nano, strict=True):
        for name in names:
            if not pc.all(_within(batch.column(name))).as_py():
                raise ValueError(
                    f"column {name} has nanoseconds, and years beyond 2262: no type keeps both"
                )
        yield whole


def _compare(micro: Any, nano: Any, name: str) -> None:  # noqa: ANN401 - arrays
    counted = nano.cast(pa.int64())
    same = pc.equal(pc.multiply(pc.divide(counted, NANO), NANO), counted)
    if not pc.all(pc.or_(same, pc.invert(_within(micro)))).as_py():
        raise Finer(name)


def _within(micro: Any) -> Any:  # noqa: ANN401 - as above
    counted: pa.Int64Array = micro.cast(pa.int64())
    return pc.and_(pc.greater_equal(counted, _FIRST), pc.less_equal(counted, _LAST))
