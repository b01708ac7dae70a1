"""What a SQLite file says about its tables: columns, keys, indexes, and what cannot come along."""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from myriad.model import ForeignKey, Index
from myriad.sources.sqlite import file as sqlite_file
from myriad.sources.typing.sql import quoted
from myriad.wording import number_of

ORPHANS_SECONDS = 20.0  # with an index on the target, of 10 million rows
MOST_COUNTED = 2**63 - 1
_GENERATED = (2, 3)
_HIDDEN = 1
_NAME, _DECLARED, _NOT_NULL, _DEFAULT, _KEY, _KIND = range(1, 7)  # of PRAGMA table_xinfo


@dataclass(frozen=True)
class DeclaredColumn:
    """A column as CREATE TABLE has it; `default` is SQL text."""

    name: str
    declared: str
    not_null: bool
    default: str | None


@dataclass
class DeclaredTable:
    """A table as the schema has it.

    Attributes:
        rowid: the name by which the row number can be read; empty for WITHOUT ROWID.
        alias: the column that is the row number itself; empty if none is.
        sql: its CREATE TABLE.
        counter: the greatest number that AUTOINCREMENT gave out; None: it is not used.
    """

    name: str
    columns: tuple[DeclaredColumn, ...]
    primary_key: tuple[str, ...] = ()
    rowid: str = ""
    alias: str = ""
    sql: str = ""
    counter: int | None = None
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_schema(con: sqlite_file.Connection) -> list[DeclaredTable]:
    """Return the tables in order of creation; the first one's notes name what has no table.

    Raises sqlite3.Error.
    """
    kinds = {
        name: (kind, bool(without_rowid))
        for schema, name, kind, _, without_rowid, _ in con.execute("PRAGMA table_list")
        if schema == "main"
    }
    entries = con.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid"
    ).fetchall()
    tables = [
        _table(con, name, sql or "", without_rowid=kinds[name][1])
        for kind, name, _, sql in entries
        if kind == "table" and kinds.get(name, ("", False))[0] == "table" and _is_own(name)
    ]
    _resolve(con, tables)
    _note_triggers(tables, entries)
    if tables:
        tables[0].notes += left_behind(kinds)
    return tables


def _is_own(name: str) -> bool:
    return not name.lower().startswith("sqlite_")


def left_behind(kinds: dict[str, tuple[str, bool]]) -> list[str]:
    """Return a sentence that names virtual tables."""
    virtual = sorted(name for name, (kind, _) in kinds.items() if kind == "virtual")
    return [f"virtual tables not carried over: {', '.join(virtual)}"] if virtual else []


def views(con: sqlite3.Connection) -> dict[str, str]:
    """Return the SQL of each view by its name. Raises sqlite3.Error."""
    query = "SELECT CAST(name AS TEXT), CAST(ifnull(sql, '') AS TEXT) FROM sqlite_schema"
    return dict(con.execute(f"{query} WHERE type = 'view'").fetchall())


def _note_triggers(
    tables: Sequence[DeclaredTable], entries: Sequence[tuple[str, str, str, str]]
) -> None:
    for table in tables:
        names = [
            name
            for kind, name, of, _ in entries
            if kind == "trigger" and of.lower() == table.name.lower()
        ]
        if names:
            table.notes.append(f"triggers not carried over: {', '.join(names)}")


def _table(con: sqlite3.Connection, name: str, sql: str, *, without_rowid: bool) -> DeclaredTable:
    rows = con.execute(f"PRAGMA main.table_xinfo({quoted(name)})").fetchall()
    notes: list[str] = []
    rows = [row for row in rows if row[_KIND] != _HIDDEN and _readable(con, name, row, notes)]
    columns = tuple(
        DeclaredColumn(
            row[_NAME],
            row[_DECLARED] or "",
            bool(row[_NOT_NULL]),
            None if row[_KIND] in _GENERATED else row[_DEFAULT],
        )
        for row in rows
    )
    keyed = sorted((row for row in rows if row[_KEY]), key=lambda row: int(row[_KEY]))
    table = DeclaredTable(name, columns, tuple(row[_NAME] for row in keyed), notes=notes)
    if not without_rowid:
        table.rowid = _rowid_name(columns)
    _indexes(con, table, without_rowid=without_rowid)
    _drop_key_with_nulls(con, table)
    table.sql, table.counter = sql, _counter(con, table, sql)
    return table


def _readable(con: sqlite3.Connection, table: str, row: Sequence[object], notes: list[str]) -> bool:
    """Say whether a column can be read; a generated one may call what does not exist here."""
    if row[_KIND] not in _GENERATED:
        return True
    name = str(row[_NAME])
    try:
        con.execute(f"SELECT {quoted(name)} FROM main.{quoted(table)} LIMIT 1").fetchall()
    except sqlite3.OperationalError as error:
        notes.append(f"generated column {name} not carried over: {error}")
        return False
    notes.append(f"{name} is generated in SQLite: its values are here, its expression is not")
    return True


def _rowid_name(columns: Sequence[DeclaredColumn]) -> str:
    taken = {column.name.lower() for column in columns}
    return next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), "")


def _indexes(con: sqlite3.Connection, table: DeclaredTable, *, without_rowid: bool) -> None:
    found = con.execute(f"PRAGMA main.index_list({quoted(table.name)})").fetchall()
    key_has_index = without_rowid
    for _, name, unique, origin, partial in reversed(found):
        key_has_index |= origin == "pk"
        if origin != "pk":
            _index(con, table, name, unique=bool(unique), partial=bool(partial))
    if len(table.primary_key) == 1 and not key_has_index:
        (table.alias,) = table.primary_key


