"""Files that were made to do harm, or are damaged: bounded memory and time, and a clear refusal."""

import gzip
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from myriad.errors import SourceError, UsageError
from myriad.sources.base import TableSource, Workspace
from myriad.sources.jsonl import records as jsonl_records
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions
from tests.csv_source import texts

MB = 1 << 20
# Reads the file of its first argument whole; prints what came of it and its peak in MB.
READ = r"""
import re, sys, tempfile
from pathlib import Path
from myriad.machine.libraries import load_less
load_less()  # as the command does: while pyarrow loads it, Ctrl-C is lost
from myriad.errors import MyriadError
from myriad.sources.base import TypeMismatch, Workspace
from myriad.sources.options import ReadOptions
from myriad.sources.open import open_sources

def rows(source):
    for _ in range(3):
        rejects = []
        try:
            types = [column.type for column in source.table.columns]
            return sum(batch.num_rows for batch in source.read(types, rejects.append)), len(rejects)
        except TypeMismatch:
            source.prove()

with tempfile.TemporaryDirectory() as folder:
    print("begins", flush=True)
    try:
        workspace = Workspace(Path(folder), 150)
        opened = open_sources(sys.argv[1:], lambda _: ReadOptions(), workspace)
        print([rows(source) for source in opened][:3])
    except MyriadError as error:
        print(type(error).__name__, error, error.hint)
print(int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) >> 10)
"""


def _read_apart(*paths: Path) -> tuple[str, int]:
    """Read files in a process of their own; return what came of it and its peak in MB."""
    command = [sys.executable, "-c", READ, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    _, *said, peak = done.stdout.splitlines()
    return "\n".join(said), int(peak)


def _opened(path: Path, **options: str) -> list[TableSource]:
    read = ReadOptions(**options)  # type: ignore[arg-type]
    return open_sources([path], lambda _: read, Workspace(path.parent, 150))


def _zeros_of_zstd(path: Path) -> None:
    compressor = zstandard.ZstdCompressor().compressobj()
    with path.open("wb") as file:
        for _ in range(1500):
            file.write(compressor.compress(bytes(MB)))
        file.write(compressor.flush())


def _one_long_line_of_commas(path: Path) -> None:
    path.write_bytes(b"," * (30 * MB))


def _a_stray_quote(path: Path) -> None:
    path.write_bytes(b'a,b\n1,2\n3,"x\n' + b"4,5\n" * (3 * MB))


def _one_value_10000_times(path: Path) -> None:
    values = pa.DictionaryArray.from_arrays(pa.array([0] * 10_000, pa.int32()), ["x" * 10**7])
    pq.write_table(pa.table({"a": values}), path, compression="zstd")


def _generated_gigabyte(path: Path) -> None:
    with closing(sqlite3.connect(path)) as con:
        con.execute("CREATE TABLE t (a, b AS (hex(zeroblob(400000000))))")
        con.execute("INSERT INTO t VALUES (1)")
        con.commit()


def _shared_pages(path: Path) -> None:
    """A table of a few pages, each of which leads to the next one again and again."""
    with closing(sqlite3.connect(path)) as con:
        con.executescript("PRAGMA page_size = 512; CREATE TABLE t (a)")
        con.executemany("INSERT INTO t VALUES (?)", [("x" * 100,)] * 120)
        con.commit()
        (root,) = con.execute("SELECT rootpage FROM sqlite_schema").fetchone()
    data = path.read_bytes()
    pages = [bytearray(data[at : at + 512]) for at in range(0, len(data), 512)]
    inner = pages[root - 1]
    assert inner[0] == 5  # an interior page of a table: https://www.sqlite.org/fileformat.html
    leaf = int.from_bytes(inner[8:12], "big")
    levels = [root, *range(len(pages) + 1, len(pages) + 8), leaf]
    pages += [bytearray(inner) for _ in levels[1:-1]]
    for number, below in pairwise(levels):
        page = pages[number - 1]
        cells = int.from_bytes(page[3:5], "big")
        places = (int.from_bytes(page[12 + 2 * n : 14 + 2 * n], "big") for n in range(cells))
        for at in (8, *places):
            page[at : at + 4] = below.to_bytes(4, "big")
    pages[0][28:32] = len(pages).to_bytes(4, "big")
    path.write_bytes(b"".join(pages))


BOMBS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "zeros of zstd": ("t.csv.zst", _zeros_of_zstd, "no table is so alike"),
    "a line of commas": ("t.csv", _one_long_line_of_commas, "5,000 can be read"),
    "a stray quote": ("t.csv", _a_stray_quote, "in line 3: a quoted field begins in line 3"),
    "one value 10,000 times": ("t.parquet", _one_value_10000_times, "no table is so alike"),
    "a generated value": ("t.db", _generated_gigabyte, "longer than memory allows"),
}


