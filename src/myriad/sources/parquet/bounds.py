"""How many rows of a Parquet file fit in memory at once: few bytes may stand for gigabytes."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from myriad.errors import SourceError
from myriad.sources.base import BATCH_ROWS, MORE_MEMORY
from myriad.sources.parquet import nested
from myriad.sources.places.files import MOST_TIMES, SAFE_BYTES, trap

READ_BYTES = 1 << 20  # read ahead for each column; without it a whole row group is read at once
LONG = 64 << 10  # nobody repeats longer values a million times but to do harm

# How many times the file's size its rows may have: some writers say that they have no bytes.
_PACKED = 20


def batch_rows(path: Path, file: pq.ParquetFile, longest: int, origin: str) -> int:
    """Return how many rows a batch may have to take `longest` bytes; at most BATCH_ROWS.

    Raises SourceError where one row is too much, or a file is a trap: tiny, and huge within.
    """
    widest = total = 0
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        said = group.total_byte_size or path.stat().st_size * _PACKED
        row = said // max(group.num_rows, 1)
        repeated = _longest_repeated(path, file, number) if row <= longest else 0
        widest = max(widest, row + repeated)
        total += group.num_rows * repeated if repeated > LONG else 0
    if widest > longest:
        raise SourceError(
            f"{origin}: its rows have about {widest:,} bytes, the limit is {longest:,}",
            hint=f"Keep such values as files; or {MORE_MEMORY}",
        )
    size = path.stat().st_size
    if total > max(SAFE_BYTES, size * MOST_TIMES):
        raise trap(origin, size, total, "Write it anew without that column.")
    return max(1, min(BATCH_ROWS, longest // max(widest, 1)))


def _longest_repeated(path: Path, file: pq.ParquetFile, group: int) -> int:
    """Return the bytes of the longest values in dictionaries, of which each row may have one."""
    metadata, schema = file.metadata.row_group(group), file.schema
    texts = {field.name for field in file.schema_arrow if _varies(field.type)}
    paths = (schema.column(at).path for at in range(len(schema)))
    places = [(name, at) for at, name in enumerate(paths) if name in texts]
    if not places or not metadata.num_rows:
        return 0
    names = [name for name, _ in places]
    again = pq.ParquetFile(path, read_dictionary=names, pre_buffer=False, buffer_size=READ_BYTES)
    try:
        with again:
            batches = again.iter_batches(1, row_groups=[group], columns=names, use_threads=False)
            batch = next(batches, None)
    except (pa.ArrowException, OSError):
        return 0  # damaged: whoever reads it is told where
    if batch is None:
        return 0
    # Only now: asked of a column that is damaged or encrypted, Arrow would end this process.
    repeated = {name for name, at in places if metadata.column(at).has_dictionary_page}
    named = zip(batch.schema.names, batch.columns, strict=True)  # names may come twice
    found = [column for name, column in named if name in repeated]
    return sum(_longest(each.dictionary) for each in found if isinstance(each, pa.DictionaryArray))


def _longest(values: Any) -> int:  # noqa: ANN401 - the stubs have a class for each type
    longest: int | None = pc.max(pc.binary_length(values)).as_py()
    return longest or 0


def _varies(kind: pa.DataType) -> bool:
    """Say whether values of `kind` are texts or bytes of any length."""
    if pa.types.is_dictionary(kind):
        return _varies(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return True
    return nested.is_bytes(kind) and not pa.types.is_fixed_size_binary(kind)