def _index(
    con: sqlite3.Connection, table: DeclaredTable, name: str, *, unique: bool, partial: bool
) -> None:
    parts = con.execute(f"PRAGMA main.index_xinfo({quoted(name)})").fetchall()
    parts = [part for part in parts if part[5]]  # the others only lead to the row
    names = tuple(part[2] for part in parts)
    known = {column.name for column in table.columns}
    if partial:
        table.notes.append(f"index {name} not carried over: it is partial")
    elif not all(part in known for part in names):
        table.notes.append(f"index {name} not carried over: it is on an expression")
    else:
        if unique and any(part[4] != "BINARY" for part in parts):
            table.notes.append(f"{name} is unique regardless of case in SQLite, exactly here")
        index = Index(names, unique)
        if names != table.primary_key and index not in table.indexes:
            table.indexes.append(index)


def _drop_key_with_nulls(con: sqlite3.Connection, table: DeclaredTable) -> None:
    """SQLite lets nulls into a primary key that is not the row number: then it is only unique."""
    if not table.rowid or table.alias or not table.primary_key:
        return
    test = " OR ".join(f"{quoted(name)} IS NULL" for name in table.primary_key)
    query = f"SELECT 1 FROM main.{quoted(table.name)} WHERE {test} LIMIT 1"
    if con.execute(query).fetchone():
        names = ", ".join(table.primary_key)
        table.notes.append(f"primary key {names} has nulls: carried over as unique")
        table.indexes.insert(0, Index(table.primary_key, unique=True))
        table.primary_key = ()


def _counter(con: sqlite3.Connection, table: DeclaredTable, sql: str) -> int | None:
    """Return the greatest number that AUTOINCREMENT gave out, None where it is not used."""
    if not table.alias or not re.search(r"\bAUTOINCREMENT\b", sql, re.IGNORECASE):
        return None
    try:
        query = "SELECT seq FROM main.sqlite_sequence WHERE name = ? AND typeof(seq) = 'integer'"
        found = con.execute(query, [table.name]).fetchone()
    except sqlite3.OperationalError:  # a damaged file may have none
        found = None
    return max(found[0], 0) if found and found[0] < MOST_COUNTED else 0


def _resolve(con: sqlite_file.Connection, tables: Sequence[DeclaredTable]) -> None:
    """Add the foreign keys whose target is a key and whose rows are all there."""
    by_name = {table.name.lower(): table for table in tables}
    for table in tables:
        pragma = f"PRAGMA main.foreign_key_list({quoted(table.name)})"
        parts: dict[int, list[tuple[str, ...]]] = {}
        for number, _, *rest in con.execute(pragma).fetchall():
            parts.setdefault(number, []).append(tuple(rest))
        for _, rows in sorted(parts.items(), reverse=True):
            key = _foreign_key(table, by_name.get(rows[0][0].lower()), rows)
            problem = key if isinstance(key, str) else _orphans(con, table, key)
            if isinstance(key, ForeignKey) and not problem:
                table.foreign_keys.append(key)
            else:
                columns = ", ".join(row[1] for row in rows)
                table.notes.append(
                    f"foreign key ({columns}) to {rows[0][0]} not carried over: {problem}"
                )


def _foreign_key(
    table: DeclaredTable, parent: DeclaredTable | None, rows: Sequence[tuple[str, ...]]
) -> ForeignKey | str:
    """Return the foreign key, or why there is none."""
    if parent is None:
        return "there is no such table"
    columns = _spelled(table, [row[1] for row in rows])
    named = [row[2] for row in rows]
    target = parent.primary_key if None in named else _spelled(parent, named)
    if len(target) != len(columns) or "" in (*columns, *target):
        return "its target is no key"
    unique = [parent.primary_key, *(index.columns for index in parent.indexes if index.unique)]
    if sorted(target) not in [sorted(names) for names in unique]:
        return "its target is not unique"
    on_update, on_delete = rows[0][3], rows[0][4]
    return ForeignKey(columns, parent.name, target, on_delete, on_update)


def _spelled(table: DeclaredTable, names: Sequence[str]) -> tuple[str, ...]:
    """Return `names`, which SQLite compares without case, as the table spells them."""
    known = {column.name.lower(): column.name for column in table.columns}
    return tuple(known.get(name.lower(), "") for name in names)


def _orphans(con: sqlite_file.Connection, table: DeclaredTable, key: ForeignKey) -> str:
    """Say how many rows contradict `key`: SQLite checks only where it is told to."""
    pairs = list(zip(key.columns, key.target, strict=True))
    given = " AND ".join(f"c.{quoted(column)} IS NOT NULL" for column in key.columns)
    same = " AND ".join(f"p.{quoted(target)} = c.{quoted(column)}" for column, target in pairs)
    parent = f"SELECT 1 FROM main.{quoted(key.table)} AS p WHERE {same}"
    query = (
        f"SELECT count(*) FROM main.{quoted(table.name)} AS c"
        f" WHERE {given} AND NOT EXISTS ({parent})"
    )
    try:
        with sqlite_file.patience(con, ORPHANS_SECONDS):
            (count,) = con.execute(query).fetchone()
    except sqlite_file.TakesTooLong:
        return f"whether it holds could not be told in {ORPHANS_SECONDS:.0f} s"
    points = "points" if count == 1 else "point"
    return f"{number_of(count, 'row')} {points} to a row that is not there" if count else ""
