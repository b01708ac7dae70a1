"""A file is read whole or refused: random tables in random dialects, damaged by one byte."""

import csv
import gzip
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from myriad.errors import SourceError
from myriad.sources.csv import count as csv_count
from myriad.sources.csv import dialect as csv_dialect
from myriad.sources.csv import records as csv_records
from myriad.sources.options import ReadOptions
from tests import plain_csv
from tests.csv_source import Rejects, opened, texts
from tests.examples import examples

CELLS = st.text(
    st.sampled_from(["a", "7", "ü", " ", ",", ";", '"', "'", "\n", "\r", "\\"]), max_size=4
)


@dataclass(frozen=True)
class Written:
    """A file, and how it is written."""

    data: bytes
    delimiter: str
    quote: str
    header: bool
    width: int

    def damaged(self, data: bytes) -> "Written":
        return Written(data, self.delimiter, self.quote, self.header, self.width)

    @property
    def options(self) -> dict[str, str | bool]:
        return {"delimiter": self.delimiter, "quote": self.quote, "header": self.header}

    def plain(self, text: str) -> plain_csv.Reading:
        return plain_csv.read(
            text, self.delimiter, self.quote, width=self.width, header=self.header
        )


@st.composite
def tables(draw: st.DrawFn) -> Written:
    """A table in one of the ways that programs write."""
    width = draw(st.integers(1, 4))
    rows = draw(st.lists(st.tuples(*[CELLS] * width), min_size=1, max_size=6))
    delimiter, quote = draw(st.sampled_from(",;\t| ")), draw(st.sampled_from("\"'"))
    newline = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    if newline == "\r":  # told by the absence of the other
        rows = [tuple(cell.replace("\n", "") for cell in row) for row in rows]
    header = draw(st.booleans())
    names = [tuple(f"n{number}" for number in range(width))] if header else []
    always = draw(st.booleans())

    def written(value: str) -> str:
        special = {delimiter, quote, "\r", "\n"} & {*value} or value[:1] == " " or value[-1:] == " "
        if always or special or (width == 1 and not value):
            return quote + value.replace(quote, quote * 2) + quote
        return value

    text = ""
    for row in [*names, *rows]:
        text += delimiter.join(map(written, row)) + newline
        text += newline * draw(st.sampled_from([0, 0, 0, 0, 1, 2]))
    if draw(st.booleans()):
        text = text.removesuffix(newline)
    mark = draw(st.sampled_from(["", "", "\ufeff"]))
    return Written((mark + text).encode(), delimiter, quote, header, width)


@st.composite
def damaged(draw: st.DrawFn) -> Written:
    """A table with one byte changed, put in or taken out."""
    table = draw(tables())
    at = draw(st.integers(0, len(table.data) - 1))
    marks = [table.delimiter, table.quote, "\n", "\r", "x", " ", "\0"]
    byte = draw(st.sampled_from([mark.encode() for mark in marks] + [b"\xff"]))
    before, behind = table.data[:at], table.data[at:]
    return table.damaged(
        draw(
            st.sampled_from(
                [before + byte + behind, before + byte + behind[1:], before + behind[1:]]
            )
        )
    )


def _dialect(table: Written) -> csv_dialect.Dialect:
    return csv_dialect.detect(table.data, ReadOptions(**table.options), tabs=False)  # type: ignore[arg-type]


def _is_text(table: Written) -> bool:
    try:
        text = table.data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return bool(text.strip(" \t\r\n"))


@given(table=st.one_of(tables(), damaged()))
@examples(daily=100, nightly=20_000)
def test_every_record_is_in_the_copy_or_named_and_the_copy_reads_in_one_way(table: Written) -> None:
    if not _is_text(table):
        return
    dialect = _dialect(table)
    truth = Written(
        table.data, table.delimiter, table.quote, table.header, len(dialect.names)
    ).plain(table.data.decode())
    with tempfile.TemporaryDirectory() as folder:
        path, copy = Path(folder) / "t.csv", Path(folder) / "copy.csv"
        path.write_bytes(table.data)
        try:
            numbered = csv_records.number(path, copy, dialect, "t.csv", 1 << 20)
        except SourceError:
            assert truth.header is not None
            assert truth.header.broken or len(truth.header.fields) != len(dialect.names)
            return
        with copy.open(newline="", encoding="utf-8") as file:
            read = list(
                csv.reader(file, delimiter=table.delimiter, quotechar=table.quote, strict=True)
            )
    assert sorted(numbered.faults) == sorted(truth.broken)
    assert [tuple(record[1:]) for record in read] == [
        tuple(value or "" for value in row) for row in truth.rows
    ]
    assert numbered.records == len(truth.rows)


