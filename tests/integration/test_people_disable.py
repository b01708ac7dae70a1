"""Accounts that are disabled, or end at a moment: who had one is out, and keeps what they have."""

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from myriad import Myriad
from myriad.errors import PeopleError, UsageError
from myriad.people import People, Person, expiry
from tests.door_inner import Inner
from tests.door_script import Ended
from tests.harness import as_admin, run, wait_until

LONG = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b"
ROWS = "SELECT a FROM generate_series(1, 10000) a, generate_series(1, 10000) b"
REFUSED = "not permitted to log in|password authentication failed"


@pytest.fixture
def people(installation: Myriad) -> People:
    return installation.people


@pytest.fixture
def rose(people: People, database: str, tag: str) -> Iterator[str]:
    """A person in a group that may read `database`; her password is her name."""
    name = f"rose{tag}"
    people.add_people([name], [f"g{tag}"], passwords={name: name})
    people.grant(f"g{tag}", "public", database)
    yield name
    people.remove([name])


def enter(installation: Myriad, name: str, database: str) -> psycopg.Connection:
    server = installation.server()
    return psycopg.connect(
        host=server.host,
        port=server.port,
        user=name,
        password=name,
        dbname=database,
        autocommit=True,
    )


def is_out(session: psycopg.Connection) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def found(people: People, name: str) -> Person:
    [person] = [each for each in people.list_people() if each.name == name]
    return person


def test_who_is_disabled_is_out_and_comes_back_with_all_that_they_had(
    installation: Myriad, people: People, rose: str, database: str
) -> None:
    people.set_limits(rose, {"rows": 77})
    before = found(people, rose)
    done = run(installation.home, "person", "disable", rose)
    assert (done.returncode, done.stdout) == (0, f"disabled {rose}\n")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        enter(installation, rose, database)
    assert found(people, rose).disabled
    listed = run(installation.home, "person", "list").stdout.splitlines()
    assert next(line for line in listed if line.startswith(rose)).endswith("disabled")
    assert run(installation.home, "person", "disable", rose).returncode == 0  # once more
    assert run(installation.home, "person", "enable", rose).stdout == f"enabled {rose}\n"
    assert found(people, rose) == before
    assert ("rows", 77, "own") in {(one.name, one.value, one.origin) for one in people.limits(rose)}
    with closing(enter(installation, rose, database)) as session:
        assert session.execute("SELECT session_user").fetchone() == (rose,)


def read_to_the_end(copy: psycopg.Copy) -> None:
    while copy.read():
        pass


def test_disabling_ends_every_session_whatever_it_does(
    installation: Myriad, people: People, rose: str, database: str
) -> None:
    idle, prepared, within, working = (enter(installation, rose, database) for _ in range(4))
    prepared.execute("PREPARE mine AS SELECT 1")
    within.execute("BEGIN; SELECT 1")
    failed = threading.Event()

    def work() -> None:
        with pytest.raises(psycopg.OperationalError):
            working.execute(LONG)
        failed.set()

    running = threading.Thread(target=work)
    running.start()
    wait_until(lambda: "active" in {each.state for each in people.activity([rose])})
    people.disable([rose])
    assert failed.wait(20)
    running.join()
    assert people.activity([rose]) == []
    for session in (idle, prepared, within):
        assert is_out(session)
        session.close()
    working.cancel()  # a key of a session that is no more
    no_work_is_left(installation, database)


def no_work_is_left(installation: Myriad, database: str) -> None:
    with closing(as_admin(installation.server(), autocommit=True)) as connection:
        left = "SELECT FROM pg_stat_activity WHERE datname = %s AND state = 'active'"
        wait_until(lambda: not connection.execute(left, [database]).fetchall())


def test_disabling_ends_a_copy_under_way_and_sessions_of_the_inner_socket(
    installation: Myriad, people: People, rose: str, database: str
) -> None:
    inner = Inner(installation).enter(rose, database)
    with (
        closing(enter(installation, rose, database)) as session,
        session.cursor().copy(f"COPY ({ROWS}) TO STDOUT") as copy,
    ):
        assert copy.read()
        people.disable([rose])
        with pytest.raises(psycopg.Error):
            read_to_the_end(copy)
    with pytest.raises((Ended, OSError)):
        inner.rows("SELECT 1")
    with pytest.raises(Ended, match="not permitted to log in"):
        Inner(installation).enter(rose, database)
    no_work_is_left(installation, database)


def test_a_disabled_owner_keeps_the_database_and_others_stay_in_it(
    installation: Myriad, people: People, tag: str
) -> None:
    owner, guest = f"owner{tag}", f"guest{tag}"
    people.add_people([owner, guest], owner=True, passwords={owner: owner, guest: guest})
    with closing(enter(installation, owner, "main")) as session:
        session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(owner)))
    with closing(enter(installation, owner, owner)) as own:
        own.execute("CREATE TABLE t AS SELECT 1 AS k")
        own.execute(f'GRANT CONNECT ON DATABASE "{owner}" TO "{guest}"')
        own.execute(f'GRANT SELECT ON t TO "{guest}"')
        with closing(enter(installation, guest, owner)) as other:
            people.disable([owner])
            assert is_out(own)
            assert other.execute("SELECT k FROM t").fetchall() == [(1,)]
    with pytest.raises(psycopg.OperationalError, match=REFUSED):
        enter(installation, owner, owner)
    with pytest.raises(PeopleError, match=f'owns database "{owner}"'):
        people.remove([owner])
    assert found(people, owner).disabled  # a removal that failed opens nothing
    people.enable([owner])
    with closing(enter(installation, owner, "main")) as session:
        session.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(owner)))
    people.remove([owner, guest])


