"""`myriad person sync`: a list of all people, and what it makes of those who are there."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from myriad import Myriad
from myriad.engines.postgres.base import Server
from myriad.engines.postgres.embedded import EmbeddedPostgres
from myriad.home.home import Home
from myriad.people import NewPerson, People, Person, Roster, Synced, syncing
from myriad.people.imports import HEADER, MOST, MOST_BYTES
from myriad.people.roster import LISTED
from myriad.settings import Settings
from tests.harness import COMMAND, as_admin, reachable_folder, run, wait_until

Sync = Callable[..., subprocess.CompletedProcess[str]]
MANY = 750  # whose passwords are more than a pipe holds
ALL = frozenset({"name", "groups", "owner", "until"})


@pytest.fixture
def people(installation: Myriad) -> Iterator[People]:
    """Nobody is there before or after: a list has all people."""
    found = installation.people
    _clear(found)
    yield found
    _clear(found)


def _clear(people: People) -> None:
    people.remove([person.name for person in people.list_people()])
    for group in people.list_groups():
        people.remove_group(group.name)


@pytest.fixture
def sync(installation: Myriad, people: People) -> Sync:  # noqa: ARG001 - nobody else is there
    def command(text: str, *options: str) -> subprocess.CompletedProcess[str]:
        return run(installation.home, "person", "sync", "--from", "-", *options, given=text)

    return command


def by_name(people: People) -> dict[str, Person]:
    return {person.name: person for person in people.list_people()}


def told(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def log_in(installation: Myriad, name: str, password: str) -> None:
    server = installation.server()
    psycopg.connect(
        host=server.host, port=server.port, user=name, password=password, dbname="main"
    ).close()


def test_who_joins_changes_and_leaves(people: People, sync: Sync) -> None:
    first = sync("name,groups,owner,until,email\nRose,a;b,no,,r@x\nBo,a,no,,b@x\nKim,,yes,,k@x\n")
    assert "not read: email" in first.stderr
    assert "3 joined, 0 left, 0 otherwise changed" in first.stdout
    assert [line.split()[0] for line in first.stdout.splitlines()[-3:]] == ["Rose", "Bo", "Kim"]
    assert {name: each.groups for name, each in by_name(people).items()} == {
        "Rose": ("a", "b"),
        "Bo": ("a",),
        "Kim": (),
    }
    text = "name,groups,owner,until\nRose,b;c,yes,2031-01-31\nKim,,no,\nAda,c,no,\n"
    planned = sync(text, "--dry-run")
    assert set(by_name(people)) == {"Rose", "Bo", "Kim"}
    done = sync(text)
    lines = [
        "- Bo: disabled",
        "~ Rose: joins c",
        "~ Rose: leaves a",
        "~ Rose: an owner",
        "~ Kim: no owner",
        "~ Rose: until 2031-01-31",
    ]
    assert planned.stdout.splitlines()[:-1] == ["+ Ada: joins", *lines]
    assert done.stdout.splitlines()[:6] == lines
    assert "1 joined, 1 left, 2 otherwise changed" in done.stdout
    found = by_name(people)
    assert (found["Bo"].disabled, found["Bo"].groups) == (True, ("a",))
    assert (found["Rose"].groups, found["Rose"].owner) == (("b", "c"), True)
    assert found["Rose"].until is not None
    assert not found["Kim"].owner
    assert "0 joined, 0 left, 0 otherwise changed" in sync(text).stdout


def test_what_a_list_does_not_say_stays(people: People, sync: Sync) -> None:
    sync("name,groups,owner\nRose,a,yes\nBo,a,no\n")
    assert sync("Rose\nBo\n").returncode == 0
    found = by_name(people)
    assert (found["Rose"].groups, found["Rose"].owner) == (("a",), True)
    sync("name,groups\nRose,\nBo,a\n")
    assert (by_name(people)["Rose"].groups, by_name(people)["Rose"].owner) == ((), True)


def test_who_comes_back_has_what_they_had(installation: Myriad, people: People, sync: Sync) -> None:
    logins = told(sync("name,groups,owner\nRose,a,yes\nBo,,no\n", "--json"))["passwords"]
    password = next(each["password"] for each in logins if each["name"] == "Rose")
    people.set_limits("Rose", {"rows": 5})
    sync("Bo\n")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        log_in(installation, "Rose", password)
    back = sync("name,groups,owner\nBo,,no\nRose,a,yes\n")
    assert back.stdout.startswith("+ Rose: is back\n0 joined, 0 left, 1 otherwise changed")
    log_in(installation, "Rose", password)
    assert people.limits("Rose")[1].value == 5


def test_what_was_done_by_hand_stays(people: People, sync: Sync) -> None:
    people.add_people(["admin"], ["staff"])
    people.add_people(["Rose"], ["pilot", "a"])
    done = sync("name,groups\nRose,b\nBo,a\nKim,\n")
    assert "= Rose: added by hand, from now on in the list" in done.stdout
    assert "left alone: 1" in done.stdout
    assert by_name(people)["admin"].groups == ("staff",)
    assert by_name(people)["Rose"].groups == ("b", "pilot")  # `pilot` is in no list
    people.disable(["Bo"])
    assert "= Bo: stays disabled, by hand" in sync("name,groups\nRose,b\nBo,a\nKim,\n").stdout
    sync("Kim\n")
    assert by_name(people)["Rose"].disabled
    people.enable(["Rose"])
    assert sync("Kim\n").stdout.startswith("0 joined, 0 left, 0 otherwise changed")
    assert not by_name(people)["Rose"].disabled
    sync("Kim\nBo\n")
    assert by_name(people)["Bo"].disabled  # no list lets in whom somebody shut out
    sync("Kim\n", "--remove")
    assert set(by_name(people)) == {"admin", "Rose", "Kim"}


def test_a_list_that_is_cut_off_changes_nothing(people: People, sync: Sync) -> None:
    whole = "name,groups\n" + "".join(f"p{number},a\n" for number in range(30))
    sync(whole)
    before = people.list_people()
    cut = whole[: len(whole) // 2].rpartition("\n")[0]
    for text in (cut, whole.replace(",a\n", ",\n"), "name\nx\n"):
        for options in ([], ["--dry-run"], ["--remove"], ["--json"]):
            done = sync(text, *options)
            assert done.returncode == 4
            assert "of 30 people would lose" in done.stderr
    assert len(json.loads(sync("name\nx\n", "--json").stderr)["losing"]) == 30
    for text in ("", "name\n", "\n\n"):
        assert sync(text, "--max-losses", "100").returncode == 2
    assert people.list_people() == before
    assert sync(cut, "--max-losses", "60").returncode == 0
    assert sum(person.disabled for person in people.list_people()) > 10


def test_who_leaves_for_good_is_removed_unless_they_own_something(
    installation: Myriad, people: People, sync: Sync
) -> None:
    text = "name,owner\nRose,yes\nBo,no\nKim,no\n"
    logins = told(sync(text, "--json"))["passwords"]
    server = installation.server()
    with closing(psycopg.connect(logins[0]["uri"], autocommit=True)) as session:
        session.execute('CREATE DATABASE "Rose\'s"')
    try:
        planned = told(sync("Kim\n", "--remove", "--dry-run", "--json"))
        done = told(sync("Kim\n", "--remove", "--json"))
        assert planned | {"dry_run": False} == done
        assert (done["removed"], list(done["kept"])) == (["Bo"], ["Rose"])
        assert done["kept"]["Rose"] == ['database "Rose\'s"']
        assert set(by_name(people)) == {"Rose", "Kim"}
        assert by_name(people)["Rose"].disabled
    finally:
        with closing(as_admin(server, autocommit=True)) as connection:
            connection.execute('DROP DATABASE "Rose\'s" WITH (FORCE)')
    assert sync("Kim\n", "--remove").stdout.startswith("- Rose: removed\n")


HOSTILE = ["postgres\0", "myriad", "myriad_pool_0", "pg_read_all_data", "public", "n" * 64, "a\tb"]


@pytest.mark.nightly(by_day=["myriad_pool_0", "public"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_nobody_may_have_changes_nothing(people: People, sync: Sync, name: str) -> None:
    sync("Rose\n")
    before = people.list_people()
    for text in (f"Rose\n{name}\n", f"name,groups\nRose,\nBo,{name}\n"):
        assert sync(text).returncode in {1, 2}
    assert people.list_people() == before


def test_names_that_are_taken_or_there_twice_change_nothing(
    installation: Myriad, people: People, sync: Sync
) -> None:
    people.add_groups(["staff"])
    with closing(as_admin(installation.server(), autocommit=True)) as connection:
        connection.execute("CREATE ROLE foreign_role")
    try:
        for text, said in (
            ("Bo\nBo\n", "given more than once: 'Bo'"),
            ("Bo\nforeign_role\n", "role already called 'foreign_role'"),
            ("name,groups\nBo,foreign_role\n", "role already called 'foreign_role'"),
            ("Bo\nstaff\n", "group already called 'staff'"),
            ("name,groups\nBo,Kim\nKim,\n", "as a person and as a group: 'Kim'"),
        ):
            done = sync(text)
            assert (done.returncode, said in done.stderr) == (1, True), text
        assert people.list_people() == []
        done = run(installation.home, "person", "add", "Kim", "--group", "Kim")
        assert "as a person and as a group: 'Kim'" in done.stderr
    finally:
        with closing(as_admin(installation.server(), autocommit=True)) as connection:
            connection.execute("DROP ROLE foreign_role")


def test_names_in_other_spellings_are_other_people(people: People, sync: Sync) -> None:
    names = ["O'Brien", 'x"; DROP ROLE myriad; --', "Zo\u00eb", "Zoe\u0308", "rose", "Rose"]
    quoted = "".join('"{}"\n'.format(name.replace('"', '""')) for name in names)
    assert sync(f"name\n{quoted}").returncode == 0
    assert set(by_name(people)) == set(names)


def test_a_list_without_end_is_refused_at_once(sync: Sync) -> None:
    million = "\n".join(f"p{number}" for number in range(1_000_000))
    assert f"more than {MOST:,} people" in sync(million).stderr
    assert f"more than {MOST:,} people" in sync(f"name\n{million}").stderr
    assert "more than 64 MB" in sync("x" * (MOST_BYTES + 1)).stderr
    for first in ("name" + "," * HEADER, "a," * HEADER):
        assert f"more than {HEADER:,} characters" in sync(first).stderr


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL without a door."""
    with reachable_folder() as folder:
        engine = EmbeddedPostgres(Home(folder / "home"), Settings())
        yield engine.start()
        engine.stop()


