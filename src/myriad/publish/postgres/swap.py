"""Put new tables in the place of old ones, at once for everybody who reads."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import sql

from myriad.errors import SchemaRefused
from myriad.model import Table
from myriad.named_sql import Row
from myriad.people.postgres import table_rights
from myriad.publish.naming import shorten
from myriad.publish.postgres import carried, ddl, versions
from myriad.publish.postgres.existing import (
    query,
    refuse_foreign_code,
    refuse_foreign_types,
    refuse_obstacles,
)
from myriad.publish.postgres.patience import WAITED, Patience, briefly


@dataclass(frozen=True)
class Replacement:
    """A loaded table under its temporary name, and the table whose place it takes, if any.

    Attributes:
        staged: the temporary name; empty: the old table goes, and nothing takes its place.
        renames: temporary → final names of what Myriad makes with the table: indexes, sequences.
        carried: the same of indexes that people had added to the old table.
        keep: the name under which the old table is put away; empty: it is dropped.
        made: the constraints that Myriad made with the old table.
    """

    dataset: str
    staged: str
    table: Table
    old: int | None
    renames: dict[str, str] = field(default_factory=dict)
    carried: dict[str, str] = field(default_factory=dict)
    keep: str = ""
    made: Sequence[str] = ()


@dataclass(frozen=True)
class Swapped:
    """What came of a swap, by table.

    Attributes:
        made: names of the indexes and constraints that Myriad made with it.
        kept: what was put away.
    """

    made: dict[str, list[str]]
    kept: dict[str, versions.Kept]


def swap(
    connection: psycopg.Connection, tables: Sequence[Replacement], patience: Patience
) -> Swapped:
    """Give every new table its name; old ones are put away, what hangs on them moves over.

    Runs in the caller's transaction. Waits with `patience` for readers of the old tables.
    Raises SwapBlocked that names them, SchemaRefused if a view does not fit the new table.
    """
    return patience.until(
        connection, lambda turn: _swap(connection, _turned(tables, turn)), _old(tables)
    )


def _turned(tables: Sequence[Replacement], turn: int) -> Sequence[Replacement]:
    place = turn // 2 % max(len(tables), 1)
    turned = [*tables[place:], *tables[:place]]
    return turned[::-1] if turn % 2 else turned


def rehearse(
    connection: psycopg.Connection,
    dataset: str,
    tables: Sequence[tuple[Table, int | None, Sequence[str]]],
) -> None:
    """Swap in empty tables and take it back: says before the load what could not survive it.

    `tables` come with the oid of the old one, and the constraints made with that. If one is locked
    just now, the real swap will tell. Raises SchemaRefused.
    """
    # An index made by hand, which a foreign key may point to, comes with the rows only.
    unknown = (*WAITED, psycopg.errors.InvalidForeignKey)
    with suppress(*unknown), connection.transaction(force_rollback=True):
        briefly(connection)
        empty = [
            replace(_empty(connection, dataset, table, old), made=made)
            for table, old, made in tables
        ]
        _swap(connection, empty, rehearsal=True)


def _empty(
    connection: psycopg.Connection, dataset: str, table: Table, old: int | None
) -> Replacement:
    staged = f"new_{secrets.token_hex(8)}"
    name = ddl.qualified(dataset, staged)
    connection.execute(ddl.create_table(table, name))
    if table.primary_key:
        connection.execute(ddl.primary_key(table, name, f"{staged}_key"))
    for number in range(len(table.indexes)):
        connection.execute(ddl.create_index(table, number, name, f"{staged}_{number}"))
    return Replacement(dataset, staged, table, old, keep=versions.new_name())


def _old(tables: Sequence[Replacement]) -> list[int]:
    return [table.old for table in tables if table.old is not None]


def _swap(
    connection: psycopg.Connection, tables: Sequence[Replacement], *, rehearsal: bool = False
) -> Swapped:
    old = _old(tables)
    connection.execute(table_rights.SHARED)
    _lock(connection, tables, old)
    views = query(connection, "views", oids=old) if old else []
    references = query(connection, "references", oids=old, but=old) if old else []
    _refuse_foreign(connection, views, references)
    kept = [carried.kept(connection, view["oid"]) for view in views]
    definitions = [query(connection, "definition", oid=view["oid"])[0] for view in views]
    for reference in references:
        _alter_holder(connection, reference, "DROP", "")
    for view in reversed(views):
        _drop(connection, _kind(view), ddl.qualified(view["schema"], view["name"]))
    inherited = [
        carried.kept(connection, table.old) if table.old is not None else None for table in tables
    ]
    away = _put_away(connection, tables)
    staged = [table for table in tables if table.staged]
    names = query(connection, "taken", dataset=staged[0].dataset) if staged else []
    taken = {row["relname"] for row in names}
    made = {table.table.name: _rename(connection, table, taken) for table in staged}
    for table, things in zip(tables, inherited, strict=True):
        if table.staged:
            # What it got when it was made may have been taken back meanwhile.
            carried.strip(connection, table.dataset, table.table.name)
            if things is None:
                carried.give_default(connection, table.dataset, table.table.name)
                continue
            columns = {column.name for column in table.table.columns}
            carried.restore(connection, "TABLE", table.dataset, table.table.name, things, columns)
    for view, definition, things in zip(views, definitions, kept, strict=True):
        _recreate(connection, view | definition, things, fill=not rehearsal)
    for reference in references:
        refer_again(connection, reference, rehearsal=rehearsal)
    return Swapped(made, away)


def _put_away(
    connection: psycopg.Connection, tables: Sequence[Replacement]
) -> dict[str, versions.Kept]:
    """Take the old tables out of the way; raises SchemaRefused if something hangs on them."""
    old = [table for table in tables if table.old is not None]
    names = {table.table.name: ddl.qualified(table.dataset, table.table.name) for table in old}
    if not old:
        return {}
    for table in old:  # since it was looked at, somebody may have added a trigger
        if table.old is not None:
            full = f"{table.dataset}.{table.table.name}"
            refuse_obstacles(connection, full, table.old, table.made)
    # What would be lost must not follow what is put away, either: PostgreSQL knows what that is.
    with connection.transaction(force_rollback=True):
        _drop(connection, "TABLE", sql.SQL(", ").join(names.values()))
    keep = {t.table.name: (t.old, t.keep) for t in old if t.keep and t.old is not None}
    away = versions.put_away(connection, old[0].dataset, keep)
    rest = [name for table, name in names.items() if table not in keep]
    if rest:  # in one statement: they may point to each other
        _drop(connection, "TABLE", sql.SQL(", ").join(rest))
    return away


def _lock(connection: psycopg.Connection, tables: Sequence[Replacement], old: list[int]) -> None:
    """Lock views before the tables below them: the order in which readers take their locks."""
    if not old:
        return
    things = [view["oid"] for view in query(connection, "views", oids=old)]
    references = query(connection, "references", oids=old, but=old)
    _hold_schemas(connection, [*things, *(reference["conrelid"] for reference in references)])
    for view in reversed(query(connection, "views", oids=old)):
        # LOCK TABLE would lock all that is below a view, with the rights of the view's owner.
        _give(connection, view)
    names = [ddl.qualified(t.dataset, t.table.name) for t in tables if t.old is not None]
    connection.execute(
        sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.SQL(", ").join(names))
    )


def _hold_schemas(connection: psycopg.Connection, things: Sequence[int]) -> None:
    if connection.info.parameter_status("is_superuser") == "on":  # who else may not touch theirs
        query(connection, "hold_schemas", oids=list(things))


def _refuse_foreign(
    connection: psycopg.Connection, views: Sequence[Row], references: Sequence[Row]
) -> None:
    """Raise SchemaRefused if what hangs on the tables would run what somebody else made."""
    refuse_foreign_types(connection, [view["oid"] for view in views])
    for view in views:
        if view["kind"] == "m" and view["ours"]:
            refuse_foreign_code(connection, f"{view['schema']}.{view['name']}", view["oid"])
    for reference in references:
        if reference["strange"]:
            raise SchemaRefused(
                f"checking foreign key {reference['name']} of {reference['holder']} would run with"
                f" Myriad's rights what others made: {reference['strange']}",
                hint="Drop the foreign key first, or publish under another name with --table.",
            )


def _kind(view: Row) -> str:
    return "MATERIALIZED VIEW" if view["kind"] == "m" else "VIEW"


def _give(connection: psycopg.Connection, view: Row) -> None:
    """Make the view's owner its owner, which also locks it."""
    name = ddl.qualified(view["schema"], view["name"])
    owner = sql.SQL("ALTER {} {} OWNER TO {}")
    connection.execute(owner.format(sql.SQL(_kind(view)), name, sql.Identifier(view["owner"])))


