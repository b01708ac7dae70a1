"""Read an Avro file, in a process of its own: its schema becomes Arrow's.

https://avro.apache.org/docs/1.12.0/specification/
"""

import base64
import json
import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa

from myriad.sources.apart.writing import Folder, Refused
from myriad.sources.arrow import packed, stream
from myriad.sources.arrow.packed import signed
from myriad.sources.base import BATCH_ROWS, MAX_READ
from myriad.wording import number_of

CARRIED_DIGITS, MAX_DIGITS = 38, 76  # of Arrow's decimal128 and decimal256
_SYNC = 16
MOST_EMPTY = 10_000_000  # records of a block, of nulls alone: all others have a byte each
_SIMPLE: dict[str, pa.DataType] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
    "enum": pa.string(),
}
_RECORDS = ("record", "error")
_NAMED = (*_RECORDS, "enum", "fixed")
_LOGICAL: dict[tuple[str, str], pa.DataType] = {
    ("int", "date"): pa.date32(),
    ("int", "time-millis"): pa.time32("ms"),
    ("long", "time-micros"): pa.time64("us"),
    ("long", "timestamp-millis"): pa.timestamp("ms", "UTC"),
    ("long", "timestamp-micros"): pa.timestamp("us", "UTC"),
    ("long", "timestamp-nanos"): pa.timestamp("ns", "UTC"),
    ("long", "local-timestamp-millis"): pa.timestamp("ms"),
    ("long", "local-timestamp-micros"): pa.timestamp("us"),
    ("long", "local-timestamp-nanos"): pa.timestamp("ns"),
}
# Times stay the numbers that they are: Python's end with the year 9999.
for _kind, _name in _LOGICAL:
    fastavro.read.LOGICAL_READERS[f"{_kind}-{_name}"] = lambda data, *_: data
fastavro.read.LOGICAL_READERS["string-uuid"] = lambda data, *_: data
fastavro.read.BLOCK_READERS["snappy"] = packed.snappy
fastavro.read.BLOCK_READERS["zstandard"] = packed.zstandard


def read(path: Path, folder: Folder, _: dict[str, Any]) -> dict[str, Any]:
    """Write its records; its blocks say how many there are."""
    with path.open("rb") as file:
        blocks = fastavro.block_reader(file)
        schema: Any = blocks.writer_schema
        if blocks.codec not in packed.READ:
            raise Refused(
                f"it is compressed with {blocks.codec}, which is not read",
                f"Write it with one of {', '.join(packed.READ)}.",
            )
        alone = not (isinstance(schema, dict) and schema.get("type") in _RECORDS)
        fields = [{"name": "value", "type": schema}] if alone else schema["fields"]
        if len(fields) > MAX_READ:
            raise Refused(
                f"it has {number_of(len(fields), 'field')}; {MAX_READ:,} can be read",
                "Write it with fewer.",
            )
        types = _Types(schema)
        columns = [_Column(field, types) for field in fields]
        found = _records(blocks)
        records = ({"value": each} for each in found) if alone else found
        made = pa.schema([column.field for column in columns])
        stream.written(folder, made, _batches(records, columns, made))
    return {"file": stream.FILE, "records": _count(path)}


def _records(blocks: Iterator[Any]) -> Iterator[Any]:
    """Yield the records of all blocks; raises Refused if one holds more, or less, than it says."""
    for block in blocks:
        if block.num_records > max(block.bytes_.getbuffer().nbytes, MOST_EMPTY):
            said = number_of(block.num_records, "record")
            raise Refused(f"a block of it says that it has {said}", "")
        yield from block
        if block.bytes_.read(1):
            raise Refused("a block of it holds more than its records", "")


