"""Which type of CQL each column gets, proven on all its values."""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from myriad.cql import text
from myriad.cql.types import SIMPLE, CqlType
from myriad.cql.values import encoder
from myriad.model import Column, Kind, Type
from myriad.publish.cassandra.look import nested
from myriad.publish.cassandra.look.nested import NotNested
from myriad.publish.cassandra.look.spool import WIDER, Spool
from myriad.sources.base import arrow_type
from myriad.sources.typing import digits

_PLAIN = {
    Kind.BOOLEAN: "boolean",
    Kind.INTEGER: "int",
    Kind.BIGINT: "bigint",
    Kind.REAL: "float",
    Kind.DOUBLE: "double",
    Kind.DATE: "date",
    Kind.TIME: "time",
    Kind.TIMESTAMP: "timestamp",
    Kind.TIMESTAMPTZ: "timestamp",
    Kind.UUID: "uuid",
    Kind.TEXT: "text",
    Kind.BYTEA: "blob",
}
_TIMES = (Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(\.{_OCTET}){{3}}"
_MAPPED = ipaddress.ip_network("::ffff:0:0/96")  # Java makes IPv4 of it
FIRST_VALUES = 100


@dataclass(frozen=True)
class CqlColumn:
    """A column as Cassandra gets it.

    Attributes:
        place: its name in the spool.
        select: the expression over the spool that loads it.
        arrow: the type in which it is loaded.
        encode: turns a value as selected into wire bytes; None: the loader encodes it.
        spooled: turns a value of Cassandra's into what the spool has, if that is another one.
    """

    name: str
    place: str
    type: CqlType
    why: str
    select: str
    arrow: pa.DataType
    encode: Callable[[Any], bytes] | None = None
    spooled: Callable[[Any], Any] | None = None

    @property
    def nested(self) -> bool:
        """Whether its values hold others."""
        return bool(self.type.arguments)

    def loaded(self, array: "pa.Array[Any]") -> "pa.Array[Any]":
        """Return its values as the loader takes them."""
        if self.encode is None:
            return array if array.type == self.arrow else array.cast(self.arrow)
        encode = self.encode
        made = [None if value is None else encode(value) for value in array.to_pylist()]
        return pa.array(made, pa.binary())


def decide(
    spool: Spool, keyspace: str, there: Mapping[str, str] = MappingProxyType({})
) -> list[CqlColumn]:
    """Return the columns of the spool's table, types proven on all values.

    `there` are the types of the table to be replaced or added to: what is text there stays so.
    """
    fine = _with_microseconds(spool)
    columns: list[CqlColumn] = []
    for place, column in spool.places():
        kind, stays_text = column.type.kind, there.get(column.name) == "text"
        if kind is Kind.JSONB and not stays_text:
            taken = text.udts([made.type for made in columns])
            columns.append(_json(spool, place, column, keyspace, taken))
        elif kind is Kind.JSONB:
            columns.append(_json_text(place, column, "as in the table that is there"))
        elif kind is Kind.TEXT and not stays_text and _all_addresses(spool, place):
            columns.append(_addresses(place, column))
        elif place in fine or (kind in _TIMES and stays_text):
            columns.append(_as_text(place, column, fine.get(place, 0)))
        else:
            columns.append(_plain(place, column))
    return columns


def likely(column: Column, there: str) -> CqlType | None:
    """Return the type that a column is going to have, before its values are read; None: unknown.

    `there`: what it is in the table that is replaced or added to, if it is there.
    """
    if there:
        return CqlType(there) if there in SIMPLE.values() else None
    if column.type.kind is Kind.JSONB:
        return None
    return CqlType(_name(WIDER.get(column.type.kind, column.type)))


def _addresses(place: str, column: Column) -> CqlColumn:
    kind, why = CqlType("inet"), "IP addresses, as they are read back"
    return CqlColumn(column.name, place, kind, why, place, pa.binary(), encoder(kind), str)


def _plain(place: str, column: Column) -> CqlColumn:
    kind, why, name = column.type, column.why, _name(column.type)
    if kind.kind is Kind.NUMERIC and kind.long:
        return _long(place, column, CqlType(name))
    if kind.kind is Kind.TIMESTAMP:
        why = f"{why}; taken as UTC"
    return CqlColumn(column.name, place, CqlType(name), why, place, arrow_type(kind))


def _name(kind: Type) -> str:
    if kind.kind is Kind.NUMERIC:
        return "decimal" if kind.scale else "varint"
    return _PLAIN[kind.kind]


def _long(place: str, column: Column, kind: CqlType) -> CqlColumn:
    write = encoder(kind)

    def encode(number: str) -> bytes:
        return write(Decimal(number) if kind.name == "decimal" else int(number))

    def spooled(number: Decimal | int) -> str | None:
        return digits.text_of(number, column.type)

    return CqlColumn(column.name, place, kind, column.why, place, pa.binary(), encode, spooled)


def _with_microseconds(spool: Spool) -> dict[str, int]:
    """Return columns of timestamps that milliseconds cannot hold, with how many there are."""
    places = [place for place, column in spool.places() if column.type.kind in _TIMES]
    counts = spool.aggregates([f"count_if(epoch_us({place}) % 1000 <> 0)" for place in places])
    return {place: count for place, count in zip(places, counts, strict=True) if count}


def _as_text(place: str, column: Column, count: int) -> CqlColumn:
    written = f"replace({place}::VARCHAR, ' ', 'T')"
    if column.type.kind is Kind.TIMESTAMPTZ:  # the spool's time zone is UTC
        written = f"regexp_replace({written}, '\\+00$', 'Z')"
    why = f"ISO 8601: Cassandra's timestamps hold milliseconds, {count:,} values hold more"
    if not count:
        why = "ISO 8601, as in the table that is there"
    return CqlColumn(column.name, place, CqlType("text"), why, written, pa.string())


def _all_addresses(spool: Spool, place: str) -> bool:
    """Say whether there are values and each is an IP address as it is read back."""
    first = [
        row[0]
        for row in spool.all(f"SELECT {place}", f"WHERE {place} IS NOT NULL LIMIT {FIRST_VALUES}")
    ]
    if not first or not all(map(_is_address, first)):
        return False
    (others,) = spool.one(
        "SELECT count(*)",
        f"WHERE {place} IS NOT NULL AND NOT regexp_full_match({place}, '{_IPV4}')",
    )
    if not others:
        return True
    return all(
        value is None or _is_address(value) for chunk in spool.values(place) for value in chunk
    )


def _is_address(value: str) -> bool:
    if not re.fullmatch(r"[0-9a-f:.]{2,45}", value):
        return False
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return str(address) == value and address not in _MAPPED


def _json(
    spool: Spool, place: str, column: Column, keyspace: str, taken: Sequence[CqlType]
) -> CqlColumn:
    values = (value for chunk in spool.values(place) for value in chunk)
    try:
        found = nested.infer(values, keyspace, f"{spool.table.name}_{column.name}")
        nested.refuse_same_names([*taken, *text.udts([found.type])])
    except NotNested as error:
        return _json_text(place, column, str(error))
    encode = encoder(found.type)
    convert = found.convert

    def wire(value: str) -> bytes:
        return encode(convert(nested.parse(value)))

    return CqlColumn(column.name, place, found.type, found.why, place, pa.binary(), wire)


def _json_text(place: str, column: Column, reason: str) -> CqlColumn:
    why = f"JSON as text: {reason}"
    return CqlColumn(column.name, place, CqlType("text"), why, place, pa.string())


def staged(kind: CqlType) -> CqlType:
    """Return the type with tuples for UDTs: the same bytes, and no types to make beside it."""
    arguments = tuple(map(staged, kind.arguments))
    if kind.name == "udt":
        return CqlType("tuple", arguments, frozen=True)
    return CqlType(kind.name, arguments, frozen=kind.frozen)
