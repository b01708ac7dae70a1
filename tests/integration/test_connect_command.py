"""`myriad connect` and `certificate`: which home is meant, and what is said of encryption."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from myriad import Myriad, cli
from myriad.cli import connect
from myriad.connect import Trust
from myriad.home import home as homes
from myriad.home.home import Home
from tests.harness import run


@pytest.fixture
def demo_is_up(installation: Myriad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is up is the demo, and the usual home is empty."""
    monkeypatch.setattr(homes, "default_folder", lambda: tmp_path / "myriad")
    (tmp_path / "myriad-demo").symlink_to(installation.home.folder)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, list(arguments))


@pytest.mark.usefixtures("demo_is_up")
def test_connect_finds_the_demo_that_runs(installation: Myriad) -> None:
    said = json.loads(invoke("connect", "--json").stdout)
    assert said["port"] == installation.server().port


@pytest.mark.usefixtures("demo_is_up")
def test_other_commands_say_where_it_is(tmp_path: Path) -> None:
    done = invoke("list")
    assert done.exit_code == 1
    assert f"nothing is up on {tmp_path / 'myriad'}" in done.stderr
    assert f"The demo is up: say --home {tmp_path / 'myriad-demo'}." in done.stderr


def test_a_hint_names_the_home_where_that_is_needed(tmp_path: Path) -> None:
    done = run(Home(tmp_path / "a b"), "list")
    assert f"hint: Start it with `myriad up --detach --home '{tmp_path / 'a b'}'`." in done.stderr


def test_lines_for_encryption_come_with_the_certificate(
    installation: Myriad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MYRIAD_TLS", "require")
    done = run(installation.home, "connect", "--with", "psql")
    assert "sslmode=verify-full&sslrootcert=myriad.crt" in done.stdout
    assert f"# myriad certificate{installation.home.option} > myriad.crt" in done.stderr
    everything = run(installation.home, "connect").stdout
    assert "> myriad.crt\n\n# psql" in everything
    strict = replace(installation, settings=replace(installation.settings, tls="require"))
    assert connect._trust(strict, "no.such.name") == Trust("verify-ca", "myriad.crt")  # noqa: SLF001


def test_the_certificate_is_printed_and_nothing_else(installation: Myriad) -> None:
    done = run(installation.home, "certificate")
    assert done.returncode == 0
    assert done.stdout == (installation.home.secrets / "door.crt").read_text()
    assert "Valid until" in done.stderr
    said = json.loads(run(installation.home, "certificate", "--json").stdout)
    assert said["own"]
    assert "127.0.0.1" in said["names"]


def test_without_encryption_there_is_no_certificate(
    installation: Myriad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MYRIAD_TLS", "off")
    done = run(installation.home, "certificate")
    assert done.returncode == 2
    assert "`tls` is off" in done.stderr