def _batches(
    records: Iterator[Any], columns: list["_Column"], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    source = iter(records)
    while some := list(islice(source, BATCH_ROWS)):
        yield pa.RecordBatch.from_arrays([column.array(some) for column in columns], schema=schema)


class _Column:
    """A field of the records, and how its values become a column."""

    def __init__(self, field: dict[str, Any], types: "_Types") -> None:
        self._name = field["name"]
        kind, nullable = types.of(field["type"])
        self._json = kind == pa.json_()
        self._mixed = isinstance(field["type"], list) and kind == pa.string()
        self.field = pa.field(self._name, kind, nullable=nullable)

    def array(self, records: list[Any]) -> Any:  # noqa: ANN401 - an array of whatever type
        """Return the values of some records."""
        values = [record[self._name] for record in records]
        if self.field.type == pa.uuid():
            values = [None if value is None else uuid.UUID(value).bytes for value in values]
        if self._mixed:
            values = [v if v is None or isinstance(v, str) else _as_json(v) for v in values]
        if self._json:
            values = [None if value is None else _as_json(value) for value in values]
        return pa.array(values, self.field.type)


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


class _Types:
    """Arrow's types for those of a schema; what refers to itself has none, and becomes JSON."""

    def __init__(self, schema: Any) -> None:  # noqa: ANN401 - JSON
        self._named: dict[str, Any] = {}
        self._name(schema)
        alone = not (isinstance(schema, dict) and schema["type"] in _RECORDS)
        self._open: set[str] = set() if alone else {schema["name"]}

    def _name(self, schema: Any) -> None:  # noqa: ANN401
        """Take the types that have names: any part of a schema may refer to one of another."""
        if isinstance(schema, list):
            for part in schema:
                self._name(part)
        if isinstance(schema, dict):
            if schema["type"] in _NAMED:
                self._named[schema["name"]] = schema
            for key in ("fields", "type", "items", "values"):
                self._name(schema.get(key))

    def of(self, schema: Any) -> tuple[pa.DataType, bool]:  # noqa: ANN401 - JSON
        """Return the type, and whether there may be nulls."""
        if isinstance(schema, list):
            kinds = [each for each in schema if each != "null"]
            nullable = len(kinds) < len(schema)
            if len(kinds) == 1:
                return self.of(kinds[0])[0], nullable
            scalar = all(isinstance(each, str) and each in _SIMPLE for each in kinds)
            return (pa.string() if scalar else pa.json_()) if kinds else pa.null(), True
        try:
            return self._one(schema), schema == "null"
        except _Endless:
            return pa.json_(), False

    def _one(self, schema: Any) -> pa.DataType:  # noqa: ANN401
        if isinstance(schema, str):
            if schema in _SIMPLE:
                return _SIMPLE[schema]
            if schema in self._open:
                raise _Endless
            return self._one(self._named[schema])
        kind = schema["type"]
        if not isinstance(kind, str):
            return self._one(kind)
        return self._logical(schema, kind) or self._nested(schema, kind)

    def _logical(self, schema: dict[str, Any], kind: str) -> pa.DataType | None:
        """Return the type that a schema says beside the one in which values are written."""
        logical = schema.get("logicalType", "")
        if logical == "uuid" and kind == "string":
            return pa.uuid()
        if (kind, logical) in _LOGICAL:
            return _LOGICAL[kind, logical]
        if logical == "decimal" and kind in ("bytes", "fixed"):
            return self._decimal(schema)
        return None

    def _nested(self, schema: dict[str, Any], kind: str) -> pa.DataType:
        match kind:
            case "record" | "error":
                return self._struct(schema)
            case "array":
                return pa.list_(self._inner(schema["items"]))
            case "map":
                return pa.map_(pa.string(), self._inner(schema["values"]))
            case "fixed":
                return pa.binary(int(schema["size"]))
        return _SIMPLE[kind] if kind in _SIMPLE else self._one(kind)

    def _inner(self, schema: Any) -> pa.DataType:  # noqa: ANN401
        if isinstance(schema, list) and sum(each != "null" for each in schema) > 1:
            raise _Endless  # a union within: all of it becomes JSON
        kinds = [each for each in schema if each != "null"] if isinstance(schema, list) else []
        return self._one(kinds[0] if kinds else schema)

    def _struct(self, schema: dict[str, Any]) -> pa.DataType:
        name = schema["name"]
        self._open.add(name)
        try:
            fields = [(field["name"], self._inner(field["type"])) for field in schema["fields"]]
        finally:
            self._open.discard(name)
        return pa.struct(fields)

    @staticmethod
    def _decimal(schema: dict[str, Any]) -> pa.DataType:
        precision, scale = schema["precision"], schema.get("scale", 0)
        if precision > MAX_DIGITS:
            raise Refused(
                f"it has decimals of {precision} digits; {MAX_DIGITS} can be read",
                "Write them as text.",
            )
        made = pa.decimal128 if precision <= CARRIED_DIGITS else pa.decimal256
        return made(precision, scale)


class _Endless(Exception):
    """A type that has no end, or more than one."""


def _count(path: Path) -> int:
    """Return how many records the blocks say that they have, without reading what is in them."""
    records, size = 0, path.stat().st_size
    with path.open("rb") as file:
        file.seek(4)
        while number := signed(file):  # the header's map: pairs of a text and bytes
            if number < 0:
                signed(file)
            for _ in range(2 * abs(number)):
                file.seek(signed(file), 1)
        file.seek(_SYNC, 1)
        while file.tell() < size:
            records += signed(file)
            file.seek(signed(file) + _SYNC, 1)
    return records
