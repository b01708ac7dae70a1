"""The careful path: records with their lines, and the same values as the fast path."""

import csv
import io
import random
from pathlib import Path

import pytest

from myriad.sources.csv import dialect as csv_dialect
from myriad.sources.csv import records as csv_records
from myriad.sources.options import ReadOptions
from tests.csv_source import Rejects, Rows, by_python, opened, sortable, texts

SPLIT: dict[str, tuple[bytes, list[tuple[int, bytes]]]] = {
    "plain": (b"a,b\n1,2\n3,4\n", [(1, b"a,b"), (2, b"1,2"), (3, b"3,4")]),
    "no newline at the end": (b"a,b\n1,2", [(1, b"a,b"), (2, b"1,2")]),
    "windows": (b"a,b\r\n1,2\r\n", [(1, b"a,b"), (2, b"1,2")]),
    "a byte order mark": (b"\xef\xbb\xbfa,b\n1,2\n", [(1, b"a,b"), (2, b"1,2")]),
    "blank lines": (b"a,b\n\n\n1,2\n\n3,4\n", [(1, b"a,b"), (4, b"1,2"), (6, b"3,4")]),
    "a field over lines": (
        b'a,b\n1,"x\n\ny"\n3,4\n',
        [(1, b"a,b"), (2, b'1,"x\n\ny"'), (5, b"3,4")],
    ),
    "two fields over lines": (
        b'a,b\n"x\ny","z\nw"\n3,4\n',
        [(1, b"a,b"), (2, b'"x\ny","z\nw"'), (5, b"3,4")],
    ),
    "doubled quotes at a line's end": (
        b'a,b\n1,"x""\ny"\n3,4\n',
        [(1, b"a,b"), (2, b'1,"x""\ny"'), (4, b"3,4")],
    ),
    "a stray quote inside a field": (
        b'a,b\n1,x"y\n3,4\n',
        [(1, b"a,b"), (2, b'1,x"y'), (3, b"3,4")],
    ),
    "a quote that never closes": (b'a,b\n1,"x\n3,4\n', [(1, b"a,b"), (2, b'1,"x'), (3, b"3,4")]),
    "text after a closing quote": (
        b'a,b\n"x"y,2\n3,4\n',
        [(1, b"a,b"), (2, b'"x"y,2'), (3, b"3,4")],
    ),
    "old macintosh": (b'a,b\r1,"x\ry"\r3,4', [(1, b"a,b"), (2, b'1,"x\ry"'), (4, b"3,4")]),
    "bytes that are no text": (b"a,b\n\xff\x00,2\n", [(1, b"a,b"), (2, b"\xff\x00,2")]),
}


def split(data: bytes, folder: Path) -> list[tuple[int, bytes]]:
    path = folder / "t.csv"
    path.write_bytes(data)
    dialect = csv_dialect.detect(data, ReadOptions(), tabs=False)
    return [(record.line, record.raw) for record in csv_records.records(path, dialect, 1000)]


@pytest.mark.parametrize(("data", "expected"), SPLIT.values(), ids=SPLIT)
def test_records_stand_on_their_lines(
    data: bytes, expected: list[tuple[int, bytes]], tmp_path: Path
) -> None:
    assert split(data, tmp_path) == expected


def test_blank_lines_are_records_where_there_is_one_column(tmp_path: Path) -> None:
    assert split(b"a\n1\n\n2\n", tmp_path) == [(1, b"a"), (2, b"1"), (3, b""), (4, b"2")]


