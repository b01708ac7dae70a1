"""JSON Lines, or one array of objects: a column for each key, in order of first appearance."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa

from myriad.errors import SourceEmpty, SourceError
from myriad.model import Column, Table, Type
from myriad.sources.base import (
    BATCH_ROWS,
    MAX_COLUMNS,
    OPENING,
    RejectSink,
    TableSource,
    Tell,
    TypeMismatch,
    Workspace,
)
from myriad.sources.counting.aside import Aside, Stopped
from myriad.sources.jsonl import extended
from myriad.sources.jsonl import layout as layouts
from myriad.sources.jsonl import records as jsonl_records
from myriad.sources.jsonl.layout import Form, Layout
from myriad.sources.jsonl.nested import (
    MOST_TABLES,
    Flat,
    Nested,
    Part,
    Plan,
    TooManyNames,
    planned,
)
from myriad.sources.jsonl.records import CHUNK, Broken, Chunk
from myriad.sources.jsonl.types import FORMS, Evidence, encode, said
from myriad.sources.options import ReadOptions
from myriad.sources.places import text_files
from myriad.sources.typing.batches import Sieve
from myriad.sources.typing.values import encoder

SAMPLE_CHUNKS = 4
HOPELESS = 100_000  # so many broken records, and no sound one: there will be none
SAMPLE_PIECES = 16
SAMPLE_PIECE = 64 << 10
LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz", ".jsonl.zst", ".ndjson.zst")
LINES_OF_OBJECTS = Layout()
NESTED_SAID = {
    Nested.JSON: "nested values are jsonb: --nested columns or tables takes them apart",
    Nested.COLUMNS: "what stands in it several times is jsonb: --nested tables takes it apart",
}
PROOF_ROWS = 16_384  # planning a test of texts costs as much as testing 10,000


def open_jsonl(
    path: Path,
    origin: str,
    workspace: Workspace,
    *,
    name: str,
    options: ReadOptions | None = None,
) -> list[TableSource]:
    """Open a plain UTF-8 file of JSON records; `name` is the table's. Raises SourceError."""
    text_files.refuse_binary(path, origin)
    said = options or ReadOptions()
    longest = workspace.longest
    if said.records is None and origin.lower().endswith(LINES) and not layouts.is_array(path):
        layout = Layout()
    else:
        whole = said.nested == Nested.TABLES
        tell = workspace.tell
        layout = layouts.found(path, origin, longest, said.records, whole=whole, tell=tell)
    with path.open("rb") as file:
        marked = extended.MARKS.search(file.read(CHUNK)) is not None
    notes = (layout.note,) if layout.note else ()
    if marked:
        notes = (*notes, "read as MongoDB's Extended JSON")
    given = Given(path, origin, name, layout, extended=marked, notes=notes)
    return open_given(given, said, workspace)


def open_given(given: "Given", options: ReadOptions, workspace: Workspace) -> list[TableSource]:
    """Open records that were found; see `Given`. Raises SourceError."""
    nested, plan = Nested(options.nested or given.nested), None
    given = replace(given, said=options.nested is not None)
    if nested is Nested.TABLES:
        raw = _told(given, given.chunks(BATCH_ROWS, workspace.longest), workspace.tell)
        try:
            plan = planned(given.name, options.table or given.name, raw, options.key)
        except TooManyNames:
            raise _too_many_keys(given.origin) from None
        if len(plan.parts()) > MOST_TABLES:
            raise SourceError(
                f"{given.origin}: its arrays would become more than {MOST_TABLES} tables",
                hint="Leave them as they are: --nested json or --nested columns.",
            )
    made: list[TableSource] = []
    try:
        for part in plan.parts() if plan else [None]:
            source = JsonlSource(given, workspace, nested, plan, part)
            made.append(source)
            source.guess()
    except BaseException:
        for opened in made:
            opened.close()
        raise
    return made


def _told(given: "Given", chunks: Iterator[Chunk], tell: Tell) -> Iterator[Chunk]:
    whole = given.path.stat().st_size
    for chunk in chunks:
        yield chunk
        tell(OPENING, given.origin, chunk.position, whole)


