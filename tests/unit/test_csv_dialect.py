"""How a CSV file is written, worked out from its beginning."""

import gzip
from pathlib import Path

import pytest
import zstandard

from myriad.errors import SourceError
from myriad.sources.csv import dialect as csv_dialect
from myriad.sources.options import ReadOptions
from tests.csv_source import Rejects, by_python, opened, sortable, texts

WITH_HEADER = {
    "commas": ("a,b\n1,2\n", ",", '"', ("a", "b")),
    "semicolons": ("a;b\n1,5;2,5\n", ";", '"', ("a", "b")),
    "tabs": ("a\tb\n1,2\t3\n", "\t", '"', ("a", "b")),
    "pipes": ("a|b\n1|2\n", "|", '"', ("a", "b")),
    "semicolons in fields": ('a,b\n"1;2;3",x\n"4;5;6",y\n', ",", '"', ("a", "b")),
    "single quotes": ("a,b\n'1,5','x'\n'2,5','y'\n", ",", "'", ("a", "b")),
    "an apostrophe is no quote": ("a,b\nit's,won't\n", ",", '"', ("a", "b")),
    "one column": ("name\nx\ny\n", ",", '"', ("name",)),
    "a header alone": ("a,b\n", ",", '"', ("a", "b")),
    "a header without its newline": ("a,b", ",", '"', ("a", "b")),
    "names with numbers in them": ("id,2nd,3rd\n1,2,3\n", ",", '"', ("id", "2nd", "3rd")),
    "years as names": ("country,2019,2020\nx,1,2\n", ",", '"', ("country", "2019", "2020")),
    "empty names": ("a,,\n1,2,3\n", ",", '"', ("a", "column_2", "column_3")),
    "equal names": ("a,a\n1,2\n", ",", '"', ("a", "a")),
    "quoted names": ('"a,b","c ""d"""\n1,2\n', ",", '"', ("a,b", 'c "d"')),
    "a newline in a name": ('"a\nb",c\n1,2\n', ",", '"', ("a\nb", "c")),
    "a byte order mark": ("\ufeffa,b\n1,2\n", ",", '"', ("a", "b")),
    "blank lines first": ("\n\na,b\n1,2\n", ",", '"', ("a", "b")),
}


