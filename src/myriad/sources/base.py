"""What every format offers: tables with proven types, read as Arrow batches."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from myriad.errors import SourceError
from myriad.model import Kind, Reject, Table, Type
from myriad.wording import as_written, number_of

# Bigger batches cost memory and time: measured with DuckDB → pgpq → COPY, 4,096 rows were best.
BATCH_ROWS = 4096
MAX_COLUMNS = 1600  # PostgreSQL's MaxHeapAttributeNumber is 1,600
MORE_MEMORY = (  # the end of a hint
    "give more: MYRIAD_LOAD_MEMORY_MB=2000, or load_memory_mb = 2000 in the home's myriad.toml."
)
MAX_READ = 5_000  # columns of a source: what is not wanted can be left out

_ARROW: dict[Kind, pa.DataType] = {
    Kind.BOOLEAN: pa.bool_(),
    Kind.SMALLINT: pa.int16(),
    Kind.INTEGER: pa.int32(),
    Kind.BIGINT: pa.int64(),
    Kind.REAL: pa.float32(),
    Kind.DOUBLE: pa.float64(),
    Kind.DATE: pa.date32(),
    Kind.TIME: pa.time64("us"),
    Kind.TIMESTAMP: pa.timestamp("us"),
    Kind.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
    Kind.UUID: pa.binary(),  # 16 bytes
    Kind.JSONB: pa.string(),
    Kind.TEXT: pa.string(),
    Kind.BYTEA: pa.binary(),
}


def arrow_type(kind: Type) -> pa.DataType:
    """Return the Arrow type in which batches carry values of `kind`, whatever takes them."""
    if kind.long:
        return pa.string()
    if kind.kind is Kind.NUMERIC:
        return pa.decimal128(kind.precision, kind.scale)
    return _ARROW[kind.kind]


class TypeMismatch(Exception):
    """A value does not fit the type its column was believed to have; `prove` will tell.

    Never reaches a person: publish catches it and starts over with the proven types.
    """

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


_MISFIT = ": the value does not fit "


def misfit(column: str, kind: Type) -> str:
    """Return the reason for which a record with a value that does not fit is a reject."""
    written = f", written {as_written(kind.format)}" if kind.format else ""
    return f"{column}{_MISFIT}{kind}{written}"


def misfit_column(reject: Reject) -> str | None:
    """Return the column whose type a record's value does not fit, if that is why it is one."""
    column, found, _ = reject.reason.rpartition(_MISFIT)
    return column if found else None


# Takes a record that could not be loaded; raises TooManyRejects when there are too many.
RejectSink = Callable[[Reject], None]


# Takes what is done, such as `fetching`; with what, for people; with how many of its bytes by now;
# and how many it has, 0 if unknown.
Tell = Callable[[str, str, int, int], None]
FETCHING, UNPACKING, DECODING, OPENING = "fetching", "unpacking", "decoding", "opening"