def _drop(connection: psycopg.Connection, kind: str, name: sql.Composable) -> None:
    try:
        connection.execute(sql.SQL("DROP {} {}").format(sql.SQL(kind), name))
    except psycopg.errors.DependentObjectsStillExist as error:
        raise SchemaRefused(
            f"replacing the table would lose what hangs on it: {error.diag.message_detail}",
            hint="Drop it first, or publish under another name with --table.",
        ) from error


def _alter_holder(
    connection: psycopg.Connection, reference: Row, action: str, definition: str
) -> None:
    # PostgreSQL wrote the holder's name and the definition itself: quoted and qualified.
    holder, constraint = sql.SQL(reference["holder"]), sql.Identifier(reference["name"])
    parts = [holder, sql.SQL(f"{action} CONSTRAINT"), constraint, sql.SQL(definition)]
    connection.execute(sql.SQL("ALTER TABLE ") + sql.SQL(" ").join(parts))


def let_go(connection: psycopg.Connection, table: int) -> list[Row]:
    """Drop the foreign keys that point to a table, its own too; return them for `refer_again`.

    So nothing in the tables that have them is deleted or changed when rows of this one go. Raises
    SchemaRefused if checking one again would run what somebody else made.
    """
    references = query(connection, "references", oids=[table], but=[])
    _hold_schemas(connection, [reference["conrelid"] for reference in references])
    _refuse_foreign(connection, [], references)
    for reference in references:
        _alter_holder(connection, reference, "DROP", "")
    return references


