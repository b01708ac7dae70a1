"""Look at the table that is there already in Cassandra, and at what hangs on it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter

from myriad.cql import text
from myriad.cql.names import qualified
from myriad.cql.session import Session
from myriad.cql.types import COLLECTIONS, SIMPLE, CqlType
from myriad.errors import SchemaRefused
from myriad.model import MOST_DIGITS, TEXT, Column, Key, Kind, Order, Type
from myriad.publish import lasting
from myriad.publish.column_changes import of_columns

_COLUMNS = (
    "SELECT column_name, type, kind, position, clustering_order FROM system_schema.columns"
    " WHERE keyspace_name = ? AND table_name = ?"
)
_ID = "SELECT id FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?"
_GONE = "SELECT column_name FROM system_schema.dropped_columns"
_DROPPED = f"{_GONE} WHERE keyspace_name = ? AND table_name = ?"
_TYPES = (
    "SELECT type_name, field_names, field_types FROM system_schema.types WHERE keyspace_name = ?"
)
_WORDS = ("frozen", "tuple", "vector", "varchar", "duration")  # of CQL: no names of UDTs
_NAME = re.compile(r'"((?:[^"]|"")+)"|(\w+)')
# CQL's type → in which type a source is read for it.
_READ = {
    "boolean": Type(Kind.BOOLEAN),
    "int": Type(Kind.INTEGER),
    "bigint": Type(Kind.BIGINT),
    "float": Type(Kind.REAL),
    "double": Type(Kind.DOUBLE),
    "date": Type(Kind.DATE),
    "time": Type(Kind.TIME),
    "uuid": Type(Kind.UUID),
    "blob": Type(Kind.BYTEA),
    "varint": Type(Kind.NUMERIC, 38, 0),
    "inet": Type(Kind.TEXT),
}
_TIMES = (Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
_WHOLE = ("int", "bigint", "varint")


@dataclass(frozen=True)
class Existing:
    """A table that is there: its columns with their types as Cassandra writes them, its key.

    Attributes:
        table_id: the number by which it is told from another one of the same name.
    """

    columns: Mapping[str, str]
    key: Key
    table_id: str
    static: bool = False


def find(session: Session, keyspace: str, name: str) -> Existing | None:
    """Return the table of that name, None if there is none."""
    rows = session.query(_COLUMNS, [keyspace, name])
    if not rows:
        return None
    partition = sorted(
        (place, column) for column, _, kind, place, _ in rows if kind == "partition_key"
    )
    clustering = sorted(
        (place, column, order) for column, _, kind, place, order in rows if kind == "clustering"
    )
    key = Key(
        tuple(column for _, column in partition),
        tuple((column, Order(order.lower())) for _, column, order in clustering),
    )
    columns = {column: _plain(kind) for column, kind, _, _, _ in rows}
    static = any(kind == "static" for _, _, kind, _, _ in rows)
    return Existing(columns, key, table_id(session, keyspace, name), static)


def table_id(session: Session, keyspace: str, name: str) -> str:
    """Return the number of the table of that name, nothing if there is none."""
    rows = session.query(_ID, [keyspace, name])
    return str(rows[0][0]) if rows else ""


def keyspaces(session: Session) -> list[str]:
    """Return the names of all keyspaces, Cassandra's own too."""
    return [name for (name,) in session.query("SELECT keyspace_name FROM system_schema.keyspaces")]


def _plain(kind: str) -> str:
    return kind.replace('"', "").replace(" ", "")


def written(kind: CqlType) -> str:
    """Return a type as `system_schema` has it, without quotes and spaces."""
    if kind.name == "udt":
        return f"frozen<{kind.udt}>"
    inner = f"<{','.join(map(written, kind.arguments))}>" if kind.arguments else ""
    plain = kind.name + inner
    return f"frozen<{plain}>" if kind.frozen else plain


def signature(columns: Mapping[str, CqlType], key: Key) -> dict[str, object]:
    """Return what must be equal for rows of one table to be rows of the other, as plain data."""
    kinds = {name: written(kind) for name, kind in columns.items()}
    fields = {
        kind.udt: [
            [name, written(of)] for name, of in zip(kind.fields, kind.arguments, strict=True)
        ]
        for kind in text.udts(list(columns.values()))
    }
    clustering = [[name, str(order)] for name, order in key.clustering]
    return {"columns": kinds, "key": [list(key.partition), clustering], "types": fields}


