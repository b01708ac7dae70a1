"""A node whose disk is full: nothing is lost, and it goes on when there is room."""

import os
from pathlib import Path

import pytest

import myriad
from myriad.engines.cassandra.nodes import node
from myriad.errors import CqlError, NotRunning
from myriad.home.home import Home
from tests.harness import reachable_folder, run, small_disk, up, wait_until

PLACE = {"MYRIAD_CASSANDRA_ADDRESS": "127.0.0.51", "MYRIAD_CASSANDRA_HEAP_MB": "512"}
DISK_MB, LEFT_MB = 300, 1
ROWS = 40_000
MB = 1 << 20

pytestmark = pytest.mark.timeout(400)


def _fill(disk: Path) -> Path:
    filler = disk / "filler"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - LEFT_MB * MB)
    return filler


def _table(path: Path, rows: int, text: str) -> Path:
    path.write_text("k,v\n" + "".join(f"{number},{text}\n" for number in range(rows)))
    return path


def _rows(home: Home) -> list[tuple[int, str]]:
    with myriad.open(home.folder).cluster().session() as session:
        return session.query("SELECT k, v FROM public.t")


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_interrupted.py"
    "::test_a_killed_load_goes_on_where_it_was"
)
def test_a_full_disk_costs_no_row_and_is_over_when_there_is_room(
    tmp_path: Path, java: Path
) -> None:
    place = {**PLACE, "MYRIAD_JAVA": str(java)}
    with reachable_folder() as folder:
        home = Home(folder / "home")
        home.create()
        disk = node.folder(home, 1)
        publish = ("publish", "--to", "cassandra", "--key", "k", "--table", "t")
        disk.mkdir(parents=True)
        with small_disk(disk, DISK_MB * MB), up(home, "--cassandra", "1", **place) as started:
            started.wait_ready(120)
            done = run(home, *publish, str(_table(tmp_path / "old.csv", 1000, "old")))
            assert done.returncode == 0, done.stderr
            filler = _fill(disk)
            new = str(_table(tmp_path / "new.csv", ROWS, "new" * 200))
            done = run(home, *publish, new, timeout=250)
            assert done.returncode == 1
            assert "error: " in done.stderr
            assert "Traceback" not in done.stderr
            filler.unlink()
            wait_until(lambda: _reachable(home), 120)
            assert sorted(_rows(home)) == [(number, "old") for number in range(1000)]
            done = run(home, *publish, new, timeout=120)
            assert done.returncode == 0, done.stderr
            assert len(_rows(home)) == ROWS
            assert started.end() == 0


def _reachable(home: Home) -> bool:
    try:
        return bool(_rows(home))
    except (NotRunning, CqlError):
        return False
