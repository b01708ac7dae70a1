"""What hostile people, names and moments do to grants of tables and columns: nothing."""

import signal
import subprocess
import sys
from contextlib import closing
from threading import Thread

import psycopg
import pytest
from psycopg import sql

from myriad import Myriad
from myriad.errors import PeopleError
from myriad.people import People
from myriad.publish.options import Step
from tests.granting import DENIED, STAFF, Ask, grants_of
from tests.publishing import Place

ATTACKS = [
    "SELECT * FROM hr.people",
    "SELECT p FROM hr.people p",
    "SELECT p.* FROM hr.people p",
    "SELECT row_to_json(p) FROM hr.people p",
    "SELECT to_jsonb(p) -> 'salary' FROM hr.people p",
    "SELECT p::text FROM hr.people p",
    "SELECT name FROM hr.people WHERE salary > 40000",
    "SELECT name FROM hr.people ORDER BY salary",
    "SELECT name FROM hr.people GROUP BY name, salary",
    "SELECT count(salary) FROM hr.people",
    "SELECT name FROM hr.people p JOIN hr.pay USING (id)",
    "SELECT p.name FROM hr.people p NATURAL JOIN (VALUES (31337)) AS v (salary)",
    "SELECT ctid FROM hr.people",
    "SELECT xmin, name FROM hr.people",
    "SELECT name FROM hr.people FOR UPDATE",
    "TABLE hr.people",
    "WITH p AS (TABLE hr.people) SELECT name FROM p",
    "COPY hr.people TO STDOUT",
    "COPY hr.people (salary) TO STDOUT",
    "COPY (SELECT salary FROM hr.people) TO STDOUT",
    "SELECT currtid2('hr.people', '(0,1)')",
    "LOCK TABLE hr.people IN ACCESS EXCLUSIVE MODE",
    "INSERT INTO hr.people (name) VALUES ('x')",
    "UPDATE hr.people SET name = name",
    "DELETE FROM hr.people",
    "GRANT SELECT ON hr.people TO PUBLIC",
    "CREATE VIEW hr.v AS SELECT salary FROM hr.people",
    "CREATE TEMPORARY TABLE t AS SELECT name FROM hr.people",
    "SELECT * FROM hr.pay",
    "DECLARE c CURSOR WITH HOLD FOR SELECT salary FROM hr.people",
    "PREPARE p AS SELECT salary FROM hr.people; EXECUTE p",
    "EXPLAIN ANALYZE SELECT salary FROM hr.people",
    "ALTER TABLE hr.people ADD COLUMN x int",
]


def test_nothing_shows_a_column_that_was_not_granted(
    people: People, group: str, hr: Place, ask: Ask
) -> None:
    people.grant(group, "hr.people", hr.database, columns="name")
    assert ask("SELECT name FROM hr.people ORDER BY 1") == [("Ann",), ("Bob",)]
    assert ask("SELECT count(*) FROM hr.people") == [(2,)]
    for attack in ATTACKS:
        with pytest.raises(psycopg.Error) as refused:
            ask(attack)
        assert "41414" not in str(refused.value), attack
    stats = "SELECT attname FROM pg_stats WHERE schemaname = 'hr'"
    assert ask(stats) == [("name",)]
    seen = "SELECT column_name FROM information_schema.columns WHERE table_name = 'people'"
    assert ask(seen) == [("name",)]
    with pytest.raises(DENIED) as denied:
        ask("SELECT * FROM hr.people")
    assert "information_schema.columns" in (denied.value.diag.message_hint or "")


def test_a_foreign_key_tells_whether_there_is_a_row_and_nothing_of_it(
    people: People, group: str, hr: Place, ask: Ask
) -> None:
    hr.ask("ALTER TABLE hr.people ADD UNIQUE (id)")
    hr.ask("CREATE TABLE hr.note (id int REFERENCES hr.people (id))")
    people.grant(group, "hr.people", hr.database, columns="name")
    people.grant(group, "hr.note", hr.database, write=True)
    ask("INSERT INTO hr.note VALUES (1)")
    with pytest.raises(psycopg.errors.ForeignKeyViolation) as refused:
        ask("INSERT INTO hr.note VALUES (3)")
    assert not {"Ann", "Bob", "31337"} & set(str(refused.value).split())


