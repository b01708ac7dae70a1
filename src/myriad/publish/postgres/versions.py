"""Versions: what a table was before is put away, told apart from now, and dropped when too old.

A relation of before lies in schema `myriad`, as nobody's but ours, under a name that cannot be
guessed. How several versions share one relation: decisions/0012-versions.md.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from myriad import named_sql
from myriad.named_sql import Row
from myriad.publish.keeping import DAY, Keeping
from myriad.publish.postgres import ddl
from myriad.publish.postgres.patience import Patience
from myriad.publish.report import Written

SCHEMA = "myriad"
NOT_KEPT = (
    "the version before is not kept: it is larger than the settings `versions_megabytes` and"
    " `versions_disk_percent` allow"
)
LOCK_WAIT_MS = 250  # a backup may read a version for hours: then it stays until the next publish
query = named_sql.load("myriad.publish.postgres", "versions.sql").query
# As pg_constraint has them: https://www.postgresql.org/docs/18/catalog-pg-constraint.html
ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


@dataclass(frozen=True)
class Kept:
    """A relation that was put away.

    Attributes:
        relation: its name in schema `myriad`.
        names: the names of its indexes and sequences now → before.
        foreign_keys: those to other tables, which were dropped: name, columns, dataset, table,
            target, and the letters of `ACTIONS` on_delete, on_update.
    """

    relation: str
    names: dict[str, str] = field(default_factory=dict)
    foreign_keys: list[Row] = field(default_factory=list)


def new_name() -> str:
    """Return a name for a relation that is put away: nobody can have taken it before."""
    return f"version_{secrets.token_hex(8)}"


def put_away(
    connection: psycopg.Connection, dataset: str, tables: Mapping[str, tuple[int, str]]
) -> dict[str, Kept]:
    """Move tables of a dataset into our schema: table → its oid, and the name it gets there.

    They lose their foreign keys to others and all rights of others. Nothing depends on them any
    more, and they are locked.
    """
    keys = query(connection, "foreign_keys", oids=[oid for oid, _ in tables.values()])
    names = {oid: name for name, (oid, _) in tables.items()}
    for key in keys:
        connection.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                ddl.qualified(dataset, names[key["oid"]]), sql.Identifier(key["name"])
            )
        )
    kept = {}
    for name, (oid, relation) in tables.items():
        _rename(connection, dataset, name, relation)
        renamed = _rename_parts(connection, dataset, oid, relation)
        close(connection, dataset, relation)
        move = sql.SQL("ALTER TABLE {} SET SCHEMA {}")
        connection.execute(move.format(ddl.qualified(dataset, relation), sql.Identifier(SCHEMA)))
        own = [
            {part: value for part, value in key.items() if part != "oid"}
            for key in keys
            if key["oid"] == oid
        ]
        kept[name] = Kept(relation, renamed, own)
    return kept


def _rename(connection: psycopg.Connection, schema: str, before: str, after: str) -> None:
    # Of indexes and sequences too: ALTER TABLE takes them all.
    connection.execute(
        sql.SQL("ALTER TABLE {} RENAME TO {}").format(
            ddl.qualified(schema, before), sql.Identifier(after)
        )
    )


def _rename_parts(
    connection: psycopg.Connection, dataset: str, oid: int, relation: str
) -> dict[str, str]:
    renamed = {}
    for number, part in enumerate(query(connection, "parts", oid=oid)):
        now = f"{relation}_{number}"
        _rename(connection, dataset, part["name"], now)
        renamed[now] = part["name"]
    return renamed


def close(connection: psycopg.Connection, schema: str, relation: str) -> None:
    """Take all rights to a relation, its columns and its sequences from everybody else."""
    for holder in query(connection, "holders", schema=schema, relation=relation):
        who = sql.SQL("PUBLIC") if holder["is_public"] else sql.Identifier(holder["grantee"])
        revoke = sql.SQL("REVOKE ALL ON {} {} FROM {} CASCADE")
        kind = sql.SQL("SEQUENCE" if holder["kind"] == "S" else "TABLE")
        name = ddl.qualified(schema, holder["name"])
        connection.execute(revoke.format(kind, name, who))


def bring_back(connection: psycopg.Connection, dataset: str, relation: str) -> None:
    """Move a relation that was put away into a dataset, still under the name it has."""
    connection.execute(
        sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(
            ddl.qualified(SCHEMA, relation), sql.Identifier(dataset)
        )
    )


def written_since(connection: psycopg.Connection, oid: int) -> Written:
    """Count what people did to a published table since; nothing where that cannot be known.

    Reads the whole table, but only where somebody may write or somebody did.
    """
    for found in query(connection, "loads", oid=oid):
        if found["touched"]:
            counted = sql.SQL(
                "SELECT count(*) FILTER (WHERE xmin <> ALL (%(xids)s::xid[])),"
                " count(*) FILTER (WHERE xmin = ANY (%(xids)s::xid[])) FROM {}"
            ).format(sql.SQL(found["name"]))  # PostgreSQL itself quoted it
            row = connection.execute(counted, {"xids": found["xids"]}).fetchone() or (0, 0)
            return Written(row[0], max(found["loaded"] - row[1], 0))
    return Written(0, 0)


@dataclass(frozen=True)
class State:
    """How a table came to be what is shown.

    Attributes:
        xid: the transaction that loaded its rows, or those that were added.
        loaded: how many.
        added: to the relation that was shown before, too.
        kept: that one, if it was put away.
    """

    xid: int
    loaded: int
    added: bool = False
    kept: Kept | None = None


def note(connection: psycopg.Connection, dataset: str, name: str, state: State) -> tuple[int, int]:
    """Write down a new version of a table, which is published; return its turn and number."""
    place = {"dataset": dataset, "name": name}
    turn = next_turn(connection, dataset, name)
    number = int(query(connection, "next_number", **place)[0]["number"])
    if state.kept is not None:
        keep(connection, dataset, name, state.kept)
    elif not state.added:
        query(connection, "forget_shown", **place)
    loaded = {"xid": state.xid, "loaded": state.loaded}
    query(connection, "show", turn=turn, number=number, **loaded, **place)
    return turn, number


def next_turn(connection: psycopg.Connection, dataset: str, name: str) -> int:
    """Return the place that what is shown next has in the order of what a table showed."""
    return int(query(connection, "next_turn", dataset=dataset, name=name)[0]["turn"])


def keep(connection: psycopg.Connection, dataset: str, name: str, kept: Kept) -> None:
    """Write down that the relation which was shown is put away."""
    values = {"relation": kept.relation, "names": Jsonb(kept.names)}
    keys = Jsonb(kept.foreign_keys)
    query(connection, "keep", dataset=dataset, name=name, foreign_keys=keys, **values)


def may_keep(
    connection: psycopg.Connection, oid: int, keeping: Keeping, patience: Patience
) -> bool:
    """Say whether a relation can be kept at all; raises SwapBlocked."""
    if keeping.versions == 0 or keeping.most is None:
        return keeping.versions > 0
    size = "SELECT pg_total_relation_size(%s::oid)"
    row = patience.look(connection, oid, lambda: connection.execute(size, [oid]).fetchone())
    return row is not None and row[0] is not None and row[0] <= keeping.most


def expire(
    connection: psycopg.Connection, names: Sequence[tuple[str, str]], keeping: Keeping
) -> list[str]:
    """Drop what is not to be kept any longer; return notes on what could not be dropped.

    `names` are the tables (dataset, name) that got a new version.
    """
    for dataset, name in names:
        query(connection, "too_old", dataset=dataset, name=name, keep=keeping.versions)
    query(connection, "forgotten", seconds=keeping.days * DAY)
    if keeping.most is not None:
        sizes = query(connection, "sizes")
        large = [row["relation"] for row in sizes if row["total"] > keeping.most]
        query(connection, "past", relations=large)
    return drop_unused(connection)


def drop_unused(connection: psycopg.Connection) -> list[str]:
    """Drop relations that no version needs; return notes on what could not be dropped."""
    notes: list[str] = []
    tried: set[str] = set()
    while True:
        rows = query(connection, "unused")
        new = [row for row in rows if row["relation"] not in tried]
        if not new:
            return notes
        for row in new:
            tried.add(row["relation"])
            notes += _drop(connection, row)


def _drop(connection: psycopg.Connection, row: Row) -> list[str]:
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")
            drop = sql.SQL("DROP TABLE IF EXISTS {}")
            connection.execute(drop.format(ddl.qualified(SCHEMA, row["relation"])))
            query(connection, "forget_versions", relation=row["relation"])
            query(connection, "forget_kept", relation=row["relation"])
            connection.execute("SET LOCAL lock_timeout = 0")
    except psycopg.errors.LockNotAvailable:
        return []  # somebody reads it, such as a backup: the next publish drops it
    except psycopg.errors.DependentObjectsStillExist as error:
        name = f"{row['dataset']}.{row['name']}"
        return [f"an old version of {name} cannot be dropped: {error.diag.message_detail}"]
    return []