def altered(
    session: Session, keyspace: str, name: str, there: Existing, wanted: Mapping[str, object]
) -> tuple[list[str], list[str]] | None:
    """Return the columns that a table lacks of that signature, and those it has too many.

    None if ALTER TABLE cannot give it the signature: a key stays as it is, and so does a type, also
    that of a column which was dropped before.
    """
    columns = wanted["columns"]
    assert isinstance(columns, Mapping)  # noqa: S101 - as `signature` made it
    clustering = [[column, str(order)] for column, order in there.key.clustering]
    key = [list(there.key.partition), clustering]
    kept = {column: kind for column, kind in there.columns.items() if column in columns}
    if there.static or key != wanted["key"] or any(columns[c] != kind for c, kind in kept.items()):
        return None
    missing = [column for column in columns if column not in kept]
    dropped = {column for (column,) in session.query(_DROPPED, [keyspace, name])}
    if dropped.intersection(missing) or other_types(session, keyspace, wanted):
        return None
    return missing, [column for column in there.columns if column not in columns]


def fields_of_types(session: Session, keyspace: str) -> dict[str, list[list[str]]]:
    """Return the fields of the UDTs that are there, each with its type."""
    return {
        name: [[field, _plain(kind)] for field, kind in zip(names, kinds, strict=True)]
        for name, names, kinds in session.query(_TYPES, [keyspace])
    }


def other_types(session: Session, keyspace: str, wanted: Mapping[str, object]) -> list[str]:
    """Return the UDTs that are there with other fields than `wanted` has, and all that have those.

    Outer ones first: Cassandra drops no type that another one has.
    """
    types = wanted["types"]
    assert isinstance(types, Mapping)  # noqa: S101 - as `signature` made it
    there = fields_of_types(session, keyspace)
    parts = _parts_of_types(session, keyspace)
    changing: dict[str, None] = {}
    for name in TopologicalSorter(parts).static_order():  # inner ones first
        if types.get(name, there[name]) != there[name] or parts[name] & changing.keys():
            changing[name] = None
    return list(reversed(changing))


def _parts_of_types(session: Session, keyspace: str) -> dict[str, set[str]]:
    """Return the UDTs that each UDT has in its fields."""
    rows = session.query(_TYPES, [keyspace])
    known = {name for name, _, _ in rows} - {*SIMPLE.values(), *COLLECTIONS.values(), *_WORDS}
    return {name: _named(kinds) & known for name, _, kinds in rows}


def _named(kinds: Iterable[str]) -> set[str]:
    """Return all names in types as Cassandra writes them: in quotes where they need them."""
    found = (match for kind in kinds for match in _NAME.finditer(kind))
    return {plain or quoted.replace('""', '"') for quoted, plain in (m.groups() for m in found)}


def refuse_used_types(
    session: Session, keyspace: str, name: str, wanted: Mapping[str, object]
) -> None:
    """Raise SchemaRefused if a UDT would have to change that another table or type has too."""
    changing = other_types(session, keyspace, wanted)
    if not changing:
        return
    rows = session.query(
        "SELECT table_name, type FROM system_schema.columns WHERE keyspace_name = ?", [keyspace]
    )
    for table, kind in rows:
        used = _named([kind]) & set(changing)
        if table != name and used:
            raise SchemaRefused(
                f"type {min(used)} would change, and table {keyspace}.{table} has it too",
                hint="Publish under another name with --table, or to another --dataset.",
            )
    inside = _named(kind for table, kind in rows if table == name)
    _refuse_foreign_types(session, keyspace, changing, inside, wanted)


def _refuse_foreign_types(
    session: Session,
    keyspace: str,
    changing: Sequence[str],
    inside: Iterable[str],
    wanted: Mapping[str, object],
) -> None:
    """Raise SchemaRefused if one that changes is neither wanted nor among the names `inside`."""
    parts, types = _parts_of_types(session, keyspace), wanted["types"]
    assert isinstance(types, Mapping)  # noqa: S101 - as `signature` made it
    ours = {*types, *_inside(inside, parts)}
    for kind in changing:
        if kind not in ours:
            raise SchemaRefused(
                f"type {min(parts[kind] & set(changing))} would change, and type"
                f" {keyspace}.{kind} has it too",
                hint=f"If nobody needs that, DROP TYPE {qualified(keyspace, kind)}; else publish"
                " under another name with --table, or to another --dataset.",
            )


def _inside(names: Iterable[str], parts: Mapping[str, set[str]]) -> Iterator[str]:
    """Yield all UDTs among `names` and in their fields."""
    for name in names:
        if name in parts:
            yield name
            yield from _inside(parts[name], parts)