def test_whoever_shares_connections_has_only_their_own_columns(
    installation: Myriad, people: People, hr: Place, tag: str
) -> None:
    """People of the same groups share them; others never do, though each reads the same table."""
    some = {f"r{tag}": "name", f"s{tag}": "team"}
    server, opened = installation.server(), {}
    where = f"host={server.host} port={server.port} dbname={hr.database}"
    for name, column in some.items():
        [(_, password)] = people.add_people([name], [f"{column}{tag}"])
        people.grant(f"{column}{tag}", "hr.people", hr.database, columns=column)
        opened[name] = psycopg.connect(where, user=name, password=password, autocommit=True)
    try:
        for _ in range(5):
            for name, column in some.items():
                other = "team" if column == "name" else "name"
                opened[name].execute(f"SELECT {column} FROM hr.people".encode())
                with pytest.raises(DENIED):
                    opened[name].execute(f"SELECT {other} FROM hr.people".encode())
        [(_, password)] = people.add_people([f"t{tag}"], [f"name{tag}"])
        with closing(
            psycopg.connect(where, user=f"t{tag}", password=password, autocommit=True)
        ) as third:
            third.execute("SELECT name FROM hr.people")
            assert (
                hr.one(
                    "SELECT count(DISTINCT usename) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND usename ~ '^myriad_pool'"
                )
                == 2
            )
    finally:
        for connection in opened.values():
            connection.close()


HOSTILE = ['a"b', "a.b", "a,b", "salary) ON hr.pay TO public; --", "Größe 🦉", "ctid2", "%s", "A"]


def test_names_are_names_whatever_is_in_them(
    people: People, group: str, hr: Place, ask: Ask
) -> None:
    columns = ", ".join(f"{sql.Identifier(name).as_string()} int" for name in HOSTILE)
    tables = ['x"; DROP TABLE hr.pay; --', "people.v2", "people,pay"]
    for table in tables:
        place = sql.Identifier("hr", table).as_string()
        hr.ask(f"CREATE TABLE {place} ({columns})")
    for table in tables:
        place = sql.Identifier("hr", table).as_string()
        for column in HOSTILE if table == tables[0] else HOSTILE[:1]:
            given = people.grant(group, f"hr.{table}", hr.database, columns=[column])
            assert [(each.table, each.columns) for each in given] == [(table, (column,))]
            name = sql.Identifier(column).as_string()
            assert ask(f"SELECT {name} FROM {place}") == []
            with pytest.raises(DENIED):
                ask(f"SELECT * FROM {place}")
        people.revoke(group, f"hr.{table}", hr.database)
    for wrong in ("xmin", "ctid", "tableoid", "", "name,nmae"):
        with pytest.raises(PeopleError, match="has no column called"):
            people.grant(group, "hr.people", hr.database, columns=[wrong])
    assert grants_of(people, group) == []


def test_grants_race_with_publishes_and_both_hold(
    people: People, group: str, hr: Place, ask: Ask
) -> None:
    file = hr.write("people.csv", STAFF)
    failed: list[BaseException] = []

    def again() -> None:
        try:
            for _ in range(4):
                hr.publish(file, dataset="hr")
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    thread = Thread(target=again)
    thread.start()
    turn = 0
    while thread.is_alive():
        turn += 1
        people.grant(group, "hr.people", hr.database, columns="name" if turn % 2 else "team")
        if turn % 3 == 0:
            people.revoke(group, "hr.people", hr.database)
    thread.join()
    assert not failed
    assert turn > 2
    people.grant(group, "hr.people,public", hr.database)
    people.grant(group, "hr.people", hr.database, columns="name")
    hr.publish(file, dataset="hr")
    assert len(ask("SELECT name FROM hr.people")) == 2
    for denied in ("SELECT team FROM hr.people", "SELECT salary FROM hr.people"):
        with pytest.raises(DENIED):
            ask(denied)


def test_what_is_revoked_while_a_new_table_is_loaded_is_not_given_with_it(
    people: People, group: str, hr: Place, ask: Ask
) -> None:
    people.grant(group, "hr", hr.database)
    people.grant(group, "hr.people", hr.database)

    def revoke(step: Step) -> None:
        if step.phase == "replacing" and grants_of(people, group)[0].startswith("hr in"):
            people.revoke(group, "hr", hr.database)

    hr.publish(hr.write("secret.csv", "a\n1\n"), dataset="hr", progress=revoke)
    assert ask("SELECT count(*) FROM hr.people") == [(2,)]
    with pytest.raises(DENIED):
        ask("SELECT * FROM hr.secret")