def test_more_than_one_transaction_takes_join_all_the_same(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "AT_ONCE", 10)
    people = People(server, Settings())
    wanted = Roster([NewPerson(f"m{number}", ("a",)) for number in range(25)], ALL)
    heard: list[Synced] = []
    people.sync_people(wanted, heard.append)
    assert [name for name, _ in heard[0].passwords] == [each.name for each in wanted.people]
    assert len(heard[0].changes.join) == 25
    assert {each.roster for each in people.list_people()} == {"listed"}
    _clear(people)


def test_who_heard_no_password_gets_one_by_the_same_command(server: Server) -> None:
    people = People(server, Settings())
    wanted = Roster([NewPerson("Rose", ("a",)), NewPerson("Bo")], ALL)
    heard: list[Synced] = []

    def broken(done: Synced) -> None:
        heard.append(done)
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        people.sync_people(wanted, broken)
    people.sync_people(wanted, heard.append)
    people.sync_people(wanted, heard.append)
    names = [[name for name, _ in done.passwords] for done in heard]
    assert names == [["Rose", "Bo"], ["Rose", "Bo"], []]
    assert not set(heard[0].passwords) & set(heard[1].passwords)
    _clear(people)


@pytest.mark.nightly(by_day=["after"])
@pytest.mark.parametrize("point", ["before", "after"])
def test_a_sync_that_is_killed_leaves_the_old_state_or_is_completed(
    installation: Myriad, people: People, sync: Sync, point: str, tmp_path: Path
) -> None:
    """Before its commit it waits for a table that is held; after it, for somebody to read."""
    people.add_groups(["b"])
    people.grant("b", "public")
    sync("name,groups\nRose,a\nBo,a\n")
    text = "name,groups\nRose,b\n" + "".join(f"person {n:054},b\n" for n in range(MANY))
    file = tmp_path / "people.csv"
    file.write_text(text)
    command = [
        *COMMAND,
        "person",
        "sync",
        "--from",
        str(file),
        "--home",
        str(installation.home.folder),
    ]
    reader, writer = os.pipe()
    with closing(as_admin(installation.server())) as holder:
        if point == "before":
            holder.execute("LOCK TABLE limits")
        process = subprocess.Popen(command, stdout=writer, stderr=subprocess.DEVNULL)
        os.close(writer)
        waits = "SELECT FROM pg_locks WHERE NOT granted"
        if point == "before":
            with closing(as_admin(installation.server(), autocommit=True)) as looker:
                wait_until(lambda: looker.execute(waits).fetchall())
        else:
            wait_until(lambda: len(people.list_people()) > MANY)
        process.send_signal(signal.SIGKILL)
        process.wait()
    os.close(reader)
    if point == "before":
        assert {name: each.groups for name, each in by_name(people).items()} == {
            "Rose": ("a",),
            "Bo": ("a",),
        }
    done = told(sync(text, "--json"))
    assert len(done["passwords"]) == MANY
    found = by_name(people)
    assert (found["Rose"].groups, found["Bo"].disabled) == (("b",), True)
    log_in(installation, done["passwords"][-1]["name"], done["passwords"][-1]["password"])


