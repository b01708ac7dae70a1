"""Every client that can be had connects with the very lines that `myriad connect` prints."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from myriad import Myriad
from myriad.connect import CLIENTS, Target, Trust, reachable
from myriad.engines.postgres import programs
from myriad.engines.postgres.databases import create_database
from myriad.home.home import Home
from myriad.running import tls
from myriad.settings import Settings
from tests.harness import run as myriad_run

WHO = "SELECT session_user || '@' || current_database()"
ODD = "r'o\"s\\e %41 $HOME `id` :@/?#&=+ ü山🦉;--"


@pytest.fixture(scope="module")
def target(installation: Myriad) -> Iterator[Target]:
    """Somebody with odd characters in name, password and database."""
    server, people, tag = installation.server(), installation.people, uuid.uuid4().hex[:6]
    database, group = f"{tag} {ODD[:30]}", f"g{tag}"
    create_database(server, database)
    [(name, password)] = people.add_people(
        [f"{ODD} {tag}"], [group], passwords={f"{ODD} {tag}": f" {ODD} "}
    )
    people.grant(group, "public", database)
    yield Target(server.host, server.port, database, name, password)
    people.remove([name])
    people.remove_group(group)
    with closing(server.connect(autocommit=True)) as connection:
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")  # the door keeps connections for a while
        connection.execute(drop.format(sql.Identifier(database)))


@pytest.fixture(scope="module")
def encrypted(target: Target, installation: Myriad, tools: Path) -> Target:
    """The same, with lines that make sure whom they speak to."""
    certificate = tools / "my certificate.crt"
    done = myriad_run(installation.home, "certificate")
    assert done.returncode == 0
    certificate.write_text(done.stdout)
    return replace(target, trust=Trust("verify-full", str(certificate)))


@pytest.fixture(params=["plain", "encrypted"])
def to(request: pytest.FixtureRequest, target: Target, encrypted: Target) -> Target:
    return encrypted if request.param == "encrypted" else target


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tools")


def who(target: Target) -> str:
    return f"{target.user}@{target.database}"


def run(*arguments: str | Path, folder: Path | None = None, **environment: str) -> str:
    done = subprocess.run(
        arguments,
        cwd=folder,
        env={**os.environ, "PYTHONUTF8": "1", **environment},
        capture_output=True,
        check=False,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().removesuffix("\n")


def psql(tools: Path, line: str, **environment: str) -> str:
    """Run a line in a shell, as one that was pasted."""
    folder = programs.find("", tools / "programs", None).folder
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return run("sh", "-c", f'{line} -Atc "{WHO}"', folder=tools, PATH=path, **environment)


def certificate_of_another(folder: Path) -> str:
    other = Home(folder / "other home")
    other.create()
    tls.prepare(other, Settings())
    return tls.show(other, Settings()).pem


def skip_without_tls(to: Target, tools: Path) -> None:
    """Skip where the packaged psql, which the tests use, was built without TLS."""
    folder = programs.find("", tools / "programs", None).folder
    built = subprocess.run([folder / "pg_config", "--configure"], capture_output=True, check=False)
    if to.trust and b"ssl" not in built.stdout:
        pytest.skip("the packaged psql has no TLS; Python's libpq is tried with the same URI")


def test_psql(to: Target, tools: Path) -> None:
    skip_without_tls(to, tools)
    line = CLIENTS["psql"].lines(to)
    assert psql(tools, line, PGPASSWORD=to.password) == who(to)


def test_psql_with_a_pgpass_file(target: Target, tools: Path) -> None:
    file = tools / "pgpass"
    file.write_text(CLIENTS["pgpass"].lines(target) + "\n", "utf-8")
    file.chmod(0o600)
    assert psql(tools, CLIENTS["psql"].lines(target), PGPASSFILE=str(file)) == who(target)


def test_psql_with_a_service_file(to: Target, tools: Path) -> None:
    skip_without_tls(to, tools)
    file = tools / "service.conf"
    file.write_text(CLIENTS["service"].lines(to) + "\n", "utf-8")
    found = psql(tools, "psql service=myriad", PGSERVICEFILE=str(file), PGPASSWORD=to.password)
    assert found == who(to)


PYTHON = {
    "psycopg2": f'cursor = connection.cursor(); cursor.execute("{WHO}"); print(*cursor.fetchone())',
    "psycopg": f'print(*connection.execute("{WHO}").fetchone())',
    "sqlalchemy": f"from sqlalchemy import text\nprint(engine.connect().scalar(text({WHO!r})))",
    "pandas": f"print(pandas.read_sql({WHO!r}, engine).iloc[0, 0])\nassert len(frame) == 1",
}


@pytest.mark.nightly(
    by_day=["plain-psycopg", "encrypted-psycopg2", "encrypted-sqlalchemy", "encrypted-pandas"]
)
@pytest.mark.parametrize("client", list(PYTHON))
def test_python(to: Target, client: str) -> None:
    code = f"{CLIENTS[client].lines(to)}\n{PYTHON[client]}"
    assert run(sys.executable, "-c", code) == who(to)


def test_the_uri_itself(to: Target) -> None:
    with closing(psycopg.connect(to.uri(with_password=True))) as connection:
        assert connection.execute(WHO).fetchone() == (who(to),)
        assert connection.pgconn.ssl_in_use


def test_asyncpg(to: Target) -> None:
    assert run(sys.executable, "-c", CLIENTS["asyncpg"].lines(to)) == to.user


@pytest.mark.nightly(by_day=["plain"])
def test_jdbc(to: Target, tools: Path, jdbc: Path) -> None:
    program = tools / "Main.java"
    program.write_text(
        f"""class Main {{ public static void main(String[] arguments) throws Exception {{
        {CLIENTS["jdbc"].lines(to)}
        var result = connection.createStatement().executeQuery("{WHO}");
        result.next();
        new java.io.PrintStream(System.out, true, "UTF-8").println(result.getString(1)); }} }}""",
        "utf-8",
    )
    assert run("java", "-cp", jdbc, program, LC_ALL="C.UTF-8") == who(to)


@pytest.mark.nightly(daily="tests/integration/test_connect.py::test_python")
def test_node(to: Target, node: Path) -> None:
    code = f"""{CLIENTS["node"].lines(to)}
    client.query("{WHO}", (error, result) => {{
      if (error) throw error;
      console.log(Object.values(result.rows[0])[0]); client.end(); }});"""
    assert run("node", "-e", code, folder=node) == who(to)


def test_r(to: Target) -> None:
    if not shutil.which("Rscript"):
        pytest.skip("R cannot be had from a package registry: Rscript is not on this machine")
    code = f"{CLIENTS['r'].lines(to)}\ncat(DBI::dbGetQuery(connection, {WHO!r})[[1]])"
    assert run("Rscript", "-e", code) == who(to)


def test_a_certificate_that_does_not_vouch_for_the_server_lets_nobody_speak_to_it(
    encrypted: Target, tools: Path
) -> None:
    other = tools / "other.crt"
    other.write_text(certificate_of_another(tools))
    doubtful = replace(encrypted, trust=Trust("verify-full", str(other)))
    for client, tell in PYTHON.items():
        code = f"{CLIENTS[client].lines(doubtful)}\n{tell}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        assert b"certificate verify failed" in done.stderr, client
    code = CLIENTS["asyncpg"].lines(doubtful)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert b"CERTIFICATE_VERIFY_FAILED" in done.stderr


def test_odbc(to: Target) -> None:
    if importlib.util.find_spec("pyodbc") is None:
        pytest.skip("pyodbc is not installed: its driver cannot be had from PyPI")
    code = f"{CLIENTS['odbc'].lines(to)}\nprint(connection.execute({WHO!r}).fetchone()[0])"
    assert run(sys.executable, "-c", code) == who(to)


@pytest.mark.parametrize("client", ["dbeaver", "excel", "metabase", "pgadmin", "powerbi"])
def test_programs_with_windows_are_told_what_to_fill_in(client: str) -> None:
    there = Target("db.example.org", 6433, "main", "rose", trust=Trust("verify-full", "my.crt"))
    said = CLIENTS[client].lines(there)
    for each in ("db.example.org", "6433", "main", "rose", "PASSWORD", "my.crt"):
        assert each in said


def test_the_uri_is_read_by_libpq_as_it_was_meant(target: Target) -> None:
    parts = conninfo_to_dict(target.uri(with_password=True))
    assert parts == {
        "host": target.host,
        "port": str(target.port),
        "user": target.user,
        "password": target.password,
        "dbname": target.database,
    }
    assert target.password not in target.uri()


def test_an_ipv6_address_stands_in_brackets() -> None:
    there = Target("::1", 6432, "main", "rose")
    assert conninfo_to_dict(there.uri())["host"] == "::1"
    assert "//[::1]:6432/main" in CLIENTS["jdbc"].lines(there)


def test_an_address_that_means_all_is_shown_as_the_machines_name() -> None:
    assert reachable("0.0.0.0") == reachable("::") == socket.getfqdn()
    assert reachable("127.0.0.1") == "127.0.0.1"
    assert reachable("db.example.org") == "db.example.org"
