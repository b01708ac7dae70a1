"""Types of CQL: their text, and their form in the native protocol.

Source: Cassandra's `doc/native_protocol_v4.spec`, section 4.2.5.2 (`<option>`).
"""

from dataclasses import dataclass, replace

from myriad.cql.frames import Malformed, Reader
from myriad.cql.names import qualified

# Nested deeper than anybody writes; a hostile server would have us recurse without end.
MOST_DEPTH = 32
SIMPLE = {
    0x0001: "ascii",
    0x0002: "bigint",
    0x0003: "blob",
    0x0004: "boolean",
    0x0005: "counter",
    0x0006: "decimal",
    0x0007: "double",
    0x0008: "float",
    0x0009: "int",
    0x000B: "timestamp",
    0x000C: "uuid",
    0x000D: "text",
    0x000E: "varint",
    0x000F: "timeuuid",
    0x0010: "inet",
    0x0011: "date",
    0x0012: "time",
    0x0013: "smallint",
    0x0014: "tinyint",
}
COLLECTIONS = {0x0020: "list", 0x0021: "map", 0x0022: "set"}
DURATION = "org.apache.cassandra.db.marshal.DurationType"  # has no code of its own before v5
CUSTOM, UDT, TUPLE = 0x0000, 0x0030, 0x0031


@dataclass(frozen=True)
class CqlType:
    """A type of CQL.

    Attributes:
        name: "int", "text", "list", "map", "tuple", "udt", ...; "custom" for a Java class.
        arguments: of a list, set, map or tuple; of a UDT the types of its fields.
        fields: the names of a UDT's fields.
        keyspace: where a UDT is.
        udt: a UDT's name, or the class of a custom type.
        frozen: whether it is declared so; the protocol does not tell.
    """

    name: str
    arguments: tuple["CqlType", ...] = ()
    fields: tuple[str, ...] = ()
    keyspace: str = ""
    udt: str = ""
    frozen: bool = False

    def __str__(self) -> str:
        text = self._text()
        return f"frozen<{text}>" if self.frozen else text

    def alike(self, other: "CqlType") -> bool:
        """Whether it is the same type, frozen or not."""
        return (
            replace(self, arguments=(), frozen=False) == replace(other, arguments=(), frozen=False)
            and len(self.arguments) == len(other.arguments)
            and all(a.alike(b) for a, b in zip(self.arguments, other.arguments, strict=True))
        )

    def _text(self) -> str:
        if self.name == "udt":
            return qualified(self.keyspace, self.udt)
        if self.name == "custom":
            return "'" + self.udt.replace("'", "''") + "'"
        inner = ", ".join(map(str, self.arguments))
        return f"{self.name}<{inner}>" if inner else self.name


def read(reader: Reader, depth: int = 0) -> CqlType:
    """Read an `<option>`; raises Malformed."""
    if depth > MOST_DEPTH:
        raise Malformed("a type is nested too deep")
    code = reader.short()
    if code in SIMPLE:
        return CqlType(SIMPLE[code])
    if code in COLLECTIONS:
        name = COLLECTIONS[code]
        return CqlType(name, _several(reader, 2 if name == "map" else 1, depth))
    if code == CUSTOM:
        name = reader.string()
        return CqlType("duration") if name == DURATION else CqlType("custom", udt=name)
    if code == UDT:
        return _read_udt(reader, depth)
    if code == TUPLE:
        return CqlType("tuple", _several(reader, reader.short(), depth))
    raise Malformed(f"there is no type {code:#06x}")


def _several(reader: Reader, number: int, depth: int) -> tuple[CqlType, ...]:
    return tuple(read(reader, depth + 1) for _ in range(number))


def _read_udt(reader: Reader, depth: int) -> CqlType:
    keyspace, name = reader.string(), reader.string()
    fields = [(reader.string(), read(reader, depth + 1)) for _ in range(reader.short())]
    return CqlType(
        "udt",
        tuple(kind for _, kind in fields),
        tuple(field for field, _ in fields),
        keyspace,
        name,
    )
