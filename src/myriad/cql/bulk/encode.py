"""Rows of Arrow batches as Cassandra takes them: values in wire form, many rows at once.

Source: Cassandra's `doc/native_protocol_v4.spec`, sections 4.1.7 (BATCH) and 6 (values).

Every row becomes one statement of a BATCH: a head that names the prepared INSERT, then for each
column the length of its value and the value. Places are worked out first, for all rows; then
each column is scattered to its places in words of up to 8 bytes. A text's last word reaches over
its end, into what is written later: the next columns, and the next row's head at the very end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from myriad.cql import frames
from myriad.cql.tokens import tokens
from myriad.cql.types import CqlType
from myriad.errors import PublishError

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]
Column: TypeAlias = "pa.Array[Any]"

UNSET = -2  # the length of a value that is not there: unlike null it leaves no tombstone
WORD = 8
SHORT = 64  # bytes of a value that are copied by words; what is longer is copied value by value
DAY_ZERO = 1 << 31
PREPARED = b"\x01"
# Which types are made from which columns. A binary column has wire bytes already.
FITTING = {
    "bool": ("boolean",),
    "int16": ("smallint",),
    "int32": ("int",),
    "int64": ("bigint",),
    "float": ("float",),
    "double": ("double",),
    "date32[day]": ("date",),
    "time64[us]": ("time",),
    "timestamp[us]": ("timestamp",),
    "timestamp[us, tz=UTC]": ("timestamp",),
    "string": ("text", "ascii"),
    "large_string": ("text", "ascii"),
}


@dataclass(frozen=True)
class Cells:
    """One column in wire form: value i is `data[starts[i] : starts[i] + lengths[i]]`.

    Attributes:
        width: of every value that is there, or 0 where they differ.
        lengths: in bytes; 0 where there is no value.
        valid: which are there; None: all.
    """

    data: Bytes
    starts: Places
    lengths: Places
    width: int
    valid: NDArray[np.bool_] | None

    def announced(self) -> NDArray[Any]:
        """Return the lengths as they precede the values."""
        lengths = self.lengths if self.valid is None else np.where(self.valid, self.lengths, UNSET)
        return lengths.astype(">i4")


@dataclass(frozen=True)
class Rows:
    """Encoded rows: row i is `data[offsets[i] : offsets[i + 1]]`."""

    data: Bytes
    offsets: Places


@dataclass(frozen=True)
class Partitions:
    """The partitions of some rows, which are neighbours.

    Attributes:
        starts: at which row each begins, and the number of rows at the end.
        tokens: of each.
    """

    starts: Places
    tokens: NDArray[np.int64]

    @property
    def rows(self) -> Places:
        """How many rows each has."""
        return np.diff(self.starts)


class Encoder:
    """Encodes the rows of one table.

    `statement` is the id of the prepared INSERT, `types` are those of its values in the order of
    the batches' columns, `partition` are the positions of the partition key's columns.
    """

    def __init__(
        self, statement: bytes, types: Sequence[CqlType], partition: Sequence[int]
    ) -> None:
        count = frames.pack_short(len(types))
        self._head = np.frombuffer(PREPARED + frames.short_bytes(statement) + count, np.uint8)
        self._types = tuple(types)
        self._partition = tuple(partition)

    def encode(self, batch: pa.RecordBatch) -> Rows:
        """Encode a batch that has rows. Raises PublishError for columns that do not fit."""
        columns = [
            cells(column, kind) for column, kind in zip(batch.columns, self._types, strict=True)
        ]
        return _assembled(self._head, columns, batch.num_rows)

    def partitions(self, batch: pa.RecordBatch) -> Partitions:
        """Return the partitions of a batch that has rows."""
        starts = self._starts(batch)
        first = starts[:-1]
        key = [cells(batch.column(at), self._types[at]) for at in self._partition]
        if len(key) == 1:
            return Partitions(
                starts, tokens(key[0].data, key[0].starts[first], key[0].lengths[first])
            )
        data, offsets = _composed(key, first)
        return Partitions(starts, tokens(data, offsets[:-1], np.diff(offsets)))

    def _starts(self, batch: pa.RecordBatch) -> Places:
        rows = batch.num_rows
        new = np.zeros(rows - 1, np.bool_)
        for at in self._partition:
            column = batch.column(at)
            differs = pc.not_equal(column.slice(1), column.slice(0, rows - 1))
            new |= _booleans(differs, nulls=True)
        firsts = np.flatnonzero(new) + 1
        return np.concatenate((np.zeros(1, np.int64), firsts, np.array([rows])))


def cells(column: Column, kind: CqlType) -> Cells:
    """Return a column in wire form; raises PublishError if it is not what `kind` is made from."""
    arrow: Any = column.type
    fitting = ("decimal", "varint") if pa.types.is_decimal128(arrow) else FITTING.get(str(arrow))
    binary = pa.types.is_binary(arrow) or pa.types.is_large_binary(arrow)
    if not binary and kind.name not in (fitting or ()):
        raise PublishError(
            f"values of type {arrow} cannot become {kind}", hint="Publish that column as text."
        )
    valid = None
    if column.null_count:
        valid = column.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_decimal128(arrow):
        return _decimals(column, kind, valid)
    if pa.types.is_large_string(arrow) or pa.types.is_large_binary(arrow):
        return _variable(column, np.int64, valid)
    if pa.types.is_string(arrow) or pa.types.is_binary(arrow):
        return _variable(column, np.int32, valid)
    return _fixed(_numbers(column), valid)


def wire(column: Column, kind: CqlType) -> Column:
    """Return the values of a column without nulls in wire form; raises PublishError as `cells`."""
    arrow: Any = column.type
    if pa.types.is_binary(arrow):
        return column
    if pa.types.is_string(arrow) or pa.types.is_large_string(arrow):
        return column.cast(pa.binary())
    found = cells(column, kind)
    if found.width:  # one after the other
        ends = np.arange(len(column) + 1, dtype=np.int32) * found.width
        buffers = [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(found.data.tobytes())]
        return pa.Array.from_buffers(pa.binary(), len(column), buffers)
    data, pairs = found.data.tobytes(), zip(found.starts, found.lengths, strict=True)
    return pa.array([data[start : start + length] for start, length in pairs], pa.binary())


def _numbers(column: Column) -> NDArray[Any]:
    arrow: Any = column.type
    if pa.types.is_boolean(arrow):
        return _booleans(column, nulls=False).view(np.uint8)
    raw = _raw(column, f"i{arrow.bit_width // 8}")
    if pa.types.is_date32(arrow):
        return (raw.astype(np.int64) + DAY_ZERO).astype(">u4")
    if pa.types.is_time64(arrow):
        return (raw * 1000).astype(">i8")
    if pa.types.is_timestamp(arrow):
        return (raw // 1000).astype(">i8")
    return raw.astype(raw.dtype.newbyteorder(">"))


def _booleans(column: Column, *, nulls: bool) -> NDArray[np.bool_]:
    filled: Column = column.fill_null(nulls)
    return np.asarray(filled.to_numpy(zero_copy_only=False), np.bool_)


def _memory(buffer: pa.Buffer | None) -> "memoryview[int]":
    return memoryview(b"" if buffer is None else buffer)


def _raw(column: Column, form: str) -> NDArray[Any]:
    """Return the numbers of a column as they lie in memory, those of nulls too."""
    values = np.frombuffer(_memory(column.buffers()[1]), form)
    return values[column.offset : column.offset + len(column)]


def _fixed(values: NDArray[Any], valid: NDArray[np.bool_] | None) -> Cells:
    width = values.dtype.itemsize
    lengths = np.full(len(values), width, np.int64)
    if valid is not None:
        lengths *= valid
    starts = np.arange(len(values), dtype=np.int64) * width
    return Cells(_padded(values.view(np.uint8)), starts, lengths, width, valid)


def _variable(column: Column, offset: Any, valid: NDArray[np.bool_] | None) -> Cells:  # noqa: ANN401 - a dtype
    _, ends, data = column.buffers()
    every = np.frombuffer(_memory(ends), offset)
    places = every[column.offset : column.offset + len(column) + 1].astype(np.int64)
    first, last = int(places[0]), int(places[-1])
    used = np.frombuffer(_memory(data), np.uint8)[first:last]
    lengths = np.diff(places)
    if valid is not None:
        lengths *= valid
    return Cells(_padded(used), places[:-1] - first, lengths, 0, valid)


def _decimals(column: Column, kind: CqlType, valid: NDArray[np.bool_] | None) -> Cells:
    """Return decimals: their scale in 4 bytes, except for varint, then the shortest number."""
    rows = len(column)
    raw = _raw(column, "V16").view(np.uint8).reshape(rows, 16)
    head = 0 if kind.name == "varint" else 4
    data = np.zeros((rows, head + 16), np.uint8)
    data[:, head:] = raw[:, ::-1]
    skipped = _needless(data[:, head:])
    starts = np.arange(rows, dtype=np.int64) * (head + 16) + skipped
    flat = _padded(data.reshape(-1))
    if head:
        _words(flat, ">i4")[starts] = column.type.scale
    lengths = head + 16 - skipped
    if valid is not None:
        lengths *= valid
    return Cells(flat, starts, lengths, 0, valid)


def _needless(numbers: Bytes) -> Places:
    """Return how many of the first bytes of each number only repeat its sign."""
    sign = np.where(numbers[:, :1] >= 0x80, np.uint8(0xFF), np.uint8(0))  # noqa: PLR2004 - the sign's bit
    differs = numbers != sign
    differs[:, -1] = True  # one byte stays
    first = differs.argmax(axis=1)
    # The first byte that differs needs one before it if its own upper bit is another sign.
    other = (np.take_along_axis(numbers, first[:, None], axis=1) ^ sign)[:, 0] >= 0x80  # noqa: PLR2004
    found: Places = first - other
    return found


def _padded(data: Bytes) -> Bytes:
    """Return bytes with some behind them, so that a word may be read from each place."""
    return np.concatenate((data, np.zeros(WORD, np.uint8)))


def _words(data: Bytes, form: str) -> NDArray[Any]:
    """Return a view of the word that begins at each byte."""
    size = np.dtype(form).itemsize
    return np.ndarray((len(data) - size + 1,), form, data, strides=(1,))


def _assembled(head: Bytes, columns: Sequence[Cells], rows: int) -> Rows:
    sizes = np.full(rows, len(head) + 4 * len(columns), np.int64)
    for each in columns:
        sizes += each.lengths
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    out = np.empty(int(offsets[-1]) + WORD, np.uint8)
    at = offsets[:-1] + len(head)
    for each in columns:
        _words(out, ">i4")[at] = each.announced()
        at += 4
        _copy(out, at, each)
        at += each.lengths
    _words(out, f"V{len(head)}")[offsets[:-1]] = head.view(f"V{len(head)}")
    return Rows(out, offsets)


def _copy(out: Bytes, at: Places, column: Cells) -> None:
    """Copy the values of a column to their places."""
    if column.width in (1, 2, 4, 8):
        form = f"u{column.width}"
        # Where there is no value what is written now is overwritten later.
        _words(out, form)[at] = _words(column.data, form)[column.starts]
        return
    longest = int(column.lengths.max(initial=0))
    source, target = _words(column.data, "u8"), _words(out, "u8")
    for done in range(0, min(longest, SHORT), WORD):
        chosen = slice(None) if not done else np.flatnonzero(column.lengths > done)
        target[at[chosen] + done] = source[column.starts[chosen] + done]
    for row in np.flatnonzero(column.lengths > SHORT).tolist():
        start, to, length = (int(each[row]) for each in (column.starts, at, column.lengths))
        out[to + SHORT : to + length] = column.data[start + SHORT : start + length]


def _composed(columns: Sequence[Cells], rows: Places) -> tuple[Bytes, Places]:
    """Return the wire form of partition keys of several columns."""
    sizes = np.full(len(rows), 3 * len(columns), np.int64)
    chosen = [
        Cells(each.data, each.starts[rows], each.lengths[rows], each.width, None)
        for each in columns
    ]
    for each in chosen:
        sizes += each.lengths
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    out = np.zeros(int(offsets[-1]) + WORD, np.uint8)
    at = offsets[:-1].copy()
    for each in chosen:
        _words(out, ">u2")[at] = each.lengths
        at += 2
        _copy(out, at, each)
        at += each.lengths
        out[at] = 0
        at += 1
    return out[: int(offsets[-1])], offsets
