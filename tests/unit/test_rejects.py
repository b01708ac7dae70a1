"""The files of rejected records: kept for a time, and no longer."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from myriad.errors import TooManyRejects
from myriad.model import TEXT, Kind, Reject, Type
from myriad.publish.rejects import KEEP_DAYS, Rejects
from myriad.sources.base import TypeMismatch, Workspace
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions


def test_files_of_rejects_go_when_they_are_old(tmp_path: Path) -> None:
    now = time.time()
    for name, days in (("old", KEEP_DAYS + 1), ("young", KEEP_DAYS - 1)):
        file = tmp_path / f"{name}.jsonl"
        file.write_text("{}")
        os.utime(file, (now - days * 86_400,) * 2)
    rejects = Rejects(tmp_path / "new.jsonl", 1)
    assert rejects.save() is None
    rejects(Reject("t.csv", "t", 2, "x", "why"))
    assert rejects.save() == str(tmp_path / "new.jsonl")
    assert {file.stem for file in tmp_path.iterdir()} == {"young", "new"}


def test_a_record_that_two_engines_reject_counts_once(tmp_path: Path) -> None:
    both, one, other = (Reject("t.csv", "t", line, "x", "why") for line in (2, 3, 4))
    for kept, known, limit in (([both], [both], 1), ([one, both], [both, other], 3)):
        rejects = Rejects(tmp_path / "new.jsonl", limit, known)
        for reject in kept:
            rejects(reject)
        rejects.check()
    rejects = Rejects(tmp_path / "new.jsonl", 1, [other])
    rejects(one)
    with pytest.raises(TooManyRejects, match="2 records do not fit, 1 are allowed"):
        rejects.check()


def test_a_fault_that_takes_many_records_along_is_shown_once(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "new.jsonl", 1)
    why = "a quoted field begins in line 2 and never ends"
    for line in range(2, 6):
        rejects(Reject("t.csv", "t", line, f"{line},x", why))
    rejects(Reject("t.csv", "t", 9, "1,2,3", "3 fields where 2 are expected"))
    with pytest.raises(TooManyRejects) as caught:
        rejects.check()
    assert caught.value.message.splitlines()[1:] == [
        f"  t.csv, line 2: {why}: '2,x'",
        "  … and the records after it, for the same reason",
        "  t.csv, line 9: 3 fields where 2 are expected: '1,2,3'",
    ]


WIDE = "a long text before, and it goes on and on for longer than anybody wants to read it"
ROWS = [(WIDE, "1"), (WIDE, "none")]


def as_csv(path: Path) -> None:
    path.write_text(f'"n,o",q\n"{WIDE}",1\n"{WIDE}",none\n')


def as_lines(path: Path) -> None:
    path.write_text(f'{{"n,o": "{WIDE}", "q": 1}}\n{{"n,o": "{WIDE}", "q": "none"}}\n')


def as_array(path: Path) -> None:
    path.write_text(f'[{{"n,o": "{WIDE}", "q": 1}},\n{{"n,o": "{WIDE}", "q": "none"}}]\n')


def as_sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute('CREATE TABLE t ("n,o" TEXT, q)')
        file.executemany("INSERT INTO t VALUES (?, ?)", [(WIDE, 1), (WIDE, "none")])
        file.commit()


def as_parquet(path: Path) -> None:
    columns = zip(*ROWS, strict=True)
    pq.write_table(pa.table(dict(zip(("n,o", "q"), columns, strict=True))), path)


FORMATS = {
    "t.csv": (as_csv, 3),
    "t.jsonl": (as_lines, 2),
    "t.json": (as_array, 2),
    "t.sqlite": (as_sqlite, 2),
    "t.parquet": (as_parquet, 2),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_reject_shows_the_value_that_does_not_fit_and_not_the_whole_record(
    tmp_path: Path, name: str
) -> None:
    path, (write, line) = tmp_path / name, FORMATS[name]
    write(path)
    (source,) = open_sources([path], lambda _: ReadOptions(), Workspace(tmp_path, 150))
    kept: list[Reject] = []
    for _ in range(3):
        try:
            list(source.read([TEXT, Type(Kind.BIGINT)], kept.append))
            break
        except TypeMismatch:
            source.prove()
    source.close()
    shown = f"{path}, line {line}: q: the value does not fit bigint: 'none'"
    assert [str(reject) for reject in kept] == [shown]
    assert WIDE in kept[0].raw
