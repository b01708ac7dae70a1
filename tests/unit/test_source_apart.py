"""Files that mean harm, read by the real process: bounded in memory and time, and said so."""

import os
import resource
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from myriad.errors import SourceError
from myriad.sources.apart import process
from myriad.sources.base import Workspace
from tests.apart import opened
from tests.harness import wait_until
from tests.workbooks import cell, line, ods, raw

ROOT = Path(__file__).resolve().parents[2]
# In a process of its own, which tells of no other children: bytes of the largest, and the hint.
OPENING = """
import resource, sys
from pathlib import Path
from myriad.errors import SourceError
from tests.apart import opened
try:
    opened(Path(sys.argv[1]), Path(sys.argv[2]))
except SourceError as error:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
    print(error.hint)
"""
CELL = '<c r="{}"><v>1</v></c>'


def far_corner(folder: Path) -> Path:
    """Two cells, and 17 thousand million between them."""
    rows = f'<row r="1">{CELL.format("A1")}</row><row r="1048576">{CELL.format("XFD1048576")}</row>'
    return raw(folder / "far.xlsx", rows)


def zeros_within(folder: Path) -> Path:
    """A text of 600 MB, packed."""
    path = raw(folder / "zeros.xlsx", "")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        with archive.open("xl/sharedStrings.xml", "w", force_zip64=True) as file:
            file.write(b"<sst><si><t>")
            for _ in range(12):
                file.write(b"a" * (50 << 20))
    with zipfile.ZipFile(raw(folder / "z.xlsx", f'<row r="1">{CELL.format("A1")}</row>')) as good:
        parts = {name: good.read(name) for name in good.namelist()}
    with zipfile.ZipFile(path, "a") as archive:
        for name, data in parts.items():
            if name not in archive.namelist():
                archive.writestr(name, data)
    return path


def repeated(folder: Path) -> Path:
    """One row, a million times, of a thousand cells each."""
    row = line(cell("1", "float", number_columns_repeated="16000"), number_rows_repeated="1000000")
    return ods(folder / "repeated.ods", row)


def laughs(folder: Path) -> Path:
    entities = '<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {new} "{f"&{old};" * 10}">'
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    path = folder / "laughs.xml"
    path.write_text(f"<!DOCTYPE r [{entities}]><r><x>&i;</x><x>&i;</x></r>")
    return path


def deep(folder: Path) -> Path:
    path = folder / "deep.xml"
    path.write_text("<a>" * 100_000 + "</a>" * 100_000)
    return path


def kinds_without_end(folder: Path) -> Path:
    path = folder / "kinds.xml"
    path.write_text("<r>" + "".join(f"<e{n}/>" for n in range(100_000)) + "</r>")
    return path


def long_stream(folder: Path) -> Path:
    """A dictionary whose one long value stands for many: 4 GB in 4 MB."""
    path = folder / "dictionary.arrow"
    values = pa.array(["x" * (4 << 20)])
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), values)
    table = pa.table({"a": column})
    with pa.OSFile(str(path), "w") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return path


HOSTILE: list[Callable[[Path], Path]] = [
    far_corner,
    zeros_within,
    repeated,
    laughs,
    deep,
    kinds_without_end,
    long_stream,
]


@pytest.mark.nightly(by_day=["far_corner", "repeated", "deep"])
@pytest.mark.parametrize("made", HOSTILE, ids=lambda made: made.__name__)
def test_a_file_that_means_harm_is_refused_in_little_memory_and_time(
    made: Callable[[Path], Path], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", OPENING, str(made(tmp_path)), str(tmp_path / "work")]
    found = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    most, hint = found.stdout.splitlines()
    assert hint
    assert int(most) < 700 << 20


def test_a_reader_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LEAST_SECONDS", 1)
    monkeypatch.setattr(process, "PATIENCE", 60)
    path = tmp_path / "endless.xml"
    with path.open("wb") as file:
        file.write(b"<r>" + b"<a><b>1</b></a>" * 4_000_000 + b"</r>")
    monkeypatch.setattr(process, "SECONDS_PER_MB", 0)
    with pytest.raises(SourceError, match="more than 1 seconds of a processor"):
        opened(path, tmp_path / "work")


def test_a_reader_that_waits_without_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PATIENCE", 1)
    monkeypatch.setattr(process, "LEAST_SECONDS", 3)
    os.mkfifo(path := tmp_path / "pipe.xml")
    reader = process.Reader("myriad.sources.xml.reader", "XML")
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"pipe\.xml: reading it took more than 3 seconds$"):
        reader.read(path, "pipe.xml", Workspace(tmp_path, 150), {})
    assert time.monotonic() - began < 30


def test_a_reader_is_heard_in_a_process_with_many_open_files(tmp_path: Path) -> None:
    _, most = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    (path := tmp_path / "t.xml").write_bytes(b"<r><b><a>7</a></b><b/></r>")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        with ExitStack() as files:
            while files.enter_context(path.open("rb")).fileno() < 1024:
                pass
            assert len(opened(path, tmp_path / "w")) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_reader_that_somebody_ends_is_not_said_to_be_slow(tmp_path: Path) -> None:
    os.mkfifo(path := tmp_path / "pipe.xml")
    here = psutil.Process()
    others = here.children()

    def end() -> None:
        wait_until(lambda: len(here.children()) > len(others), timeout=20)
        next(child for child in here.children() if child not in others).kill()

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(end)
        reader = process.Reader("myriad.sources.xml.reader", "XML")
        with pytest.raises(SourceError, match="was ended from outside"):
            reader.read(path, "pipe.xml", Workspace(tmp_path, 150), {})
        ended.result()


READING = """
import sys
from pathlib import Path
from myriad.sources.base import Workspace
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions
try:
    open_sources([sys.argv[1]], lambda _: ReadOptions(), Workspace(Path(sys.argv[2]), 150))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_who_is_ended_leaves_no_reader_behind(end: signal.Signals, tmp_path: Path) -> None:
    path = tmp_path / "long.xml"
    with path.open("wb") as file:
        file.write(b"<r>" + b"<a><b>1</b></a>" * 4_000_000 + b"</r>")
    (tmp_path / "work").mkdir()
    command = [sys.executable, "-c", READING, str(path), str(tmp_path / "work")]
    started = subprocess.Popen(command, stdout=subprocess.PIPE)
    parent = psutil.Process(started.pid)
    wait_until(lambda: bool(parent.children()), timeout=20)
    (reader,) = parent.children()
    os.kill(started.pid, end)
    said, _ = started.communicate(timeout=20)
    wait_until(lambda: not reader.is_running(), timeout=20)
    assert said == (b"interrupted\n" if end is signal.SIGINT else b"")


def test_a_library_that_is_missing_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "find_spec", lambda _name: None)
    (tmp_path / "a.xml").write_text("<r><a/><a/></r>")
    with pytest.raises(SourceError) as caught:
        opened(tmp_path / "a.xml", tmp_path / "work")
    assert caught.value.hint == "pip install 'myriad-db[xml]'"
