"""What no library that is there can read is said before anything is started."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from myriad import cli
from myriad.sources.apart import process
from myriad.sources.open import check
from myriad.sources.places import stores


@pytest.mark.parametrize(
    ("name", "text", "extra"),
    [
        ("a.xml", "<?xml version='1.0'?><r><a/><a/></r>", "xml"),
        ("a.avro", "Obj\1", "avro"),
        ("a.bson", "", "mongo"),
        ("in/a.xml", "<r><a/><a/></r>", "xml"),
        ("misnamed.parquet", "Obj\1", "avro"),
    ],
)
def test_nothing_is_started_for_what_no_library_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, extra: str
) -> None:
    path = tmp_path / "files" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    home = tmp_path / "home"
    named = path.parent if "/" in name else path
    command = ["publish", str(named), "--home", str(home)]
    monkeypatch.setattr(process, "find_spec", lambda _name: None)
    done = CliRunner().invoke(cli.main, command)
    assert done.exit_code == 1
    assert f"pip install 'myriad-db[{extra}]'" in done.output
    assert "starting PostgreSQL" not in done.output
    assert not (home / "run").exists()


def test_nothing_is_started_for_a_store_that_no_library_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "find_spec", lambda _name: None)
    done = CliRunner().invoke(cli.main, ["publish", "s3://b/a.csv", "--home", str(tmp_path / "h")])
    assert done.exit_code == 1
    assert "pip install 'myriad-db[cloud]'" in done.output
    assert "starting PostgreSQL" not in done.output


def test_text_that_is_named_so_needs_no_library_for_what_it_looks_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("<?xml version='1.0'?>\n1\n")
    monkeypatch.setattr(process, "find_spec", lambda _name: None)
    check([path])
