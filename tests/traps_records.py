"""Files of records that were made to do harm, by format; see `traps`."""

import gzip
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import bson
import zstandard

from tests.every_format import dumped

Maker = Callable[[], bytes]


def _varint(number: int) -> bytes:
    """Return a number as protobuf writes it: seven bits a byte, the lowest first."""
    found = b""
    while number > 0x7F:
        found, number = found + bytes([number & 0x7F | 0x80]), number >> 7
    return found + bytes([number])


def _long(number: int) -> bytes:
    """Return a number as Avro writes it."""
    return _varint(number << 1 if number >= 0 else (-number << 1) - 1)


def _avro(schema: object, block: bytes, codec: str = "null") -> bytes:
    text = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    parts = [(b"avro.schema", text), (b"avro.codec", codec.encode())]
    pairs = [_long(len(key)) + key + _long(len(value)) + value for key, value in parts]
    return b"Obj\x01" + _long(2) + b"".join(pairs) + b"\0" + b"s" * 16 + block + b"s" * 16


def _block(count: int, data: bytes) -> bytes:
    return _long(count) + _long(len(data)) + data


def _record(**kinds: Any) -> dict[str, Any]:
    fields = [{"name": name, "type": kind} for name, kind in kinds.items()]
    return {"type": "record", "name": "R", "fields": fields}


def _zeros(packer: Any, megabytes: int) -> bytes:
    """Return so many megabytes of zeros as that packs them."""
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes))
    return packed + bytes(packer.flush())


def _deep_schema() -> object:
    schema: object = "long"
    for _ in range(400):
        schema = {"type": "array", "items": schema}
    return schema


_NULLS = {"type": "array", "items": "null"}
_WORDS = {"type": "enum", "name": "E", "symbols": ["a"]}
AVRO: dict[str, Maker] = {
    "2^60 records": lambda: _avro("long", _block(2**60, b"\2")),
    "2^60 of nothing": lambda: _avro("null", _block(2**60, b"")),
    "2^60 of nothing in a list": lambda: _avro(_NULLS, _block(1, _long(2**60) + b"\0")),
    "-5 records": lambda: _avro("long", _block(-5, b"\2\2\2")),
    "fewer records than there are": lambda: _avro("long", _block(1, b"\2\4\6")),
    "no records, and more": lambda: _avro("long", _block(0, b"\2\4\6")),
    "a block of less than nothing": lambda: _avro("long", _long(1) + _long(-9) + b"\2"),
    "a text of 2^60": lambda: _avro(_record(a="string"), _block(1, _long(2**60))),
    "a text of less than nothing": lambda: _avro(_record(a="string"), _block(1, _long(-7) + b"ab")),
    "no such kind": lambda: _avro(_record(a=["null", "long"]), _block(1, _long(9))),
    "no such word": lambda: _avro(_record(a=_WORDS), _block(1, _long(9))),
    "a record in itself": lambda: _avro(_record(a="R"), _block(1, b"")),
    "lists in lists": lambda: _avro(_deep_schema(), b"\2" * 400),
    "a schema that is none": lambda: _avro(b"{", _block(1, b"\2")),
    "a schema in a schema": lambda: _avro(b'{"type":' * 50_000, _block(1, b"\2")),
    "a value of 2^40 bytes": lambda: _avro(
        {"type": "fixed", "name": "F", "size": 2**40}, _block(1, b"\2")
    ),
    "300 MB of zeros": lambda: _avro(
        "null", _block(1, _zeros(zlib.compressobj(9, wbits=-15), 300)), "deflate"
    ),
    "300 MB of zeros, otherwise": lambda: _avro(
        "null", _block(1, _zeros(zstandard.ZstdCompressor().compressobj(), 300)), "zstandard"
    ),
    "a codec of its own": lambda: _avro("long", b"\2\2\2", "mine"),
}


def _message(*parts: tuple[int, int | bytes]) -> bytes:
    """Return a message of protobuf: numbers and bytes by their field."""
    made = b""
    for at, value in parts:
        if isinstance(value, int):
            made += _varint(at << 3) + _varint(value)
        else:
            made += _varint(at << 3 | 2) + _varint(len(value)) + value
    return made


