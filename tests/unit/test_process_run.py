"""Short programs run as the engine's user, whoever changes to that user, and commands end whole."""

import os
import pwd
import shutil
import subprocess
import sys

import pytest

from myriad.machine import process
from myriad.machine.process import EngineUser

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
# Runs a command, and notes at the end of the process what came before Python's own end.
ENDS = """
import atexit, sys
from myriad.__main__ import run
sys.argv = ["myriad", *sys.argv[1:]]
try:
    run()
finally:
    atexit.register(print, "was told")
    print("printed", end=" ")
"""


@as_root
@pytest.mark.parametrize("tool", ["setpriv", None])
def test_a_program_runs_as_the_user_without_any_group_of_ours(
    monkeypatch: pytest.MonkeyPatch, tool: str | None
) -> None:
    if tool is None:
        monkeypatch.setattr(shutil, "which", lambda _: None)
    entry = pwd.getpwnam("nobody")
    user = EngineUser(entry.pw_name, entry.pw_uid, entry.pw_gid)
    said = process.run(["sh", "-c", "id -u; id -g; id -G; umask; pwd"], user)
    number, group = entry.pw_uid, entry.pw_gid
    assert said == (0, f"{number}\n{group}\n{group}\n0077\n/")
    assert process.run(["sh", "-c", "exit 3"], user) == (3, "")


@pytest.mark.parametrize(("command", "code"), [("--version", 0), ("no-such", 2)])
def test_a_command_ends_with_its_code_when_all_was_told_and_printed(
    command: str, code: int
) -> None:
    script = [sys.executable, "-c", ENDS, command]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout.endswith("printed was told\n")


def test_a_command_whose_output_cannot_be_written_fails() -> None:
    script = f"exec {sys.executable} -m myriad --help"
    full = subprocess.run(["sh", "-c", f"{script} >/dev/full"], capture_output=True, check=False)
    closed = subprocess.run(["sh", "-c", f"{script} >&-"], capture_output=True, check=False)
    assert full.returncode != 0
    assert closed.returncode == 0