@pytest.mark.nightly(by_day=["zeros of zstd", "one value 10,000 times"])
@pytest.mark.parametrize(("name", "make", "said"), BOMBS.values(), ids=BOMBS)
def test_a_small_file_that_stands_for_much_is_refused_in_little_memory(
    name: str, make: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    make(tmp_path / name)
    found, peak = _read_apart(tmp_path / name)
    assert said in found
    assert peak < 450


def test_rows_that_do_not_fit_into_memory_are_refused(tmp_path: Path) -> None:
    table = pa.table({"a": [b"x" * (20 * MB)]})
    pq.write_table(table, tmp_path / "t.parquet", compression="zstd", use_dictionary=False)
    with pytest.raises(SourceError, match="its rows have about 20,97"):
        _opened(tmp_path / "t.parquet")


def test_pages_that_many_share_are_refused(tmp_path: Path) -> None:
    _shared_pages(tmp_path / "t.db")
    with pytest.raises(SourceError, match="more rows than its"):
        _opened(tmp_path / "t.db")


def test_gzip_is_unpacked_piece_by_piece(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * (10 * MB), 1))
    found, peak = _read_apart(tmp_path / "t.csv.gz")
    assert f"({10 * MB}, 0)" in found
    assert peak < 450


def test_many_files_are_opened_in_little_memory(tmp_path: Path) -> None:
    paths = [tmp_path / f"t{number}.csv" for number in range(60)]
    for path in paths:
        path.write_text("a,b\n1,x\n2,y\n")
    found, peak = _read_apart(*paths)
    assert found == "[(2, 0), (2, 0), (2, 0)]"
    assert peak < 300


def test_many_files_of_parquet_are_not_open_all_the_time(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "t.parquet")
    before = len(list(Path("/proc/self/fd").iterdir()))
    sources = [source for _ in range(20) for source in _opened(tmp_path / "t.parquet")]
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 10
    for source in sources:
        source.close()


@pytest.mark.timeout(60)
def test_an_object_with_a_key_twice_among_very_many_is_named_at_once() -> None:
    keys = ",".join(f'"k{number}":1' for number in range(100_000))
    with pytest.raises(jsonl_records.Broken, match="'k99999' stands twice"):
        jsonl_records.parse("{" + keys + ',"k99999":2}')


