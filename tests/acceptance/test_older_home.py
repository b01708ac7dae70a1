"""A home as an older version left it: brought up to date, nothing is lost, and it works."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

import myriad
from myriad import Myriad
from myriad.engines.postgres import processes, programs
from myriad.engines.postgres.base import Server
from myriad.engines.postgres.embedded import EmbeddedPostgres
from myriad.errors import ContractRefused, SchemaRefused
from myriad.home.home import Home
from myriad.migrations.migrations import CONTROL, RECORD
from myriad.publish.contract import Change
from myriad.publish.options import Options
from myriad.settings import Settings
from tests.harness import reachable_folder, run, wait_until

KEPT = Path(__file__).parents[1] / "homes"
PASSWORDS = {
    "Rose": "rose's password",
    "Bruno": "brunos password",
    "Ada": "adas password",
    "Olga": "olgas password",
}
# What is written anew at each start, or asked of the door meanwhile.
# Also a load to Cassandra that does not know the number of its table: it begins anew.
FLEETING = {"public.hardened", "public.request", "public.cassandra_load"}
Rows = dict[str, list[dict[str, Any]]]


@dataclass
class Older:
    """An installation that is up on an older home; `before`: the rows of all its databases."""

    installation: Myriad
    before: dict[str, Rows]

    def log_in(self, name: str, database: str = "main") -> psycopg.Connection:
        server = self.installation.server()
        return psycopg.connect(
            host=server.host,
            port=server.port,
            user=name,
            password=PASSWORDS[name],
            dbname=database,
            autocommit=True,
        )


@pytest.fixture(scope="module")
def older(made: Path) -> Iterator[Older]:
    with reachable_folder() as folder:
        home = Home(folder / "home")
        subprocess.run(["cp", "-a", made, home.folder], check=True)
        before = _put_back(home, KEPT / "format_1")
        installation = myriad.open(home)
        installation.up_detached()
        yield Older(installation, before)
        installation.down()


def _put_back(home: Home, kept: Path) -> dict[str, Rows]:
    """Make the home what is kept; return the rows of its databases."""
    (home.folder / "format").unlink(missing_ok=True)
    shutil.copytree(kept / "home", home.folder, dirs_exist_ok=True)
    for path in (home.secrets / "door.key", home.secrets / "mock.json"):
        path.chmod(0o600)  # which git does not keep
    engine = EmbeddedPostgres(home, Settings())
    server = engine.start()
    try:
        with closing(server.connect("postgres", autocommit=True)) as connection:
            connection.execute("DROP DATABASE myriad")
            connection.execute("DROP DATABASE main")
        names = ["myriad", "main", "school", "lab"]
        psql = programs.find("", home.folder / "programs", None).path("psql")
        for name in ["globals", *names]:
            options = ("-qX", "-v", "ON_ERROR_STOP=1", "-f", str(kept / f"{name}.sql"))
            subprocess.run([psql, *options, f"{server.dsn} dbname=postgres"], check=True)
        return {name: _rows(server, name) for name in names}
    finally:
        engine.stop()


def _rows(server: Server, database: str) -> Rows:
    with closing(server.connect(database)) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        return {
            name: [row for (row,) in connection.execute(f"SELECT to_jsonb(t) FROM {name} t")]
            for (name,) in tables
        }


def _there(row: dict[str, Any], now: list[dict[str, Any]]) -> bool:
    """Say whether a row is there; a newer version may have given it more columns."""
    return any(row.items() <= each.items() for each in now)


def test_every_row_is_still_there(older: Older) -> None:
    server = older.installation.server()
    for database, tables in older.before.items():
        now = _rows(server, database)
        for name, rows in tables.items():
            if name not in FLEETING:
                lost = [row for row in rows if not _there(row, now[name])]
                assert lost == [], f"{database}: {name}"
    assert sum(len(rows) for tables in older.before.values() for rows in tables.values()) > 40


def test_every_database_with_a_record_has_the_newest_number_and_the_home_its_format(
    older: Older,
) -> None:
    server = older.installation.server()
    for database, kind in (("myriad", CONTROL), ("main", RECORD), ("school", RECORD)):
        with closing(server.connect(database, autocommit=True)) as connection:
            assert kind.number(connection) == len(kind.steps)
    with closing(server.connect("lab", autocommit=True)) as connection:
        assert RECORD.number(connection) is None  # whose it is, makes there what she likes
    assert (older.installation.home.folder / "format").read_text() == "1\n"


def test_people_log_in_with_the_passwords_they_have_and_see_what_they_were_given(
    older: Older,
) -> None:
    with closing(older.log_in("Rose")) as rose:
        query = "SELECT name FROM members WHERE id < 4 ORDER BY id"
        assert rose.execute(query).fetchall() == [("Ada",), ("Grace",), ("Lin",)]
        assert rose.execute("SELECT count(*) FROM finance.payments").fetchone() == (2,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rose.execute("DELETE FROM members")
    with closing(older.log_in("Bruno", "school")) as bruno:
        assert bruno.execute("SELECT count(*) FROM staff.members_1").fetchone() == (2,)
        with pytest.raises(psycopg.DatabaseError, match="100"):  # his group's limit
            bruno.execute("SELECT generate_series(1, 1000)")
    with closing(older.log_in("Ada")) as ada:
        ada.execute("UPDATE members SET name = name")
    with closing(older.log_in("Olga", "lab")) as olga:
        assert olga.execute("TABLE own").fetchall() == [(1,)]
    with pytest.raises(psycopg.OperationalError):
        older.log_in("Rose", "lab")


def test_what_commands_show_is_what_they_showed(older: Older) -> None:
    people = older.installation.people
    groups = {each.name: (each.pool, each.members) for each in people.list_groups()}
    assert groups == {"analysts": ("transaction", 1), "night": ("session", 2)}
    owners = {person.name: (person.owner, person.groups) for person in people.list_people()}
    assert owners["Olga"] == (True, ())
    assert owners["Ada"] == (False, ("night",))
    ran = {(each.person, each.statement, each.outcome) for each in people.audit(last=1000)}
    assert ("Rose", "SELECT 1/0", "22012") in ran
    published = older.installation.published()
    assert {f"{row['engine']} {row['dataset']}.{row['name']}" for row in published} == {
        "postgres public.members",
        "postgres finance.payments",
        "postgres staff.members_1",
        "cassandra sensors.readings",
    }
    readings = older.installation.describe("sensors.readings")
    assert (readings["rows"], readings["key"]) == (3, "sensor/at")


def test_rejects_of_before_are_shown_and_their_files_kept(older: Older) -> None:
    payments = older.installation.describe("finance.payments")
    assert [reject["raw"] for reject in payments["first_rejects"]] == ["2,oops,,x"]
    files = sorted(older.installation.home.rejects.iterdir())
    assert [json.loads(path.read_text())["line"] for path in files[:2]] == [3, 3]


def test_it_works_publish_again_append_add_people_grant_and_audit(
    older: Older, folder: Path
) -> None:
    source = folder / "payments.csv"
    source.write_text("id,amount,paid\n7,1.25,2026-01-01\n")
    report = older.installation.publish([source], Options(dataset="finance"))
    assert [(table.action, table.rows) for table in report.tables] == [("replaced", 1)]
    more = folder / "members.csv"
    more.write_text("id,name,joined\n9,Kim,2026-02-02\n")
    report = older.installation.publish([more], Options(append=True))
    assert older.installation.describe("members")["rows"] == 4
    people = older.installation.people
    [(name, password)] = people.add_people(["Kim"], ["night"])
    people.grant("night", "finance")
    server = older.installation.server()
    with psycopg.connect(
        host=server.host, port=server.port, user=name, password=password, dbname="main"
    ) as kim:
        assert kim.execute("SELECT count(*) FROM members").fetchone() == (4,)
        assert kim.execute("SELECT amount::float FROM finance.payments").fetchone() == (1.25,)
    wait_until(lambda: any(ran.person == name for ran in people.audit(last=10)))
    people.remove([name])
    for table, before in (("finance.payments", 2), ("members", 3)):
        assert older.installation.undo(table)["tables"][0]["rows"] == before
        runs = older.installation.history(table)
        assert [run["kind"] for run in runs][-2:] == ["publish", "publish"]
    assert older.installation.diff("members")["removed"] == 1


def test_what_an_older_version_published_is_held_to_a_contract_and_goes_back(
    older: Older, folder: Path
) -> None:
    up, source = older.installation, folder / "members.csv"

    def publish(text: str, **options: Any) -> None:
        source.write_text(text)
        up.publish([source], Options(**options))

    with closing(up.server().connect("main", autocommit=True)) as admin:
        admin.execute("CREATE VIEW public.seen AS SELECT id, name FROM public.members")
        before = admin.execute("SELECT * FROM public.members ORDER BY id").fetchall()
        first = up.history("members")[0]["versions"]["members"]
        for worse in ("id,name,joined\n", "number,name,joined\n1,Ada,2024-01-05\n"):
            with pytest.raises(ContractRefused):
                publish(worse)
        assert admin.execute("SELECT * FROM public.members ORDER BY id").fetchall() == before
        rows = "".join(f"{n},Ada,2024-01-05\n" for n in (1, 2, 3, 70_000))
        with pytest.raises(ContractRefused, match="3 rows that people added or changed"):
            publish(f"id,name,joined\n{rows}")  # Ada did
        publish(f"id,name,joined\n{rows}", allow=frozenset({Change.WRITES}))
        assert admin.execute("SELECT max(id) FROM public.seen").fetchone() == (70_000,)
        publish("id,name,joined\n3,Lin,2025-12-31\n4,Kim,2026-02-02\n", merge=True)
        assert up.diff("members")["added"] == 1
        up.undo("members", first)
        assert admin.execute("SELECT * FROM public.seen ORDER BY id").fetchall() == [
            row[:2] for row in before
        ]
        with pytest.raises(SchemaRefused, match=r"view public\.seen"):
            up.unpublish("members")
        admin.execute("DROP VIEW public.seen")
    up.unpublish("members")
    assert up.undo("members")["tables"][0]["rows"] == len(before)


def test_up_refuses_what_a_newer_version_wrote_and_leaves_nothing_running(
    made_home: Home,
) -> None:
    engine = EmbeddedPostgres(made_home, Settings())
    with closing(engine.start().connect(autocommit=True)) as connection:
        connection.execute("INSERT INTO myriad.migration VALUES (1000, 'of_tomorrow')")
    engine.stop()
    done = run(made_home, "up", "--detach")
    assert done.returncode == 1
    assert "database myriad was written by a newer Myriad (migration 1000)" in done.stderr
    assert "hint: Use the newer Myriad" in done.stderr
    assert processes.servers(made_home.postgres) == []


@pytest.mark.nightly(
    daily="tests/acceptance/test_older_home.py::"
    "test_up_refuses_what_a_newer_version_wrote_and_leaves_nothing_running"
)
def test_commands_refuse_the_home_of_a_newer_version(made_home: Home) -> None:
    (made_home.folder / "format").write_text("1000\n")
    for command in ("up", "status"):
        done = run(made_home, command)
        assert done.returncode == 1
        assert f"{made_home.folder} was written by a newer Myriad (format 1000)" in done.stderr
