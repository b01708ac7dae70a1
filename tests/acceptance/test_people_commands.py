"""`myriad person`, `group`, `grant`, `people` and `connect`, as people type them."""

import json
import subprocess
import uuid
from collections.abc import Callable
from threading import Thread
from typing import Any

import psycopg
import pytest

from myriad import Myriad
from myriad.connect import CLIENTS, Target
from tests import harness
from tests.harness import wait_until

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tag() -> str:
    return uuid.uuid4().hex[:8]


@pytest.fixture
def run(installation: Myriad) -> Run:
    def command(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return harness.run(installation.home, *arguments, given=given)

    return command


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_from_nothing_to_somebody_logged_in(run: Run, tag: str) -> None:
    added = run("person", "add", f"Rose {tag}", f'O"Brien {tag}', "--group", f"analysts {tag}")
    assert added.returncode == 0, added.stderr
    assert f"made group 'analysts {tag}'" in added.stderr
    lines = added.stdout.splitlines()
    assert lines[0].split() == ["name", "password"]
    password = lines[1].split()[-1]
    assert run("grant", f"analysts {tag}", "public").stdout == (
        f"analysts {tag} may read public in main\n"
    )
    there = answer(run("connect", f"Rose {tag}", "--json"))
    assert there.keys() == {"host", "port", "database", "user", "uri"}
    with psycopg.connect(there["uri"], password=password) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (f"Rose {tag}",)
    assert run("revoke", f"analysts {tag}", "public").returncode == 0
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(there["uri"], password=password)


def test_generated_passwords_come_as_data_with_addresses_that_work(run: Run, tag: str) -> None:
    added = answer(run("person", "add", f"a {tag}", f"b {tag}", "--owner", "--json"))
    assert [person["name"] for person in added] == [f"a {tag}", f"b {tag}"]
    for person in added:
        psycopg.connect(person["uri"]).close()
    assert added[0]["password"] in added[0]["uri"]


def test_people_come_from_a_file_of_names(run: Run, tag: str) -> None:
    names = f"\ufeffAda {tag}\n\n  Bob {tag} \r\nSmith, Jo {tag}\n"
    added = answer(run("person", "add", "--from", "-", "--group", f"g{tag}", "--json", given=names))
    assert [person["name"] for person in added] == [f"Ada {tag}", f"Bob {tag}", f"Smith, Jo {tag}"]
    groups = {group["name"]: group["members"] for group in answer(run("group", "list", "--json"))}
    assert groups[f"g{tag}"] == 3


def test_people_come_from_a_csv_with_groups_and_owners(run: Run, tag: str) -> None:
    text = f'name,E-Mail,groups,owner\n"Smith, Jo {tag}",j@x,g{tag};h{tag},yes\nAda {tag},,,\n'
    done = run("person", "add", "--from", "-", given=text)
    assert done.returncode == 0
    assert "not read: E-Mail (only name, groups, owner, until are)" in done.stderr
    people = {person["name"]: person for person in answer(run("person", "list", "--json"))}
    assert people[f"Smith, Jo {tag}"]["groups"] == [f"g{tag}", f"h{tag}"]
    assert people[f"Smith, Jo {tag}"]["owner"] is True
    assert people[f"Ada {tag}"]["groups"] == []
    assert people[f"Ada {tag}"]["owner"] is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,group\nAda,all\n", "has a column 'group'"),
        ("name,shoes,shoes\nAda,43,44\n", "has the header name,shoes,shoes"),
        ("name,groups\nAda\n", "line 2 of the list of people: it has 1 column, the header 2"),
        ("name,owner\nAda,yes\nBob,perhaps\n", "line 3 of the list of people: owner is 'perhaps'"),
        ('name\n"Ada\n', "of the list of people: unexpected end of data"),
        ("", "nobody to add"),
    ],
)
def test_a_list_of_people_that_makes_no_sense_names_the_line(
    run: Run, text: str, said: str
) -> None:
    done = run("person", "add", "--from", "-", given=text)
    assert done.returncode == 2
    assert said in done.stderr
    assert "hint: " in done.stderr


def test_typed_passwords_come_from_standard_input_and_are_not_printed(
    run: Run, installation: Myriad, tag: str
) -> None:
    add = ("person", "add", "--home", installation.home.folder, "--owner", "--password-stdin")
    given = f"pass word {tag}\nüber{tag}\n"
    added = harness.run_process(*add, f"a{tag}", f"b{tag}", given=given)
    assert added.returncode == 0, added.stderr
    assert "pass word" not in added.stdout + added.stderr
    uri = answer(run("connect", f"b{tag}", "--json"))["uri"]
    psycopg.connect(uri, password=f"über{tag}").close()
    changed = run("person", "password", f"b{tag}", "--password-stdin", given=f"new{tag}\n")
    assert changed.returncode == 0, changed.stderr
    psycopg.connect(uri, password=f"new{tag}").close()
    generated = run("person", "password", f"b{tag}").stdout.strip()
    psycopg.connect(uri, password=generated).close()
    assert run("person", "add", f"c{tag}", "--password-stdin", given="a\nb\n").returncode == 2


def test_joining_leaving_and_removing(run: Run, tag: str) -> None:
    run("group", "add", f"g{tag}", f"h{tag}")
    run("person", "add", f"a{tag}", f"b{tag}")
    assert run("group", "join", f"g{tag}", f"a{tag}", f"b{tag}").returncode == 0
    assert run("group", "leave", f"g{tag}", f"b{tag}").returncode == 0
    assert run("group", "remove", f"h{tag}").returncode == 0
    assert run("person", "remove", f"b{tag}").returncode == 0
    groups = {group["name"]: group["members"] for group in answer(run("group", "list", "--json"))}
    assert groups[f"g{tag}"] == 1
    assert f"h{tag}" not in groups
    assert f"b{tag}" not in run("person", "list").stdout