@dataclass(frozen=True)
class Given:
    """A file of JSON records, as it is or as something else was turned into it.

    Attributes:
        layout: how its records stand.
        columns: those that there are in any case, in this order.
        unit: what records are counted in.
        extended: values are written as MongoDB does.
        plain: makes of a record's value, of which there are texts only, what it is.
        nested: what becomes of nested values unless it is said.
        forms: types that a text may have.
        notes: what was left out, or understood.
        said: a person said what becomes of nested values.
    """

    path: Path
    origin: str
    name: str
    layout: Layout = LINES_OF_OBJECTS
    columns: tuple[str, ...] = ()
    unit: str = "line"
    extended: bool = False
    plain: Callable[[Any], Any] | None = None
    nested: Nested = Nested.JSON
    forms: tuple[Type, ...] = FORMS
    notes: tuple[str, ...] = ()
    said: bool = False

    def chunks(self, rows: int, longest: int) -> Iterator[Chunk]:
        """Yield all records, plain."""
        for chunk in self.layout.chunks(self.path, self.origin, rows, longest):
            yield self._simple(chunk) if self.extended else chunk

    def parsed(self, lines: Sequence[bytes]) -> Chunk:
        """Return whole lines from somewhere in the file as one chunk."""
        chunk = jsonl_records.parsed(lines, self.layout.names)
        chunk.lines = [0] * len(chunk.lines)  # nobody counted those before
        return self._simple(chunk) if self.extended else chunk

    @staticmethod
    def _simple(chunk: Chunk) -> Chunk:
        made = Chunk(position=chunk.position, broken=chunk.broken)
        for record, line, raw in zip(chunk.records, chunk.lines, chunk.raws, strict=True):
            try:
                made.add(line, raw, extended.record(record))
            except Broken as error:
                made.broken.append((line, raw, str(error)))
        return made