@pytest.mark.nightly(by_day=["lines-both", "array-both"])
@pytest.mark.timeout(60)
@pytest.mark.parametrize("blank", [b" ", b"\n", b"\t\r\n"], ids=["blanks", "lines", "both"])
@pytest.mark.parametrize("record", [b'{"a":1}\n', b'[{"a":1}]'], ids=["lines", "array"])
def test_blanks_without_end_before_json_are_passed_by_at_once(
    blank: bytes, record: bytes, tmp_path: Path
) -> None:
    (tmp_path / "t.json").write_bytes(blank * (30 * MB // len(blank)) + record)
    (source,) = _opened(tmp_path / "t.json")
    assert sum(b.num_rows for b in source.read([source.table.columns[0].type], None)) == 1
    source.close()


@pytest.mark.timeout(60)
def test_a_file_of_scalars_is_refused_without_reading_them_all(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(b"1\n" * (10 * MB))
    with pytest.raises(SourceError, match="line 1: not an object"):
        _opened(tmp_path / "t.json")


def test_json_that_is_too_deep_is_a_reject(tmp_path: Path) -> None:
    deep = "[" * 490 + "]" * 490
    (tmp_path / "t.jsonl").write_text('{"a":[1]}\n{"a":%s}\n' % deep)  # noqa: UP031
    (source,) = _opened(tmp_path / "t.jsonl")
    rejects: list[object] = []
    types = [column.type for column in source.table.columns]
    assert sum(batch.num_rows for batch in source.read(types, rejects.append)) == 1
    assert "nested more than 200 levels deep" in str(rejects)
    source.close()


def test_blank_lines_without_end_before_csv_are_passed_by(tmp_path: Path) -> None:
    for newline in ("\n", "\r\n", "\r"):
        text = newline * (2 * MB) + f"a,b{newline}1,2{newline}"
        (tmp_path / "t.csv").write_bytes(text.encode())
        (source,) = _opened(tmp_path / "t.csv")
        assert texts(source) == [("1", "2")]
        source.close()


def test_a_footer_that_says_other_than_the_row_groups_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": list(range(99))}), path)
    data = path.read_bytes()
    # The footer's num_rows (field 3, i64, zigzag: 198) stands behind the schema, as its own varint.
    footer = data[:-8][-int.from_bytes(data[-8:-4], "little") :]
    mended = footer.replace(b"\x16\xc6\x01\x19", b"\x16\xc4\x01\x19", 1)
    assert mended != footer
    path.write_bytes(data.replace(footer, mended))
    with pytest.raises(SourceError, match="its footer contradicts itself"):
        _opened(path)


@pytest.mark.parametrize("encoding", ["rot13", "hex", "none-such", "base64"])
def test_what_is_no_encoding_of_text_is_refused(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="there is no encoding"):
        _opened(tmp_path / "t.csv", encoding=encoding)


@pytest.mark.parametrize("options", [{"delimiter": '"'}, {"delimiter": "\n"}, {"quote": "ab"}])
def test_a_delimiter_that_cannot_be_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        ReadOptions(**options)  # type: ignore[arg-type]


def test_a_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a\0b,c\n1,2\n")
    with pytest.raises(SourceError, match="holds a NUL"):
        _opened(tmp_path / "t.csv")


def test_a_quote_that_was_chosen_is_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n'1,5','x'\n")
    (source,) = _opened(tmp_path / "t.csv")
    assert "quote '" in source.table.notes[0]
    source.close()


def test_what_would_move_a_terminal_is_escaped_in_names(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31mb.csv"
    path.write_text("a,b\n1,2\n")
    (source,) = _opened(path)
    assert source.origin.endswith(r"a\x1b[31mb.csv")
    source.close()


def test_a_closed_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SourceError, match="standard input is closed"):
        _opened(Path("-"))


def test_foreign_keys_that_take_too_long_to_check_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("myriad.sources.sqlite.schema.ORPHANS_SECONDS", 0.2)
    with closing(sqlite3.connect(tmp_path / "t.db")) as con:
        con.execute("CREATE TABLE p (k TEXT PRIMARY KEY)")
        con.execute("CREATE TABLE c (k INTEGER REFERENCES p (k))")
        con.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
            " INSERT INTO p SELECT i || 'x' FROM n"
        )
        con.execute("INSERT INTO c SELECT rowid FROM p")
        con.commit()
    sources = _opened(tmp_path / "t.db")
    assert any("could not be told" in str(source.table.notes) for source in sources)
    for source in sources:
        source.close()


def _slow_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as con:
        con.execute("CREATE TABLE t (a, b)")
        con.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000)"
            " INSERT INTO t SELECT i, 'x' || i FROM n"
        )
        con.commit()


SLOW: dict[str, Callable[[Path], object]] = {
    "t.db": _slow_database,
    "t.csv": lambda path: path.write_bytes(b"a,b\n" + b'1,"x ""y"" z"\n' * (8 * MB)),
    "t.jsonl": lambda path: path.write_bytes(b'{"a":1,"b":"x"}\n' * (4 * MB)),
}


@pytest.mark.parametrize("name", SLOW)
def test_ctrl_c_ends_the_reading_soon(name: str, tmp_path: Path) -> None:
    SLOW[name](tmp_path / name)
    command = [sys.executable, "-c", READ, str(tmp_path / name)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.5)  # somewhere within; it takes several seconds
        child.send_signal(signal.SIGINT)
        began = time.monotonic()
        child.wait(20)
        assert time.monotonic() - began < 5
    assert child.returncode != 0
