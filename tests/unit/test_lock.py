"""`requirements.lock` fits `pyproject.toml`."""

from pathlib import Path

import pytest

from tools import lock


def test_the_lock_was_made_for_this_pyproject() -> None:
    assert lock.faults() == []


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("click==8.5.1", "no version or hash"),
        ("click>=8 --hash=sha256:00", "no version or hash"),
        ("click @ https://example.org/click.whl --hash=sha256:00", "an address"),
        ("--index-url https://example.org", "an address"),
    ],
)
def test_an_entry_without_hash_or_with_an_address_is_refused(
    entry: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "requirements.lock"
    changed.write_text(f"{lock.LOCK.read_text('utf-8')}{entry}\n", "utf-8")
    monkeypatch.setattr(lock, "LOCK", changed)
    assert any(found.startswith(fault) for found in lock.faults())


def test_a_changed_requirement_makes_the_lock_outdated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyproject = (lock.ROOT / "pyproject.toml").read_text("utf-8")
    (tmp_path / "pyproject.toml").write_text(pyproject.replace('"click>=', '"click>=1,>='), "utf-8")
    monkeypatch.setattr(lock, "ROOT", tmp_path)
    assert lock.faults() == ["it was not made for this pyproject.toml"]
