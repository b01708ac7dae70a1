"""JSON Lines, or one array of objects: a column for each key, in order of first appearance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from myriad.errors import SourceEmpty, SourceError
from myriad.model import Column, Table, Type
from myriad.sources.base import (
    BATCH_ROWS,
    MAX_COLUMNS,
    RejectSink,
    TableSource,
    TypeMismatch,
    Workspace,
)
from myriad.sources.counting.aside import Aside, Stopped
from myriad.sources.jsonl import count as jsonl_count
from myriad.sources.jsonl import records as jsonl_records
from myriad.sources.jsonl.records import Chunk
from myriad.sources.jsonl.types import Evidence, encode, said
from myriad.sources.places import text_files
from myriad.sources.typing.batches import Sieve
from myriad.sources.typing.values import encoder

SAMPLE_CHUNKS = 4
HOPELESS = 100_000  # so many broken records, and no sound one: there will be none
SAMPLE_PIECES = 16
SAMPLE_PIECE = 64 << 10
PROOF_ROWS = 16_384  # planning a test of texts costs as much as testing 10,000


def open_jsonl(path: Path, origin: str, workspace: Workspace, *, name: str) -> list[TableSource]:
    """Open a plain UTF-8 file of JSON records; `name` is the table's. Raises SourceError."""
    text_files.refuse_binary(path, origin)
    source = JsonlSource(path, origin, workspace, name)
    try:
        source.guess()
    except BaseException:
        source.close()
        raise
    return [source]


class JsonlSource(TableSource):
    """One file of records."""

    def __init__(self, path: Path, origin: str, workspace: Workspace, name: str) -> None:
        self.origin, self._path, self._name = origin, path, name
        self.size = path.stat().st_size
        # Parsed, a line takes several times its bytes.
        self._longest = workspace.memory_mb * 2**20 // 8
        self._position = 0
        self._counting: Aside[int] | None = None
        self._keys: dict[str, Evidence] = {}
        self._encoder = encoder(workspace)

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
        """Yield lines from all over the file behind `begin`; an array has none that parse."""
        step = (self.size - begin) // SAMPLE_PIECES
        if step < SAMPLE_PIECE:
            return
        with self._path.open("rb") as file:
            for piece in range(SAMPLE_PIECES):
                file.seek(begin + piece * step)
                lines = file.read(SAMPLE_PIECE).split(b"\n")[1:-1]
                found = jsonl_records.parsed(lines)
                found.lines = [0] * len(found.lines)  # nobody counted those before
                yield found

    def _chunks(self, rows: int) -> Iterator[Chunk]:
        return jsonl_records.chunks(self._path, self.origin, rows, self._longest)

    def prove(self) -> None:
        """Look at every value; see TableSource."""
        self._keys, records = {}, 0
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
            raise SourceEmpty(self.origin)
        if not self._keys:
            self._refuse_empty(broken)
        self._believe()

    def _refuse_empty(self, broken: tuple[int, str, str] | None) -> None:
        if broken:
            raise SourceError(
                f"{self.origin}, line {broken[0]}: {broken[2]}",
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
                    self._keys[key] = Evidence()
            if len(self._keys) > MAX_COLUMNS:
                raise SourceError(
                    f"{self.origin}: it has more than {MAX_COLUMNS:,} different keys",
                    hint="A table has no more columns. Nest what is keyed by name or number.",
                )
        for key, evidence in self._keys.items():
            values = [record.get(key) for record in chunk.records]
            evidence.look(values, chunk.lines, self._encoder)

    def _believe(self) -> None:
        columns = tuple(
            Column(key, key, *evidence.decide(), places=evidence.scale)
            for key, evidence in self._keys.items()
        )
        self.table = Table(self._name, self._name, columns)

    def _read(self, types: Sequence[Type], reject: RejectSink | None) -> Iterator[pa.RecordBatch]:
        """An unknown key raises TypeMismatch."""
        self._position = 0
        counting = self._counting = self._counting or Aside(self._count)
        sieve = Sieve(self.origin, self.table, types, reject, unit="line")
        keys = [column.original for column in self.table.columns]
        for chunk in self._chunks(BATCH_ROWS):
            for line, raw, reason in chunk.broken:
                sieve.refuse(line, raw, reason)
            unknown = set().union(*chunk.records).difference(keys)
            if unknown:
                raise TypeMismatch(min(unknown))
            if chunk.records:
                columns = ([record.get(key) for record in chunk.records] for key in keys)
                encoded = [
                    encode(values, kind, self._encoder)
                    for values, kind in zip(columns, types, strict=True)
                ]
                yield sieve.batch(encoded, _Records(chunk, keys))
            self._position = chunk.position
        self.records = counting.result()

    def _count(self, stopped: Stopped) -> int:
        is_array = jsonl_records.is_array(self._path)
        return (jsonl_count.elements if is_array else jsonl_count.lines)(self._path, stopped)

    def progress(self) -> float:
        """Return the share of the file read so far."""
        return self._position / max(self.size, 1)

    def close(self) -> None:
        """Let go of what converts text."""
        if self._counting is not None:
            self._counting.stop()
        self._encoder.close()


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
