"""`myriad doctor`: each finding has a remedy."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from myriad.engines.postgres import attachment
from myriad.home.home import Home
from myriad.running import ports
from tests.harness import run


def examine(home: Home, **environment: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = run(home, "doctor", "--json", environment=environment)
    findings = json.loads(done.stdout)
    assert all(bool(entry["remedy"]) == (entry["state"] != "good") for entry in findings)
    return done.returncode, {entry["check"]: entry for entry in findings}


def test_a_good_machine_passes_and_nothing_is_made(home: Home) -> None:
    code, findings = examine(home)
    assert {entry["check"] for entry in findings.values() if entry["state"] == "wrong"} == set()
    assert code == 0
    assert set(findings) == {
        *("versions", "user", "programs", "permissions", "disk", "memory"),
        *("file descriptors", "locale", "clock", "ports", "certificate"),
    }
    assert not home.folder.exists()


def test_missing_programs_are_wrong_and_the_places_are_told(home: Home, folder: Path) -> None:
    code, findings = examine(home, MYRIAD_PROGRAMS=str(folder))
    assert code == 1
    assert findings["programs"]["state"] == "wrong"
    assert str(folder) in findings["programs"]["message"]


def test_an_attached_home_needs_no_programs(home: Home, folder: Path) -> None:
    home.create()
    attachment.remember(home, "host=db.example.org user=boss password=hidden")
    _, findings = examine(home, MYRIAD_PROGRAMS=str(folder))
    assert findings["programs"]["state"] == "good"
    assert findings["programs"]["message"].endswith("db.example.org port 5432 as boss")


def test_the_port_that_people_were_told_is_wrong_where_somebody_else_has_it(home: Home) -> None:
    home.create()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports.remember(home, other.getsockname()[1])
        code, findings = examine(home)
    assert code == 1
    assert "which people were told" in findings["ports"]["message"]
    assert f"process {os.getpid()}" in findings["ports"]["message"]
    assert "tell people" in findings["ports"]["remedy"]


def test_a_taken_port_is_named_with_its_holder(home: Home) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        code, findings = examine(home, MYRIAD_PORT=port)
    assert code == 1
    assert f"process {os.getpid()}" in findings["ports"]["message"]


def test_data_of_another_version_and_open_secrets_are_found(made_home: Home) -> None:
    (made_home.postgres / "PG_VERSION").write_text("14\n")
    secret = made_home.secrets / "secret"
    secret.write_text("known")
    secret.chmod(0o644)
    code, findings = examine(made_home)
    assert code == 1
    assert "is of version 14" in findings["programs"]["message"]
    assert findings["permissions"]["remedy"] == f"chmod go-rwx '{secret}'"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs engines as somebody else")
def test_a_closed_folder_on_the_way_is_found(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    code, findings = examine(Home(closed / "home"))
    assert code == 1
    assert f"may not pass {closed}" in findings["permissions"]["message"]


def test_a_clock_that_is_behind_is_found(home: Home) -> None:
    home.create()
    os.utime(home.folder, (4102444800, 4102444800))  # 2100
    code, findings = examine(home)
    assert code == 1
    assert findings["clock"]["state"] == "wrong"


def test_a_certificate_that_ends_soon_or_is_missing_is_found(home: Home, folder: Path) -> None:
    certificate, key = folder / "own.crt", folder / "own.key"
    files = {"MYRIAD_TLS_CERTIFICATE": str(certificate), "MYRIAD_TLS_KEY": str(key)}
    assert examine(home, **files)[1]["certificate"]["state"] == "wrong"
    command = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x"]
    subprocess.run(
        [*command, "-days", "3", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    code, findings = examine(home, **files)
    assert code == 0
    assert findings["certificate"]["state"] == "warning"


def test_an_address_that_others_reach_is_found(home: Home) -> None:
    code, findings = examine(home, MYRIAD_HOST="0.0.0.0")
    assert code == 1
    assert "other machines" in findings["ports"]["message"]
    assert examine(home, MYRIAD_HOST="0.0.0.0", MYRIAD_TLS="require")[0] == 0


def test_people_read_the_remedy_on_a_line_of_its_own(home: Home, folder: Path) -> None:
    done = run(home, "doctor", environment={"MYRIAD_PROGRAMS": str(folder)})
    assert "hint: Install PostgreSQL" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
