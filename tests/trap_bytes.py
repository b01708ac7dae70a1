"""Pieces of hostile files, byte for byte: Avro, ORC, Arrow, BSON and workbooks in records."""

import io
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import bson
import pyarrow as pa

from tests.every_workbook import record, xlsb

Maker = Callable[[], bytes]


def varint(number: int) -> bytes:
    """Return a number as protobuf writes it: seven bits a byte, the lowest first."""
    found = b""
    while number > 0x7F:
        found, number = found + bytes([number & 0x7F | 0x80]), number >> 7
    return found + bytes([number])


def zigzag(number: int) -> bytes:
    """Return a number as Avro writes it."""
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def avro(schema: object, block: bytes, codec: str = "null") -> bytes:
    """Return an Avro file with these bytes where its blocks are."""
    text = schema if isinstance(schema, str) and schema[:1] in "[{" else json.dumps(schema)
    parts = [("avro.schema", text), ("avro.codec", codec)]
    pairs = [zigzag(len(key)) + key.encode() + zigzag(len(v)) + v.encode() for key, v in parts]
    return b"Obj\x01" + zigzag(2) + b"".join(pairs) + b"\0" + b"s" * 16 + block + b"s" * 16


def avro_block(count: int, data: bytes) -> bytes:
    """Return a block that says it has so many records."""
    return zigzag(count) + zigzag(len(data)) + data


def squeezed(megabytes: int) -> bytes:
    """Return as many megabytes of zeros, deflated."""
    packer = zlib.compressobj(9, wbits=-15)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


def nested_arrays(depth: int) -> object:
    """Return an Avro schema of lists in lists."""
    schema: object = "long"
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def fields(**kinds: Any) -> dict[str, Any]:
    """Return an Avro schema of a record."""
    return {
        "type": "record",
        "name": "R",
        "fields": [{"name": name, "type": kind} for name, kind in kinds.items()],
    }


def _message(*parts: tuple[int, int | bytes]) -> bytes:
    """Return a message of protobuf: numbers and bytes by their field."""
    made = b""
    for at, value in parts:
        if isinstance(value, int):
            made += varint(at << 3) + varint(value)
        else:
            made += varint(at << 3 | 2) + varint(len(value)) + value
    return made


STRUCT, LONG = 12, 4  # ORC's kinds of types
ONE_LONG = (_message((1, STRUCT), (2, b"\1"), (3, b"a")), _message((1, LONG)))


def orc(
    types: tuple[bytes, ...] = ONE_LONG,
    *,
    rows: int = 1,
    stripes: tuple[bytes, ...] = (),
    data: bytes = b"",
    block: int = 0,
) -> bytes:
    """Return an ORC file: https://orc.apache.org/specification/ORCv1/."""
    parts = [(3, each) for each in stripes] + [(4, each) for each in types]
    footer = _message((1, 3), (2, 3 + len(data)), *parts, (6, rows))
    packed = ((2, 1), (3, block)) if block else ((2, 0),)
    said = _message((1, len(footer)), *packed, (4, struct.pack("<BB", 0, 12)), (8000, b"ORC"))
    return b"ORC" + data + footer + said + bytes([len(said)])


def orc_stripe(offset: int, data: int, footer: int, rows: int) -> bytes:
    """Return what the footer says of a stripe."""
    return _message((1, offset), (2, 0), (3, data), (4, footer), (5, rows))


def orc_endless_type() -> bytes:
    """A type that is a part of itself."""
    return orc((_message((1, STRUCT), (2, b"\0"), (3, b"a")),))


def orc_nothing(rows: int) -> bytes:
    """So many rows of nothing: a column without values takes a bit a row, and these are packed."""
    present = b"\x7f\x00" * (rows // 8 // 130 + 1)
    streams = _message((1, 0), (2, 1), (3, len(present))), _message((1, 1), (2, 1), (3, 0))
    footer = _message(
        (1, streams[0]), (1, streams[1]), (2, _message((1, 0))), (2, _message((1, 0)))
    )
    stripe = orc_stripe(3, len(present), len(footer), rows)
    return orc(rows=rows, stripes=(stripe,), data=present + footer)


def ipc(batch: pa.RecordBatch) -> bytes:
    """Return a batch as a file of Arrow's."""
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def ipc_of(kind: pa.DataType, rows: int, *buffers: bytes | None, inner: Any = ()) -> bytes:
    """Return a file with one column of these buffers, whatever they say."""
    made = [None if each is None else pa.py_buffer(each) for each in buffers]
    column = pa.Array.from_buffers(kind, rows, made, children=list(inner))
    return ipc(pa.RecordBatch.from_arrays([column], names=["a"]))


def offsets(*places: int) -> bytes:
    """Return offsets of a text's or list's buffer."""
    return struct.pack(f"<{len(places)}i", *places)


def deep_bson(depth: int) -> bytes:
    """Return documents in documents."""
    data = bson.encode({"a": 1})
    for _ in range(depth):
        data = struct.pack("<i", len(data) + 8) + b"\x03a\0" + data + b"\0"
    return data


def bson_of(elements: bytes, more: int = 0) -> bytes:
    """Return a document of these bytes, as many longer as it says it is."""
    return struct.pack("<i", len(elements) + 5 + more) + elements + b"\0"


def binary(*cells: bytes) -> bytes:
    """Return a binary workbook whose second row has these records for cells."""
    path = io.BytesIO()
    xlsb(path, [["a", "b"], *[[1, 2]] * 2], more=b"".join(cells))
    return path.getvalue()


def text_cell(column: int, length: int) -> bytes:
    """Return the record of a cell whose text says that it has so many characters."""
    return record(6, struct.pack("<III", column, 0, length))
