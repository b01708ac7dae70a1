"""Frames of Cassandra's native protocol, version 4: made and read.

Source: Cassandra's `doc/native_protocol_v4.spec`, sections 2 (header) and 3 (notations).
"""

import struct
from dataclasses import dataclass

REQUEST, RESPONSE = 0x04, 0x84
HEADER_BYTES = 9
MOST_BODY_BYTES = 256 << 20  # section 2.5
COMPRESSED, TRACED, PAYLOAD, WARNED = 0x01, 0x02, 0x04, 0x08

ERROR, STARTUP, READY, AUTHENTICATE = 0x00, 0x01, 0x02, 0x03
QUERY, RESULT, PREPARE, EXECUTE, BATCH = 0x07, 0x08, 0x09, 0x0A, 0x0D
AUTH_CHALLENGE, AUTH_RESPONSE, AUTH_SUCCESS = 0x0E, 0x0F, 0x10

_header = struct.Struct("!BBhBi")
_short = struct.Struct("!H")
_int = struct.Struct("!i")
pack_short, pack_int = _short.pack, _int.pack


class Malformed(ValueError):
    """The other side sent what the protocol does not allow; the connection ends."""


@dataclass(frozen=True, slots=True)
class Header:
    """What precedes a body: whose answer it is, of which kind, and its bytes."""

    flags: int
    stream: int
    opcode: int
    length: int


def frame(stream: int, opcode: int, body: bytes) -> bytes:
    """Return a request."""
    return _header.pack(REQUEST, 0, stream, opcode, len(body)) + body


def header(data: bytes | bytearray | memoryview, offset: int = 0) -> Header:
    """Read the header of an answer; raises Malformed."""
    version, flags, stream, opcode, length = _header.unpack_from(data, offset)
    if version != RESPONSE:
        raise Malformed(f"no answer of native protocol 4 begins with {version:#04x}")
    if not 0 <= length <= MOST_BODY_BYTES:
        raise Malformed(f"an answer has {length} bytes")
    if flags & COMPRESSED:
        raise Malformed("an answer is compressed, which was not agreed")
    return Header(flags, stream, opcode, length)


def body(flags: int, data: bytes) -> "Reader":
    """Return a reader of a body, behind what the flags say comes first; raises Malformed."""
    reader = Reader(data)
    if flags & TRACED:
        reader.take(16)
    if flags & WARNED:
        for _ in range(reader.short()):
            reader.string()
    if flags & PAYLOAD:
        for _ in range(reader.short()):
            reader.string()
            reader.value()
    return reader


class Reader:
    """Reads a body from its beginning; every method raises Malformed where it ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, number: int) -> bytes:
        """Read that many bytes."""
        end = self._at + number
        if number < 0 or end > len(self._data):
            raise Malformed("an answer ends within a value")
        found = self._data[self._at : end]
        self._at = end
        return found

    def byte(self) -> int:
        """Read a byte."""
        return self.take(1)[0]

    def short(self) -> int:
        """Read an unsigned number of 2 bytes."""
        found: int = _short.unpack(self.take(2))[0]
        return found

    def int(self) -> int:
        """Read a signed number of 4 bytes."""
        found: int = _int.unpack(self.take(4))[0]
        return found

    def string(self) -> str:
        """Read a text that names something; odd bytes become U+FFFD."""
        return self.take(self.short()).decode("utf-8", "replace")

    def short_bytes(self) -> bytes:
        """Read bytes behind a length of 2 bytes."""
        return self.take(self.short())

    def value(self) -> bytes | None:
        """Read bytes behind a length of 4 bytes; None where it is negative."""
        number = self.int()
        return None if number < 0 else self.take(number)

    def more(self) -> bool:
        """Whether anything is left."""
        return self._at < len(self._data)


def string(text: str) -> bytes:
    """Return a text behind a length of 2 bytes."""
    data = text.encode()
    return pack_short(len(data)) + data


def long_string(text: str) -> bytes:
    """Return a text behind a length of 4 bytes."""
    data = text.encode()
    return pack_int(len(data)) + data


def short_bytes(data: bytes) -> bytes:
    """Return bytes behind a length of 2 bytes."""
    return pack_short(len(data)) + data


def value(data: bytes | None) -> bytes:
    """Return a value behind a length of 4 bytes; None is null."""
    return b"\xff\xff\xff\xff" if data is None else pack_int(len(data)) + data
