"""Whoever kills the tests leaves no server behind."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from myriad.machine import process
from tests.harness import wait_until

ROOT = Path(__file__).resolve().parents[2]
# Starts a program that works in a folder of the run, and one that is told of a file there.
RUN = """
import subprocess, sys
from tests.leftovers import run_folder
folder = run_folder()
(folder / "file").touch()
here = subprocess.Popen(["sleep", "100"], cwd=folder, start_new_session=True)
told = subprocess.Popen(["tail", "-f", folder / "file"], stdout=subprocess.DEVNULL)
print(folder, here.pid, told.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["ends", "is killed"])
def test_what_a_run_left_ends_after_it(end: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, end], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as run:
        assert run.stdout is not None
        folder, *pids = run.stdout.readline().decode().split()
        left = [psutil.Process(int(pid)) for pid in pids]
        if end == "is killed":
            assert all(each.is_running() for each in left)
            assert Path(folder).is_dir()
            run.kill()
    wait_until(lambda: not Path(folder).exists())
    assert all(process.gone(each) for each in left)