@given(table=st.one_of(tables(), damaged()))
@examples(daily=100, nightly=20_000)
def test_the_count_is_that_of_a_plain_reader_or_knows_that_it_may_not_be(table: Written) -> None:
    if not _is_text(table):
        return
    dialect = _dialect(table)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(table.data)
        count = csv_count.count(path, dialect)
    truth = table.plain(table.data.decode())
    records = truth.records if truth.header is None else [truth.header, *truth.records]
    if any(record.broken for record in records):
        assert not count.plain
    elif count.plain:
        kept = count.lines - (count.blank if len(dialect.names) > 1 else dialect.blank)
        if table.width == len(dialect.names):
            assert kept == len(records)
        assert count.delimiters == sum(len(record.fields) - 1 for record in records)


@given(table=tables())
@examples(daily=100, nightly=5_000)
def test_a_sound_file_is_plain_to_the_count(table: Written) -> None:
    if not _is_text(table):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(table.data)
        count = csv_count.count(path, _dialect(table))
    assert count.plain


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    ".csv": bytes,
    ".csv.gz": gzip.compress,
    ".csv.zst": zstandard.ZstdCompressor().compress,
}


def _loaded(table: Written, ending: str) -> tuple[Counter[plain_csv.Values], list[int], str, int]:
    """Read as publish does; return rows, lines of rejects, the encoding and how many columns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t{ending}"
        path.write_bytes(COMPRESSED[ending](table.data))
        source = opened(path, Path(folder), **table.options)
        try:
            rejects: Rejects = []
            rows = texts(source, rejects)
            legacy = any("not UTF-8" in note for note in source.table.notes)
            encoding = "windows-1252" if legacy else "utf-8"
            lines = sorted(reject.line for reject in rejects)
            return Counter(rows), lines, encoding, len(source.table.columns)
        finally:
            source.close()


@given(table=damaged(), ending=st.sampled_from(list(COMPRESSED)))
@examples(daily=30, nightly=3_000)
def test_a_damaged_file_gives_the_truth_rejects_with_lines_or_a_refusal(
    table: Written, ending: str
) -> None:
    try:
        rows, lines, encoding, width = _loaded(table, ending)
    except SourceError:
        return
    text = table.data.decode(encoding, "surrogateescape")
    truth = Written(b"", table.delimiter, table.quote, table.header, width).plain(text)
    undecodable = [
        record.line
        for record in truth.records
        if any("\udc80" <= c <= "\udcff" for value, _ in record.fields for c in value)
    ]
    expected = Counter(
        row
        for row in truth.rows
        if not any("\udc80" <= c <= "\udcff" for v in row for c in v or "")
    )
    assert rows == expected
    assert lines == sorted({*truth.broken, *undecodable})


KNOWN = {
    "a broken quote in the header": (b'"a"x,b\n1,2\n3,4\n', {("1", "2"), ("3", "4")}, []),
    "empty fields too many": (b"a,b\n1,2\n3,4,\n5,6\n", {("1", "2"), ("5", "6")}, [3]),
    "empty fields too many in between": (b"a,b\n3,4\n1,,2,\n", {("3", "4")}, [3]),
    "a comma at the end of a text": (b"a\nx\nHello,\n", {("x",)}, [3]),
    "broken quotes in two fields": (b'a,b\n1,x\n"y" z,"y" z\n', {("1", "x")}, [3]),
    "a quote that takes lines along": (b'a,b\n1,2\n3,"x\n4,5\n6,7"x\n', {("1", "2")}, [3, 4, 5]),
    "blanks around quotes": (b'a,b\n1, "x,y" \n2,z\n', {("1", "x,y"), ("2", "z")}, []),
}


@pytest.mark.parametrize(("data", "rows", "lines"), KNOWN.values(), ids=KNOWN)
def test_what_was_lost_before_is_a_row_or_a_reject(
    data: bytes, rows: set[plain_csv.Values], lines: list[int]
) -> None:
    found, rejected, *_ = _loaded(Written(data, ",", '"', header=True, width=0), ".csv")
    assert set(found) == rows
    assert rejected == lines


def test_a_header_whose_quote_never_ends_is_refused() -> None:
    with pytest.raises(SourceError, match=r"line 1: the names .* never ends"):
        _loaded(Written(b'a,"b\n1,2\n3,4\n', ",", '"', header=True, width=2), ".csv")


@given(table=tables(), ending=st.sampled_from(list(COMPRESSED)))
@examples(daily=20, nightly=1_000)
def test_a_sound_file_is_read_whole(table: Written, ending: str) -> None:
    if not _is_text(table):
        return
    rows, lines, *_ = _loaded(table, ending)
    assert rows == Counter(table.plain(table.data.decode()).rows)
    assert lines == []
