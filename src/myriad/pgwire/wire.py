"""Messages of the PostgreSQL protocol, versions 3.0 and 3.2: made and read.

Source: PostgreSQL's documentation, "Frontend/Backend Protocol", "Message Formats".
"""

import struct

# A message: its kind, then its size, which counts itself and not the kind.
header = struct.Struct("!BI").unpack_from
_pack = struct.Struct("!cI").pack
_pack_int = struct.Struct("!I").pack
_int = struct.Struct("!I").unpack_from

HEADER_BYTES = 5
PROTOCOL_3_0 = 3 << 16
PROTOCOL_3_2 = PROTOCOL_3_0 + 2
SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102
MOST_NAME_BYTES = 63  # NAMEDATALEN - 1: of a name, PostgreSQL takes no more
MOST_STARTUP_BYTES = 10_000  # MAX_STARTUP_PACKET_LENGTH in pqcomm.h

AUTHENTICATION_OK = b"R\x00\x00\x00\x08\x00\x00\x00\x00"
SYNC = b"S\x00\x00\x00\x04"
FLUSH = b"H\x00\x00\x00\x04"
TERMINATE = b"X\x00\x00\x00\x04"
PARSE_COMPLETE = b"1\x00\x00\x00\x04"
READY = {status: b"Z\x00\x00\x00\x05" + bytes([status]) for status in b"ITE"}

IDLE, IN_TRANSACTION, FAILED = b"ITE"


class ProtocolViolation(Exception):
    """What a client sent is no message that it may send now; the connection ends."""

    def __init__(self, message: str, code: str = "08P01") -> None:
        super().__init__(message)
        self.code = code


def message(kind: bytes, body: bytes) -> bytes:
    """Return a message of that kind."""
    return _pack(kind, len(body) + 4) + body


def head(kind: int, size: int) -> bytes:
    """Return the begin of a message of that kind, whose body of `size` bytes comes behind it."""
    return _pack(bytes([kind]), size + 4)


def text(value: str) -> bytes:
    """Return a string as the protocol has it; a NUL would end it early and is left out."""
    return value.encode(errors="surrogateescape").replace(b"\0", b"") + b"\0"


def query(sql: str) -> bytes:
    """Return a simple Query."""
    return message(b"Q", text(sql))


def parse(name: bytes, sql: bytes, types: bytes) -> bytes:
    """Return Parse; `types` is the part behind the text: their count and OIDs."""
    return message(b"P", name + b"\0" + sql + b"\0" + types)


def bind_unknown(name: bytes) -> bytes:
    """Return a Bind of a statement that is not there: an error, in its place of a pipeline."""
    return message(b"B", b"\0" + name + b"\0" + b"\0\0\0\0\0\0")


def describe_statement(name: bytes) -> bytes:
    """Return Describe of a prepared statement."""
    return message(b"D", b"S" + name + b"\0")


def describes(portal: bytes, data: bytes, position: int) -> bool:
    """Say whether a Describe of that portal begins there."""
    begin = position + HEADER_BYTES
    size = 1 + len(portal) + 1
    return (
        data[position : position + 1] == b"D"
        and data[begin : begin + size] == b"P" + portal + b"\0"
    )


def close_statement(name: bytes) -> bytes:
    """Return Close of a prepared statement; it is no error if there is none."""
    return message(b"C", b"S" + name + b"\0")


def parameter_status(name: str, value: str) -> bytes:
    """Return ParameterStatus."""
    return message(b"S", text(name) + text(value))


def authentication(code: int, body: bytes = b"") -> bytes:
    """Return an authentication request: 10 SASL, 11 SASLContinue, 12 SASLFinal."""
    return message(b"R", _pack_int(code) + body)


def key_data(number: int, key: bytes) -> bytes:
    """Return BackendKeyData: what a client sends to cancel."""
    return message(b"K", _pack_int(number) + key)


