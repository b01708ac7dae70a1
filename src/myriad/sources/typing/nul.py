"""Text that holds a NUL, which PostgreSQL's cannot; here, because CSV needs nothing else of typing.

`pyarrow.compute`, which other sources find the records with, takes long to load.
"""

from typing import Any

import pyarrow as pa

# Cassandra's text could; a source shall give the same rows in both.
NUL = "holds a NUL character, which Myriad takes into neither engine"


def may_hold(column: "pa.Array[Any]") -> bool:
    """Say whether the buffer of a column of text holds a NUL; it may be a neighbouring slice's."""
    if not pa.types.is_string(column.type):
        return False
    data = column.buffers()[2]  # looking at it costs next to nothing
    return data is not None and b"\0" in data.to_pybytes()


def has_nul(values: pa.RecordBatch) -> bool:
    """Say whether a text in a batch may hold a NUL."""
    return any(may_hold(column) for column in values.columns)