def test_what_is_granted_while_a_new_table_is_loaded_is_given_with_it(
    people: People, group: str, hr: Place, ask: Ask
) -> None:
    def grant(step: Step) -> None:
        if step.phase == "replacing" and not grants_of(people, group):
            people.grant(group, "hr", hr.database)

    hr.publish(hr.write("late.csv", "a\n1\n"), dataset="hr", progress=grant)
    assert ask("SELECT * FROM hr.late") == [(1,)]


KILLED = """
import os, signal, sys
import psycopg
import myriad
from myriad.people import grants
home, at, what, group, database = sys.argv[1:]
real = grants.rights.settled
class Settled:
    def __init__(self, *arguments):
        self.inner = real(*arguments)
    def __enter__(self):
        self.inner.__enter__()
        if at == "before": os.kill(os.getpid(), signal.SIGKILL)
    def __exit__(self, *error):
        if at == "between": os.kill(os.getpid(), signal.SIGKILL)
        self.inner.__exit__(*error)
        if at == "after": os.kill(os.getpid(), signal.SIGKILL)
grants.rights.settled = Settled
getattr(myriad.open(home).people, what)(group, "hr.people", database)
"""


@pytest.mark.nightly(by_day=["between-grant", "after-revoke"])
@pytest.mark.parametrize("what", ["grant", "revoke"])
@pytest.mark.parametrize("at", ["before", "between", "after"])
def test_whoever_is_killed_leaves_rights_and_record_equal_after_the_next_change(
    people: People, group: str, hr: Place, ask: Ask, at: str, what: str
) -> None:
    people.grant(group, "public", hr.database)
    if what == "revoke":
        people.grant(group, "hr.people", hr.database)
    home = str(hr.installation.home.folder)
    arguments = [sys.executable, "-c", KILLED, home, at, what, group, hr.database]
    done = subprocess.run(arguments, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    people.grant(group, "public", hr.database)
    written = any("hr.people" in grant for grant in grants_of(people, group))
    assert written is ((what == "grant") is (at != "before"))
    if written:
        assert ask("SELECT count(*) FROM hr.people") == [(2,)]
    else:
        with pytest.raises(DENIED):
            ask("SELECT count(*) FROM hr.people")


def test_a_cursor_that_was_opened_before_goes_on_to_the_end_of_its_transaction_alone(
    installation: Myriad, people: People, group: str, hr: Place, tag: str
) -> None:
    """As on a direct connection: rights are looked at when something is opened."""
    people.grant(group, "hr.people,public", hr.database)
    [(name, password)] = people.add_people([f"c{tag}"], [group])
    server = installation.server()
    where = f"host={server.host} port={server.port} dbname={hr.database}"
    with closing(psycopg.connect(where, user=name, password=password)) as session:
        session.execute("DECLARE before CURSOR FOR TABLE hr.people")
        assert len(session.execute("FETCH 1 FROM before").fetchall()) == 1
        people.revoke(group, "hr.people", hr.database)
        assert len(session.execute("FETCH 1 FROM before").fetchall()) == 1
        with pytest.raises(DENIED):
            session.execute("DECLARE after CURSOR FOR TABLE hr.people")
        session.rollback()
        with pytest.raises(psycopg.errors.InvalidCursorName):
            session.execute("FETCH 1 FROM before")


def test_a_database_that_was_dropped_by_half_is_in_nobodys_way(
    people: People, group: str, hr: Place, tag: str
) -> None:
    """PostgreSQL lets nobody in where a DROP DATABASE was interrupted."""
    half = f"half_{tag}"
    with closing(hr.installation.server().connect(autocommit=True)) as admin:
        admin.execute(f"CREATE DATABASE {half}".encode())
        admin.execute("UPDATE pg_database SET datconnlimit = -2 WHERE datname = %s", [half])
    with closing(hr.installation.server().connect("myriad", autocommit=True)) as control:
        left = "INSERT INTO public.unsettled (database, dataset) VALUES (%s, 'hr')"
        control.execute(left.encode(), [half])
    people.grant(group, "hr.people", hr.database)
    assert grants_of(people, group) == [f"hr.people in {hr.database} (read)"]
    with pytest.raises(PeopleError, match="no database called") as refused:
        people.grant(group, "hr", half)
    assert half not in refused.value.hint
    with closing(hr.installation.server().connect(autocommit=True)) as admin:
        admin.execute(f"DROP DATABASE {half}".encode())