@pytest.mark.parametrize(
    ("data", "delimiter", "quote", "names"), WITH_HEADER.values(), ids=WITH_HEADER
)
def test_the_dialect_is_worked_out(
    data: str, delimiter: str, quote: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    dialect = csv_dialect.detect(data.encode(), ReadOptions(), tabs=False)
    assert (dialect.delimiter, dialect.quote, dialect.header) == (delimiter, quote, True)
    assert dialect.names == names
    path = tmp_path / "t.csv"
    path.write_text(data, newline="")
    source = opened(path, tmp_path)
    expected = by_python(data.removeprefix("\ufeff"), delimiter, quote)
    assert sortable(texts(source)) == sortable(expected)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("tab", r"the delimiter 'tab' occurs nowhere: one column; a tab is \t"),
        (";", "the delimiter ';' occurs nowhere: one column"),
        (",", ""),
    ],
)
def test_a_delimiter_that_occurs_nowhere_is_told_of(said: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    notes = opened(path, tmp_path, delimiter=said).table.notes
    assert [note for note in notes if "nowhere" in note] == [told][: bool(told)]
    assert "fields are separated" not in " ".join(notes)


WITHOUT = {
    "numbers": "1,2\n3,4\n",
    "years in all columns": "2019,2020\n1,2\n",
    "one year and a name": "x,2019\ny,2020\n",
    "equal years": "x,2019,2019\ny,1,2\n",
    "dates": "x,2024-01-01\ny,2024-01-02\n",
    "flags": "x,true\ny,false\n",
    "UUIDs": "x,6ba7b810-9dad-11d1-80b4-00c04fd430c8\n",
    "decimals": "x,1.5\ny,2.5\n",
}


@pytest.mark.parametrize("data", WITHOUT.values(), ids=WITHOUT)
def test_a_first_record_with_values_is_no_header(data: str, tmp_path: Path) -> None:
    dialect = csv_dialect.detect(data.encode(), ReadOptions(), tabs=False)
    assert not dialect.header
    assert dialect.names == tuple(f"column_{n + 1}" for n in range(len(dialect.names)))
    path = tmp_path / "t.csv"
    path.write_text(data)
    source = opened(path, tmp_path)
    assert sortable(texts(source)) == sortable(by_python(data, header=False))


def test_what_a_person_says_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("~a;b~,c\n~d;e~,-\n")
    source = opened(path, tmp_path, delimiter=",", quote="~", header=False, nulls=("", "-"))
    assert sorted(texts(source), key=str) == [("a;b", "c"), ("d;e", None)]


def test_a_file_called_tsv_has_tabs(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("a,b\n1,2\n")
    assert texts(opened(path, tmp_path)) == [("1,2",)]


NEWLINES = {
    "unix": "a,b\n1,x\n2,y\n",
    "windows": "a,b\r\n1,x\r\n2,y\r\n",
    "old macintosh": "a,b\r1,x\r2,y\r",
    "none at the end": "a,b\r\n1,x\r\n2,y",
    "old macintosh, none at the end": "a,b\r1,x\r2,y",
    "unix and windows mixed": "a,b\r\n1,x\n2,y\r\n",
    "windows in quoted fields": 'a,b\n1,"x\r\nz"\n2,y\n',
    "old macintosh with quoted fields": 'a,b\r1,"x\rz"\r2,y\r',
    "unix in quoted fields of windows": 'a,b\r\n1,"x\nz"\r\n2,y\r\n',
    "blank lines": "a,b\n\n1,x\n\n\n2,y\n\n",
    "blank lines of windows": "a,b\r\n\r\n1,x\r\n\r\n2,y\r\n\r\n",
}


@pytest.mark.parametrize("data", NEWLINES.values(), ids=NEWLINES)
def test_every_kind_of_newline_ends_a_record(data: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(data, newline="")
    assert sortable(texts(opened(path, tmp_path))) == sortable(by_python(data))


TEXT = 'name;town\n"Jörg ""J"" Weiß";Zürich\nÅsa;Malmö\n'
ENCODINGS = {
    "utf-8": TEXT.encode(),
    "utf-8 with a mark": TEXT.encode("utf-8-sig"),
    "utf-16 with a mark": TEXT.encode("utf-16"),
    "utf-16-le": TEXT.encode("utf-16-le"),
    "utf-16-le with a mark": ("\ufeff" + TEXT).encode("utf-16-le"),
    "utf-16-be": TEXT.encode("utf-16-be"),
    "utf-16-be with a mark": ("\ufeff" + TEXT).encode("utf-16-be"),
    "utf-32 with a mark": TEXT.encode("utf-32"),
    "latin-1": TEXT.encode("latin-1"),
}


@pytest.mark.parametrize("data", ENCODINGS.values(), ids=ENCODINGS)
def test_encodings_are_recognised(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    source = opened(path, tmp_path)
    assert [column.original for column in source.table.columns] == ["name", "town"]
    assert sortable(texts(source)) == sortable(by_python(TEXT, ";"))


def test_an_encoding_that_is_named_wins(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("a,b\nж,я\n".encode("koi8-r"))
    assert texts(opened(path, tmp_path, encoding="koi8-r")) == [("ж", "я")]


def test_a_wrong_encoding_is_an_error_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n\xff\xfe,x\n")
    with pytest.raises(SourceError, match="this is not ascii"):
        opened(path, tmp_path, encoding="ascii")
    with pytest.raises(SourceError, match="no encoding 'klingon'") as caught:
        opened(path, tmp_path, encoding="klingon")
    assert "utf-16" in caught.value.hint


def test_legacy_encodings_beyond_the_beginning_are_found_at_once(tmp_path: Path) -> None:
    lines = [f"{n},plain ascii\n" for n in range(100_000)]
    data = "id,t\n" + "".join(lines) + "100000,Größe\n"
    path = tmp_path / "t.csv"
    path.write_bytes(data.encode("latin-1"))
    source = opened(path, tmp_path)
    assert any("not UTF-8" in note for note in source.table.notes)
    rows = texts(source)
    assert len(rows) == 100_001
    assert ("100000", "Größe") in rows


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_compressed_files_of_several_members_are_read_whole(ending: str, tmp_path: Path) -> None:
    press = gzip.compress if ending == "gz" else zstandard.ZstdCompressor().compress
    path = tmp_path / f"t.csv.{ending}"
    path.write_bytes(press(b"a,b\n1,2\n") + press(b"3,4\n"))
    source = opened(path, tmp_path)
    assert source.table.name == "t"
    assert sorted(texts(source)) == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize("ending", ["gz", "zst"])
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_compressed_file_that_is_cut_short_is_an_error(
    ending: str, keep: float, tmp_path: Path
) -> None:
    press = gzip.compress if ending == "gz" else zstandard.ZstdCompressor().compress
    whole = press(b"".join(b"%d,%d\n" % (n, n * n) for n in range(5000)))
    path = tmp_path / f"t.csv.{ending}"
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(SourceError, match="cut short or broken"):
        opened(path, tmp_path)


def test_a_compressed_file_with_a_flipped_bit_is_an_error(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(b"".join(b"%d,%d\n" % (n, n * n) for n in range(5000))))
    whole[len(whole) // 2] ^= 1
    path = tmp_path / "t.csv.gz"
    path.write_bytes(whole)
    with pytest.raises(SourceError, match="cut short or broken"):
        opened(path, tmp_path)


NOT_TEXT = {
    "a PNG image": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "a JPEG image": b"\xff\xd8\xff\xe0" + bytes(100),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3",
    "the archive is cut short": b"PK\x03\x04" + bytes(40),
    "the compressed file is cut short": b"\xfd7zXZ\x00" + bytes(40),
    "not text": bytes(range(256)) * 20,
}


@pytest.mark.parametrize(("said", "data"), NOT_TEXT.items(), ids=NOT_TEXT)
def test_what_is_no_text_is_named(said: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=said):
        opened(path, tmp_path)


@pytest.mark.parametrize(
    "data", [b"", b"\n\n\n", b"  \n\t\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"]
)
def test_an_empty_file_is_an_error(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with pytest.raises(SourceError, match="the file is empty"):
        opened(path, tmp_path)


HOSTILE_FOLDERS = ["a[b]*?", "x=1", "it's", 'q"q', "täst \n", "%s{}"]


@pytest.mark.parametrize("name", HOSTILE_FOLDERS)
def test_names_of_folders_are_just_names(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    path = folder / f"{name} t.csv"
    path.write_text("a,b\n1,2\n")
    work = folder / "work"
    work.mkdir()
    source = opened(path, work)
    assert texts(source) == [("1", "2")]
    assert len(source.table.columns) == 2


SKIPPED = {
    "lines": (b'Report of today\n"odd,quote\n\nid,v\n1,x\n2,y\n', 3),
    "windows": (b"Report\r\nof today\r\nid,v\r\n1,x\r\n2,y\r\n", 2),
    "old macintosh": (b"Report\rof today\rid,v\r1,x\r2,y\r", 2),
    "a mark, and nothing to skip but a line": (b"\xef\xbb\xbfReport\nid,v\n1,x\n2,y\n", 1),
    "more than a buffer": (b"#" * 3_000_000 + b"\nid,v\n1,x\n2,y\n", 1),
}


@pytest.mark.parametrize(("data", "skip"), SKIPPED.values(), ids=SKIPPED)
def test_lines_before_the_header_are_skipped(tmp_path: Path, data: bytes, skip: int) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    source = opened(path, tmp_path, skip=skip)
    assert [column.name for column in source.table.columns] == ["id", "v"]
    assert texts(source) == [("1", "x"), ("2", "y")]


def test_rejects_have_their_line_also_where_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"Report\n\nid,v\n1,x\n2\n")
    rejects: Rejects = []
    assert texts(opened(path, tmp_path, skip=1), rejects) == [("1", "x")]
    assert [reject.line for reject in rejects] == [5]


def test_a_file_that_is_skipped_whole_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(SourceError, match="empty"):
        opened(path, tmp_path, skip=5)


NO_TABLES = {
    "an HTML page": (b"<!DOCTYPE html>\n<html><head><title>503, sorry</title>", "'503, sorry'"),
    "a bare page": (b"\n <HTML><body>Service Unavailable</body></html>", "an HTML page"),
    "XML": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
    "a JSON error": (b'{"error": "expired", "code": 401}\n', "JSON"),
    "one line of words": (b"Internal Server Error\n", "one line of text, 'Internal Server Error'"),
}


@pytest.mark.parametrize(("data", "said"), NO_TABLES.values(), ids=NO_TABLES)
def test_what_is_no_table_is_named_unless_a_person_insists(
    tmp_path: Path, data: bytes, said: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=said) as caught:
        opened(path, tmp_path)
    assert "--delimiter" in caught.value.hint
    assert opened(path, tmp_path, delimiter=",").table.columns
