"""SQLite: every table, with keys; types are the declared ones where all values are such."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from myriad.errors import SourceError
from myriad.model import Column, Table, Type
from myriad.sources.base import (
    BATCH_ROWS,
    RejectSink,
    TableSource,
    Watch,
    Workspace,
)
from myriad.sources.sqlite import file as sqlite_file
from myriad.sources.sqlite import rules
from myriad.sources.sqlite import schema as sqlite_schema
from myriad.sources.sqlite import types as sqlite_types
from myriad.sources.sqlite.schema import DeclaredTable
from myriad.sources.sqlite.types import Facts
from myriad.sources.typing.batches import Sieve
from myriad.sources.typing.sql import quoted
from myriad.sources.typing.values import encoder

SAMPLE_ROWS = 10_000  # looked at on either end of a table for the first guess
PROOF_ROWS = 32_768  # texts tested at once: planning the test costs as much as testing 10,000

_Row = tuple[Any, ...]


@dataclass(frozen=True)
class _Rows:
    """Rows, for those who refuse some; see `batches.Records`."""

    rows: Sequence[_Row]

    def record(self, at: int) -> tuple[int, str]:
        """Return number and values of a row."""
        number, *values = self.rows[at]
        return number, repr(tuple(values))

    def value(self, at: int, column: int) -> str:
        """Return one of its values."""
        return str(self.rows[at][column + 1])


def open_sqlite(path: Path, origin: str, workspace: Workspace, *, name: str) -> list[TableSource]:
    """Open every table of a SQLite file; they keep their own names, so `name` goes unused.

    Raises SourceError if it is no SQLite database, has no tables, or is locked.
    """
    del name
    database = Database(path, origin, workspace)
    try:
        return database.open_tables()
    except BaseException:
        database.close()
        raise


class Database:
    """One SQLite file in one read transaction, shared by the sources of its tables."""

    def __init__(self, path: Path, origin: str, workspace: Workspace) -> None:
        self.origin, self.size = origin, sqlite_file.size(path)
        # Python's objects and Arrow's copy of a batch together take a few times its bytes.
        self.batch_bytes = workspace.longest // 2
        self._path, self._had_wal = path, sqlite_file.has_wal(path)
        self.con = sqlite_file.connect(path, origin, workspace.longest, workspace.tell)
        # From here on SQLite keeps other programs that write by its rules away, but for WAL's.
        self.watch = None if sqlite_file.in_wal_mode(path) else Watch(path, origin)
        self.encoder = encoder(workspace)
        self.sources: list[SqliteSource] = []
        self._open = 0
        self._views: dict[str, str] = {}

    def open_tables(self) -> list[TableSource]:
        """Return a source for each table."""
        with sqlite_file.explained(self.origin, self.con):
            declared = sqlite_schema.read_schema(self.con)
            if not declared:
                self._refuse_empty()
            self._views = sqlite_schema.views(self.con)
            self.sources = [SqliteSource(self, table) for table in declared]
        self._open = len(self.sources)
        self.share_size()
        self.agree()
        self.con.goes_on = None  # from now on rows tell
        return list(self.sources)

    def _refuse_empty(self) -> None:
        query = "SELECT name FROM sqlite_schema WHERE type IN ('view', 'table') ORDER BY name"
        names = ", ".join(name for (name,) in self.con.execute(query).fetchmany(10))
        found = f"; it has {names}, which are no tables" if names else ""
        raise SourceError(
            f"{self.origin}: there is no table in it{found}", hint="There is nothing to publish."
        )

    def share_size(self) -> None:
        """Give each table its share of the file's size, by rows."""
        rows = sum(source.rows for source in self.sources)
        for source in self.sources:
            source.size = self.size * source.rows // max(rows, 1)

    def agree(self) -> None:
        """Make each source's table; a foreign key needs types that both sides can compare."""
        types = {source.declared.name: source.types() for source in self.sources}
        for source in self.sources:
            source.table = source.believed(types)
        declared = [source.declared for source in self.sources]
        views, notes = rules.views(self._views, declared, types)
        first = self.sources[0].table
        self.sources[0].table = replace(first, views=views, notes=(*first.notes, *notes))

    def be_lenient(self) -> None:
        """From now on let text that is not UTF-8 through, marked by surrogates."""
        self.con.text_factory = lambda data: data.decode("utf-8", "surrogateescape")

    def released(self) -> None:
        """Close when the last source is closed."""
        self._open -= 1
        if self._open == 0:
            self.close()

    def close(self) -> None:
        """End the transaction and let go of the file."""
        self.con.close()
        self.encoder.close()
        if not self._had_wal and sqlite_file.has_wal(self._path):
            sqlite_file.tidy(self._path)