def test_who_is_there_already_is_named_and_nothing_happens(run: Run, tag: str) -> None:
    run("person", "add", f"a{tag}")
    done = run("person", "add", f"b{tag}", f"a{tag}")
    assert done.returncode == 1
    assert f"error: there is a person already called 'a{tag}'" in done.stderr
    assert "hint: Nothing was changed." in done.stderr
    assert f"b{tag}" not in run("person", "list").stdout


def test_connect_prints_the_lines_of_every_client(run: Run, tag: str) -> None:
    run("person", "add", f"a{tag}")
    there = answer(run("connect", f"a{tag}", "--json"))
    target = Target(there["host"], there["port"], there["database"], there["user"])
    shown = run("connect", f"a{tag}").stdout
    for client in CLIENTS.values():
        assert client.lines(target) in shown
    alone = run("connect", f"a{tag}", "--with", "jdbc").stdout
    assert alone == CLIENTS["jdbc"].lines(target) + "\n"
    unknown = run("connect", f"nobody{tag}")
    assert unknown.returncode == 1
    assert "no person called" in unknown.stderr
    assert "no database called" in run("connect", "--database", "nowhere").stderr


def test_limits_are_set_shown_and_taken_back(run: Run, tag: str) -> None:
    run("person", "add", f"a{tag}", f"b{tag}", "--group", f"g{tag}")
    changed = run("person", "limit", f"a{tag}", f"b{tag}", "--rows", "5000", "--megabytes", "none")
    assert changed.stdout == "".join(f"{x}{tag}: rows 5,000, megabytes none\n" for x in "ab")
    changed = run("group", "limit", f"g{tag}", "--idle-seconds", "1.5", "--pool", "session")
    assert changed.stdout == f"g{tag}: idle-seconds 1.5, pool session\n"
    lines = [line.split() for line in run("person", "limit", f"a{tag}").stdout.splitlines()]
    assert lines[0] == [f"a{tag}", "limit", "from"]
    assert ["rows", "5,000", "own"] in lines
    assert ["idle-seconds", "1.5", "group", f"g{tag}"] in lines
    assert ["concurrent", "8", "default"] in lines
    assert run("group", "limit", f"g{tag}").stdout.splitlines()[-1].split()[:2] == [
        "pool",
        "session",
    ]
    [shown] = answer(run("person", "limit", f"a{tag}", "--json"))
    assert shown["limits"]["rows"] == {"value": 5000, "from": "own"}
    assert answer(run("person", "limit", f"a{tag}", "--reset", "--json"))["reset"] is True
    assert answer(run("person", "limit", f"a{tag}", "--json"))[0]["limits"]["rows"] == {
        "value": 0,
        "from": "default",
    }


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("-1", "-1: it must not be negative; 0 or 'none' is no limit"),
        ("many", "'many' is neither a number nor 'none'"),
        ("1.5", "1.5: it must be a whole number"),
        ("nan", "nan: it must be a number"),
    ],
)
def test_a_limit_that_makes_no_sense_is_bad_usage(run: Run, value: str, said: str) -> None:
    done = run("person", "limit", "anybody", "--rows", value)
    assert done.returncode == 2
    assert said in done.stderr


def test_who_does_what_is_shown_stopped_and_written_down(run: Run, tag: str) -> None:
    [added] = answer(run("person", "add", f"a{tag}", "--owner", "--json"))
    with psycopg.connect(added["uri"], autocommit=True) as connection:
        connection.execute(f"SELECT 1 AS it_{tag}")
        [session] = answer(run("people", "activity", f"a{tag}", "--json"))
        assert session["person"] == f"a{tag}"
        assert session["state"] == "idle"
        assert session["database"] == "main"
        shown = run("people", "activity").stdout.splitlines()
        assert shown[0].split() == [
            "person",
            "database",
            "state",
            "seconds",
            "from",
            "way",
            "statement",
        ]
        assert any(line.startswith(f"a{tag} ") for line in shown)
        assert run("people", "stop", f"a{tag}").stdout == "stopped 0 statements\n"
        running = Thread(target=_run_long, args=(connection,))
        running.start()
        wait_until(lambda: "active" in run("people", "activity", f"a{tag}").stdout)
        assert run("people", "stop", f"a{tag}").stdout == "stopped 1 statement\n"
        running.join(20)
        assert not running.is_alive()
        connection.execute("SELECT")  # the session goes on
    wait_until(lambda: f"it_{tag}" in run("people", "audit", f"a{tag}").stdout)
    # Written in batches: what was stopped may come with a later one.
    wait_until(lambda: "57014" in run("people", "audit", f"a{tag}", "--json").stdout)
    ran = answer(run("people", "audit", f"a{tag}", "--json"))
    assert [entry["at"] for entry in ran] == sorted((entry["at"] for entry in ran), reverse=True)
    assert "57014" in {entry["outcome"] for entry in ran}
    assert len(answer(run("people", "audit", f"a{tag}", "--last", "1", "--json"))) == 1
    assert answer(run("people", "audit", f"a{tag}", "--since", "2999-01-01", "--json")) == []
    unknown = run("people", "activity", f"nobody{tag}")
    assert unknown.returncode == 1
    assert "no person called" in unknown.stderr


def _run_long(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("SELECT count(*) FROM generate_series(1, 100000000000)")
