"""Load one table beside the old one: read, prove, copy, count, build keys."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from myriad.errors import KeyRefused, PublishError, SourceError
from myriad.model import Kind, Table, Type
from myriad.publish import reading
from myriad.publish.fingerprints import Fingerprints
from myriad.publish.naming import shorten
from myriad.publish.options import Progress, Step
from myriad.publish.plan import Target
from myriad.publish.postgres import carried, copy, ddl, identities, matching
from myriad.publish.postgres.existing import Existing, query
from myriad.publish.postgres.swap import Replacement
from myriad.publish.rejects import Rejects
from myriad.publish.report import Merged
from myriad.sources.base import TypeMismatch
from myriad.wording import number_of

SHOWN_DUPLICATES = 5
# What the server raises about a value: odd ones, too deep ones (JSON), and rows beyond a page.
REFUSALS = (
    psycopg.DataError,
    psycopg.errors.StatementTooComplex,
    psycopg.errors.ProgramLimitExceeded,
)
MAINTENANCE_MB = 256


@dataclass
class Loaded:
    """A table that is loaded.

    Attributes:
        rows: how many came from the source.
        xid: the transaction that loaded them.
        replacement: its place until the swap; None: they are in the table that was there.
        prints: the fingerprints of the sources, where those are taken.
        merged: what became of rows, where they were merged.
        held: rows of that transaction in the new table, where others came with them.
        references: name → definition of the foreign keys that it gets when it is swapped in.
    """

    rows: int
    xid: int
    replacement: Replacement | None
    notes: list[str] = field(default_factory=list)
    prints: list[str] = field(default_factory=list)
    merged: Merged | None = None
    held: int | None = None
    references: dict[str, str] = field(default_factory=dict)


@dataclass
class Loader:
    """Loads the tables of one publish over one connection, in one transaction.

    `mark` returns the number of the transaction, or savepoint, that it is called in; the
    fingerprints of sources are taken if `prints`.
    """

    connection: psycopg.Connection
    mark: Callable[[], int]
    dataset: str
    rejects: Rejects
    progress: Progress
    prints: bool = False

    def create(
        self,
        target: Target,
        old: int | None,
        made: Sequence[str],
        keep: str,
        refused: Callable[[KeyRefused], None],
    ) -> Loaded:
        """Load `target` into a new table under a temporary name, with its keys and indexes.

        `old` is the table that it will replace, and `keep` the name it is kept under, if any; of
        its indexes those not in `made`, which people added, are made again. An index that the
        values contradict becomes a note. Without its key the table is made only if `refused` does
        not raise.

        Raises KeyRefused, TooManyRejects, SourceError, PublishError, psycopg.Error.
        """
        staged = f"new_{secrets.token_hex(8)}"
        name = ddl.qualified(self.dataset, staged)

        def attempt(source: reading.Reading) -> int:
            self.connection.execute(ddl.create_table(target.table, name))
            types = [column.type for column in target.table.columns]
            columns = [column.name for column in target.table.columns]
            return self.copy(source, name, columns, types, freeze=True)

        rows, xid, prints = self.retrying(target, attempt)
        for comment in ddl.comments(target.table, name):
            self.connection.execute(comment)
        self.progress(Step(target.name, "building keys", rows, 1.0))
        self.connection.execute(f"SET LOCAL maintenance_work_mem = '{MAINTENANCE_MB}MB'")
        notes: list[str] = []
        try:
            renames = self.build_key(target.table, name)
        except KeyRefused as error:
            refused(error)
            target.lose_key()
            renames = {}
        renames |= self._build_indexes(target.table, name, notes)
        self._add_checks(target.table, name, notes)
        if any(map(ddl.counts, target.table.columns)):
            identities.count_on(self.connection, name, target.table.columns)
            renames |= identities.renames(self.connection, name, target.name)
        again = {} if old is None else self._carry_indexes(target, name, old, made)
        self.connection.execute(sql.SQL("ANALYZE {}").format(name))
        place = Replacement(self.dataset, staged, target.table, old, renames, again, keep, made)
        return Loaded(rows, xid, place, notes, prints)

    def _carry_indexes(
        self, target: Target, name: sql.Identifier, old: int, made: Sequence[str]
    ) -> dict[str, str]:
        indexes = query(self.connection, "indexes", oid=old)
        added = [index for index in indexes if index["name"] not in made]
        full = f"{self.dataset}.{target.name}"
        return carried.indexes(self.connection, name, full, old, added)

    def append(self, target: Target, there: Existing) -> Loaded:
        """Add the records of `target` to the table that is there, in the types that it has.

        Raises Grows if its columns cannot hold them, and what `create` raises.
        """
        name = ddl.qualified(self.dataset, target.name)
        columns = [column.name for column in target.table.columns]

        def attempt(source: reading.Reading) -> int:
            matching.settle(there, target)
            if matching.grown(there, target):
                raise matching.Grows
            types = [column.type for column in target.table.columns]
            return self.copy(source, name, columns, types, freeze=False)

        before = len(self.rejects.kept)
        try:
            rows, xid, prints = self.retrying(target, attempt, fixed=True)
            identities.count_on(self.connection, name)
            return Loaded(rows, xid, None, prints=prints)
        except matching.Grows:
            self.rejects.restart(before)
            raise
        except psycopg.errors.UniqueViolation as error:
            raise KeyRefused(
                f"{target.name} has such a row already: {error.diag.message_detail}",
                hint="Leave those records out of the source, let them change the rows with"
                " --merge, or replace the table.",
            ) from error
        except psycopg.IntegrityError as error:
            raise PublishError(
                f"{target.name} refuses a row: {error.diag.message_primary}."
                f" {error.diag.message_detail}",
                hint="Leave such records out of the source, or replace the table.",
            ) from error

    def fingerprints(self, target: Target) -> list[str]:
        """Read the sources once more and return their fingerprints; none if they do not hold."""
        source = reading.Reading(target, self.rejects, self.progress, "reading")
        source.prints = Fingerprints([])
        try:
            for _ in source.batches([column.type for column in target.table.columns]):
                pass
        except (TypeMismatch, SourceError):
            return []
        return source.prints.of_sources()

    def retrying(
        self,
        target: Target,
        attempt: Callable[[reading.Reading], int],
        *,
        fixed: bool = False,
    ) -> tuple[int, int, list[str]]:
        """Run `attempt` until the types hold; return its rows, its transaction, fingerprints.

        One that fails leaves nothing behind.

        `fixed`: the table was there before, no column of it can become text.
        """
        source = reading.Reading(target, self.rejects, self.progress, "loading")
        source.prints = Fingerprints([]) if self.prints else None
        xid = 0

        def in_transaction() -> int:
            nonlocal xid
            try:
                with self.connection.transaction():
                    xid = self.mark()
                    return attempt(source)
            except REFUSALS as error:
                self._make_text(target, error, fixed=fixed)
                raise reading.Again from error

        rows = source.until_it_holds(in_transaction)
        return rows, xid, source.prints.of_sources() if source.prints else []

    def _make_text(self, target: Target, error: psycopg.Error, *, fixed: bool) -> None:
        """Load a column as text whose values the server itself refused, such as odd JSON."""
        name = copy.refused_column(error)
        columns = {column.name: column for column in target.table.columns}
        fixed = fixed or (name in target.there and target.strict)
        if fixed or name not in columns or columns[name].type.kind in (Kind.TEXT, Kind.BYTEA):
            raise PublishError(
                f"{target.name}: PostgreSQL refused a value: {error.diag.message_primary}"
                f" ({error.diag.context})",
                hint="Mend that record in the source.",
            ) from error
        target.text_columns.add(columns[name].original)

    def copy(
        self,
        source: reading.Reading,
        name: sql.Composable,
        columns: list[str],
        types: list[Type],
        *,
        freeze: bool,
    ) -> int:
        """Copy what is read into a table; return how many rows it has of it."""
        batches = source.batches(types)
        return copy.load(self.connection, name, columns, types, batches, freeze=freeze)

    def build_key(self, table: Table, name: sql.Identifier) -> dict[str, str]:
        """Build the primary key: temporary → final name. Raises KeyRefused with examples."""
        if not table.primary_key:
            return {}
        constraint = f"key_{secrets.token_hex(8)}"
        try:
            with self.connection.transaction():
                self.connection.execute(ddl.primary_key(table, name, constraint))
        except psycopg.errors.UniqueViolation as error:
            raise self._duplicates(table, name) from error
        except psycopg.errors.NotNullViolation as error:
            raise self._nulls(table, name) from error
        return {constraint: shorten(table.name, f"_{ddl.PRIMARY}")}

    def _duplicates(self, table: Table, name: sql.Identifier) -> KeyRefused:
        key = ddl.names(table.primary_key)
        statement = sql.SQL(
            "SELECT {}, count(*) FROM {} GROUP BY {} HAVING count(*) > 1 ORDER BY count(*) DESC, {}"
        ).format(key, name, key, key)
        rows = self.connection.execute(statement).fetchmany(SHOWN_DUPLICATES)
        shown = "\n".join(
            f"  ({', '.join(map(str, row[:-1]))}) {number_of(row[-1], 'time')}" for row in rows
        )
        return KeyRefused(
            f"({', '.join(table.primary_key)}) is not unique in {table.name}:\n{shown}",
            hint="Add a column to --key, or publish without a key. Nothing was changed.",
        )

    def _nulls(self, table: Table, name: sql.Identifier) -> KeyRefused:
        for column in table.primary_key:
            counted = sql.SQL("SELECT count(*) FROM {} WHERE {} IS NULL")
            row = self.connection.execute(counted.format(name, sql.Identifier(column))).fetchone()
            if row and row[0]:
                return KeyRefused(
                    f"{column} is null in {number_of(row[0], 'row')} of {table.name}: it cannot"
                    " be in a key",
                    hint="Choose another --key. Nothing was changed.",
                )
        return KeyRefused(f"the key of {table.name} has nulls", hint="Choose another --key.")

    def _build_indexes(
        self, table: Table, name: sql.Identifier, notes: list[str]
    ) -> dict[str, str]:
        renames = {}
        for number, final in enumerate(ddl.index_names(table)):
            temporary = f"index_{secrets.token_hex(8)}"
            try:
                with self.connection.transaction():
                    self.connection.execute(ddl.create_index(table, number, name, temporary))
            except psycopg.Error as error:  # values that were different in the source, or too long
                columns = ", ".join(table.indexes[number].columns)
                reason = error.diag.message_detail or error.diag.message_primary
                notes.append(f"index ({columns}) not carried over: {reason}")
                continue
            renames[temporary] = final
        return renames

    def _add_checks(self, table: Table, name: sql.Identifier, notes: list[str]) -> None:
        for number, check in enumerate(table.checks):
            reason = None
            try:
                with self.connection.transaction():
                    self.connection.execute(ddl.check(table, number, name))
            except KeyError as column:
                reason = f"{column.args[0]} is left out"
            except (psycopg.IntegrityError, psycopg.ProgrammingError, psycopg.DataError) as error:
                reason = error.diag.message_primary
            if reason is not None:
                notes.append(f"CHECK ({check.said}) not carried over: {reason}")


def add_foreign_keys(
    connection: psycopg.Connection, tables: dict[str, Replacement]
) -> dict[str, list[str]]:
    """Add the foreign keys between tables that are loaded together, before they get their names.

    Returns notes by table on those that the data contradicts; the tables stay without them.
    """
    notes: dict[str, list[str]] = {}
    for final, replacement in tables.items():
        for number, key in enumerate(replacement.table.foreign_keys):
            there = tables.get(key.table)
            label = f"foreign key ({', '.join(key.columns)}) → {key.table}"
            if there is None:
                notes.setdefault(final, []).append(f"{label} not carried over: no such table")
                continue
            name = ddl.qualified(replacement.dataset, replacement.staged)
            target = ddl.qualified(there.dataset, there.staged)
            try:
                with connection.transaction():
                    statement = ddl.foreign_key(replacement.table, number, name, target)
                    connection.execute(statement)
            except (psycopg.IntegrityError, psycopg.ProgrammingError) as error:
                reason = error.diag.message_detail or error.diag.message_primary
                notes.setdefault(final, []).append(f"{label} not carried over: {reason}")
    return notes
