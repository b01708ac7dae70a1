"""CQL as people read and write it: names, literals, and the statement that makes a table."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from myriad.cql.names import quoted
from myriad.cql.types import CqlType
from myriad.model import Key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_ZERO = 1 << 31  # CQL's date counts from 2³¹ days before 1970
# Reserved in Cassandra 5 (src/antlr/Parser.g: what `unreserved_keyword` does not list).
_RESERVED = (
    "add allow alter and apply asc authorize batch begin by columnfamily create default delete"
    " desc describe drop entries execute from full grant if in index infinity insert into is"
    " keyspace limit materialized mbean mbeans modify nan norecursive not null of on or order"
    " primary rename replace revoke schema select set table to token truncate unlogged unset"
    " update use using view where with"
)
RESERVED = frozenset(_RESERVED.split())


def readable(name: str) -> str:
    """Return a name as a person would write it: in quotes only where it needs them."""
    plain = re.fullmatch(r"[a-z][a-z0-9_]*", name) and name not in RESERVED
    return name if plain else quoted(name)


def literal(kind: CqlType, value: Any, *, exact: bool = False) -> str:  # noqa: ANN401 - any value
    """Return a value of a simple type as a literal; `exact`: by number, not by calendar."""
    match kind.name:
        case "text" | "ascii" | "inet":
            return "'" + str(value).replace("'", "''") + "'"
        case "blob":
            return "0x" + bytes(value).hex()
        case "timestamp" | "date" | "time":
            return _moment(kind.name, value, exact=exact)
        case "uuid" if isinstance(value, bytes):
            return str(UUID(bytes=value))
        case "boolean":
            return "true" if value else "false"
        case "float" | "double":
            return repr(float(value)).replace("inf", "Infinity").replace("nan", "NaN")
        case _:
            return str(value)


def _moment(name: str, value: Any, *, exact: bool) -> str:  # noqa: ANN401
    """Return a point in time as text, or as the number that is stored."""
    number = value if isinstance(value, int) else _number(value)
    if exact or isinstance(value, int):
        return str(number + DAY_ZERO if name == "date" else number)
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        text = aware.astimezone(UTC).isoformat(timespec="milliseconds")
        return f"'{text.replace('.000', '').replace('+00:00', 'Z')}'"
    return f"'{value.isoformat()}'"


def _number(value: datetime | date | time) -> int:
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (aware - EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, date):
        return value.toordinal() - EPOCH.date().toordinal()
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return (seconds * 1_000_000 + value.microsecond) * 1000


def create_table(
    name: str, columns: Mapping[str, CqlType], key: Key, options: Sequence[str] = ()
) -> str:
    """Return CREATE TABLE IF NOT EXISTS; `name` is quoted already, every other name becomes so."""
    lines = [f"    {quoted(column)} {kind}" for column, kind in columns.items()]
    partition = ", ".join(map(quoted, key.partition))
    clustering = "".join(f", {quoted(column)}" for column, _ in key.clustering)
    lines.append(f"    PRIMARY KEY (({partition}){clustering})")
    orders = ", ".join(f"{quoted(column)} {order.upper()}" for column, order in key.clustering)
    settings = [*([f"CLUSTERING ORDER BY ({orders})"] if orders else []), *options]
    tail = f" WITH {' AND '.join(settings)}" if settings else ""
    return f"CREATE TABLE IF NOT EXISTS {name} (\n" + ",\n".join(lines) + f"\n){tail}"


def add_columns(name: str, columns: Mapping[str, CqlType]) -> list[str]:
    """Return what gives a table columns and their types, where they are not there."""
    if not columns:
        return []
    added = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns.items())
    add = f"ALTER TABLE {name} ADD IF NOT EXISTS ({added})"
    return [*create_types(list(columns.values())), add]


def drop_columns(name: str, columns: Sequence[str]) -> list[str]:
    """Return what takes columns from a table, where they are there."""
    dropped = ", ".join(map(quoted, columns))
    return [f"ALTER TABLE {name} DROP IF EXISTS ({dropped})"] if columns else []


def create_types(kinds: Sequence[CqlType]) -> list[str]:
    """Return CREATE TYPE IF NOT EXISTS for every UDT in `kinds`, inner ones first."""
    found: dict[str, None] = {}
    for kind in kinds:
        found |= dict.fromkeys(create_types(kind.arguments))
        if kind.name == "udt":
            fields = ", ".join(
                f"{quoted(name)} {field}"
                for name, field in zip(kind.fields, kind.arguments, strict=True)
            )
            name = f"{quoted(kind.keyspace)}.{quoted(kind.udt)}"
            found[f"CREATE TYPE IF NOT EXISTS {name} ({fields})"] = None
    return list(found)


def udts(kinds: Sequence[CqlType]) -> list[CqlType]:
    """Return every UDT in `kinds`, inner ones first, each once."""
    found: dict[CqlType, None] = {}
    for kind in kinds:
        found |= dict.fromkeys(udts(kind.arguments))
        if kind.name == "udt":
            found[kind] = None
    return list(found)


def plain(kind: CqlType) -> str:
    """Return a type as a person would write it, without a UDT's keyspace."""
    if kind.name == "udt":
        return f"frozen<{readable(kind.udt)}>"
    inner = f"<{', '.join(map(plain, kind.arguments))}>" if kind.arguments else ""
    return f"frozen<{kind.name}{inner}>" if kind.frozen else kind.name + inner