class JsonlSource(TableSource):
    """One file of records, or what the arrays in them hold."""

    def __init__(
        self,
        given: Given,
        workspace: Workspace,
        nested: Nested,
        plan: Plan | None = None,
        part: Part | None = None,
    ) -> None:
        self.origin, self._given = given.origin, given
        self.size = given.path.stat().st_size
        self.part = part.name if part is not None else ""
        self._longest = workspace.longest
        self._position = 0
        self._counting: Aside[int] | None = None
        self._encoder = encoder(workspace)
        self._flat = Flat() if nested is Nested.COLUMNS else None
        self._plan, self._part = plan, part or Part()
        self._first = (*(self._part.keys if plan else ()), *given.columns)
        self._keys = self._none()
        self._records = 0

    def _none(self) -> dict[str, Evidence]:
        """Return no evidence, for the columns that there are in any case."""
        return {key: Evidence(forms=list(self._given.forms)) for key in self._first}

    def guess(self) -> None:
        """Look at the beginning and at pieces from all over the file."""
        chunks = self._chunks(BATCH_ROWS)
        sample = list(islice(chunks, SAMPLE_CHUNKS))
        for chunk in (*sample, *self._pieces(sample[-1].position)):
            self._look(chunk)
        if not self._keys:
            self.prove()
        self._believe()

    def _pieces(self, begin: int) -> Iterator[Chunk]:
        """Yield lines from all over the file behind `begin`, if it has records in lines."""
        step = (self.size - begin) // SAMPLE_PIECES
        if step < SAMPLE_PIECE or self._given.layout.form is not Form.LINES or self._plan:
            return
        with self._given.path.open("rb") as file:
            for piece in range(SAMPLE_PIECES):
                file.seek(begin + piece * step)
                lines = file.read(SAMPLE_PIECE).split(b"\n")[1:-1]
                yield self._shaped(self._given.parsed(lines))

    def _chunks(self, rows: int) -> Iterator[Chunk]:
        found = self._given.chunks(rows, self._longest)
        if self._plan is not None:
            found = self._plan.chunks(self._part, self._counted(found))
        return map(self._shaped, found)

    def _counted(self, found: Iterator[Chunk]) -> Iterator[Chunk]:
        """Count the records from which rows are made."""
        self._records = 0
        for chunk in found:
            self._records += len(chunk.records) + len(chunk.broken)
            yield chunk

    def _shaped(self, chunk: Chunk) -> Chunk:
        if self._flat is not None:
            try:
                chunk.records = [self._flat.row(record) for record in chunk.records]
            except TooManyNames:
                raise _too_many_keys(self.origin) from None
        if (plain := self._given.plain) is not None:
            chunk.records = [
                {key: plain(value) for key, value in record.items()} for record in chunk.records
            ]
        return chunk

    def prove(self) -> None:
        """Look at every value; see TableSource."""
        self._keys, records = self._none(), 0
        broken: tuple[int, str, str] | None = None
        hopeless = 0
        for chunk in self._chunks(PROOF_ROWS):
            self._look(chunk)
            broken = broken or next(iter(chunk.broken), None)
            hopeless += len(chunk.broken)
            records += len(chunk.records)
            if not self._keys and hopeless > HOPELESS:
                break
        if not (self._keys or records or broken):
            found = "there is no record in it" if self.size else "the file is empty"
            raise SourceEmpty(self.origin, found)
        if not self._keys:
            self._refuse_empty(broken)
        self._believe()

    def _refuse_empty(self, broken: tuple[int, str, str] | None) -> None:
        if broken:
            raise SourceError(
                f"{self.origin}, {self._given.unit} {broken[0]}: {broken[2]}",
                hint="Each line must hold one object, or the file one array of objects.",
            )
        raise SourceError(
            f"{self.origin}: there is no record with a key in it",
            hint="There is nothing to publish.",
        )

    def _look(self, chunk: Chunk) -> None:
        for record in chunk.records:
            for key in record:
                if key not in self._keys:
                    self._keys[key] = Evidence(forms=list(self._given.forms))
                    if len(self._keys) > MAX_COLUMNS:
                        raise _too_many_keys(self.origin)
        for key, evidence in self._keys.items():
            values = [record.get(key) for record in chunk.records]
            evidence.look(values, chunk.lines, self._encoder)

    def _believe(self) -> None:
        columns = tuple(
            Column(key, key, *evidence.decide(), places=evidence.scale, digits=evidence.digits)
            for key, evidence in self._keys.items()
        )
        name, notes = self._given.name, self._given.notes
        if not self._given.said and any(
            evidence.counts.keys() & {dict, list} for evidence in self._keys.values()
        ):
            notes = (*notes, NESTED_SAID[self._given.nested])
        if self._plan is None:
            self.table = Table(name, name, columns, notes=notes)
            return
        name = self._plan.table(self._part)
        above = self._plan.foreign_key(self._part)
        self.table = Table(
            name,
            name,
            columns,
            primary_key=self._part.keys,
            foreign_keys=(above,) if above else (),
            notes=() if above else notes,
        )

    def _read(self, types: Sequence[Type], reject: RejectSink | None) -> Iterator[pa.RecordBatch]:
        """An unknown key raises TypeMismatch."""
        self._position = rows = 0
        counting = self._counting = self._counting or Aside(self._count)
        sieve = Sieve(self.origin, self.table, types, reject, unit=self._given.unit)
        keys = [column.original for column in self.table.columns]
        for chunk in self._chunks(BATCH_ROWS):
            for line, raw, reason in chunk.broken:
                sieve.refuse(line, raw, reason)
            rows += len(chunk.records)
            if chunk.records:
                columns = _columns(chunk.records, keys)
                encoded = [
                    encode(values, kind, self._encoder)
                    for values, kind in zip(columns, types, strict=True)
                ]
                yield sieve.batch(encoded, _Records(chunk, keys))
            self._position = chunk.position
        self.records = counting.result()
        # Of what is within records nobody else says how much there is: those are compared.
        if self._part.path and self._records == self.records:
            self.records = rows

    def _count(self, stopped: Stopped) -> int:
        return self._given.layout.count(self._given.path, stopped)

    def progress(self) -> float:
        """Return the share of the file read so far."""
        return self._position / max(self.size, 1)

    def close(self) -> None:
        """Let go of what converts text."""
        if self._counting is not None:
            self._counting.stop()
        self._encoder.close()


def _columns(records: Sequence[dict[str, Any]], keys: Sequence[str]) -> list[list[Any]]:
    """Return the values of each key; raises TypeMismatch for a key that is not among them."""
    with suppress(KeyError):
        if set(map(len, records)) == {len(keys)}:  # all have the same, so there is no other
            return [list(map(itemgetter(key), records)) for key in keys]
    if unknown := set().union(*records).difference(keys):
        raise TypeMismatch(min(unknown))
    return [[record.get(key) for record in records] for key in keys]


def _too_many_keys(origin: str) -> SourceError:
    return SourceError(
        f"{origin}: it has more than {MAX_COLUMNS:,} different keys",
        hint="A table has no more columns. Nest what is keyed by name or number.",
    )


@dataclass(frozen=True)
class _Records:
    """The records of a chunk, for those who refuse some; see `batches.Records`."""

    chunk: Chunk
    keys: Sequence[str]

    def record(self, at: int) -> tuple[int, str]:
        """Return line and text of a record."""
        return self.chunk.lines[at], self.chunk.raws[at]

    def value(self, at: int, column: int) -> str:
        """Return one of its values."""
        return said(self.chunk.records[at].get(self.keys[column]))