def nobody(doing: str, what: str, came: int, whole: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Workspace:
    """Where and with how much memory sources may work.

    Attributes:
        folder: a private folder for temporary files, removed with all in it when done.
        memory_mb: what reading and converting may take, however big the source.
        allow_private: an address may lead to one that is private to this machine or network.
        compares: what is named is held against what it was before: its content matters.
        tell: takes how far something is that must come before it can be read; see Tell.
        shared: what sources use together, by its name: a thousand of them must not hold it each.
    """

    folder: Path
    memory_mb: int
    allow_private: bool = False
    compares: bool = False
    tell: Tell = nobody
    shared: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def within(cls, folder: Path, ceiling_mb: int, **more: Any) -> "Workspace":  # noqa: ANN401
        """Return one with which a publish stays under a ceiling for all of its processes.

        Python and its libraries take 110 MB, what is on its way to an engine some more.
        """
        return cls(folder, ceiling_mb * 3 // 8, **more)

    @property
    def ceiling_mb(self) -> int:
        """What all processes of a publish may take together."""
        return self.memory_mb * 8 // 3

    @property
    def longest(self) -> int:
        """Bytes that one record may have: what is made of it takes several times as many."""
        return self.memory_mb * 2**20 // 8


@dataclass(frozen=True)
class Mark:
    """What something that was named was when it was read.

    Attributes:
        version: another one whenever it changes, as far as servers and disks say; "": none does.
        content: a fingerprint of what was read; "": nobody asked for one.
    """

    version: str = ""
    content: str = ""


class Changed(SourceError):
    """The source was written to while it was read."""


class Watch:
    """Tells whether a file is still what it was when it was opened."""

    def __init__(self, path: Path, origin: str) -> None:
        self._path, self._origin, self._state = path, origin, _state(path)

    def check(self) -> None:
        """Raise Changed if the file was written to, replaced or removed."""
        try:
            same = _state(self._path) == self._state
        except OSError:
            same = False
        if not same:
            raise Changed(
                f"{self._origin} was written to while it was read",
                hint="Nothing was changed. Publish a copy that nobody writes to.",
            )


def _state(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class TableSource(ABC):
    """One table of an opened source.

    Life: opened with a first guess at `table`; `read` until it ends, or raises TypeMismatch: then
    `prove` once and `read` again. Records come in any order.

    A format implements `_read` and sets `records`, found by something other than what makes the
    rows: a reader that skips, merges or invents records must not be believed.

    Attributes:
        origin: what the person named, for reports.
        table: names, types and keys as believed now; column names are the source's own
            (`Column.name == Column.original`): publish makes the table's names.
        size: bytes of the source, 0 if unknown.
        records: how many the source has, rejects included; known when `_read` has ended.
        watch: what tells that the file was written to since it was opened, if anything can.
        not_data: what stands around the table, such as a title: neither rows nor records.
        guarded: the format has a watch of its own, or shows one moment whoever writes.
        notes: what a person should know of how it was opened.
        group: sources of the same one are parts of one table.
        part: what comes behind the table's name, where one table of records becomes several.
        named: the file, archive, folder or address that it came of, with all that came with it.
        stem: what a table of that is called.
        mark: what that was when it was opened.
    """

    origin: str
    table: Table
    size: int = 0
    records: int
    watch: Watch | None = None
    guarded: bool = False
    notes: tuple[str, ...] = ()
    part: str = ""
    named: str = ""
    stem: str = ""
    mark: Mark = Mark()
    not_data: tuple[Reject, ...] = ()
    group: str = ""

    @abstractmethod
    def prove(self) -> None:
        """Read every value and set `table` to types that all of them fit."""

    def read(self, types: Sequence[Type], reject: RejectSink | None) -> Iterator[pa.RecordBatch]:
        """Yield all records as batches of at most BATCH_ROWS rows, columns in `table`'s order.

        `types` has one entry per column and each column arrives as `arrow_type` of it.
        A value that does not fit raises TypeMismatch where `reject` is None; else its whole
        record goes to `reject`. Records that are broken in themselves raise SourceError where
        `reject` is None, else go to `reject`. SourceError also at the end, if not every record of
        the source was a row or a reject; Changed if the file was written to meanwhile.
        """
        rows = rejects = 0

        def counted(record: Reject) -> None:
            nonlocal rejects
            rejects += 1
            if reject is not None:
                reject(record)

        try:
            for batch in self._read(types, None if reject is None else counted):
                rows += batch.num_rows
                yield batch
        except Exception:
            self._check_watch()  # what was read was neither the old file nor the new one
            raise
        self._check_watch()
        if rows + rejects != self.records:
            raise SourceError(
                f"{self.origin}: it holds {number_of(self.records, 'record')}, and"
                f" {rows + rejects:,} came",
                hint="Nothing was changed. The file is damaged, or no plain table: write it anew.",
            )

    def _check_watch(self) -> None:
        if self.watch is not None:
            self.watch.check()

    @abstractmethod
    def _read(self, types: Sequence[Type], reject: RejectSink | None) -> Iterator[pa.RecordBatch]:
        """Yield what `read` does."""

    def progress(self) -> float:
        """Return the share of the source read so far, 0 to 1."""
        return 0.0

    def close(self) -> None:
        """Let go of files; called once."""


def too_wide(origin: str, columns: int) -> SourceError:
    """Return the error for a source with more columns than can be read."""
    return SourceError(
        f"{origin} has {number_of(columns, 'column')}; {MAX_READ:,} can be read, and tables have"
        " at most"
        f" {MAX_COLUMNS:,}",
        hint="Is it the right --delimiter? Split the file, or turn columns into rows.",
    )
