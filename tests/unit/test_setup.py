"""What `make` does before there is a virtual environment."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import environment

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "env", "cat")  # all that a machine without Python may have here


def _bare_machine(folder: Path) -> dict[str, str]:
    for name in TOOLS:
        program = shutil.which(name)
        assert program
        (folder / name).symlink_to(program)
    return {"PATH": str(folder)}


def _set_up(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    sh = shutil.which("sh")
    assert sh
    command = [sh, "tools/setup.sh"]
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )


def test_without_python_set_up_says_what_it_looked_for_and_what_to_do(tmp_path: Path) -> None:
    done = _set_up(_bare_machine(tmp_path))
    assert done.returncode == 1
    assert "no Python 3.11 or newer among: " in done.stderr
    assert "hint: install one" in done.stderr


def test_a_python_that_is_too_old_or_stands_for_nothing_is_passed_over(tmp_path: Path) -> None:
    environ = _bare_machine(tmp_path)
    shim = tmp_path / "python3.14"
    shim.write_text("#!/bin/sh\nexit 127\n")
    chosen = tmp_path / "python3.11"
    chosen.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} "$@"\necho "chosen: $2"\n'
    )
    for path in (shim, chosen):
        path.chmod(0o755)
    assert _set_up(environ).stdout == "chosen: python3.11\n"


def test_ways_are_tried_in_turn_and_all_failures_shown() -> None:
    say = [sys.executable, "-c", "import sys; sys.exit('out of luck')"]
    missing = ["/nowhere/at-all"]
    with pytest.raises(environment.SetupError) as caught:
        environment.first_that_works("do it", [say, missing], "ask somebody")
    text = str(caught.value)
    assert "cannot do it; tried:" in text
    assert "out of luck" in text
    assert "/nowhere/at-all" in text
    assert text.endswith("hint: ask somebody")
    environment.first_that_works("do it", [say, [sys.executable, "-V"]], "ask somebody")


def test_only_a_finished_set_up_for_these_files_and_this_place_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "READY", tmp_path / "ready")
    assert environment.left_by_last() == ""
    (tmp_path / "ready").write_text(environment.fingerprint())
    assert environment.left_by_last() == environment.fingerprint()
    monkeypatch.setattr(environment, "VENV", tmp_path / "moved")
    assert environment.left_by_last() != environment.fingerprint()


def test_a_lock_without_uv_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("click==8.5.1 \\\n    --hash=sha256:00\n", "utf-8")
    monkeypatch.setattr(environment, "LOCK", lock)
    with pytest.raises(environment.SetupError, match="has no uv"):
        environment.install_uv(sys.executable)
