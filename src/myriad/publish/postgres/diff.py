"""How two versions of a table differ: rows added, removed and changed, worked out in SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from myriad.errors import PublishError
from myriad.model import Kind
from myriad.publish.column_changes import of_columns
from myriad.publish.postgres import ddl, existing, version_choice, versions
from myriad.publish.postgres.version_choice import State

MOST_VALUE = 200  # characters of a value in an example
MEMORY_MB = 64
Row = dict[str, Any]
# What may be compared as a number although the types differ, and what PostgreSQL compares itself.
NUMBERS = {Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT, Kind.NUMERIC, Kind.REAL, Kind.DOUBLE}
COMPARABLE = {"timestamp without time zone", "timestamp with time zone", "time without time zone"}
COMPARABLE |= {str(kind) for kind in Kind}


def diff(
    connection: psycopg.Connection, dataset: str, name: str, numbers: tuple[int | None, int | None]
) -> Row:
    """Return how the second of two versions differs from the first.

    A number that is None stands for what is shown, and as the first for the newest version before
    that. Runs in a transaction of its own. Raises PublishError if one is not kept.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute(f"SET LOCAL work_mem = '{MEMORY_MB}MB'")
        there = version_choice.states(connection, dataset, name).get(name, [])
        before, after = _chosen(there, f"{dataset}.{name}", numbers)
        return Diff(connection, dataset, before, after).as_data()


def _chosen(
    there: list[State], name: str, numbers: tuple[int | None, int | None]
) -> tuple[State, State]:
    now = version_choice.shown(there)
    after = numbers[1] if numbers[1] is not None else now
    before = numbers[0]
    if before is None:
        before = next((each.number for each in there if each.number != after), None)
    found = {each.number: each for each in there}
    if before not in found or after not in found:
        lacking = [number for number in (before, after) if number and number not in found]
        words = f"version {lacking[0]} of {name}" if lacking else f"an older version of {name}"
        kept = ", ".join(map(str, found)) or "none"
        raise PublishError(
            f"{words} is not kept",
            hint=f"There are: {kept}. `myriad history {name}` says which is which.",
        )
    return found[before], found[after]


