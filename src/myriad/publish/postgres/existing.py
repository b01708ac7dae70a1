"""Look at a table that is there already, and at everything that hangs on it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import psycopg

from myriad import named_sql
from myriad.errors import SchemaRefused
from myriad.model import Kind, Table, Type
from myriad.publish import lasting
from myriad.publish.column_changes import of_columns

query = named_sql.load("myriad.publish.postgres", "existing.sql").query
SHOWN = 5


@dataclass(frozen=True)
class ExistingColumn:
    """A column of a table that is there; `type` is as PostgreSQL writes it."""

    name: str
    type: str
    not_null: bool
    has_default: bool


@dataclass(frozen=True)
class Existing:
    """A table that is there, and ours: its oid, columns and primary key."""

    oid: int
    columns: tuple[ExistingColumn, ...]
    key: tuple[str, ...]


def find(connection: psycopg.Connection, dataset: str, name: str) -> Existing | None:
    """Return the table of that name, None if there is none.

    Raises SchemaRefused if the name belongs to something that is no plain table, or to somebody
    else's: defaults, triggers and index expressions of others never run with our rights.
    """
    for row in query(connection, "table", dataset=dataset, name=name):
        if row["relkind"] != "r":
            raise SchemaRefused(
                f"{dataset}.{name} is there and is no plain table",
                hint="Publish under another name with --table.",
            )
        if not row["ours"]:
            raise SchemaRefused(
                f"{dataset}.{name} belongs to {row['owner']}, not to Myriad",
                hint="Publish under another name with --table.",
            )
        return _found(connection, row["oid"])
    return None


def _found(connection: psycopg.Connection, oid: int) -> Existing:
    columns = query(connection, "columns", oid=oid)
    found = (ExistingColumn(c["name"], c["type"], c["not_null"], c["has_default"]) for c in columns)
    key = tuple(part["attname"] for part in query(connection, "key", oid=oid))
    return Existing(oid, tuple(found), key)


def refuse_obstacles(
    connection: psycopg.Connection, name: str, oid: int, made: Sequence[str]
) -> None:
    """Raise SchemaRefused, naming it, if replacing the table would lose what hangs on it.

    `made` are the constraints that Myriad made itself with the table.
    """
    found = query(connection, "obstacles", oid=oid, made=list(made))
    obstacles = [row["?column?"] for row in found]
    special = [
        f"{(view['kind'] == 'm' and 'materialized ') or ''}view {view['schema']}.{view['name']}"
        for view in query(connection, "views", oids=[oid])
        if view["special"]
    ]
    if obstacles or special:
        raise SchemaRefused(
            f"replacing {name} would lose {', '.join([*obstacles, *special])}",
            hint="Drop it first, or publish under another name with --table.",
        )


def refuse_foreign_dataset(connection: psycopg.Connection, dataset: str) -> None:
    """Raise SchemaRefused if a dataset is there and somebody else's, or a workspace.

    They could put something of theirs in the place of a table at any moment.
    """
    for row in query(connection, "dataset", dataset=dataset):
        if row["workspace"]:
            raise SchemaRefused(
                f"dataset {dataset} is a workspace: its people make tables there, nothing is"
                " published",
                hint="Choose another with --dataset.",
            )
        if not row["ours"]:
            raise SchemaRefused(
                f"dataset {dataset} belongs to {row['owner']}, not to Myriad",
                hint="Choose another with --dataset; a new one is made.",
            )


def refuse_foreign_code(connection: psycopg.Connection, name: str, oid: int) -> None:
    """Raise SchemaRefused if what somebody else made would run when a relation of ours is filled.

    In triggers, defaults, constraints, indexes and rules, by whomever they were added.
    """
    found = query(connection, "foreign_code", oids=[oid])
    if found:
        things = [f"{row['what']} of {row['owner']}" for row in found]
        raise SchemaRefused(
            f"filling {name} would run with Myriad's rights what others made: {_shown(things)}",
            hint="Drop from it what uses that, or publish under another name with --table.",
        )


def refuse_foreign_types(connection: psycopg.Connection, views: Sequence[int]) -> None:
    """Raise SchemaRefused if making views again would run what somebody else made."""
    found = query(connection, "foreign_types", oids=list(views))
    if found:
        things = [f"{row['what']} of {row['owner']}" for row in found]
        raise SchemaRefused(
            f"making view {found[0]['view']} again would run with Myriad's rights what others made:"
            f" {_shown(things)}",
            hint="Drop the view first, or publish under another name with --table.",
        )


def _shown(things: Sequence[str]) -> str:
    return ", ".join(things[:SHOWN]) + (" and more" if len(things) > SHOWN else "")


def difference(existing: Existing, table: Table) -> list[str]:
    """Return how `table` differs from what is there, a line each; empty if not at all."""
    before = {column.name: column.type for column in existing.columns}
    after = {column.name: written(column.type) for column in table.columns}
    keys = _key_difference(existing.key, table.primary_key)
    return [*of_columns(before, after), *keys]


def _key_difference(before: tuple[str, ...], after: tuple[str, ...]) -> list[str]:
    if before == after:
        return []
    pairs = (("-", before), ("+", after))
    return [f"{sign} primary key ({', '.join(key)})" for sign, key in pairs if key]


def written(kind: Type) -> str:
    """Return a type as PostgreSQL writes it."""
    longer = {
        Kind.TIMESTAMP: "timestamp without time zone",
        Kind.TIMESTAMPTZ: "timestamp with time zone",
        Kind.TIME: "time without time zone",
    }
    return longer.get(kind.kind, str(kind))


def type_named(text: str) -> Type | None:
    """Return the type that PostgreSQL writes so; None for those that no source has."""
    with suppress(ValueError):
        return Type.named(text)
    return None


def with_format(kind: Type, pattern: str) -> Type:
    """Return a type whose text is written in the form of that name, if it can have one."""
    return replace(kind, format=lasting.suiting(kind, pattern))
