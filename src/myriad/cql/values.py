"""Values of CQL in their wire form, and back.

Source: Cassandra's `doc/native_protocol_v4.spec`, section 6.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, NamedTuple
from uuid import UUID

from myriad.cql import vints
from myriad.cql.frames import Malformed, Reader, pack_int, value
from myriad.cql.types import CqlType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1).toordinal()
DAY_ZERO = 1 << 31  # a date counts from 2³¹ days before 1970
MILLISECOND = timedelta(milliseconds=1)
MICROSECONDS_A_DAY = 86_400_000_000
MOST_EXPONENT = 6144  # of a decimal: beyond it, writing the number out would fill the memory
_NUMBERS = {
    "bigint": "!q",
    "counter": "!q",
    "double": "!d",
    "float": "!f",
    "int": "!i",
    "smallint": "!h",
    "tinyint": "!b",
    "boolean": "!?",
}
_MAY_BE_EMPTY = ("ascii", "text", "blob", "custom")


class Duration(NamedTuple):
    """A duration: its parts do not convert into each other."""

    months: int
    days: int
    nanoseconds: int


def encode(kind: CqlType, given: object) -> bytes | None:
    """Return the wire form of a Python value; None, which is null, stays None.

    Raises ValueError, TypeError or OverflowError for a value that the type does not hold.
    """
    return None if given is None else encoder(kind)(given)


def decode(kind: CqlType, data: bytes | None) -> object:
    """Return a value; None for null and for the empty value that old clients wrote as a number.

    UDTs become dicts, sets of collections hold tuples. What Python's types cannot hold comes as
    the number that is stored: a timestamp's milliseconds, a date's days since 1970, a time's
    nanoseconds. Raises Malformed.
    """
    if data is None or (not data and kind.name not in _MAY_BE_EMPTY):
        return None
    try:
        return decoder(kind)(data)
    except Malformed:
        raise
    except (ValueError, OverflowError, struct.error, IndexError) as error:
        raise Malformed(f"a value of type {kind}: {error}") from error


@lru_cache(maxsize=1024)
def encoder(kind: CqlType) -> Callable[[Any], bytes]:
    """Return what makes the wire form of values of a type."""
    if kind.name in _NUMBERS:
        return _number_encoder(_NUMBERS[kind.name])
    if kind.name in ("list", "set"):
        return lambda given: _collection(kind.arguments * len(given), given, len(given))
    if kind.name == "map":
        return lambda given: _collection(kind.arguments * len(given), _flat(given), len(given))
    if kind.name in ("tuple", "udt"):
        return lambda given: b"".join(_parts(kind.arguments, _fields(kind, given)))
    return _ENCODERS[kind.name]


@lru_cache(maxsize=1024)
def decoder(kind: CqlType) -> Callable[[bytes], Any]:
    """Return what reads values of a type; it raises ValueError, struct.error and the like."""
    if kind.name in _NUMBERS:
        unpack = struct.Struct(_NUMBERS[kind.name]).unpack
        return lambda data: unpack(data)[0]
    if kind.name in ("list", "set"):
        return lambda data: _read_list(kind, data)
    if kind.name == "map":
        return lambda data: _read_map(kind, data)
    if kind.name in ("tuple", "udt"):
        return lambda data: _read_fields(kind, data)
    return _DECODERS.get(kind.name, bytes)


def _number_encoder(form: str) -> Callable[[Any], bytes]:
    pack = struct.Struct(form).pack

    def make(given: object) -> bytes:
        try:
            return pack(given)
        except struct.error as error:
            raise ValueError(f"{given!r}: {error}") from error

    return make


def _collection(kinds: Iterable[CqlType], given: Iterable[Any], number: int) -> bytes:
    return pack_int(number) + b"".join(_parts(kinds, given))


def _parts(kinds: Iterable[CqlType], given: Iterable[Any]) -> Iterable[bytes]:
    return (value(encode(kind, each)) for kind, each in zip(kinds, given, strict=True))


def _flat(given: Mapping[Any, Any]) -> Iterable[Any]:
    return (part for item in given.items() for part in item)


def _fields(kind: CqlType, given: Any) -> Iterable[Any]:  # noqa: ANN401 - a dict or a sequence
    if isinstance(given, Mapping):
        if unknown := given.keys() - set(kind.fields):
            raise ValueError(f"{kind} has no field {min(map(str, unknown))}")
        return [given.get(name) for name in kind.fields]
    return given  # type: ignore[no-any-return]


def _read_list(kind: CqlType, data: bytes) -> object:
    reader = Reader(data)
    found = [decode(kind.arguments[0], reader.value()) for _ in range(reader.int())]
    return found if kind.name == "list" else set(map(_hashable, found))


def _read_map(kind: CqlType, data: bytes) -> dict[Any, Any]:
    reader = Reader(data)
    of_key, of_value = kind.arguments
    return {
        _hashable(decode(of_key, reader.value())): decode(of_value, reader.value())
        for _ in range(reader.int())
    }


def _read_fields(kind: CqlType, data: bytes) -> object:
    reader = Reader(data)
    # Values that were written before a field was added end early.
    found = [decode(each, reader.value()) if reader.more() else None for each in kind.arguments]
    return tuple(found) if kind.name == "tuple" else dict(zip(kind.fields, found, strict=True))


def _hashable(found: Any) -> Any:  # noqa: ANN401 - any value
    if isinstance(found, (list, tuple)):
        return tuple(map(_hashable, found))
    if isinstance(found, set):
        return frozenset(found)
    if isinstance(found, dict):
        return tuple((key, _hashable(each)) for key, each in found.items())
    return found


def _text(given: str) -> bytes:
    return given.encode()


def _ascii(given: str) -> bytes:
    return given.encode("ascii")


def _blob(given: bytes | bytearray | memoryview) -> bytes:
    return bytes(memoryview(given))  # bytes(5) would be five zeros


def varint(number: int) -> bytes:
    """Return the shortest two's complement of a number, big-endian."""
    return number.to_bytes((number + (number < 0)).bit_length() // 8 + 1, "big", signed=True)


def _read_varint(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def _decimal(given: Decimal | int) -> bytes:
    sign, digits, exponent = Decimal(given).as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{given} is no number that Cassandra holds")  # noqa: TRY004 - NaN is a Decimal
    unscaled = int("".join(map(str, digits)) or "0")
    return pack_int(-exponent) + varint(-unscaled if sign else unscaled)


def _read_decimal(data: bytes) -> Decimal:
    scale = Reader(data).int()
    if abs(scale) > MOST_EXPONENT:
        raise ValueError(f"a decimal has the scale {scale}")
    unscaled = _read_varint(data[4:])
    digits = tuple(map(int, str(abs(unscaled))))
    return Decimal((int(unscaled < 0), digits, -scale))


def _inet(given: str | IPv4Address | IPv6Address) -> bytes:
    return ip_address(given).packed


def _uuid(given: UUID | str) -> bytes:
    return given.bytes if isinstance(given, UUID) else UUID(given).bytes


def _timestamp(given: datetime | int) -> bytes:
    if isinstance(given, datetime):
        aware = given if given.tzinfo else given.replace(tzinfo=UTC)
        given = (aware - EPOCH) // MILLISECOND
    return struct.pack("!q", given)


def _read_timestamp(data: bytes) -> datetime | int:
    (found,) = struct.unpack("!q", data)
    try:
        return EPOCH + timedelta(milliseconds=found)
    except OverflowError:
        return int(found)


def _date(given: date | int) -> bytes:
    days = given.toordinal() - EPOCH_DAY if isinstance(given, date) else given
    return struct.pack("!I", days + DAY_ZERO)


def _read_date(data: bytes) -> date | int:
    days = struct.unpack("!I", data)[0] - DAY_ZERO
    try:
        return date.fromordinal(days + EPOCH_DAY)
    except (ValueError, OverflowError):
        return int(days)


def _time(given: time | int) -> bytes:
    if isinstance(given, time):
        seconds = (given.hour * 60 + given.minute) * 60 + given.second
        given = (seconds * 1_000_000 + given.microsecond) * 1000
    return struct.pack("!q", given)


def _read_time(data: bytes) -> time | int:
    (found,) = struct.unpack("!q", data)
    microseconds, rest = divmod(found, 1000)
    if rest or not 0 <= microseconds < MICROSECONDS_A_DAY:
        return int(found)
    return (EPOCH + timedelta(microseconds=microseconds)).time()


def _duration(given: Duration) -> bytes:
    return b"".join(map(vints.signed, given))


def _read_duration(data: bytes) -> Duration:
    reader = Reader(data)
    return Duration(*(vints.read_signed(reader) for _ in Duration._fields))


_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "ascii": _ascii,
    "blob": _blob,
    "custom": _blob,
    "date": _date,
    "decimal": _decimal,
    "duration": _duration,
    "inet": _inet,
    "text": _text,
    "time": _time,
    "timestamp": _timestamp,
    "timeuuid": _uuid,
    "uuid": _uuid,
    "varint": varint,
}
_DECODERS: dict[str, Callable[[bytes], Any]] = {
    "ascii": lambda data: data.decode("ascii"),
    "date": _read_date,
    "decimal": _read_decimal,
    "duration": _read_duration,
    "inet": ip_address,
    "text": lambda data: data.decode("utf-8"),
    "time": _read_time,
    "timestamp": _read_timestamp,
    "timeuuid": lambda data: UUID(bytes=data),
    "uuid": lambda data: UUID(bytes=data),
    "varint": _read_varint,
}