def negotiate(minor: int, options: list[str]) -> bytes:
    """Return NegotiateProtocolVersion: the version that is spoken, and options we do not know.

    As PostgreSQL 18 does: the version is the one asked for, unless we know none so new.
    """
    body = _pack_int(min(PROTOCOL_3_0 + minor, PROTOCOL_3_2)) + _pack_int(len(options))
    return message(b"v", body + b"".join(text(option) for option in options))


def startup(parameters: dict[str, str]) -> bytes:
    """Return a StartupMessage of protocol 3.0."""
    pairs = b"".join(text(name) + text(value) for name, value in parameters.items())
    body = _pack_int(PROTOCOL_3_0) + pairs + b"\0"
    return _pack_int(len(body) + 4) + body


def ssl_request() -> bytes:
    """Return an SSLRequest."""
    return _pack_int(8) + _pack_int(SSL_REQUEST)


def cancel(number: int, key: bytes) -> bytes:
    """Return a CancelRequest."""
    body = _pack_int(CANCEL_REQUEST) + _pack_int(number) + key
    return _pack_int(len(body) + 4) + body


def integer(data: bytes, offset: int = 0) -> int:
    """Return the 32-bit number at `offset`."""
    return int(_int(data, offset)[0])


def cut(data: bytes, start: int = 0, stop: int | None = None) -> tuple[bytes, int]:
    """Return the string that begins at `start`, and where what follows it begins.

    Raises ProtocolViolation if it does not end before `stop`.
    """
    end = data.find(b"\0", start, stop)
    if end < 0:
        raise ProtocolViolation("a string in a message does not end")
    return data[start:end], end + 1


def cut_name(data: bytes, start: int = 0, stop: int | None = None) -> tuple[bytes, int]:
    """Cut off the name of a statement or portal, as `cut` does; as much as PostgreSQL takes."""
    name, end = cut(data, start, stop)
    return name[:MOST_NAME_BYTES], end


def pairs(data: bytes, *, once: bool = False) -> dict[str, str]:
    """Return the names and values of a StartupMessage; raises ProtocolViolation.

    Of a name that comes twice, the last value counts; with `once` that is an error.
    """
    found: dict[str, str] = {}
    position = 0
    while data[position : position + 1] not in {b"\0", b""}:
        name, position = cut(data, position)
        value, position = cut(data, position)
        try:
            if once and name.decode() in found:
                raise ProtocolViolation(f"startup parameter {name.decode()} comes twice")
            found[name.decode()] = value.decode()
        except UnicodeDecodeError:
            raise ProtocolViolation("startup parameters must be UTF-8", "22021") from None
    if position != len(data) - 1:
        raise ProtocolViolation("invalid startup packet layout: expected terminator as last byte")
    return found


def end_of_run(data: bytes, position: int, kind: int) -> int:
    """Return where whole messages of that kind end that follow each other."""
    while len(data) - position >= HEADER_BYTES:
        found, size = header(data, position)
        if found != kind or position + size + 1 > len(data):
            break
        position += size + 1
    return position


def error_fields(body: bytes) -> dict[str, str]:
    """Return the fields of an ErrorResponse or NoticeResponse by their letter."""
    return {
        part[:1].decode(errors="replace"): part[1:].decode(errors="replace")
        for part in body.split(b"\0")
        if part
    }


def row(body: bytes) -> list[str | None]:
    """Return the values of a DataRow in text format."""
    values: list[str | None] = []
    position = 2
    for _ in range(int.from_bytes(body[:2], "big")):
        size = int.from_bytes(body[position : position + 4], "big", signed=True)
        position += 4
        if size < 0:
            values.append(None)
            continue
        values.append(body[position : position + size].decode(errors="replace"))
        position += size
    return values


def identifier(name: str) -> str:
    """Return a name as SQL identifier, which keeps its case."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return a text as SQL literal that means the same whatever a session's settings are."""
    plain = value.replace("\\", "\\\\").replace("'", "''")
    if not plain.isascii():  # the session may have another encoding
        plain = "".join(one if one.isascii() else f"\\U{ord(one):08x}" for one in plain)
    return f"E'{plain}'"
