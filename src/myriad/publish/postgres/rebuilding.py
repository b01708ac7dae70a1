"""Make a new table of the one that is there and of what comes from a source, to be swapped in.

Two connections: one reads the table that is there and holds the records of the source, the other
makes the new table. Why not in place: decisions/0011-merging.md.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import psycopg
from psycopg import sql

from myriad.errors import PublishError, SchemaRefused
from myriad.model import TEXT, Column, Kind, Table
from myriad.publish import reading
from myriad.publish.plan import Target
from myriad.publish.postgres import (
    carried,
    copy,
    ddl,
    existing,
    identities,
    matching,
    version_choice,
    versions,
)
from myriad.publish.postgres.existing import Existing, query
from myriad.publish.postgres.loading import Loaded, Loader
from myriad.publish.postgres.patience import READERS, WRITERS, Patience
from myriad.publish.postgres.swap import Replacement
from myriad.publish.report import Counts, Merged

SOURCE = sql.Identifier("pg_temp", "source")
# Rows that are neither those of a key nor equal are compared byte by byte where the type allows
# more: text may have a collation for which "a" is "A".
_PLAIN = sql.SQL('{}::text COLLATE "C"')


@dataclass
class Rebuild:
    """One table that is made anew with what comes to it.

    Attributes:
        loader: loads over the connection that makes the table.
        reader: another connection, in a transaction; it holds the records as a temporary table.
        key: by which columns a record stands for a row that is there; empty: it never does.
        delete_missing: rows go that the source does not have.
        patience: with those who hold the table.
    """

    loader: Loader
    reader: psycopg.Connection
    target: Target
    there: Existing
    key: tuple[str, ...]
    delete_missing: bool
    patience: Patience
    prints: list[str] = field(default_factory=list)

    @property
    def _writer(self) -> psycopg.Connection:
        return self.loader.connection

    @property
    def _full(self) -> str:
        return f"{self.loader.dataset}.{self.target.name}"

    @property
    def _table(self) -> sql.Identifier:
        return ddl.qualified(self.loader.dataset, self.target.name)

    @property
    def _given(self) -> list[str]:
        return [column.name for column in self.target.table.columns]

    @cached_property
    def _columns(self) -> list[str]:
        """The columns of the new table that can be filled."""
        rows = version_choice.query(self._writer, "columns", oid=self.there.oid)
        there = [row["name"] for row in rows]
        return [*there, *(name for name in self._grown if name not in self._known)]

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(column.name for column in self.there.columns)

    @cached_property
    def _grown(self) -> dict[str, str]:
        return matching.grown(self.there, self.target)

    def read(self) -> int:
        """Load the source into the temporary table, and prove its key; return how many rows.

        Raises what `Loader.create` raises, SwapBlocked if somebody keeps the table from readers.
        """
        beside = replace(self.loader, connection=self.reader, mark=lambda: 0)

        def attempt(source: reading.Reading) -> int:
            matching.settle(self.there, self.target)
            self.reader.execute(self._source_table())
            types = [column.type for column in self.target.table.columns]
            return beside.copy(source, SOURCE, self._given, types, freeze=False)

        lock = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(self._table)
        there = [self.there.oid]
        self.patience.until(self.reader, lambda _: self.reader.execute(lock), there, WRITERS)
        rows, _, self.prints = beside.retrying(self.target, attempt, fixed=True)
        if self.key:
            beside.build_key(replace(self.target.table, primary_key=self.key), SOURCE)
        self.reader.execute(sql.SQL("ANALYZE {}").format(SOURCE))
        return rows

    def _source_table(self) -> sql.Composed:
        """CREATE TABLE with the types, and collations, that the new table will have."""
        grown = matching.grown(self.there, self.target)
        columns = []
        for name in self._given:
            own = sql.SQL("o.{}").format(sql.Identifier(name))
            value = own if name in self._known else sql.SQL("NULL")
            if name in grown:
                value = sql.SQL("{}::{}").format(value, sql.SQL(grown[name]))
            columns.append(sql.SQL("{} AS {}").format(value, sql.Identifier(name)))
        return sql.SQL("CREATE TEMPORARY TABLE source AS SELECT {} FROM {} o WITH NO DATA").format(
            sql.SQL(", ").join(columns), self._table
        )

    def hold(self) -> None:
        """Let nobody write into the table that is there, nor change it, from here on.

        Raises SwapBlocked, SchemaRefused, PublishError if it was changed since it was looked at.
        """
        lock = sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(self._table)
        there = [self.there.oid]
        self.patience.until(self._writer, lambda _: self._writer.execute(lock), there, READERS)
        if existing.find(self._writer, self.loader.dataset, self.target.name) != self.there:
            raise PublishError(
                f"somebody changed the columns of {self._full} meanwhile",
                hint="Nothing of the source was added. Try again.",
            )
        existing.refuse_foreign_code(self._writer, self._full, self.there.oid)

    @cached_property
    def _xids(self) -> list[str] | None:
        """The transactions whose rows are not people's; None where all are held to be ours."""
        for found in versions.query(self._writer, "loads", oid=self.there.oid):
            if found["touched"]:
                return list(found["xids"])
        return None

    @property
    def _theirs(self) -> sql.Composable:
        if self._xids is None:
            return sql.SQL("false")
        return sql.SQL("o.xmin <> ALL ({}::xid[])").format(sql.Literal(self._xids))

    @property
    def _matches(self) -> sql.Composable:
        if not self.key:
            return sql.SQL("false")
        return sql.SQL("s.{} IS NOT NULL").format(sql.Identifier(self.key[0]))

    @property
    def _differs(self) -> sql.Composable:
        names = [name for name in self._given if name not in self.key]
        pairs = [
            sql.SQL("{} IS DISTINCT FROM {}").format(self._comparable("s", n), self._old(n))
            for n in names
        ]
        return sql.SQL("({})").format(sql.SQL(" OR ").join(pairs) if pairs else sql.SQL("false"))

    def _comparable(self, side: str, name: str) -> sql.Composable:
        value = sql.Identifier(side, name)
        return _PLAIN.format(value) if name in self._texts else value

    @cached_property
    def _texts(self) -> frozenset[str]:
        columns = self.target.table.columns
        return frozenset(column.name for column in columns if column.type.kind is Kind.TEXT)

    def _old(self, name: str) -> sql.Composable:
        """A column of the table that is there as it is compared."""
        if name not in self._known:
            return sql.SQL("NULL")
        return self._comparable("o", name)

    @property
    def _joined(self) -> sql.Composed:
        on = self._same_key if self.key else sql.SQL("false")
        return sql.SQL("FROM {} o LEFT JOIN {} s ON {}").format(self._table, SOURCE, on)

    @property
    def _same_key(self) -> sql.Composable:
        pairs = [sql.SQL("s.{0} = o.{0}").format(sql.Identifier(name)) for name in self.key]
        return sql.SQL(" AND ").join(pairs)

    @property
    def _stays(self) -> sql.Composable:
        return self._matches if self.delete_missing else sql.SQL("true")

    def count(self, rows: int) -> Counts:
        """Return what will become of the rows that are there, and of those of the source."""
        counts = sql.SQL(
            "count(*), count(*) FILTER (WHERE {m}), count(*) FILTER (WHERE {m} AND {d}),"
            " count(*) FILTER (WHERE NOT {s}),"
            " count(*) FILTER (WHERE {t} AND ({m} AND {d} OR NOT {s})) "
        ).format(m=self._matches, d=self._differs, s=self._stays, t=self._theirs)
        question = sql.SQL("SELECT {}").format(counts) + self._joined
        row = self.reader.execute(question).fetchone() or (0,) * 5
        there, matched, updated, deleted, people = row
        merged = Merged(rows - matched, updated, matched - updated, deleted)
        return Counts(merged, there, people)

    def make(self, rows: int) -> Loaded:
        """Make the new table and fill it; the reader's transaction may end then.

        Raises KeyRefused if rows do not fit the key, PublishError, SchemaRefused.
        """
        staged = f"new_{secrets.token_hex(8)}"
        name = ddl.qualified(self.loader.dataset, staged)
        with self._writer.transaction():
            with self._writer.transaction():  # another number: these rows stay theirs
                self._create(name)
                if self._xids is not None:
                    self.loader.mark()
                    self._carry(name, sql.SQL("{} AND NOT ({} AND {})"))
            xid = self.loader.mark()
            ours = self._carry(name, sql.SQL("NOT ({} AND NOT ({} AND {}))"))
            ours += self._add(name)
        return Loaded(rows, xid, self._finished(staged, name), prints=self.prints, held=ours)

    def _create(self, name: sql.Identifier) -> None:
        like = ["DEFAULTS", "IDENTITY", "GENERATED", "STORAGE", "COMPRESSION"]
        including = sql.SQL("".join(f" INCLUDING {what}" for what in like))
        parts = [
            sql.SQL("ALTER COLUMN {} TYPE {}" if column in self._known else "ADD COLUMN {} {}")
            .format(sql.Identifier(column), sql.SQL(kind))
            for column, kind in self._grown.items()
        ]  # fmt: skip
        try:
            make = sql.SQL("CREATE TABLE {} (LIKE {}{})")
            self._writer.execute(make.format(name, self._table, including))
            if parts:
                change = sql.SQL("ALTER TABLE {} {}")
                self._writer.execute(change.format(name, sql.SQL(", ").join(parts)))
        except (psycopg.ProgrammingError, psycopg.NotSupportedError) as error:
            raise SchemaRefused(
                f"{self._full} cannot get other columns: {error.diag.message_primary}."
                f" {error.diag.message_detail or ''}".rstrip(),
                hint="Change the table by hand first.",
            ) from error
        for row in query(self._writer, "identities", oid=self.there.oid):
            self._go_on_counting(name, row["name"])

    def _go_on_counting(self, name: sql.Identifier, column: str) -> None:
        serial = "SELECT pg_get_serial_sequence(%s, %s)"
        found = [
            self._writer.execute(serial, [table.as_string(), column]).fetchall()[0][0]
            for table in (self._table, name)
        ]
        old, new = found  # as PostgreSQL quoted them
        last = sql.SQL("setval(%s::regclass, last_value, is_called)")
        self._writer.execute(sql.SQL("SELECT {} FROM {}").format(last, sql.SQL(old)), [new])

    def _carry(self, name: sql.Identifier, which: sql.SQL) -> int:
        """Copy rows that are there, with what the source says of them; return how many."""
        values = [self._value(column) for column in self._columns]
        chosen = which.format(self._theirs, self._matches, self._differs)
        where = sql.SQL("WHERE {} AND {}").format(chosen, self._stays)
        selected = sql.SQL("SELECT {}").format(sql.SQL(", ").join(values))
        rows = sql.SQL(" ").join([selected, self._joined, where])
        try:
            return copy.pipe(self.reader, rows, self._writer, name, self._columns)
        except psycopg.DataError as error:
            raise SchemaRefused(
                f"rows of {self._full} do not fit the types that it would get:"
                f" {error.diag.message_primary}",
                hint="Give the source's columns the table's types with --type.",
            ) from error

    def _value(self, column: str) -> sql.Composable:
        new, old = sql.Identifier("s", column), sql.Identifier("o", column)
        value: sql.Composable = old if column in self._known else sql.SQL("NULL")
        if column in self._grown:
            value = sql.SQL("{}::{}").format(value, sql.SQL(self._grown[column]))
        if not self.key or column in self.key or column not in self._given:
            return value
        return sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(self._matches, new, value)

    def _add(self, name: sql.Identifier) -> int:
        """Copy records that stand for no row; columns that the source lacks get their defaults."""
        rows = sql.SQL("SELECT {} FROM {} s").format(
            sql.SQL(", ").join(sql.Identifier("s", column) for column in self._given), SOURCE
        )
        if self.key:
            rows += sql.SQL(" WHERE NOT EXISTS (SELECT FROM {} o WHERE {})").format(
                self._table, self._same_key
            )
        try:
            return copy.pipe(self.reader, rows, self._writer, name, self._given)
        except psycopg.IntegrityError as error:
            raise PublishError(
                f"{self.target.name} refuses a row: {error.diag.message_primary}."
                f" {error.diag.message_detail}",
                hint="Leave such records out of the source, or replace the table.",
            ) from error

    def _finished(self, staged: str, name: sql.Identifier) -> Replacement:
        table = self._as_table()
        new = [column for column in self.target.table.columns if column.name not in self._known]
        for comment in ddl.comments(replace(self.target.table, columns=tuple(new)), name):
            self._writer.execute(comment)
        renames = self.loader.build_key(table, name)
        renames |= identities.renames(self._writer, name, table.name)
        identities.count_on(self._writer, name)
        indexes = query(self._writer, "indexes", oid=self.there.oid)
        old, full = self.there.oid, f"{self.loader.dataset}.{self.target.name}"
        added = carried.indexes(self._writer, name, full, old, indexes)
        self._writer.execute(sql.SQL("ANALYZE {}").format(name))
        return Replacement(self.loader.dataset, staged, table, old, renames, added)

    def _as_table(self) -> Table:
        """Return what is known of the new table: its columns, those of the source with types."""
        given = {column.name: column for column in self.target.table.columns}
        names = [*(column.name for column in self.there.columns), *self._grown]
        columns = [given.get(name, Column(name, name, TEXT)) for name in dict.fromkeys(names)]
        key = self.key or self.there.key
        return Table(self.target.name, self.target.name, tuple(columns), primary_key=key)


def references(connection: psycopg.Connection, oid: int) -> dict[str, str]:
    """Return the foreign keys and checks of a table: name → definition."""
    rows = query(connection, "own_references", oid=oid)
    return {row["name"]: row["definition"] for row in rows}


def refer_again(
    connection: psycopg.Connection, table: sql.Identifier, keys: Mapping[str, str]
) -> Sequence[str]:
    """Give a table foreign keys and checks again; raises PublishError if rows contradict one."""
    for name, definition in keys.items():
        statement = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}")
        try:
            connection.execute(statement.format(table, sql.Identifier(name), sql.SQL(definition)))
        except psycopg.IntegrityError as error:
            raise PublishError(
                f"{name} refuses a row: {error.diag.message_detail or error.diag.message_primary}",
                hint="Leave such records out of the source, or add what they refer to first.",
            ) from error
    return list(keys)
