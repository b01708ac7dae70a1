"""One ceiling of memory holds whatever a file has very many of, or one of that is very long."""

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import bson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import measure
from myriad.errors import SourceError
from myriad.sources.base import Workspace
from myriad.sources.jsonl.records import is_heavy
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions
from tests.apart import stay_here

MANY = 360_000
MB = 1 << 20
# Reads each file whole, and writes into the file of its first argument what came of it.
READ = r"""
import sys, tempfile
from pathlib import Path
from myriad.errors import MyriadError
from myriad.machine.libraries import load_less
from myriad.sources.base import TypeMismatch, Workspace
from myriad.sources.options import ReadOptions
from myriad.sources.open import open_sources

def rows(source):
    for _ in range(3):
        rejects = []
        try:
            types = [column.type for column in source.table.columns]
            read = sum(batch.num_rows for batch in source.read(types, rejects.append))
            return f"{read} rows, {[reject.reason for reject in rejects][:1]}"
        except TypeMismatch:
            source.prove()

load_less()
sys.stdout = open(sys.argv[1], "w")
for name in sys.argv[2:]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            workspace = Workspace.within(Path(folder), 400)
            for source in open_sources([name], lambda _: ReadOptions(), workspace)[:1]:
                print(Path(name).name, rows(source))
                source.close()
        except MyriadError as error:
            print(Path(name).name, error, error.hint)
"""


def _pairs(count: int = MANY) -> str:
    return ",".join(f'"k{n}":{n}' for n in range(count))


def _wide(path: Path) -> None:
    pq.write_table(pa.table({f"c{n}": pa.array([1], pa.int8()) for n in range(5_001)}), path)


def _long_cell(path: Path) -> None:
    with closing(sqlite3.connect(path)) as con:
        con.execute("CREATE TABLE t (a)")
        con.execute("INSERT INTO t VALUES (zeroblob(20000000))")
        con.commit()


FAMILY: dict[str, tuple[Callable[[Path], object], str]] = {
    "keys.jsonl": (lambda path: path.write_text(f"{{{_pairs()}}}\n"), "more than 150 MB"),
    "inner_keys.json": (lambda p: p.write_text(f'[{{"a":{{{_pairs()}}}}}]'), "more than 150 MB"),
    "objects.json": (
        lambda path: path.write_text('[{"a":[' + ",".join(['{"a":1}'] * MANY) + "]}]"),
        "more than 150 MB",
    ),
    "columns.jsonl": (
        lambda path: path.write_text("".join(f'{{"k{n}":1}}\n' for n in range(MANY))),
        "more than 1,600 different keys",
    ),
    "attributes.xml": (
        lambda p: p.write_text("<r><a " + " ".join(f'k{n}=""' for n in range(MANY)) + "/></r>"),
        "5,000 can be read",
    ),
    "kinds.xml": (
        lambda path: path.write_text("<r>" + "".join(f"<k{n}/>" for n in range(MANY)) + "</r>"),
        "too many kinds of elements",
    ),
    "keys.bson": (
        lambda path: path.write_bytes(bson.encode({f"k{n}": n for n in range(MANY)})),
        "more than 150 MB",
    ),
    "header.csv": (
        lambda path: path.write_text(",".join(f"k{n}" for n in range(MANY)) + "\n"),
        "5,000 can be read",
    ),
    "wide.parquet": (_wide, "5,000 can be read"),
    "cell.csv": (
        lambda path: path.write_text("a,b\n1," + "x" * (20 * MB) + "\n"),
        "more than 19,660,800 bytes",
    ),
    "cell.jsonl": (
        lambda path: path.write_text('{"a":"' + "x" * (20 * MB) + '"}\n'),
        "longer than 19,660,800 bytes",
    ),
    "cell.db": (_long_cell, "longer than memory allows"),
    "depth.json": (
        lambda path: path.write_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}"),
        "line 1",
    ),
    "depth.xml": (
        lambda path: path.write_text("<a>" * 100_000 + "</a>" * 100_000),
        "nested more than 200 levels deep",
    ),
}


def test_very_many_of_anything_is_refused_below_the_ceiling(tmp_path: Path) -> None:
    for name, (make, _) in FAMILY.items():
        make(tmp_path / name)
    told = tmp_path / "told"
    run = measure.run([sys.executable, "-c", READ, told, *(tmp_path / name for name in FAMILY)])
    for (name, (_, outcome)), line in zip(
        FAMILY.items(), told.read_text().splitlines(), strict=True
    ):
        assert line.startswith(name)
        assert outcome in line
    assert run.peak <= 400 * MB, f"{run.peak / MB:.0f} MB"


@pytest.mark.nightly(
    daily="tests/unit/test_source_ceiling.py::test_very_many_of_anything_is_refused_below_the_ceiling"
)
def test_a_line_without_end_is_rewritten_in_pieces(tmp_path: Path) -> None:
    with (path := tmp_path / "line.csv").open("wb") as file:
        file.write(b"a||b\n1||2\n1||2\n3||")
        for _ in range(130):
            file.write(b"x" * MB)
    told = tmp_path / "told"
    run = measure.run([sys.executable, "-c", READ, told, path])
    assert "2 rows, ['the record has more than 19,660,800 bytes']" in told.read_text()
    assert run.peak <= 400 * MB, f"{run.peak / MB:.0f} MB"


def test_text_is_weighed_by_what_it_becomes_not_by_marks_within_its_strings() -> None:
    marks = '{"a":"' + ":{," * 500_000 + '"}'
    assert not is_heavy(marks, 20 * MB)
    assert is_heavy("[" + '{"a":1},' * 500_000, 20 * MB)
    assert not is_heavy("[" + '{"a":1},' * 500, 20 * MB)


@pytest.mark.parametrize("nested", ["columns", "tables"])
def test_names_without_end_are_refused_when_they_are_taken_apart(
    nested: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stay_here(monkeypatch)
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"a":{{"k{n}":1}}}}\n' for n in range(6_000)))
    options = ReadOptions(nested=nested)
    with pytest.raises(SourceError, match="more than 1,600 different keys"):
        open_sources([path], lambda _: options, Workspace(tmp_path, 150))
