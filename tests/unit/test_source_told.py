"""Whatever takes long before there are tables says how far it is."""

import bz2
import gzip
import io
import lzma
import os
import sqlite3
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zstandard

from myriad.publish.options import FIRST, Step, Telling
from myriad.sources import base
from myriad.sources.apart import process
from myriad.sources.base import Workspace
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions
from tests.workbooks import rows_of, xlsx

DATA = b"n,t\n" + b"".join(b"%d,%s\n" % (n, os.urandom(6).hex().encode()) for n in range(70_000))
Make = Callable[[Path], object]


def packed(how: Callable[[bytes], bytes]) -> Make:
    return lambda path: path.write_bytes(how(DATA))


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.csv", "b.csv"):
            archive.writestr(name, DATA)


def tarred(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("a.csv")
        info.size = len(DATA)
        archive.addfile(info, io.BytesIO(DATA))


def book(path: Path) -> None:
    xlsx(path, rows_of(("n",), *((n,) for n in range(2000))))


def document(path: Path) -> None:
    rows = ",".join(f'{{"id": {n}, "parts": [{{"n": {n}}}]}}' for n in range(40_000))
    path.write_text(f'{{"rows": [{rows}]}}')


def database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as con:
        con.execute("CREATE TABLE t (n INTEGER, name TEXT)")
        con.executemany("INSERT INTO t VALUES (?, 'x')", ((n,) for n in range(50_000)))
        con.commit()


WAYS: dict[str, tuple[str, Make]] = {
    "a.csv": ("opening", packed(bytes)),
    "a.csv.gz": ("unpacking", packed(gzip.compress)),
    "a.csv.bz2": ("unpacking", packed(bz2.compress)),
    "a.csv.xz": ("unpacking", packed(lambda data: lzma.compress(data, preset=0))),
    "a.csv.zst": ("unpacking", packed(zstandard.compress)),
    "a.zip": ("unpacking", zipped),
    "a.tar": ("unpacking", tarred),
    "u.csv": ("decoding", packed(lambda data: data.decode().encode("utf-16"))),
    "b.xlsx": ("opening", book),
    "d.json": ("opening", document),
    "d.db": ("opening", database),
}


def told(name: Path | str, folder: Path, **options: Any) -> list[tuple[str, str, int, int]]:
    found: list[tuple[str, str, int, int]] = []
    workspace = Workspace(folder, 150, tell=lambda *said: found.append(said))
    for source in open_sources([name], lambda _: ReadOptions(**options), workspace):
        source.close()
    return found


@pytest.mark.parametrize("name", WAYS)
def test_how_far_a_file_is_is_told(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "TELL_SECONDS", 0.02)
    doing, make = WAYS[name]
    make(path := tmp_path / name)
    found = [each for each in told(path, tmp_path) if each[0] == doing]
    assert found
    assert {what for _, what, *_ in found} == {str(path)}
    came = [each for *_, each, _ in found]
    assert came == sorted(came)
    if name not in ("b.xlsx", "d.db"):  # of which nobody knows how far they are
        assert all(whole > 0 for *_, whole in found)
        assert found[-1][2] > found[-1][3] * 0.9


def test_each_time_that_a_document_is_looked_through_is_told(tmp_path: Path) -> None:
    document(path := tmp_path / "d.json")
    found = told(path, tmp_path, nested="tables")  # for its records, and for what is in them
    assert len([1 for *_, came, whole in found if came == whole]) > 1


@pytest.mark.parametrize("piped", [True, False], ids=["pipe", "file"])
def test_how_far_standard_input_is_is_told(
    *, piped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path := tmp_path / "in").write_bytes(DATA)
    reading, writing = os.pipe()

    def feed() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(DATA)

    (feeder := threading.Thread(target=feed)).start()
    with os.fdopen(reading, "rb") as pipe, path.open("rb") as plain:
        file = pipe if piped else plain
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=file, closed=False))
        found = [each for each in told("-", tmp_path) if each[0] == "fetching"]
        pipe.read()
    feeder.join()
    assert len(found) > 1
    whole = 0 if piped else len(DATA)
    assert found[-1] == ("fetching", "standard input", len(DATA), whole)


def test_what_sources_say_that_they_do_is_known_to_come_first() -> None:
    # Options are read by commands that load nothing of the sources: the words stand twice.
    assert (base.FETCHING, base.UNPACKING, base.DECODING, base.OPENING) == FIRST


def test_it_is_told_a_few_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[Step] = []
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    tell = Telling(steps.append)
    for moment in range(10):
        now[0] = moment / 8
        tell("fetching", "a", moment, 0 if moment < 5 else 10)
    assert [(step.phase, step.share, step.size) for step in steps] == [
        ("fetching", 0.0, 2),
        ("fetching", 0.0, 4),
        ("fetching", 0.6, 10),
        ("fetching", 0.8, 10),
    ]


class Stopped(ValueError):
    """What a caller's own function raises: also of a class that libraries raise for damage."""


@pytest.mark.parametrize("name", ["a.csv.gz", "a.zip", "a.tar", "u.csv", "b.xlsx", "d.db"])
def test_what_whoever_is_told_raises_is_what_ends_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "TELL_SECONDS", 0.02)
    WAYS[name][1](path := tmp_path / name)

    def stop(*_: object) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        open_sources([path], lambda _: ReadOptions(), Workspace(tmp_path, 150, tell=stop))