@pytest.mark.timeout(20)
def test_hostile_lines_are_split_in_linear_time(tmp_path: Path) -> None:
    for unit in (b'"', b'""', b'",', b',"', b'"x', b'x",""'):
        line = unit * (400_000 // len(unit))
        found = split(b"a,b\n" + line + b"\n1,2\n", tmp_path)
        assert b"\n".join(record for _, record in found).count(unit[:1]) >= len(line) // len(unit)


LETTERS = ["a", "7", ",", ";", '"', "\n", "\r\n", " ", "ü", "€", "'", "\\", "\t", "\\.", "NULL"]


def _random_records(random_: random.Random, rows: int, columns: int) -> list[list[str]]:
    def field() -> str:
        return "".join(random_.choice(LETTERS) for _ in range(random_.randrange(5)))

    # The first field keeps a record from being a blank line.
    return [[f"k{n}", *(field() for _ in range(columns - 1))] for n in range(rows)]


def _written(records: list[list[str]], delimiter: str, newline: str, *, quote_all: bool) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.writer(
        buffer,
        delimiter=delimiter,
        lineterminator=newline,
        quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL,
    )
    writer.writerows([[f"name {n}" for n in range(len(records[0]))], *records])
    return buffer.getvalue()


@pytest.mark.parametrize("seed", range(8))
def test_both_paths_read_what_python_reads(seed: int, tmp_path: Path) -> None:
    random_ = random.Random(seed)
    delimiter, newline = random_.choice(",;\t|"), random_.choice(["\n", "\r\n"])
    records = _random_records(random_, rows=500, columns=random_.randrange(2, 6))
    data = _written(records, delimiter, newline, quote_all=seed % 2 == 0)
    expected = sortable(by_python(data, delimiter))
    assert expected == sortable([tuple(record) for record in records])

    well_formed = tmp_path / "fast.csv"
    well_formed.write_text(data, encoding="utf-8", newline="")
    assert sortable(texts(opened(well_formed, tmp_path, delimiter=delimiter))) == expected

    broken = tmp_path / "careful.csv"
    broken.write_text(data + "too short", encoding="utf-8", newline="")
    rejects: Rejects = []
    rows = texts(opened(broken, tmp_path, delimiter=delimiter), rejects)
    assert sortable(rows) == expected
    line = data.count("\n") + 1
    assert [(r.line, r.raw) for r in rejects] == [(line, "too short")]
    assert f"1 field where {len(records[0])} are expected" in rejects[0].reason


BROKEN: dict[str, tuple[bytes, Rows, list[tuple[int, str, str]]]] = {
    "too few fields": (
        b"a,b,c\n1,2,3\n4,5\n6,7,8\n",
        [("1", "2", "3"), ("6", "7", "8")],
        [(3, "4,5", "2 fields where 3 are expected")],
    ),
    "too many fields": (
        b"a,b\n1,2\n3,4,5,6\n7,8\n",
        [("1", "2"), ("7", "8")],
        [(3, "3,4,5,6", "where 2 are expected")],
    ),
    "after a field over lines": (
        b'a,b\n1,"x\ny"\n3\n4,5\n',
        [("1", "x\ny"), ("4", "5")],
        [(4, "3", "1 field where 2 are expected")],
    ),
    "a NUL byte": (
        b"a,b\n1,x\0y\n3,4\n",
        [("3", "4")],
        [(2, r"1,x\x00y", "NUL byte at byte 4")],
    ),
    "bytes that are not UTF-8 among text that is": (
        "a,b\nü,ö\nß,ä\n1,".encode() + b"\xff\n3,4\n",
        [("ü", "ö"), ("ß", "ä"), ("3", "4")],
        [(4, r"1,\xff", "not UTF-8: byte 0xff at byte 3")],
    ),
    "text after a closing quote": (
        b'a,b\n1,2\n"x"y,2\n3,4\n',
        [("1", "2"), ("3", "4")],
        [(3, '"x"y,2', "")],
    ),
    "several at once": (
        b"a,b\n1\n2,3\n4,5,6\n\0,7\n8,9\n",
        [("2", "3"), ("8", "9")],
        [(2, "1", ""), (4, "4,5,6", ""), (5, r"\x00,7", "NUL")],
    ),
    "the first record": (b"a,b\n1\n2,3\n", [("2", "3")], [(2, "1", "")]),
    "all records": (b"a,b\n1\n2\n", [], [(2, "1", ""), (3, "2", "")]),
    "windows": (b"a,b\r\n1\r\n2,3\r\n", [("2", "3")], [(2, "1", "")]),
    "old macintosh": (b"a,b\r1\r2,3\r", [("2", "3")], [(2, "1", "")]),
    "blank lines before": (b"a,b\n\n\n1\n2,3\n", [("2", "3")], [(4, "1", "")]),
    "blank lines before the header": (b"\n\na,b\n1\n2,3\n", [("2", "3")], [(4, "1", "")]),
    "no header": (b"1,2\n3\n4,5\n", [("1", "2"), ("4", "5")], [(2, "3", "")]),
    "a quote that never closes": (
        b'a,b\n1,2\n3,"x\n4,5\n',
        [("1", "2")],
        [(3, '3,"x', "begins in line 3 and never ends"), (4, "4,5", "")],
    ),
    "a record of single quotes": (b"a,b\n'1','2'\n'3'\n", [("1", "2")], [(3, "'3'", "")]),
}


@pytest.mark.parametrize(("data", "rows", "expected"), BROKEN.values(), ids=BROKEN)
def test_broken_records_are_rejects_with_line_text_and_reason(
    data: bytes, rows: Rows, expected: list[tuple[int, str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    rejects: Rejects = []
    assert sorted(texts(opened(path, tmp_path), rejects)) == sorted(rows)
    rejects.sort(key=lambda reject: reject.line)
    assert [(r.line, r.raw) for r in rejects] == [(line, raw) for line, raw, _ in expected]
    for reject, (_, _, reason) in zip(rejects, expected, strict=True):
        assert reason in reject.reason
        assert reject.reason


@pytest.mark.parametrize("seed", range(6))
def test_every_record_is_a_row_or_a_reject(seed: int, tmp_path: Path) -> None:
    random_ = random.Random(seed)
    good = _random_records(random_, rows=300, columns=3)
    lines = [_written([record], ",", "\n", quote_all=False).split("\n", 1)[1] for record in good]
    bad = ["short\n", "a,b,c,d,e\n", "n\0l,1,2\n", '"x"y,1,2\n']
    for _ in range(20):
        lines.insert(random_.randrange(len(lines)), random_.choice(bad))
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n" + "".join(lines), newline="")
    rejects: Rejects = []
    source = opened(path, tmp_path)
    rows = texts(source, rejects)
    assert sortable(rows) == sortable([tuple(record) for record in good])
    assert len(rejects) == 20
    assert source.records == 320
    text = path.read_bytes().decode().split("\n")
    for reject in rejects:
        assert text[reject.line - 1].replace("\0", r"\x00") == reject.raw


@pytest.mark.parametrize("size", [3_000_000, 9_000_000])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_last_record_longer_than_any_buffer_is_not_lost(
    size: int, end: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"a,b\n1,x\n2,{'y' * size}{end}")
    rows = texts(opened(path, tmp_path))
    assert [(one, len(two or "")) for one, two in rows] == [("1", 1), ("2", size)]
