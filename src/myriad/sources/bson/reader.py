"""Read BSON, in a process of its own: each document becomes a line of Extended JSON.

https://bsonspec.org/spec.html; the archive's form is that of mongo-tools, `common/archive`.
"""

import base64
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import bson
from bson import codec_options, datetime_ms

from myriad.sources.apart.writing import Folder, Lines, Refused

ARCHIVE = b"\x6d\xe2\x99\x81"
_END = b"\xff\xff\xff\xff"
_LEAST = 5  # bytes of an empty document
_MOST = 48 << 20  # MongoDB's own limit is 16 MB, and a little more for its internal ones
MOST_TABLES = 1000
# https://bsonspec.org/spec.html: the letters of a regular expression, in their order.
_FLAGS = {
    re.IGNORECASE: "i",
    re.LOCALE: "l",
    re.MULTILINE: "m",
    re.DOTALL: "s",
    re.UNICODE: "u",
    re.VERBOSE: "x",
}
_OPTIONS: Any = codec_options.CodecOptions(
    datetime_conversion=codec_options.DatetimeConversion.DATETIME_MS,
)


def read(path: Path, folder: Folder, _: dict[str, Any]) -> dict[str, Any]:
    """Write the documents, those of each collection in a file of its own."""
    with path.open("rb") as file:
        if file.read(len(ARCHIVE)) == ARCHIVE:
            return {"tables": _archive(file, folder)}
        file.seek(0)
        lines = folder.lines("0.jsonl")
        for data in _documents(file):
            lines.text(_json(data))
        lines.close()
    return {"tables": [{"name": "", "file": "0.jsonl", "records": lines.written}]}


def _documents(file: BinaryIO) -> Iterator[bytes]:
    """Yield documents up to the end of the file; each says how long it is."""
    while head := file.read(4):
        yield head + _rest(file, head)


def _part(file: BinaryIO) -> Iterator[bytes]:
    """Yield the documents of a part of an archive, up to its end. Raises Refused without one."""
    while (head := file.read(4)) != _END:
        if not head:
            raise Refused("the archive breaks off", "")
        yield head + _rest(file, head)


def _rest(file: BinaryIO, head: bytes) -> bytes:
    size = struct.unpack("<i", head)[0] if len(head) == 4 else 0  # noqa: PLR2004 - bytes of an int
    place = file.tell() - len(head)
    if not _LEAST <= size <= _MOST:
        raise Refused(
            f"no document begins at byte {place:,}", "Is it BSON, as mongodump writes it?"
        )
    data = file.read(size - 4)
    if len(data) != size - 4 or data[-1:] != b"\0":
        raise Refused(f"the document at byte {place:,} breaks off", "")
    return data


def _json(data: bytes) -> str:
    made = bson.decode(data, _OPTIONS)
    if len(bson.encode(made)) != len(data):  # a key stands twice: JSON's reader refuses it
        made = bson.decode(data, _OPTIONS.with_options(document_class=_Pairs))
    return json.dumps(made, ensure_ascii=False, default=_marked)


class _Pairs(dict[str, Any]):
    """An object with all of its pairs, also where a key stands twice."""

    def __init__(self) -> None:
        super().__init__()
        self._pairs: list[tuple[str, Any]] = []

    def __setitem__(self, key: str, value: Any) -> None:  # noqa: ANN401
        super().__setitem__(key, value)
        self._pairs.append((key, value))

    def items(self) -> Any:  # noqa: ANN401 - what json asks for
        return self._pairs


def _marked(value: Any) -> object:  # noqa: ANN401
    """Return a value that JSON has not as Extended JSON writes it."""
    match value:
        case bson.ObjectId():
            return {"$oid": str(value)}
        case datetime_ms.DatetimeMS():
            return {"$date": {"$numberLong": str(int(value))}}
        case bson.Decimal128():
            return {"$numberDecimal": str(value)}
        case bson.Timestamp():
            return {"$timestamp": {"t": value.time, "i": value.inc}}
        case bson.Regex():
            flags = "".join(letter for flag, letter in _FLAGS.items() if value.flags & flag)
            return {"$regularExpression": {"pattern": str(value.pattern), "options": flags}}
        case bson.DBRef():
            return value.as_doc()
        case bytes():
            kind = getattr(value, "subtype", 0)
            text = base64.b64encode(value).decode()
            return {"$binary": {"base64": text, "subType": f"{kind:02x}"}}
    return type(value).__name__  # MinKey, MaxKey


def _archive(file: BinaryIO, folder: Folder) -> list[dict[str, Any]]:
    list(_part(file))  # what mongodump says of itself and of the collections
    made: dict[str, Lines] = {}
    going_on = set[str]()
    while head := file.read(4):
        said = bson.decode(head + _rest(file, head), _OPTIONS)
        name = f"{said['db']}.{said['collection']}"
        if name not in made:
            if len(made) >= MOST_TABLES:
                raise Refused(f"it has more than {MOST_TABLES:,} collections", "Dump fewer.")
            made[name] = folder.lines(f"{len(made)}.jsonl")
        (going_on.discard if said.get("EOF") else going_on.add)(name)
        for data in _part(file):
            made[name].text(_json(data))
    if going_on:
        raise Refused(f"the archive breaks off: {min(going_on)} has no end", "")
    for lines in made.values():
        lines.close()
    return [
        {"name": name.partition(".")[2], "file": f"{number}.jsonl", "records": lines.written}
        for number, (name, lines) in enumerate(made.items())
        if lines.written
    ]
