"""CSV and TSV: DuckDB reads, types are proven on all values, broken records are found by line."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from myriad.errors import SourceEmpty, SourceError
from myriad.model import TEXT, Column, Reject, Table, Type
from myriad.sources.base import (
    BATCH_ROWS,
    MAX_READ,
    RejectSink,
    TableSource,
    TypeMismatch,
    Workspace,
    misfit,
    too_wide,
)
from myriad.sources.counting.aside import Aside
from myriad.sources.csv import plain, relation, sample, within
from myriad.sources.csv import records as csv_records
from myriad.sources.csv.count import Count, count
from myriad.sources.csv.dialect import detect
from myriad.sources.csv.first import line_of
from myriad.sources.csv.layout import Line
from myriad.sources.csv.relation import LINE_COLUMN
from myriad.sources.options import ReadOptions
from myriad.sources.places import files, text_files
from myriad.sources.typing import casts, duck, text_columns
from myriad.sources.typing.nul import has_nul

# The first guess looks at the beginning and at pieces from all over the file.
SAMPLE_HEAD = 1 << 20
SAMPLE_PIECES = 16
# Arrow's reader hands DuckDB's errors on as its own.
READER_ERRORS = (duckdb.Error, pa.ArrowException, OSError)
OUT_OF_MEMORY = "Out of Memory"
DEFAULT_LINE = 2 << 20  # DuckDB's own limit on a record; above it the careful path takes over
# DuckDB's own is 32 MB. With 3,000,000 rows, 2 cores: 80 MB less at the peak, the same CPU seconds.
BUFFER = f"buffer_size={2 * DEFAULT_LINE}"


def open_csv(
    path: Path, origin: str, workspace: Workspace, *, name: str, options: ReadOptions
) -> list[TableSource]:
    """Open a plain CSV file as the table `name`; raises SourceError if it is no table of text."""
    return [CsvSource(path, origin, options, workspace, name)]


class CsvSource(TableSource):
    """One CSV file. The fast path trusts it to be well-formed; the careful path trusts nothing."""

    def __init__(
        self, path: Path, origin: str, options: ReadOptions, workspace: Workspace, name: str
    ) -> None:
        self.origin, self._options, self._workspace = origin, options, workspace
        self._name = name
        self._take(plain.text(path, origin, options, workspace))
        self._looked_within = False
        self._folder = Path(tempfile.mkdtemp(dir=workspace.folder, prefix="csv-"))
        self._numbered: csv_records.Numbered | None = None
        self._connected: duckdb.DuckDBPyConnection | None = None
        self._counting: Aside[Count] | None = None
        self._rows_read, self._bytes_per_row = 0, 0.0
        try:
            self._begin()
        finally:
            self._disconnect()

    def _take(self, text: plain.Plain) -> None:
        self._text, self._path, self._notes = text, text.path, text.notes
        self.not_data = self._aside(text.layout.lines)

    def _aside(self, lines: Sequence[Line]) -> tuple[Reject, ...]:
        return tuple(
            Reject(self.origin, self._name, line.number, line.text, f"no data: {line.why}")
            for line in lines
        )

    def _begin(self) -> None:
        """Look at the file's beginning and make the first guess."""
        self.size = self._path.stat().st_size
        start, blank = files.head(self._path, SAMPLE_HEAD), Counter[int]()
        if not start.strip(text_files.BOM + b"\r\n"):
            begin, blank = text_files.first_line(self._path)
            start = files.head(self._path, SAMPLE_HEAD, begin)
        if not start.strip(b"\xef\xbb\xbf \t\r\n"):
            raise SourceEmpty(self.origin)
        said, over = replace(self._options, delimiter=self._text.delimiter), self._text.layout.over
        dialect = detect(start, said, tabs=self._text.tabs, over=over, path=self._path)
        self._dialect = replace(dialect, blank=dialect.blank + blank[dialect.newline[0]])
        if len(self._dialect.names) > MAX_READ:
            raise too_wide(self.origin, len(self._dialect.names))
        self._names = [f"c{number}" for number in range(len(self._dialect.names))]
        if self.size <= SAMPLE_HEAD and self._sets_aside():
            return
        try:
            self._first_guess(start)
        except READER_ERRORS as error:
            if OUT_OF_MEMORY in str(error):
                raise
            # Not even the sample can be read: the careful path can, or says why.
            self._candidates = [casts.ALL_TESTS] * len(self._names)
            self._believe([text_columns.Finding(TEXT, "text", casts.ALL_TESTS)] * len(self._names))
            self._become_careful()
            self.prove()

    def _sets_aside(self) -> bool:
        """Take other tables out of the file, and say whether there are any; look only once."""
        if self._looked_within:
            return False
        self._looked_within = True
        found = within.find(self._path, self._dialect, self.origin)
        if not found.notes:
            return False
        self._path = within.without(self._path, found, self._workspace.folder)
        (self._folder / "input.csv").unlink(missing_ok=True)
        self._notes = (*self._notes, *found.notes)
        self.not_data = (*self.not_data, *self._aside(found.lines))
        self._stop_counting()
        self._begin()
        return True

    def _first_guess(self, start: bytes) -> None:
        try:
            self._guess_from_samples(start)
        finally:
            for path in self._folder.glob("*.sample"):
                path.unlink()

    def _guess_from_samples(self, start: bytes) -> None:
        head = self._sample("head.sample", start, pieces=0)
        self._guess(head, None)
        rows = self._findings[0].rows
        self._bytes_per_row = min(self.size, SAMPLE_HEAD) / max(rows, 1)
        self._candidates = [finding.candidates for finding in self._findings]
        if self.size <= len(start):
            if not self._agrees(count(self._path, self._dialect), rows):
                self._become_careful()
                self.prove()
            return
        if not rows or any(finding.doubt for finding in self._findings):
            self.prove()  # more values may tell what it is
            return
        before = self._findings
        self._guess(self._sample("pieces.sample", start, pieces=SAMPLE_PIECES), self._candidates)
        if any(
            now.type == TEXT != then.type for then, now in zip(before, self._findings, strict=True)
        ):
            # A piece may have begun inside a quoted field: only the whole file can tell.
            self.prove()

    def _sample(self, name: str, start: bytes, *, pieces: int) -> str:
        """Write the beginning and pieces of the file; return their relation."""
        path = self._folder / name
        sample.write(self._path, path, start, self._dialect.newline, pieces)
        cut = self.size > len(start)  # records may begin or end within quoted fields
        return self._relation(path, *(["ignore_errors=true"] if cut else []))

    def _relation(self, path: Path, *extra: str, numbered: bool = False) -> str:
        """Return the DuckDB expression that reads `path` as columns of text."""
        if path == self._path:
            path = self._folder / "input.csv"  # a safe name: DuckDB would expand a glob in it
            if not path.is_symlink():
                path.symlink_to(self._path.absolute())
        names = [LINE_COLUMN, *self._names] if numbered else self._names
        read = relation.of(path, self._dialect, names, self._options.nulls, *extra)
        return casts.undumped(self._names, read) if self._dialect.dump else read

    def _guess(self, rows: str, among: Sequence[frozenset[str]] | None) -> None:
        line, said = partial(line_of, self._path, self._dialect), self._options.said
        tests: list[frozenset[str] | None] | None = None
        if among is not None:
            known = zip(among, self._findings, strict=True)
            tests = [None if finding.settled else each for each, finding in known]
        found = text_columns.guess(self._con, rows, self._names, tests, line, said)
        self._believe(text_columns.keeping(found, self._findings) if among else found)

    def _believe(self, findings: Sequence[text_columns.Finding]) -> None:
        self._findings = list(findings)
        columns = tuple(
            Column(name, name, f.type, f.why, places=f.places, digits=f.digits, forms=f.forms)
            for name, f in zip(self._dialect.names, findings, strict=True)
        )
        written = self._text.long or self._dialect.delimiter
        words = replace(self._dialect, delimiter=written).words
        self.table = Table(self._name, self._name, columns, notes=(words, *self._notes))

    def prove(self) -> None:
        """Read every value; the careful path takes over if the fast one cannot read the file."""
        if self._numbered is None:
            self._sets_aside()
        if self._numbered is None:
            try:
                self._guess(self._relation(self._path, BUFFER), self._candidates)
            except READER_ERRORS:
                self._become_careful()
                self.prove()
        else:
            self._leave_out_tests_of_long_values(self._numbered)
            self._guess(self._careful_relation(), self._candidates)

    def _leave_out_tests_of_long_values(self, numbered: csv_records.Numbered) -> None:
        # Each test of a field of 100 MB takes a second; only text and JSON are so long.
        if numbered.longest <= DEFAULT_LINE:
            return
        longest = ", ".join(f"max(strlen({name}))" for name in self._names)
        (row,) = self._con.execute(f"SELECT {longest} FROM {self._careful_relation()}").fetchall()
        self._candidates = [
            tests & {"jsonb"} if (length or 0) > DEFAULT_LINE else tests
            for tests, length in zip(self._candidates, row, strict=True)
        ]

    def _become_careful(self) -> None:
        if self._sets_aside() and self._numbered is not None:
            return
        self._stop_counting()
        copy = self._folder / "numbered.csv"
        self._numbered = csv_records.number(
            self._path, copy, self._dialect, self.origin, self._workspace.longest
        )
        self.records = self._numbered.records + len(self._numbered.faults)
        self._notes = (*self._notes, *self._numbered.notes)
        self._disconnect()

    def _careful_relation(self) -> str:
        assert self._numbered is not None  # noqa: S101 - prove made it
        longest = max(DEFAULT_LINE, self._numbered.longest + 1)
        sizes = [f"max_line_size={longest}", f"buffer_size={longest * 2}"]
        return self._relation(
            self._numbered.path,
            r"new_line='\n'",  # as the copy was written, whatever its fields hold
            *(sizes if longest > DEFAULT_LINE else []),
            numbered=True,
        )

    def _read(self, types: Sequence[Type], reject: RejectSink | None) -> Iterator[pa.RecordBatch]:
        self._rows_read = 0
        if self._numbered is None:
            yield from self._read_fast(types, reject)
        else:
            yield from self._read_careful(self._numbered, types, reject)
        self.close()

    def _values(self, types: Sequence[Type], rows: str, *more: str) -> str:
        """Return the SQL that reads the columns as `types`; null words are text only in text."""
        nulls = {
            name: finding.nulls
            for name, finding, kind in zip(self._names, self._findings, types, strict=True)
            if kind != TEXT
        }
        return casts.values(self._names, types, casts.without(nulls, rows), *more)

    def _read_fast(
        self, types: Sequence[Type], reject: RejectSink | None
    ) -> Iterator[pa.RecordBatch]:
        query = self._values(types, self._relation(self._path, BUFFER))
        work = partial(count, self._path, self._dialect)
        counting = self._counting = self._counting or Aside(work)
        try:
            for batch in self._con.sql(query).to_arrow_reader(BATCH_ROWS):
                values = batch.select(range(len(types)))
                wrong = int(batch.column(len(types)).to_numpy().max(initial=0))
                if wrong or has_nul(values):
                    if reject is not None or not wrong:
                        self._become_careful()
                    raise TypeMismatch(self._dialect.names[wrong - 1])
                if counting.done and not counting.result().plain:
                    break
                self._rows_read += batch.num_rows
                yield values
        except READER_ERRORS as error:
            if OUT_OF_MEMORY in str(error):
                raise
            # Whatever the reader dislikes, the careful path names line by line.
            self._become_careful()
            raise TypeMismatch(self.origin) from error
        if not self._agrees(counting.result(), self._rows_read):
            self._become_careful()
            raise TypeMismatch(self.origin)
        if counting.result().blank > self._dialect.blank and self._sets_aside():
            raise TypeMismatch(self.origin)

    def _agrees(self, counted: Count, rows: int) -> bool:
        """Say whether DuckDB read what the plain reading counts, and set how many that is."""
        width, header = len(self._names), int(self._dialect.header)
        records = counted.lines - (counted.blank if width > 1 else self._dialect.blank)
        self.records = records - header
        return (
            counted.plain and self.records == rows and counted.delimiters == records * (width - 1)
        )

    def _read_careful(
        self, numbered: csv_records.Numbered, types: Sequence[Type], reject: RejectSink | None
    ) -> Iterator[pa.RecordBatch]:
        refuse = reject or csv_records.refuse
        problems = dict(numbered.faults)
        if reject is None:
            self._refuse(problems, refuse)
        query = self._values(types, self._careful_relation(), f"{LINE_COLUMN}::UBIGINT AS line")
        squares = np.uint64(0)
        try:
            for batch in self._con.sql(query).to_arrow_reader(BATCH_ROWS):
                lines = batch.column(len(types) + 1).to_numpy()
                squares += (lines * lines).sum()
                self._rows_read += batch.num_rows
                yield self._fitting(batch, types, lines, problems)
        except READER_ERRORS as error:
            raise SourceError(
                f"{self.origin} cannot be read as CSV: {str(error).splitlines()[0]}",
                hint="Name its --delimiter, --quote or --encoding, or write it anew.",
            ) from error
        if (self._rows_read, int(squares)) != (numbered.records, numbered.squares % 2**64):
            raise self._parted(numbered)
        self._refuse(problems, refuse)

    def _fitting(
        self,
        batch: pa.RecordBatch,
        types: Sequence[Type],
        lines: "np.ndarray[Any, Any]",
        problems: dict[int, str],
    ) -> pa.RecordBatch:
        """Return the rows whose values all fit; note the others in `problems`."""
        values, wrong = batch.select(range(len(types))), batch.column(len(types)).to_numpy()
        if not wrong.any():
            return values
        for at in wrong.nonzero()[0]:
            name, kind = self._dialect.names[wrong[at] - 1], types[wrong[at] - 1]
            problems[int(lines[at])] = misfit(name, kind)
        return values.filter(pa.array(wrong == 0))

    def _refuse(self, problems: dict[int, str], refuse: RejectSink) -> None:
        """Hand over the records on the lines that `problems` names, as they stand in the file."""
        if not problems:
            return
        written = self._text.long or self._dialect.delimiter
        for line, raw, *_ in self._records():
            if line in problems:
                text = csv_records.shown(raw)
                reject = Reject(self.origin, self._name, line, text, problems[line])
                found = csv_records.with_value(reject, self._dialect)
                refuse(replace(found, raw=found.raw.replace(self._dialect.delimiter, written)))

    def _records(self) -> Iterator[csv_records.Record]:
        found = csv_records.records(self._path, self._dialect, self._workspace.longest)
        return islice(found, int(self._dialect.header), None)

    def _parted(self, numbered: csv_records.Numbered) -> SourceError:
        lines = f"SELECT {LINE_COLUMN}::BIGINT FROM {self._careful_relation()} ORDER BY 1"
        read = (line for (line,) in iter(self._con.execute(lines).fetchone, None))
        wanted = (record.line for record in self._records() if record.line not in numbered.faults)
        return csv_records.parted(self.origin, numbered.records, self._rows_read, wanted, read)

    def progress(self) -> float:
        """Return the share of the file read so far; see TableSource."""
        share = self._rows_read * self._bytes_per_row / max(self.size, 1)
        return min(share, 1.0)

    @property
    def _con(self) -> duckdb.DuckDBPyConnection:
        if self._connected is None:
            longest = self._numbered.longest if self._numbered else 0
            extra_mb = max(0, longest - DEFAULT_LINE) * 8 >> 20
            self._connected = (
                duck.connect(self._workspace, extra_mb=extra_mb, columns=len(self._names))
                if extra_mb or len(self._names) > duck.WIDE
                else duck.shared(self._workspace)
            )
        return self._connected

    def _disconnect(self) -> None:
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def close(self) -> None:
        """Let go of the file."""
        self._stop_counting()
        self._disconnect()

    def _stop_counting(self) -> None:
        if self._counting is not None:
            self._counting.stop()
            self._counting = None