def test_somebody_new_in_the_name_of_who_was_disabled_can_log_in(
    installation: Myriad, people: People, tag: str
) -> None:
    name = f"rose{tag}"
    people.add_people([name])
    people.disable([name])
    people.set_until([name], datetime.now().astimezone() - timedelta(days=1))
    people.remove([name])
    people.add_people([name], owner=True, passwords={name: name})
    enter(installation, name, "main").close()
    people.remove([name])


def test_nobody_is_disabled_where_a_name_is_unknown(people: People, rose: str) -> None:
    for change in (people.disable, people.enable, lambda names: people.set_until(names, None)):
        with pytest.raises(PeopleError, match="no person called 'Nobody'"):
            change([rose, "Nobody"])
    assert not found(people, rose).disabled


def test_an_account_ends_by_itself_with_its_sessions(
    installation: Myriad, people: People, rose: str, database: str
) -> None:
    with closing(enter(installation, rose, database)) as session:
        people.set_until([rose], datetime.now().astimezone() + timedelta(seconds=2))
        assert not found(people, rose).expired
        assert not is_out(session)
        wait_until(lambda: is_out(session))
    with pytest.raises(psycopg.OperationalError, match=REFUSED):
        enter(installation, rose, database)
    with pytest.raises(Ended, match="nobody may come in"):
        Inner(installation).enter(rose, database)
    assert found(people, rose).expired
    enabled = run(installation.home, "person", "enable", rose)
    assert f"their time is over: '{rose}'" in enabled.stderr
    assert run(installation.home, "person", "until", rose, "none").stdout == f"{rose}: until none\n"
    enter(installation, rose, database).close()


def test_a_moment_in_the_past_ends_sessions_at_once(
    installation: Myriad, rose: str, database: str
) -> None:
    with closing(enter(installation, rose, database)) as session:
        run(installation.home, "person", "until", rose, "2020-01-31")
        wait_until(lambda: is_out(session))
    listed = run(installation.home, "person", "list").stdout.splitlines()
    assert next(line for line in listed if line.startswith(rose)).endswith("ended 2020-01-31")


def test_a_date_is_the_last_day_wherever_it_is_given(
    installation: Myriad, people: People, tag: str, tmp_path: Path
) -> None:
    last = datetime(2031, 1, 31).astimezone()
    by_hand, listed = f"a{tag}", f"b{tag}"
    run(installation.home, "person", "add", by_hand, "--until", "2031-01-31")
    file = tmp_path / "people.csv"
    file.write_text(f"name,until,unit\n{listed},2031-01-31,sales\nc{tag},2031-01-31 17:30,\n")
    done = run(installation.home, "person", "add", "--from", file)
    assert "not read: unit" in done.stderr
    assert {found(people, name).until for name in (by_hand, listed)} == {last + timedelta(days=1)}
    assert found(people, f"c{tag}").until == last + timedelta(hours=17, minutes=30)
    shown = run(installation.home, "person", "list").stdout.splitlines()
    ends_of = {line.split()[0]: line.partition("until ")[2] for line in shown}
    assert (ends_of[by_hand], ends_of[listed]) == ("2031-01-31", "2031-01-31")
    assert ends_of[f"c{tag}"] == "2031-01-31 17:30"
    people.remove([by_hand, listed, f"c{tag}"])


@pytest.mark.parametrize("text", ["2031-02-30", "31.01.2031", "soon", "0001-01-01", "99999-01-01"])
def test_what_is_no_day_is_refused_with_a_hint(
    installation: Myriad, rose: str, text: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no day until when") as error:
        expiry.read(text)
    assert "2030-01-31" in error.value.hint
    assert run(installation.home, "person", "until", rose, text).returncode == 2
    file = tmp_path / "people.csv"
    file.write_text(f"name,until\nx,\ny,{text}\n")
    done = run(installation.home, "person", "add", "--from", file)
    assert (done.returncode, "line 3 of the list" in done.stderr) == (2, True)


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "294000-01-01", "0044-03-15 BC"])
def test_a_moment_that_no_client_can_read_is_shown_all_the_same(
    installation: Myriad, people: People, rose: str, moment: str
) -> None:
    with closing(as_admin(installation.server(), autocommit=True)) as connection:
        connection.execute(f"ALTER ROLE {rose} VALID UNTIL '{moment}'")
    person = found(people, rose)
    assert person.expired is (moment in {"-infinity", "0044-03-15 BC"})
    assert (person.until is None) is not person.expired
