"""Cassandra's jars: taken from Maven's folder, fetched, and never used with another hash."""

import dataclasses
import shutil
import threading
from pathlib import Path

import pytest

from myriad.engines.cassandra.nodes import jars
from myriad.engines.cassandra.nodes.jars import Jar
from myriad.errors import ProgramMissing, StartFailed


def _quiet(done: int, total: int) -> None:
    pass


def nothing_is_fetched(patch: pytest.MonkeyPatch) -> None:
    """Be without the package that fetches: who needs it fails."""
    patch.setattr("importlib.util.find_spec", lambda _: None)


def _find(cache: Path) -> jars.Programs:
    return jars.find(str(cache), _quiet, threading.Event())


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jar:
    """A lock with only the smallest jar, and a user who never fetched anything."""
    chosen = min(jars.locked(), key=lambda jar: jar.size)
    monkeypatch.setattr(jars, "MAIN", chosen.artifact)
    monkeypatch.setattr(jars, "locked", lambda: (chosen,))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    return chosen


@pytest.fixture
def fetched(one: Jar, tmp_path: Path) -> Path:
    """That jar, fetched."""
    return _find(tmp_path / "fetched").path(one.artifact)


def test_a_missing_jar_is_fetched_and_is_what_the_lock_says(one: Jar, fetched: Path) -> None:
    assert fetched.stat().st_size == one.size
    assert fetched.stat().st_mode & 0o777 == 0o644


def test_what_is_in_the_cache_needs_no_network(
    one: Jar, fetched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_is_fetched(monkeypatch)
    assert _find(fetched.parents[1]).path(one.artifact) == fetched


def test_a_jar_of_maven_is_used(
    one: Jar, fetched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = one.below(tmp_path / "user" / ".m2" / "repository")
    place.parent.mkdir(parents=True)
    shutil.copy(fetched, place)
    nothing_is_fetched(monkeypatch)
    assert _find(tmp_path / "other").path(one.artifact).read_bytes() == fetched.read_bytes()


def test_a_damaged_jar_is_fetched_again(one: Jar, fetched: Path) -> None:
    fetched.write_bytes(b"damaged")
    assert _find(fetched.parents[1]).path(one.artifact).stat().st_size == one.size


def test_a_damaged_jar_of_maven_is_not_used(one: Jar, tmp_path: Path) -> None:
    place = one.below(tmp_path / "user" / ".m2" / "repository")
    place.parent.mkdir(parents=True)
    place.write_bytes(b"damaged")
    assert _find(tmp_path / "other").path(one.artifact).stat().st_size == one.size


def test_a_jar_with_another_hash_than_the_lock_is_refused(
    one: Jar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = dataclasses.replace(one, sha256="0" * 64)
    monkeypatch.setattr(jars, "locked", lambda: (wrong,))
    with pytest.raises(StartFailed, match="another SHA-256") as error:
        _find(tmp_path / "cache")
    assert one.name in error.value.message
    assert not list((tmp_path / "cache").rglob("*.jar"))


@pytest.mark.usefixtures("one")
def test_without_the_package_that_fetches_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_is_fetched(monkeypatch)
    with pytest.raises(ProgramMissing) as error:
        _find(tmp_path / "cache")
    assert "whl[cassandra]" in error.value.hint


@pytest.mark.usefixtures("one")
def test_a_cache_that_cannot_be_made_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProgramMissing) as error:
        _find(tmp_path / "file" / "below")
    assert "setting `cache`" in error.value.hint


def test_every_jar_of_the_lock_has_a_hash_and_its_own_name() -> None:
    locked = jars.locked()
    assert len({jar.name for jar in locked}) == len(locked) > 100
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in locked)
