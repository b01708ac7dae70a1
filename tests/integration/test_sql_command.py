"""`myriad sql`: psql as the administrator, who is not led astray, or as a person."""

import stat
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest

import myriad
from myriad import Myriad
from myriad.home.home import Home
from tests.harness import as_admin, run, run_process


@dataclass(frozen=True)
class Place:
    """A database of somebody's own, and who that is."""

    installed: Myriad
    database: str
    owner: str
    password: str

    def sql(self, *arguments: str, given: str = "", **environment: str) -> tuple[int, str, str]:
        """Run `myriad sql` with rows as plain text; return exit code, output and errors."""
        home = str(self.installed.home.folder)
        command = ["sql", *arguments, "--database", self.database, "--home", home, "--quiet"]
        quiet = {"PSQLRC": "/dev/null", "PGTZ": "UTC", **environment}
        done = run_process(*command, environment=quiet, given=given, timeout=100)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    owner = f"owner_{uuid.uuid4().hex[:8]}"
    [(_, password)] = installation.people.add_people([owner], owner=True)
    server = installation.server()
    there = {"host": server.host, "port": server.port, "user": owner, "password": password}
    with psycopg.connect(**there, dbname="main", autocommit=True) as connection:  # type: ignore[arg-type]
        connection.execute(f"CREATE DATABASE {owner}".encode())
    yield Place(installation, owner, owner, password)
    with closing(as_admin(server, autocommit=True)) as connection:
        connection.execute(f"DROP DATABASE {owner} WITH (FORCE)".encode())
    installation.people.remove([owner])


def test_the_administrator_runs_what_is_given_or_stands_in_a_file(place: Place) -> None:
    asked = "\\pset format unaligned\n\\pset tuples_only\nSELECT session_user, current_database();"
    assert place.sql(given=asked) == (0, f"myriad|{place.database}\n", "")
    code, said, errors = place.sql("-c", "SELECT 6 * 7 AS answer")
    assert (code, errors) == (0, "")
    assert "answer" in said
    assert "42" in said
    code, said, errors = place.sql(given="SELECT 1/0;\nSELECT 'after';")
    assert code == 3
    assert "division by zero" in errors
    assert "after" not in said


def test_the_administrator_calls_nothing_of_others_by_a_short_name(place: Place) -> None:
    with closing(as_admin(place.installed.server(), place.database, autocommit=True)) as made:
        made.execute("CREATE SCHEMA ours")
        made.execute("CREATE TABLE ours.kept AS SELECT 1 AS n")
        for text in (
            "CREATE SCHEMA theirs",
            "CREATE TABLE theirs.bait AS SELECT 1 AS n",
            "CREATE SCHEMA shared",
            "CREATE TABLE shared.bait AS SELECT 1 AS n",
            "GRANT CREATE ON SCHEMA shared TO {}",
            "ALTER SCHEMA theirs OWNER TO {}",
            "ALTER DATABASE {0} SET search_path = theirs, shared, public",
        ):
            made.execute(text.format(place.owner).encode())
    shown = "SELECT current_setting('search_path')"
    code, said, _ = place.sql("-c", shown)
    assert code == 0
    assert 'pg_catalog, "ours", pg_temp' in said
    assert place.sql("-c", "SELECT n FROM kept")[0] == 0
    code, _, errors = place.sql("-c", "SELECT n FROM bait")
    assert code == 1
    assert 'relation "bait" does not exist' in errors


def test_a_person_comes_by_the_door_with_their_own_password(place: Place) -> None:
    asked = "SELECT session_user || '@' || current_database()"
    code, said, errors = place.sql(place.owner, "-c", asked, PGPASSWORD=place.password)
    assert (code, errors) == (0, "")
    assert f"{place.owner}@{place.database}" in said
    code, _, errors = place.sql(place.owner, "-c", asked, PGPASSWORD="guessed")
    assert code == 2
    assert "password authentication failed" in errors
    code, _, errors = place.sql("nobody", "-c", asked)
    assert code == 1
    assert "nobody" in errors
    assert "hint: " in errors


def test_a_statement_in_the_place_of_a_name_is_told_of_its_option(place: Place) -> None:
    code, _, errors = place.sql("select 1")
    assert code == 1
    assert "A statement is run with -c." in errors


def test_what_psql_cannot_do_is_said(place: Place) -> None:
    code, _, errors = place.sql("--json")
    assert code == 2
    assert "psql does not answer in JSON" in errors


def test_who_may_enter_the_home_needs_no_encryption_even_where_others_do(made_home: Home) -> None:
    """The packaged psql speaks no TLS."""
    environment = {"MYRIAD_TLS": "require"}
    assert run(made_home, "up", "--detach", environment=environment).returncode == 0
    try:
        installed = myriad.open(made_home)
        [(_, password)] = installed.people.add_people(["rose"], ["readers"])
        installed.people.grant("readers", "public")
        socket = made_home.socket_folder() / ".s.PGSQL.6432"
        assert stat.S_IMODE(socket.stat().st_mode) & 0o077 == 0
        asked = ("sql", "rose", "-c", "SELECT 6 * 7 AS answer", "--home", str(made_home.folder))
        done = run_process(*asked, environment={"PGPASSWORD": password, **environment})
        assert (done.returncode, done.stderr) == (0, "")
        assert "42" in done.stdout
        refused = ("sql", "rose", "-c", "CREATE TABLE mine (n int)", *asked[4:])
        done = run_process(*refused, environment={"PGPASSWORD": password, **environment})
        assert "permission denied for schema public" in done.stderr
        assert "HINT:  Your groups have no such right there." in done.stderr
        server = installed.server()
        with pytest.raises(psycopg.OperationalError, match="wants TLS"):
            psycopg.connect(
                host=server.host,
                port=server.port,
                user="rose",
                password=password,
                dbname="main",
                sslmode="disable",
            )
    finally:
        run(made_home, "down")
    assert not socket.exists()