def test_of_two_lists_at_once_the_second_begins_when_the_first_has_told_its_passwords(
    people: People,
) -> None:
    """Else both print passwords of who joins, and those that are printed first are wrong."""
    roster = Roster([NewPerson("Rose"), NewPerson("Bo")], frozenset({"name"}))
    printed: list[dict[str, str]] = []
    with ThreadPoolExecutor(1) as threads:

        def tell(done: Synced) -> None:
            printed.append(dict(done.passwords))

        def tell_late(done: Synced) -> None:
            second = threads.submit(people.sync_people, roster, tell)
            with pytest.raises(TimeoutError):
                second.result(1)
            tell(done)
            seconds.append(second)

        seconds: list[Future[None]] = []
        people.sync_people(roster, tell_late)
        seconds[0].result(30)
    assert printed[0].keys() == {"Rose", "Bo"}
    assert printed[1] == {}


def test_who_is_removed_and_added_by_hand_while_a_list_is_told_is_in_no_list(
    people: People,
) -> None:
    def tell(_: Synced) -> None:
        people.remove(["Rose"])
        people.add([NewPerson("Rose")])

    people.sync_people(Roster([NewPerson("Rose"), NewPerson("Bo")], frozenset({"name"})), tell)
    assert {name: each.roster for name, each in by_name(people).items()} == {
        "Rose": None,
        "Bo": LISTED,
    }
