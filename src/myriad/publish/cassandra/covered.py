"""Which old partitions the new rows cover whole: those need no deletion to be hidden.

So it is where a partition is one row and the new one has a value for each column: each is newer
than all that the old row has. Keys are compared as they travel, byte by byte.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from myriad.cql.bulk.encode import wire
from myriad.publish.cassandra.look import kinds
from myriad.publish.cassandra.prepared_table import Prepared

NEW, OLD = "new_keys", "old_keys"  # beside the rows in the spool


@dataclass
class Covered:
    """Collects the keys of one load's rows. Does nothing for tables of which none can be covered.

    Attributes:
        whole: all rows were seen.
    """

    made: Prepared
    whole: bool = False

    def rows(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches of all rows, as the loader takes them, and keep their keys."""
        self.whole = False
        if not self._can_be:
            yield from batches
            return
        self.made.spool.begin(NEW, len(self.made.key.partition))
        for batch in batches:
            self.made.spool.keep(NEW, self._keys(batch))
            yield batch
        self.whole = True

    @property
    def _can_be(self) -> bool:
        """Say whether new rows can cover old ones, until a column that goes is gone, too."""
        made = self.made
        return made.stays and not (made.key.clustering or made.appends or made.altered[1])

    def _keys(self, batch: pa.RecordBatch) -> "list[pa.Array[Any]]":
        full = pa.array([True] * batch.num_rows)
        for column in batch.columns:
            if column.null_count:
                full = pc.and_(full, column.is_valid())
        some = batch.filter(full)
        types = self.made.kinds
        return [
            wire(some.column(name), kinds.staged(types[name])) for name in self.made.key.partition
        ]

    def left(self, old: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield, of the keys of old partitions in wire form, those that are not covered."""
        if not self.whole:
            yield from old
            return
        names: Sequence[str] = ()
        self.made.spool.begin(OLD, len(self.made.key.partition))
        for batch in old:
            names = batch.schema.names
            self.made.spool.keep(OLD, batch.columns)
        for batch in self.made.spool.missing(OLD, NEW, len(names)) if names else ():
            yield pa.RecordBatch.from_arrays(batch.columns, names=list(names))