class SqliteSource(TableSource):
    """One table."""

    guarded = True

    def __init__(self, database: Database, declared: DeclaredTable) -> None:
        self.origin, self.declared, self._database = database.origin, declared, database
        self.watch = database.watch
        self._kinds = [sqlite_types.declared(column.declared) for column in declared.columns]
        self._from = f"main.{quoted(declared.name)}"
        self.rows = self._counted()
        self.records = self.rows
        self._rows_read = 0
        self._facts: list[Facts] = []
        self._examples: dict[str, str] = {}
        self._look(self._sample(), proven=False)

    def _counted(self) -> int:
        """Return how many rows there are; raises SourceError if the file cannot hold so many.

        A row takes some bytes; where pages belong to several others, there is no end of rows.
        """
        # Not `count(*)`, in which SQLite heeds nobody.
        most = self._database.size
        query = f"SELECT total(1) FROM (SELECT 1 FROM {self._from} LIMIT {most + 1})"
        count = int(self._one(query)[0])
        if count > most:
            raise SourceError(
                f"{self.origin}, {self.declared.name}: it has more rows than its {most:,} bytes can"
                " hold",
                hint="It is damaged. Try sqlite3's .recover, and publish what that gives.",
            )
        return count

    def _one(self, query: str) -> _Row:
        row: _Row = self._database.con.execute(query).fetchone()
        return row

    def _sample(self) -> str:
        """Return the FROM of rows for the first guess: both ends, or all if they are few."""
        if self.rows <= 2 * SAMPLE_ROWS or not self.declared.rowid:
            return f"(SELECT * FROM {self._from} LIMIT {2 * SAMPLE_ROWS})"
        names = ", ".join(quoted(column.name) for column in self.declared.columns)
        ends = (
            f"SELECT * FROM (SELECT {names} FROM {self._from}"
            f" ORDER BY {self.declared.rowid} {order} LIMIT {SAMPLE_ROWS})"
            for order in ("ASC", "DESC")
        )
        return f"({' UNION ALL '.join(ends)})"

    def prove(self) -> None:
        """Look at every value; see TableSource."""
        with sqlite_file.explained(self.origin):
            self._look(self._from, proven=True)
        self._database.agree()

    def _look(self, relation: str, *, proven: bool) -> None:
        pairs = list(zip(self.declared.columns, self._kinds, strict=True))
        self._facts = []
        for start in range(0, len(pairs), 200):  # SQLite returns 2,000 columns at most
            part = pairs[start : start + 200]
            selected = [
                aggregate
                for column, kind in part
                for aggregate in sqlite_types.aggregates(quoted(column.name), kind)
            ]
            row = self._one(f"SELECT {', '.join(selected)} FROM {relation}")
            for at, (column, kind) in enumerate(part):
                seen: list[int] = [value or 0 for value in row[at * 7 : at * 7 + 7]]
                facts = Facts(*seen)
                self._facts.append(self._with_forms(relation, column.name, kind, facts))
        if proven:
            self._find_examples()

    def _with_forms(
        self, relation: str, column: str, kind: sqlite_types.Declared, facts: Facts
    ) -> Facts:
        """Add to `facts` the types that all texts fit, where they matter."""
        if not kind.text_forms or facts.texts == 0 or facts.texts < facts.values:
            return facts
        forms = list(kind.text_forms)
        query = f"SELECT {quoted(column)} FROM {relation} WHERE {quoted(column)} IS NOT NULL"
        for rows in self._chunks(query, PROOF_ROWS):
            texts = [value.encode("utf-8", "replace").decode() for (value,) in rows]
            misfits = self._database.encoder.misfits(pa.array(texts, pa.string()), forms)
            forms = [form for form in forms if form not in misfits]
            if not forms:
                break
        return replace(facts, forms=tuple(forms))

    def _find_examples(self) -> None:
        """Look up the first value that is not of the storage class of most."""
        for column, facts in zip(self.declared.columns, self._facts, strict=True):
            counts = {
                "integer": facts.integers,
                "real": facts.reals,
                "text": facts.texts,
                "blob": facts.blobs,
            }
            rare = min(
                (name for name in counts if counts[name]), key=counts.__getitem__, default=""
            )
            if rare and counts[rare] < facts.values:
                self._examples[column.name] = self._example(quoted(column.name), rare)

    def _example(self, column: str, storage: str) -> str:
        number = self.declared.rowid or "0"
        shown = f"CASE '{storage}' WHEN 'blob' THEN hex(substr({column}, 1, 20)) ELSE {column} END"
        row = self._one(
            f"SELECT {number}, CAST(substr({shown}, 1, 40) AS BLOB) FROM {self._from}"
            f" WHERE typeof({column}) = '{storage}' LIMIT 1"
        )
        place = f" in row {row[0]}" if self.declared.rowid else ""
        return f"; first {storage}: {row[1].decode('utf-8', 'replace')!r}{place}"

    def types(self) -> dict[str, tuple[Type, str]]:
        """Return each column's type and why, as known now."""
        pairs = zip(self.declared.columns, self._kinds, self._facts, strict=True)
        found = {}
        for column, kind, facts in pairs:
            alias = column.name == self.declared.alias
            most = max(facts.high, (self.declared.counter or 0) + 1 if alias else 0)
            type_, why = sqlite_types.decide(kind, replace(facts, high=most), rowid=alias)
            found[column.name] = (type_, why + self._examples.get(column.name, ""))
        return found

    def believed(self, types: dict[str, dict[str, tuple[Type, str]]]) -> Table:
        """Return the table; `types` are those of all tables."""
        declared, own = self.declared, types[self.declared.name]
        notes = list(declared.notes)
        columns = tuple(
            self._column(column, *own[column.name], notes) for column in declared.columns
        )
        kept = [
            key
            for key in declared.foreign_keys
            if sqlite_types.may_refer(key, own, types[key.table])
        ]
        notes += [
            f"foreign key ({', '.join(key.columns)}) to {key.table} not carried over: types differ"
            for key in declared.foreign_keys
            if key not in kept
        ]
        return Table(
            declared.name,
            declared.name,
            columns,
            declared.primary_key,
            tuple(kept),
            tuple(declared.indexes),
            checks=rules.checks(declared, own, notes),
            notes=tuple(notes),
        )

    def _column(
        self, column: sqlite_schema.DeclaredColumn, kind: Type, why: str, notes: list[str]
    ) -> Column:
        default = None
        try:
            default = sqlite_types.default(column.default, kind)
        except ValueError:
            notes.append(f"default of {column.name} not carried over: {column.default}")
        not_null = column.not_null or column.name in self.declared.primary_key
        made = Column(column.name, column.name, kind, why, not_null, default)
        counts = column.name == self.declared.alias
        return replace(made, identity=self.declared.counter) if counts else made

    def _read(self, types: Sequence[Type], reject: RejectSink | None) -> Iterator[pa.RecordBatch]:
        self._rows_read = 0
        sieve = Sieve(self.origin, self.table, types, reject)
        encode = self._database.encoder.encode
        names = [
            self.declared.rowid or "row_number() OVER ()",
            *(quoted(c.name) for c in self.declared.columns),
        ]
        order = f" ORDER BY {self.declared.rowid}" if self.declared.rowid else ""
        query = f"SELECT {', '.join(names)} FROM {self._from}{order}"
        for chunk in self._chunks(query, BATCH_ROWS):
            rows = self._with_sound_text(chunk, sieve)
            if rows:
                _, *columns = zip(*rows, strict=True)
                encoded = [encode(*pair) for pair in zip(columns, types, strict=True)]
                yield sieve.batch(encoded, _Rows(rows))
            self._rows_read += len(chunk)

    def _with_sound_text(self, rows: list[_Row], sieve: Sieve) -> list[_Row]:
        """Refuse rows with text that is not UTF-8; return the others."""
        if self._database.con.text_factory is str:
            return rows  # SQLite's module would have refused it
        sound = []
        for row in rows:
            bad = next((i for i, value in enumerate(row[1:]) if _is_broken(value)), None)
            if bad is None:
                sound.append(row)
            else:
                reason = f"{self.declared.columns[bad].name} holds text that is not valid UTF-8"
                sieve.refuse(row[0], repr(row[1:]), reason)
        return sound

    def _chunks(self, query: str, limit: int) -> Iterator[list[_Row]]:
        """Yield rows in chunks of at most `limit`, fewer if they are big."""
        done = 0
        with sqlite_file.explained(self.origin):
            try:
                for rows in self._fetched(self._database.con.execute(query), limit):
                    done += len(rows)
                    yield rows
            except sqlite3.OperationalError as error:
                if "decode to UTF-8" not in str(error):
                    raise
                # Python's module stops at text that is not UTF-8: go on from there, leniently.
                self._database.be_lenient()
                cursor = self._database.con.execute(f"{query} LIMIT -1 OFFSET {done}")
                yield from self._fetched(cursor, limit)

    def _fetched(self, cursor: sqlite3.Cursor, limit: int) -> Iterator[list[_Row]]:
        if self._rows_are_small:
            while rows := cursor.fetchmany(limit):
                yield rows
        else:
            yield from _weighed(cursor, limit, self._database.batch_bytes)

    @cached_property
    def _rows_are_small(self) -> bool:
        """Whether any batch fits in memory; weighing each row costs a third of the speed."""
        budget: int = self._database.batch_bytes
        longest = [f"ifnull(max(length({quoted(c.name)})), 0)" for c in self.declared.columns]
        widest: int = self._one(f"SELECT {' + '.join(longest)} FROM {self._from}")[0]
        return widest * BATCH_ROWS <= budget

    def progress(self) -> float:
        """Return the share of the rows read so far."""
        return float(min(self._rows_read / max(self.rows, 1), 1))

    def close(self) -> None:
        """Let go of the file when all its tables are closed."""
        self._database.released()


def _weighed(rows: Iterable[_Row], limit: int, budget: int) -> Iterator[list[_Row]]:
    """Yield chunks that weigh little more than `budget` bytes, one row at least."""
    chunk: list[_Row] = []
    weight = 0
    for row in rows:
        chunk.append(row)
        for value in row:
            if type(value) is str or type(value) is bytes:
                weight += len(value)
        if weight >= budget or len(chunk) == limit:
            yield chunk
            chunk, weight = [], 0
    if chunk:
        yield chunk


def _is_broken(value: object) -> bool:
    return (
        isinstance(value, str)
        and not value.isascii()
        and any("\ud800" <= character <= "\udfff" for character in value)
    )
