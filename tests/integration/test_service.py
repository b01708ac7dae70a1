"""`myriad service`: units that systemd itself calls good, in nobody's way."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from myriad.home.home import Home
from myriad.running import service as services
from myriad.running.service import Service
from myriad.settings import Settings
from tests.harness import run

ODD = 'a b "c" $d %h \\e'


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where both kinds of units go, instead of this machine's; systemctl is only written down."""
    monkeypatch.setattr(services, "SYSTEM", tmp_path / "system")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    programs = tmp_path / "bin"
    programs.mkdir()
    fake = programs / "systemctl"
    fake.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def verified(path: Path) -> str:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine: only the unit's text is tested")
    return services.doubts(path, system=True)


def test_systemd_calls_the_unit_good_whatever_the_home_is_called(units: Path) -> None:
    home = Home(units / ODD)
    service = Service(home, Settings(), system=True)
    assert service.install() == []
    assert service.path.parent == units / "system"
    assert service.path.name == "myriad-a-b-c-d-h-e.service"
    assert verified(service.path) == ""
    assert (units / "asked").read_text() == f"daemon-reload\nenable {service.name}\n"
    assert service.doubts() == ""


def test_a_unit_that_is_wrong_is_said_to_be(units: Path) -> None:
    bad = units / "myriad-bad.service"
    bad.write_text("[Service]\nExecStart=nowhere/at all\n")
    assert "bad unit file setting" in verified(bad)


@pytest.mark.parametrize("whose", ["--user", "--system"])
def test_a_service_comes_and_goes(units: Path, made_home: Home, whose: str) -> None:
    if whose == "--system" and os.geteuid() != 0:
        pytest.skip("only root may write the machine's units")
    done = run(made_home, "service", "install", whose)
    assert done.returncode == 0, done.stderr
    [unit] = [*units.glob("system/*"), *units.glob("config/systemd/user/*")]
    assert f"wrote {unit}" in done.stdout
    assert ("loginctl enable-linger" in done.stdout) == (whose == "--user")
    text = unit.read_text()
    assert f"up --home {made_home.folder}\n" in text
    assert run(made_home, "service", "install", whose).returncode == 0  # again
    printed = json.loads(run(made_home, "service", "install", whose, "--print", "--json").stdout)
    assert printed == {"path": str(unit), "unit": text}
    assert run(made_home, "service", "remove", whose, "--quiet").stdout == ""
    assert not unit.exists()
    again = run(made_home, "service", "remove", whose)
    assert again.returncode == 1
    assert f"there is no {unit}" in again.stderr
    assert "disable --now" in (units / "asked").read_text()


def test_the_unit_of_something_else_is_left_alone(units: Path, made_home: Home) -> None:
    place = units / "config" / "systemd" / "user" / "myriad-home.service"
    place.parent.mkdir(parents=True)
    place.write_text("[Unit]\nDescription=My own\n")
    for command in ("install", "remove"):
        done = run(made_home, "service", command, "--user")
        assert done.returncode == 1
        assert "is the unit of something else" in done.stderr
    assert "My own" in place.read_text()


def test_where_systemd_does_not_run_it_is_said_what_to_do(units: Path, made_home: Home) -> None:
    (units / "bin" / "systemctl").write_text("#!/bin/sh\nexit 1\n")
    done = run(made_home, "service", "install", "--user")
    assert done.returncode == 0
    assert "  systemctl --user daemon-reload\n  systemctl --user enable myriad-home" in done.stdout


def test_what_the_unit_starts_serves_and_ends_as_systemd_wants(made_home: Home) -> None:
    """Type=exec, KillMode=mixed: SIGTERM to the one process, which ends all with exit code 0."""
    unit = Service(made_home, Settings(), system=False).text()
    [line] = [each for each in unit.splitlines() if each.startswith("ExecStart=")]
    command = line.removeprefix("ExecStart=").split(" ")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as started:
        try:
            assert started.stdout is not None
            assert any(b"ready on" in each for each in iter(started.stdout.readline, b""))
            started.terminate()
            assert started.wait(60) == 0
        finally:
            started.kill()


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete")]
)
def test_completion_is_printed_for_each_shell(made_home: Home, shell: str, word: str) -> None:
    done = run(made_home, "completion", shell)
    assert done.returncode == 0, done.stderr
    assert word in done.stdout
    assert "_MYRIAD_COMPLETE" in done.stdout


def test_completion_knows_the_shell_that_one_is_in(made_home: Home) -> None:
    done = run(made_home, "completion", environment={"SHELL": "/usr/bin/fish"})
    assert "--command myriad" in done.stdout
    done = run(made_home, "completion", environment={"SHELL": "/bin/csh"})
    assert done.returncode == 2
    assert "no completion for csh" in done.stderr


@pytest.mark.parametrize(
    ("folder", "name"),
    [("myriad", "myriad"), ("myriad-demo", "myriad-demo"), ("sales data", "myriad-sales-data")],
)
def test_a_service_is_called_as_its_home(tmp_path: Path, folder: str, name: str) -> None:
    assert Service(Home(tmp_path / folder), Settings(), system=True).name == f"{name}.service"