_INNER = _message((1, 12), (2, b"\1"), (3, b"a"))  # a struct whose field a is type 1
_LONGS = (_INNER, _message((1, 4)))


def _orc(
    *types: bytes, rows: int = 1, stripe: bytes = b"", data: bytes = b"", block: int = 0
) -> bytes:
    """Return an ORC file: https://orc.apache.org/specification/ORCv1/."""
    parts: list[tuple[int, int | bytes]] = [(3, stripe)] if stripe else []
    parts += [(4, each) for each in types]
    footer = _message((1, 3), (2, 3 + len(data)), *parts, (6, rows))
    packed: list[tuple[int, int | bytes]] = [(2, 1), (3, block)] if block else [(2, 0)]
    said = _message((1, len(footer)), *packed, (4, b"\0\x0c"), (8000, b"ORC"))
    return b"ORC" + data + footer + said + bytes([len(said)])


def _stripe(offset: int, index: int, data: int, footer: int, rows: int) -> bytes:
    return _message((1, offset), (2, index), (3, data), (4, footer), (5, rows))


def _nothing(rows: int) -> bytes:
    """Return so many rows without values: a bit each, packed."""
    present = b"\x7f\x00" * (rows // 8 // 130 + 1)
    streams = (
        (1, _message((1, 0), (2, 1), (3, len(present)))),
        (1, _message((1, 1), (2, 1), (3, 0))),
    )
    footer = _message(*streams, (2, _message((1, 0))), (2, _message((1, 0))))
    stripe = _stripe(3, 0, len(present), len(footer), rows)
    return _orc(*_LONGS, rows=rows, stripe=stripe, data=present + footer)


ORC: dict[str, Maker] = {
    "a postscript of 255": lambda: b"ORC" + bytes(300) + b"ORC\xff",
    "nothing but a name": lambda: b"ORC" * 20,
    "a type in itself": lambda: _orc(_message((1, 12), (2, b"\0"), (3, b"a"))),
    "a type that is not there": lambda: _orc(_INNER),
    "a kind that is not there": lambda: _orc(_INNER, _message((1, 77))),
    "a column without a name": lambda: _orc(_message((1, 12), (2, b"\1")), _message((1, 4))),
    "no types": _orc,
    "2^60 rows that are not there": lambda: _orc(*_LONGS, rows=2**60),
    "a stripe behind the end": lambda: _orc(*_LONGS, stripe=_stripe(2**40, 0, 9, 9, 1)),
    "a stripe of 2^60": lambda: _orc(*_LONGS, stripe=_stripe(3, 0, 2**60, 9, 1)),
    "a stripe's footer of 2^60": lambda: _orc(*_LONGS, stripe=_stripe(3, 0, 0, 2**60, 1)),
    "blocks of 2^60": lambda: _orc(*_LONGS, stripe=_stripe(3, 0, 0, 9, 1), block=2**60),
    "400 million rows of nothing": lambda: _nothing(400_000_000),
}


def _deep_bson() -> bytes:
    data = bson.encode({"a": 1})
    for _ in range(3000):
        data = struct.pack("<i", len(data) + 8) + b"\x03a\0" + data + b"\0"
    return data


def _document(elements: bytes, more: int = 0) -> bytes:
    """Return a document that says it is so much longer than it is."""
    return bson.encode({"a": 1}) + struct.pack("<i", len(elements) + 5 + more) + elements + b"\0"


BSON: dict[str, Maker] = {
    "documents in documents": _deep_bson,
    "a document of 2 GB": lambda: b"\xff\xff\xff\x7f\x10a\0\1\0\0\0\0",
    "a document longer than it is": lambda: _document(b"\x10a\0\1\0\0\0", 4),
    "a document shorter than it is": lambda: _document(b"\x10a\0\1\0\0\0", -3),
    "an inner one longer than all": lambda: _document(b"\x03a\0\xff\0\0\0\0"),
    "an inner one of less than nothing": lambda: _document(b"\x03a\0\xff\xff\xff\xff\0"),
    "bytes of less than nothing": lambda: _document(b"\x05a\0\xff\xff\xff\xff\0"),
    "a text without its end": lambda: _document(b"\x02a\0\2\0\0\0xy"),
    "a code in nothing": lambda: _document(b"\x0fa\0\1\0\0\0\1\0\0\0\0"),
    "a name that never ends": lambda: struct.pack("<i", 1 << 20) + b"\x10" + b"a" * 2000,
}
ARCHIVES: dict[str, Maker] = {
    "no end": lambda: dumped(("a", [{"a": 1}] * 9))[:-30],
    "no word of the end": lambda: dumped(("a", [{"a": 1}] * 9)).rpartition(bson.encode({"a": 1}))[
        0
    ],
    "a collection that goes on": lambda: dumped(("a", [{"a": 1}])).replace(
        b"\x08EOF\0\1", b"\x08EOF\0\0"
    ),
    "no collection": lambda: b"\x6d\xe2\x99\x81" + bson.encode({}) + b"\xff" * 4,
}
DOCUMENTS: dict[str, Maker] = {
    "arrays in arrays": lambda: b"[" * 200_000,
    "objects in objects": lambda: b'{"rows":[' + b'{"a":' * 100_000,
    "a list that never ends": lambda: b'{"rows":[' + b'{"a":1},' * 50_000,
    "a text that never ends": lambda: b'{"rows":[{"a":"' + b"x" * (5 << 20),
    "a number of 200,000 digits": lambda: b'{"rows":[{"a":' + b"1" * 200_000 + b"e5,}]}",
}


def _said(text: str) -> Maker:
    """Return what makes three lines of MongoDB's, the second with this value."""
    good = '{"_id":{"$oid":"65a1b2c3d4e5f60718293a4b"},"a":%s}\n'
    number = '{"$numberLong":"7"}'
    return (good % number + good % text + good % number).encode


MONGO: dict[str, Maker] = {
    "a number that is none": _said('{"$numberInt":"1.5"}'),
    "a decimal that is none": _said('{"$numberDecimal":"1,5"}'),
    "a moment that is none": _said('{"$date":"2024-02-30T00:00:00Z"}'),
    "a moment in a list": _said('{"$date":[1]}'),
    "bytes that are none": _said('{"$binary":{"base64":"a","subType":"00"}}'),
    "a decimal in a list": _said('{"$numberDecimal":["1"]}'),
    "an id that is a number": _said('{"$oid":7}'),
    "a moment of nothing": _said('{"$date":{"$numberLong":null}}'),
    "a wrapper in a wrapper": _said('{"$numberLong":{"$numberLong":"1"}}'),
    "wrappers 100,000 deep": _said('{"$x":' * 100_000 + "1" + "}" * 100_000),
    "a key twice": _said('{"$numberLong":"1","$numberLong":"2"}'),
    "a line cut": _said('{"$numberLong":"1"'),
}


def _attributes() -> bytes:
    return b" ".join(b"a%d='1'" % number for number in range(100_000))


XML: dict[str, Maker] = {
    "many attributes": lambda: b"<r>" + b"<a %s/>" % _attributes() * 2 + b"</r>",
    "an attribute twice": lambda: b'<r><a x="1" x="2"/></r>',
    "laughs in a parameter": lambda: b"<!DOCTYPE r [<!ENTITY % a 'x'> %a;]><r/>",
    "elements in elements": lambda: b"<a>" * 300_000,
    "a name of 11 MB": lambda: b"<r><" + b"x" * (11 << 20) + b"/></r>",
    "seven bits": lambda: b"<?xml version='1.0' encoding='utf-7'?><r>+ADw-</r>",
    "a tag that never ends": lambda: b"<r>" + b"<a " * 200_000,
    "another root": lambda: b"<r><a>1</a><a>2</a></r><r/>",
}
RECORDS: dict[str, dict[str, Maker]] = {
    "t.avro": AVRO,
    "t.orc": ORC,
    "t.bson": BSON,
    "t.archive": ARCHIVES,
    "t.json": DOCUMENTS,
    "t.jsonl": MONGO,
    "t.xml": XML,
    "t.tar.gz": {"nothing in it": lambda: gzip.compress(bytes(10240))},
}
