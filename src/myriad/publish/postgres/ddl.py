"""The statements that make a table. Every name goes through sql.Identifier."""

from collections.abc import Iterable

from psycopg import sql

from myriad.model import Column, Table
from myriad.publish.comments import of_column
from myriad.publish.naming import shorten

PRIMARY = "pkey"


def qualified(dataset: str, name: str) -> sql.Identifier:
    """Return `"dataset"."name"`."""
    return sql.Identifier(dataset, name)


def names(columns: Iterable[str]) -> sql.Composed:
    """Return a comma-separated list of identifiers."""
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def create_table(table: Table, name: sql.Identifier) -> sql.Composed:
    """CREATE TABLE with types, NOT NULL and defaults; keys come after the load."""
    columns = sql.SQL(",\n    ").join(map(_column, table.columns))
    return sql.SQL("CREATE TABLE {} (\n    {}\n)").format(name, columns)


def _column(column: Column) -> sql.Composed:
    parts: list[sql.Composable] = [sql.Identifier(column.name), sql.SQL(str(column.type))]
    if column.default is not None:
        parts.append(sql.SQL("DEFAULT " + column.default))
    if column.not_null:
        parts.append(sql.SQL("NOT NULL"))
    return sql.SQL(" ").join(parts)


def comments(table: Table, name: sql.Identifier) -> list[sql.Composed]:
    """COMMENT ON COLUMN with the source's name, and form, wherever the table has others."""
    return [
        sql.SQL("COMMENT ON COLUMN {}.{} IS {}").format(
            name, sql.Identifier(column.name), sql.Literal(said)
        )
        for column in table.columns
        if (said := of_column(column)) is not None
    ]


def primary_key(table: Table, name: sql.Identifier, constraint: str) -> sql.Composed:
    """ALTER TABLE … ADD PRIMARY KEY."""
    return sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY ({})").format(
        name, sql.Identifier(constraint), names(table.primary_key)
    )


def index_names(table: Table) -> list[str]:
    """Return the final names of the table's indexes, unique among themselves."""
    found: list[str] = []
    for index in table.indexes:
        kind = "_key" if index.unique else "_idx"
        stem = "_".join((table.name, *index.columns))
        name, number = shorten(stem, kind), 1
        while name in found:
            number += 1
            name = shorten(stem, f"{kind}{number}")
        found.append(name)
    return found


def create_index(table: Table, number: int, name: sql.Identifier, index: str) -> sql.Composed:
    """CREATE INDEX for the table's index `number`, called `index` for now."""
    chosen = table.indexes[number]
    return sql.SQL("CREATE {} {} ON {} ({})").format(
        sql.SQL("UNIQUE INDEX" if chosen.unique else "INDEX"),
        sql.Identifier(index),
        name,
        names(chosen.columns),
    )


def foreign_key_names(table: Table) -> list[str]:
    """Return the names of the table's foreign keys; they need to be unique in their table only."""
    return [
        shorten("_".join((table.name, *key.columns)), f"_fkey{number or ''}")
        for number, key in enumerate(table.foreign_keys)
    ]


def foreign_key(
    table: Table, number: int, name: sql.Identifier, target: sql.Identifier
) -> sql.Composed:
    """ALTER TABLE … ADD FOREIGN KEY `number` of `table` from table `name` to table `target`."""
    key = table.foreign_keys[number]
    constraint = foreign_key_names(table)[number]
    actions = key.on_delete, key.on_update
    return refer(name, constraint, key.columns, target, key.target, actions=actions)


def refer(
    name: sql.Identifier,
    constraint: str,
    columns: Iterable[str],
    target: sql.Identifier,
    target_columns: Iterable[str],
    *,
    actions: tuple[str, str],
) -> sql.Composed:
    """ALTER TABLE … ADD FOREIGN KEY; `actions` are those ON DELETE and ON UPDATE."""
    return sql.SQL(
        "ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({})"
        " ON DELETE {} ON UPDATE {}"
    ).format(
        name,
        sql.Identifier(constraint),
        names(columns),
        target,
        names(target_columns),
        *map(sql.SQL, actions),
    )


def text(dataset: str, table: Table) -> str:
    """Return all statements for `table` as a person would write them."""
    name = qualified(dataset, table.name)
    statements = [create_table(table, name), *comments(table, name)]
    if table.primary_key:
        statements.append(primary_key(table, name, shorten(table.name, f"_{PRIMARY}")))
    for number, index in enumerate(index_names(table)):
        statements.append(create_index(table, number, name, index))
    statements += [
        foreign_key(table, number, name, qualified(dataset, key.table))
        for number, key in enumerate(table.foreign_keys)
    ]
    return "".join(f"{statement.as_string()};\n" for statement in statements)