def refer_again(connection: psycopg.Connection, reference: Row, *, rehearsal: bool = False) -> None:
    """Make a foreign key again; raises SchemaRefused if the rows contradict it."""
    definition = reference["definition"]
    if rehearsal and not definition.endswith(" NOT VALID"):
        definition += " NOT VALID"  # an empty table has none of the rows
    try:
        _alter_holder(connection, reference, "ADD", definition)
    except (psycopg.IntegrityError, psycopg.ProgrammingError) as error:
        if rehearsal and isinstance(error, psycopg.errors.InvalidForeignKey):
            raise
        raise SchemaRefused(
            f"foreign key {reference['name']} of {reference['holder']} cannot survive the new"
            f" table: {error.diag.message_detail or error.diag.message_primary}",
            hint="Drop the foreign key first, or publish what it points to.",
        ) from error


def _rename(connection: psycopg.Connection, table: Replacement, taken: set[str]) -> list[str]:
    """Give table and indexes their names; return those of what Myriad made with the table.

    Indexes share their names with all tables of a dataset: a name that is `taken` gets a number.
    """
    connection.execute(
        sql.SQL("ALTER TABLE {} RENAME TO {}").format(
            ddl.qualified(table.dataset, table.staged), sql.Identifier(table.table.name)
        )
    )
    taken.add(table.table.name)
    made = [*ddl.foreign_key_names(table.table), *ddl.check_names(table.table)]
    for before, wanted in (table.renames | table.carried).items():
        after, number = wanted, 1
        while after in taken:
            number += 1
            after = shorten(wanted, f"_{number}")
        taken.add(after)
        connection.execute(
            sql.SQL("ALTER TABLE {} RENAME TO {}").format(  # of sequences, too
                ddl.qualified(table.dataset, before), sql.Identifier(after)
            )
        )
        if before in table.renames:
            made.append(after)
    return made


def _recreate(
    connection: psycopg.Connection, view: Row, things: dict[str, list[Row]], *, fill: bool
) -> None:
    name = ddl.qualified(view["schema"], view["name"])
    kind = _kind(view)
    options = f" WITH ({', '.join(view['options'])})" if view["options"] else ""
    body = view["definition"].rstrip().rstrip(";")
    no_data = " WITH NO DATA" if view["kind"] == "m" else ""
    try:
        head = sql.SQL("CREATE {} {}").format(sql.SQL(kind), name).as_string()
        connection.execute(f"{head}{options} AS {body}{no_data}".encode())
    except (psycopg.ProgrammingError, psycopg.NotSupportedError) as error:
        full = f"{view['schema']}.{view['name']}"
        raise SchemaRefused(
            f"view {full} cannot survive the new table: {error.diag.message_primary}",
            hint="Drop or change the view, or publish under another name with --table.",
        ) from error
    _give(connection, view)
    carried.strip(connection, view["schema"], view["name"])
    carried.restore(connection, kind, view["schema"], view["name"], things, None)
    for definition in view["indexes"] or ():
        connection.execute(definition.encode())
    if view["kind"] == "m" and fill:
        # As its owner, in a restricted operation: never run a view's functions as administrator.
        connection.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(name))