def obstacles(session: Session, keyspace: str, name: str) -> list[str]:
    """Return what hangs on a table and would be lost with it."""
    return [
        *(f"index {index}" for (index,) in session.query(
            "SELECT index_name FROM system_schema.indexes"
            " WHERE keyspace_name = ? AND table_name = ?", [keyspace, name])),
        *(f"trigger {trigger}" for (trigger,) in session.query(
            "SELECT trigger_name FROM system_schema.triggers"
            " WHERE keyspace_name = ? AND table_name = ?", [keyspace, name])),
        *(f"materialized view {view}" for view, base in session.query(
            "SELECT view_name, base_table_name FROM system_schema.views WHERE keyspace_name = ?",
            [keyspace]) if base == name),
    ]  # fmt: skip


def refuse_obstacles(session: Session, keyspace: str, name: str) -> None:
    """Raise SchemaRefused, naming it, if dropping the table would lose what hangs on it."""
    found = obstacles(session, keyspace, name)
    if found:
        raise SchemaRefused(
            f"{keyspace}.{name} gets other columns or another key, so it is made anew: that would"
            f" lose {', '.join(found)}",
            hint="Drop it first, or publish under another name with --table.",
        )


def difference(there: Existing, columns: Mapping[str, CqlType], key: Key) -> list[str]:
    """Return how the new table differs from what is there, a line each; empty if not at all."""
    lines = of_columns(there.columns, {name: written(kind) for name, kind in columns.items()})
    return lines if there.key == key else [*lines, f"- key {there.key}", f"+ key {key}"]


def arriving(
    there: Existing, columns: Sequence[Column], formats: Mapping[str, str], *, exactly: bool
) -> dict[str, Type]:
    """Return the types in which columns shall arrive to fit the table that is there.

    `formats` are the forms in which the table's values were written before. Not `exactly`: only
    whole numbers for wider ones, so that growth does not change the table.
    """
    found = {}
    for column in columns:
        name, kind = column.name, column.type
        wanted = there.columns.get(name, "")
        if wanted in _READ and _READ[wanted].kind is kind.kind in (Kind.DATE, Kind.BOOLEAN):
            continue  # as its dates and flags are written
        if exactly and wanted in ("decimal", "varint") and not _narrower(kind, wanted):
            now = Type(Kind.BIGINT if wanted == "varint" else Kind.NUMERIC)
            form = lasting.form_of(replace(now, format=formats.get(name, "")), kind)
            found[name] = replace(_number(column, wanted), format=form)
        elif _narrower(kind, wanted) or (exactly and wanted in _READ):
            form = lasting.form_of(replace(_READ[wanted], format=formats.get(name, "")), kind)
            found[name] = replace(_READ[wanted], format=form)
        elif exactly and kind.kind not in _TIMES and wanted in ("timestamp", "text"):
            found[name] = _moment(formats.get(name, "")) if wanted == "timestamp" else TEXT
    nested = {column.name for column in columns if column.type.kind is Kind.JSONB}
    return {name: kind for name, kind in found.items() if name not in nested}


def _number(column: Column, wanted: str) -> Type:
    """Return the type of a column's numbers for a column of decimals, or of whole ones."""
    places = column.type.scale if column.type.kind is Kind.NUMERIC else column.places
    scale = 0 if wanted == "varint" else max(places, 1)
    if column.type.long:
        return Type(Kind.NUMERIC, MOST_DIGITS + scale, scale)
    return lasting.with_places(column, scale)


def _moment(form: str) -> Type:
    """Return the type of a time whose text is written in a form, or as ISO 8601 has it."""
    plain = Type(Kind.TIMESTAMP)
    form = lasting.suiting(plain, form)
    return replace(plain, format=form) if form else Type(Kind.TIMESTAMPTZ)


def _narrower(kind: Type, wanted: str) -> bool:
    names = {Kind.SMALLINT: "int", Kind.INTEGER: "int", Kind.BIGINT: "bigint"}
    if wanted not in _WHOLE or kind.kind not in names:
        return False
    return _WHOLE.index(names[kind.kind]) <= _WHOLE.index(wanted)


def refuse_misfit(
    there: Existing, name: str, columns: Mapping[str, CqlType], key: Key | None
) -> None:
    """Raise SchemaRefused if rows with these columns cannot be added to the table."""
    lines = [
        f"~ {column} {there.columns[column]}, the source has {written(kind)}"
        for column, kind in columns.items()
        if column in there.columns and there.columns[column] != written(kind)
    ]
    lines += [f"+ {column}" for column in columns if column not in there.columns]
    lines += [
        f"- {column}, which is in the key" for column in there.key.columns if column not in columns
    ]
    if key is not None and key != there.key:
        lines.append(f"~ key {there.key}, --key says {key}")
    if lines:
        raise SchemaRefused(
            f"the source does not fit {name}:\n  " + "\n  ".join(lines),
            hint="--append needs the table's columns and key; without it the table is replaced.",
        )