@dataclass(frozen=True)
class Diff:
    """Two versions of one table; the columns that both have are compared."""

    connection: psycopg.Connection
    dataset: str
    before: State
    after: State

    @cached_property
    def types(self) -> tuple[dict[str, str], dict[str, str]]:
        """The columns of both with their types."""
        one, two = (self._types(state.oid) for state in (self.before, self.after))
        return one, two

    def _types(self, oid: int) -> dict[str, str]:
        found = existing.query(self.connection, "column_types", oid=oid)
        return {row["name"]: row["type"] for row in found}

    @cached_property
    def common(self) -> list[str]:
        """The columns that both have, in the order of the second."""
        return [name for name in self.types[1] if name in self.types[0]]

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The key that both have; empty if they have none, or not the same."""
        one, two = (
            tuple(part["attname"] for part in existing.query(self.connection, "key", oid=each.oid))
            for each in (self.before, self.after)
        )
        return two if set(one) == set(two) <= set(self.common) else ()

    def as_data(self) -> Row:
        """Return the differences as plain data."""
        for state in (self.before, self.after):
            existing.refuse_foreign_code(self.connection, f"{self.dataset}.{state.name}", state.oid)
        counts = self._by_key() if self.key else self._by_rows()
        kinds = ("added", "removed", *(("changed",) if self.key else ()))
        examples = {kind: self._examples(kind) for kind in kinds if counts[kind]}
        return {
            "dataset": self.dataset,
            "table": self.before.name,
            "from": self.before.number,
            "to": self.after.number,
            "columns": of_columns(*self.types),
            "key": list(self.key),
            **counts,
            "examples": examples,
        }

    def _side(self, state: State) -> sql.Composed:
        """Return a version's rows, each column as it can be compared, as part of a FROM."""
        columns = sql.SQL(", ").join(self._compared(name) for name in self.common)
        schema, table = (
            (self.dataset, state.name)
            if state.relation is None
            else (versions.SCHEMA, state.relation)
        )
        own = sql.SQL("SELECT {} FROM {} WHERE xmin <> ALL ({}::xid[])").format(
            columns, ddl.qualified(schema, table), sql.Literal(state.xids)
        )
        if state.apart is None:
            return sql.SQL("({})").format(own)
        apart = ddl.qualified(versions.SCHEMA, state.apart)
        return sql.SQL("({} UNION ALL SELECT {} FROM {})").format(own, columns, apart)

    def _compared(self, name: str) -> sql.Composed:
        one, two = (kinds[name].partition("(")[0] for kinds in self.types)
        cast = ""
        if one != two and {one, two} <= NUMBERS:
            cast = "::numeric"
        elif one != two or one not in COMPARABLE:
            cast = "::text"
        return sql.SQL("{}" + cast + " AS {}").format(sql.Identifier(name), sql.Identifier(name))

    def _run(self, statement: str, **parts: sql.Composable) -> list[Row]:
        """Run a statement whose `{a}` and `{b}` are the rows before and after."""
        sides = {"a": self._side(self.before), "b": self._side(self.after)}
        query = sql.SQL(statement).format(**sides, **parts)
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query).fetchall()

    def _by_key(self) -> Row:
        others = [name for name in self.common if name not in self.key]
        first = sql.Identifier(self.key[0])
        both = sql.SQL("a.{} IS NOT NULL AND b.{} IS NOT NULL").format(first, first)
        counts = [
            sql.SQL("count(*) FILTER (WHERE {}.{} IS NULL) AS {}").format(
                sql.SQL(side), first, sql.Identifier(kind)
            )
            for side, kind in (("a", "added"), ("b", "removed"))
        ]
        counts += [
            sql.SQL("count(*) FILTER (WHERE {} AND {}) AS {}").format(
                both, _differ(names), sql.Identifier(f"c{number}")
            )
            for number, names in enumerate((others, *([name] for name in others)))
        ]
        [row] = self._run(
            "SELECT {counts} FROM {a} AS a FULL JOIN {b} AS b USING ({key})",
            counts=sql.SQL(", ").join(counts),
            key=ddl.names(self.key),
        )
        by_column = {name: row[f"c{number}"] for number, name in enumerate(others, 1)}
        return {
            "added": row["added"],
            "removed": row["removed"],
            "changed": row["c0"],
            "changed_columns": {name: count for name, count in by_column.items() if count},
        }

    def _by_rows(self) -> Row:
        [row] = self._run(
            "SELECT"
            " (SELECT count(*) FROM (SELECT * FROM {b} AS b EXCEPT ALL SELECT * FROM {a} AS a))"
            " AS added,"
            " (SELECT count(*) FROM (SELECT * FROM {a} AS a EXCEPT ALL SELECT * FROM {b} AS b))"
            " AS removed"
        )
        return row

    def _examples(self, kind: str) -> list[Row]:
        if kind == "changed":
            return self._changed()
        if not self.key:
            statement = (
                "SELECT {shown} FROM"
                " (SELECT * FROM {b} AS b EXCEPT ALL SELECT * FROM {a} AS a) AS x LIMIT 5"
                if kind == "added"
                else "SELECT {shown} FROM"
                " (SELECT * FROM {a} AS a EXCEPT ALL SELECT * FROM {b} AS b) AS x LIMIT 5"
            )
            return self._run(statement, shown=self._shown("x"))
        here, there = ("b", "a") if kind == "added" else ("a", "b")
        statement = (
            "SELECT {shown} FROM {b} AS b LEFT JOIN {a} AS a USING ({key})"
            " WHERE {absent} IS NULL LIMIT 5"
            if kind == "added"
            else "SELECT {shown} FROM {a} AS a LEFT JOIN {b} AS b USING ({key})"
            " WHERE {absent} IS NULL LIMIT 5"
        )
        return self._run(
            statement,
            shown=self._shown(here),
            key=ddl.names(self.key),
            absent=_of(there, self.key[0]),
        )

    def _shown(self, side: str) -> sql.Composed:
        each = (
            sql.SQL("{} AS {}").format(_short(side, name), sql.Identifier(name))
            for name in self.common
        )
        return sql.SQL(", ").join(each)

    def _changed(self) -> list[Row]:
        """Return the key of changed rows, and of each column that differs both values."""
        others = [name for name in self.common if name not in self.key]
        arrays: dict[str, list[sql.Composable]] = {
            "key": [_short("b", name) for name in self.key],
            "differ": [_differ([name]) for name in others],
            "a": [_short("a", name) for name in others],
            "b": [_short("b", name) for name in others],
        }
        shown = (
            sql.SQL("array[{}] AS {}").format(sql.SQL(", ").join(parts), sql.Identifier(name))
            for name, parts in arrays.items()
        )
        rows = self._run(
            "SELECT {shown} FROM {a} AS a JOIN {b} AS b USING ({key})"
            " WHERE ({before}) IS DISTINCT FROM ({after}) LIMIT 5",
            shown=sql.SQL(", ").join(shown),
            key=ddl.names(self.key),
            before=_list("a", others),
            after=_list("b", others),
        )
        return [_change(row, self.key, others) for row in rows]


def _of(side: str, name: str) -> sql.Composed:
    return sql.SQL("{}.{}").format(sql.SQL(side), sql.Identifier(name))


def _list(side: str, names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(_of(side, name) for name in names)


def _differ(names: Sequence[str]) -> sql.Composable:
    """Return what says whether any of these columns differs."""
    if not names:
        return sql.SQL("false")
    return sql.SQL("({}) IS DISTINCT FROM ({})").format(_list("a", names), _list("b", names))


def _short(side: str, name: str) -> sql.Composed:
    return sql.SQL("left({}::text, {})").format(_of(side, name), MOST_VALUE)


def _change(row: Row, key: Sequence[str], others: Sequence[str]) -> Row:
    values = zip(others, row["differ"], row["a"], row["b"], strict=True)
    return {
        "key": dict(zip(key, row["key"], strict=True)),
        "values": {name: [old, new] for name, differ, old, new in values if differ},
    }
