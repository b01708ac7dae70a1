"""People on a PostgreSQL where Myriad is no superuser: CREATEROLE and CREATEDB are enough."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from myriad.engines.postgres.attached import AttachedPostgres
from myriad.engines.postgres.base import Server
from myriad.errors import PeopleError
from myriad.home.home import Home
from myriad.migrations.migrations import CONTROL, RECORD
from myriad.people import NewPerson, People, Roster, Synced
from myriad.publish.inventory import everywhere
from myriad.publish.options import Options
from myriad.publish.publish import Engines, publish
from myriad.settings import Settings
from tests.elsewhere import elsewhere
from tests.harness import as_admin

SAYS = frozenset({"name", "groups", "owner"})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with elsewhere() as theirs:
        with closing(theirs.connect("postgres", autocommit=True)) as connection:
            connection.execute("CREATE ROLE boss LOGIN CREATEROLE CREATEDB PASSWORD 'boss'")
        dsn = make_conninfo(host=theirs.host, port=theirs.port, user="boss", password="boss")
        yield AttachedPostgres(dsn, Settings()).start()


def log_in(server: Server, name: str, password: str, database: str) -> psycopg.Connection:
    return psycopg.connect(
        host=server.host, port=server.port, user=name, password=password, dbname=database
    )


def test_people_come_read_write_and_go(server: Server) -> None:
    people = People(server, Settings())
    with closing(as_admin(server, "main", autocommit=True)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    [(rose, password)] = people.add_people(["Rose"], ["analysts"], passwords={"Rose": "pässword"})
    [(bruno, other)] = people.add_people(["Bruno"])
    people.grant("analysts", "public", write=True)
    with closing(as_admin(server, "main", autocommit=True)) as connection:
        connection.execute("CREATE TABLE later AS SELECT 2 AS a")
    session = log_in(server, rose, password, "main")
    session.execute("UPDATE t SET a = later.a FROM later")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        log_in(server, bruno, other, "main")
    people.revoke("analysts", "public")
    people.grant("analysts", "public")
    people.remove(["Rose"])
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    people.remove_group("analysts")
    assert [person.name for person in people.list_people()] == ["Bruno"]


def test_there_are_no_workspaces_that_nobody_could_guard(server: Server) -> None:
    people = People(server, Settings())
    people.add_groups(["makers"])
    with pytest.raises(PeopleError, match="Myriad is no superuser there"):
        people.create_workspace("makers", "lab")
    assert people.list_workspaces() == []
    people.remove_group("makers")


def test_an_owner_makes_a_database_and_is_not_removed_with_it(server: Server) -> None:
    people = People(server, Settings())
    [(name, password)] = people.add_people(["Ada"], owner=True)
    with closing(log_in(server, name, password, "main")) as connection:
        connection.autocommit = True
        connection.execute("CREATE DATABASE adas")
        with pytest.raises(PeopleError, match='owns database "adas"'):
            people.remove(["Ada"])
        connection.execute("DROP DATABASE adas")
    people.remove(["Ada"])


def test_who_is_disabled_or_gone_from_the_list_is_out_and_comes_back(server: Server) -> None:
    people, heard = People(server, Settings()), list[Synced]()
    whole = Roster([NewPerson("Kay", ("a",)), NewPerson("Lu", owner=True)], SAYS)
    people.sync_people(whole, heard.append)
    people.grant("a", "public")
    passwords = dict(heard[0].passwords)
    session = log_in(server, "Kay", passwords["Kay"], "main")
    people.disable(["Kay"])
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        log_in(server, "Kay", passwords["Kay"], "main")
    people.enable(["Kay"])
    with closing(log_in(server, "Kay", passwords["Kay"], "main")):
        people.sync_people(whole, heard.append)  # who was enabled by hand is a list's again
        people.sync_people(Roster([NewPerson("Lu")], SAYS), heard.append)
    assert heard[2].changes.owner == {"Lu": False}
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        log_in(server, "Kay", passwords["Kay"], "main")
    people.sync_people(whole, heard.append)
    log_in(server, "Kay", passwords["Kay"], "main").close()
    people.set_until(["Kay"], datetime.now(UTC) - timedelta(days=1))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        log_in(server, "Kay", passwords["Kay"], "main")
    people.remove(["Kay", "Lu"])
    people.remove_group("a")


def _without_numbers(server: Server) -> None:
    """Leave the record of what is published as it was when its migrations had no numbers."""
    with closing(server.connect("main", autocommit=True)) as connection:
        kept = connection.execute(
            "SELECT run, dataset, name, rows, report FROM myriad.published"
        ).fetchall()
        connection.execute("DROP SCHEMA myriad CASCADE")
        connection.execute("CREATE SCHEMA myriad")
        connection.execute(RECORD.steps[0].text)
        for run, dataset, name, rows, report in kept:
            connection.execute(
                "INSERT INTO myriad.run (run, started, dataset, sources, report)"
                " VALUES (%s, now(), %s, '{}', %s)",
                [run, dataset, Jsonb({"rows": rows, "tables": [{"table": name}]})],
            )
            connection.execute(
                "INSERT INTO myriad.published VALUES (%s, %s, %s, %s, %s)",
                [dataset, name, run, rows, Jsonb(report)],
            )


def test_what_was_kept_before_there_were_numbers_is_brought_up_to_date(
    server: Server, tmp_path: Path
) -> None:
    people = People(server, Settings())
    people.add_people(["Kim"], ["older"])
    source = tmp_path / "older.csv"
    source.write_text("a\n1\n")
    publish(Engines(server), Home(tmp_path / "home"), Settings(), [source], Options())
    with closing(server.connect(autocommit=True)) as connection:
        connection.execute("DROP SCHEMA myriad CASCADE")
    _without_numbers(server)
    AttachedPostgres(server.dsn, Settings()).start()
    for database, kind in (("myriad", CONTROL), ("main", RECORD)):
        with closing(server.connect(database, autocommit=True)) as connection:
            assert kind.number(connection) == len(kind.steps)
    assert {person.name: person.groups for person in people.list_people()}["Kim"] == ("older",)
    assert [row["name"] for row in everywhere(server)] == ["older"]
    people.remove(["Kim"])


def test_two_that_come_first_at_once_both_find_the_tables(server: Server) -> None:
    with closing(as_admin(server, autocommit=True)) as connection:
        connection.execute("DROP SCHEMA myriad CASCADE")
        connection.execute("DROP VIEW audit")
        connection.execute(
            "DROP TABLE grants, table_grant, workspace_group, workspace, grp, person, limits,"
            " audit_0, audit_1, request"
        )
    failures: list[Exception] = []

    def look() -> None:
        try:
            People(server, Settings()).list_people()
        except Exception as error:  # noqa: BLE001 - any is one too many
            failures.append(error)

    threads = [Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
