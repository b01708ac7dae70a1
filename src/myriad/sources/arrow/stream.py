"""Write batches, checked and cut to size, as Arrow's stream: what readers of typed files make."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from myriad.sources.apart.writing import Folder, Refused
from myriad.sources.base import BATCH_ROWS, MAX_READ
from myriad.wording import number_of

if TYPE_CHECKING:
    from io import IOBase

FILE = "table.arrow"
BATCH_BYTES = 16 << 20
MOST_PLACES = 1000 - 76  # behind the point, or zeros before it: PostgreSQL has 1,000 digits


def written(folder: Folder, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write all batches; return how many rows they have. Raises Refused, ArrowException."""
    if len(schema) > MAX_READ:
        raise Refused(
            f"it has {number_of(len(schema), 'column')}; {MAX_READ:,} can be read",
            "Write it with fewer.",
        )
    plain = pa.schema([_plain_field(field) for field in schema])
    rows = 0
    with (
        pa.PythonFile(cast("IOBase", folder.bytes(FILE)), "w") as file,
        pa.ipc.new_stream(file, plain) as stream,
    ):
        for batch in batches:
            batch.validate(full=True)
            columns = [_plain(column) for column in batch.columns]
            made = pa.RecordBatch.from_arrays(columns, schema=plain)
            folder.count(made.num_rows)  # rows of nulls take no bytes, however many they are
            step = _rows(made)
            for begin in range(0, made.num_rows, step):
                stream.write_batch(made.slice(begin, step))
            rows += made.num_rows
    return rows


def _rows(batch: pa.RecordBatch) -> int:
    times = max(1, batch.nbytes // BATCH_BYTES)
    return max(1, min(BATCH_ROWS, batch.num_rows // times))


def _plain_field(field: "pa.Field[Any]") -> "pa.Field[Any]":
    if _inside(field.type, pa.types.is_union):
        raise Refused(
            f"column {field.name} is a union of types", "Write it as columns, one for each type."
        )
    if _inside(field.type, _is_zoned_in_bytes):
        raise Refused(f"column {field.name} has times of a zone whose name is no text", "")
    if _inside(field.type, _is_endless):
        raise Refused(f"column {field.name} has decimals with more places than {MOST_PLACES:,}", "")
    if _inside(field.type, pa.types.is_interval) and not pa.types.is_interval(field.type):
        raise Refused(
            f"column {field.name} has intervals of months, days and nanoseconds within",
            "Write them as text.",
        )
    return field.with_type(_plain_type(field.type)).remove_metadata()


def _is_zoned_in_bytes(kind: Any) -> bool:  # noqa: ANN401 - as below
    try:
        return pa.types.is_timestamp(kind) and kind.tz == ""
    except UnicodeDecodeError:
        return True


def _is_endless(kind: Any) -> bool:  # noqa: ANN401 - the stubs have a class for each type
    """Say whether a type has decimals that neither engine nor memory holds."""
    return pa.types.is_decimal(kind) and abs(kind.scale) > MOST_PLACES


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_list_view(kind):
        return pa.list_(kind.value_type)
    if pa.types.is_large_list_view(kind):
        return pa.large_list(kind.value_type)
    return pa.string() if pa.types.is_interval(kind) else kind


def _plain(column: Any) -> Any:  # noqa: ANN401 - the stubs have a class for each type
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return _plain(pc.run_end_decode(column))  # type: ignore[attr-defined]  # newer than the stubs
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return pa.array(column.to_pylist(), _plain_type(kind))
    if pa.types.is_interval(kind):
        return pa.array([_iso(value) for value in column.to_pylist()], pa.string())
    return column


def _iso(value: Any) -> str | None:  # noqa: ANN401 - months, days and nanoseconds
    """Return an interval as ISO 8601 writes it, also where its parts have different signs."""
    if value is None:
        return None
    months, days, nanoseconds = value
    whole, part = divmod(abs(nanoseconds), 10**9)
    seconds = f"{whole}.{part:09}".rstrip("0").rstrip(".")
    return f"P{months}M{days}DT{'-' if nanoseconds < 0 else ''}{seconds}S"


def _inside(kind: pa.DataType, test: Any) -> bool:  # noqa: ANN401 - a function of pa.types
    fields = (kind.field(at).type for at in range(kind.num_fields))
    return bool(test(kind)) or any(_inside(inner, test) for inner in fields)
