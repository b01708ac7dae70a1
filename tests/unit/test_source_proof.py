"""Every record is counted apart from its reader, and a file that changes meanwhile is refused."""

import gzip
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from myriad.errors import SourceError
from myriad.sources.base import Changed, TableSource, Workspace
from myriad.sources.jsonl import count as jsonl_count
from myriad.sources.jsonl import records as jsonl_records
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions

MB = 1 << 20


def _opened(path: Path) -> list[TableSource]:
    return open_sources([path], lambda _: ReadOptions(), Workspace(path.parent, 150))


def _overwritten(path: Path) -> None:
    status = path.stat()
    data = path.read_bytes()
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def _small_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as con:
        con.execute("CREATE TABLE t (a, b)")
        con.execute("INSERT INTO t VALUES (1, 2)")
        con.commit()


FORMATS: dict[str, Callable[[Path], object]] = {
    "t.csv": lambda path: path.write_text("a,b\n1,x\n2,y\n"),
    "t.csv.gz": lambda path: path.write_bytes(gzip.compress(b"a,b\n1,x\n2,y\n")),
    "t.jsonl": lambda path: path.write_text('{"a":1}\n{"a":2}\n'),
    "t.json": lambda path: path.write_text('[{"a":1},{"a":2}]'),
    "t.parquet": lambda path: pq.write_table(pa.table({"a": [1, 2]}), path),
    "t.db": _small_database,
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_overwritten_while_it_is_read_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    FORMATS[name](path)
    (source,) = _opened(path)
    types = [column.type for column in source.table.columns]
    assert sum(batch.num_rows for batch in source.read(types, None)) > 0  # and while it is not
    reading = source.read(types, None)
    next(reading)
    _overwritten(path)
    with pytest.raises(Changed, match="was written to while it was read"):
        list(reading)
    source.close()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.jsonl", '{"a":1}\n{"a":2}\n{"a":3}\n'),
        ("t.json", '[{"a":1},{"a":2},{"a":3}]'),
    ],
)
def test_a_reader_that_leaves_out_a_record_is_found_out(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(text)
    (source,) = _opened(tmp_path / name)
    add, parsed = jsonl_records.Chunk.add, jsonl_records.Lines.parsed

    def leaky(self: jsonl_records.Chunk, line: int, raw: str, record: dict[str, int]) -> None:
        if record["a"] != 2:
            add(self, line, raw, record)

    def leaky_at_once(self: jsonl_records.Lines, chunk: jsonl_records.Chunk) -> None:
        parsed(self, chunk)
        for each in (chunk.records, chunk.raws, chunk.lines):
            del each[1]

    monkeypatch.setattr(jsonl_records.Chunk, "add", leaky)
    monkeypatch.setattr(jsonl_records.Lines, "parsed", leaky_at_once)
    with pytest.raises(SourceError, match="it holds 3 records, and 2 came"):
        list(source.read([source.table.columns[0].type], None))
    source.close()


JSON_TEXTS = ["", "a", '"', "\\", '\\"', "[", "]", "{", ",", "\\\\", "ü", "\n"]


@pytest.mark.parametrize("chunk", [64, 128, MB])
def test_elements_of_an_array_are_counted_without_parsing(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl_count, "CHUNK", chunk)
    path = tmp_path / "t.json"
    for count in range(40):
        values = [
            {JSON_TEXTS[(count + n) % 12] * (n % 5): [JSON_TEXTS[n % 12], {"a": n}]}
            for n in range(count)
        ]
        for indent in (None, 1):
            path.write_text(
                "\ufeff" + json.dumps(values, indent=indent, ensure_ascii=count % 2 == 0)
            )
            assert jsonl_count.elements(path, lambda: False) == count
        path.write_text("\n".join(json.dumps(v) + "\n" * (n % 3) for n, v in enumerate(values)))
        assert jsonl_count.lines(path, lambda: False) == count
