"""Requests of native protocol 4, and what its answers say.

Source: Cassandra's `doc/native_protocol_v4.spec`, sections 4.1, 4.2 and, for errors, 9.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from myriad.cql import frames
from myriad.cql.frames import Malformed, Reader, pack_int, pack_short
from myriad.cql.types import CqlType, read
from myriad.cql.values import decode
from myriad.errors import CqlError

ROWS, PREPARED = 0x0002, 0x0004
RESULTS = (0x0001, ROWS, 0x0003, PREPARED, 0x0005)
WITH_VALUES, WITH_PAGE_SIZE, WITH_PAGING_STATE = 0x01, 0x04, 0x08
GLOBAL_TABLE, MORE_PAGES, NO_METADATA = 0x0001, 0x0002, 0x0004
HINTS = {
    CqlError.BAD_CREDENTIALS: "Check the name and the password.",
    CqlError.UNAUTHORIZED: "Log in as somebody who may do that.",
    CqlError.UNAVAILABLE: "Too few nodes are up. `myriad status` shows them.",
    CqlError.OVERLOADED: "Try again when the cluster has less to do.",
    CqlError.WRITE_TIMEOUT: "The cluster is slow or nodes are down. `myriad status` shows them.",
    CqlError.READ_TIMEOUT: "The cluster is slow or nodes are down. `myriad status` shows them.",
}


class Consistency(IntEnum):
    """How many replicas have to answer."""

    ANY = 0
    ONE = 1
    TWO = 2
    THREE = 3
    QUORUM = 4
    ALL = 5
    LOCAL_QUORUM = 6
    EACH_QUORUM = 7
    SERIAL = 8
    LOCAL_SERIAL = 9
    LOCAL_ONE = 10


@dataclass(frozen=True)
class Prepared:
    """A prepared statement: the server's name for it, its values, and what it returns.

    Attributes:
        id: the same on every node for the same statement.
        columns: name and type of each value to be given, in their order.
        results: name and type of each column of the rows; empty unless it selects.
    """

    id: bytes
    columns: tuple[tuple[str, CqlType], ...]
    results: tuple[tuple[str, CqlType], ...]


@dataclass(frozen=True)
class Page:
    """Rows, and where the next page begins (None: there is none)."""

    rows: list[tuple[Any, ...]]
    state: bytes | None = None


def startup(options: Mapping[str, str]) -> bytes:
    """Return the body of STARTUP."""
    pairs = (frames.string(name) + frames.string(text) for name, text in options.items())
    return pack_short(len(options)) + b"".join(pairs)


def plain_login(user: str, password: str) -> bytes:
    """Return the body of AUTH_RESPONSE to PasswordAuthenticator: SASL PLAIN (RFC 4616)."""
    return frames.value(b"\0".join((b"", user.encode(), password.encode())))


def query(text: str, consistency: Consistency, page: int, state: bytes | None) -> bytes:
    """Return the body of QUERY."""
    return frames.long_string(text) + _parameters((), consistency, page, state)


def execute(
    statement: Prepared,
    values: Sequence[bytes | None],
    consistency: Consistency,
    page: int,
    state: bytes | None,
) -> bytes:
    """Return the body of EXECUTE; `values` are in wire form."""
    return frames.short_bytes(statement.id) + _parameters(values, consistency, page, state)


def _parameters(
    values: Sequence[bytes | None], consistency: Consistency, page: int, state: bytes | None
) -> bytes:
    flags = WITH_PAGE_SIZE
    flags |= WITH_VALUES if values else 0
    flags |= 0 if state is None else WITH_PAGING_STATE
    parts = [pack_short(consistency), bytes([flags])]
    if values:
        parts += [pack_short(len(values)), *map(frames.value, values)]
    parts.append(pack_int(page))
    if state is not None:
        parts.append(frames.value(state))
    return b"".join(parts)


def result(opcode: int, reader: Reader, *, raw: bool = False) -> Page | Prepared:
    """Read an answer to a statement; `raw`: values stay in wire form.

    Raises CqlError if the server refused it, Malformed if it is no such answer.
    """
    if opcode == frames.ERROR:
        raise error(reader)
    if opcode != frames.RESULT:
        raise Malformed(f"an answer has the unexpected kind {opcode:#04x}")
    kind = reader.int()
    if kind == ROWS:
        return _rows(reader, raw=raw)
    if kind == PREPARED:
        return _prepared(reader)
    if kind not in RESULTS:
        raise Malformed(f"a result has the unknown kind {kind}")
    return Page([])


def error(reader: Reader) -> CqlError:
    """Read the body of ERROR; raises Malformed. What it says is made fit for a terminal."""
    code, said = reader.int(), reader.string()
    message = "".join(each if each.isprintable() else " " for each in said)
    return CqlError(
        message or f"Cassandra reported error {code:#06x}", code=code, hint=HINTS.get(code, "")
    )


def _columns(reader: Reader, number: int, *, one_table: bool) -> tuple[tuple[str, CqlType], ...]:
    if one_table:
        reader.string(), reader.string()
    found = []
    for _ in range(number):
        if not one_table:
            reader.string(), reader.string()
        found.append((reader.string(), read(reader)))
    return tuple(found)


def _metadata(reader: Reader) -> tuple[tuple[tuple[str, CqlType], ...], bytes | None]:
    flags, number = reader.int(), reader.int()
    state = reader.value() if flags & MORE_PAGES else None
    if flags & NO_METADATA:
        return (), state
    return _columns(reader, number, one_table=bool(flags & GLOBAL_TABLE)), state


def _rows(reader: Reader, *, raw: bool) -> Page:
    columns, state = _metadata(reader)
    number = reader.int()
    if number > 0 and not columns:
        raise Malformed("there are rows without columns")
    if raw:
        return Page([tuple(reader.value() for _ in columns) for _ in range(number)], state)
    readers = [_cell(kind) for _, kind in columns]
    rows = [tuple(each(reader.value()) for each in readers) for _ in range(number)]
    return Page(rows, state)


def _cell(kind: CqlType) -> Callable[[bytes | None], object]:
    return lambda data: decode(kind, data)


def _prepared(reader: Reader) -> Prepared:
    name = reader.short_bytes()
    flags, number, keys = reader.int(), reader.int(), reader.int()
    for _ in range(keys):
        reader.short()
    columns = _columns(reader, number, one_table=bool(flags & GLOBAL_TABLE))
    return Prepared(name, columns, _metadata(reader)[0])
