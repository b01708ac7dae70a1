"""Every client that can be had connects with the very lines that `myriad connect` prints."""

import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from myriad import Myriad
from myriad.connect import CLIENTS, Target, reachable
from myriad.engines.postgres import programs
from myriad.engines.postgres.databases import create_database

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


def test_psql(target: Target, tools: Path) -> None:
    line = CLIENTS["psql"].lines(target)
    assert psql(tools, line, PGPASSWORD=target.password) == who(target)


def test_psql_with_a_pgpass_file(target: Target, tools: Path) -> None:
    file = tools / "pgpass"
    file.write_text(CLIENTS["pgpass"].lines(target) + "\n", "utf-8")
    file.chmod(0o600)
    assert psql(tools, CLIENTS["psql"].lines(target), PGPASSFILE=str(file)) == who(target)


def test_psql_with_a_service_file(target: Target, tools: Path) -> None:
    file = tools / "service.conf"
    file.write_text(CLIENTS["service"].lines(target) + "\n", "utf-8")
    found = psql(tools, "psql service=myriad", PGSERVICEFILE=str(file), PGPASSWORD=target.password)
    assert found == who(target)


PYTHON = {
    "psycopg2": f'cursor = connection.cursor(); cursor.execute("{WHO}"); print(*cursor.fetchone())',
    "psycopg": f'print(*connection.execute("{WHO}").fetchone())',
    "sqlalchemy": f"from sqlalchemy import text\nprint(engine.connect().scalar(text({WHO!r})))",
    "pandas": f"print(pandas.read_sql({WHO!r}, engine).iloc[0, 0])\nassert len(frame) == 1",
}


@pytest.mark.parametrize("client", list(PYTHON))
def test_python(target: Target, client: str) -> None:
    code = f"{CLIENTS[client].lines(target)}\n{PYTHON[client]}"
    assert run(sys.executable, "-c", code) == who(target)


def test_asyncpg(target: Target) -> None:
    assert run(sys.executable, "-c", CLIENTS["asyncpg"].lines(target)) == target.user


def test_jdbc(target: Target, tools: Path, jdbc: Path) -> None:
    program = tools / "Main.java"
    program.write_text(
        f"""class Main {{ public static void main(String[] arguments) throws Exception {{
        {CLIENTS["jdbc"].lines(target)}
        var result = connection.createStatement().executeQuery("{WHO}");
        result.next();
        new java.io.PrintStream(System.out, true, "UTF-8").println(result.getString(1)); }} }}""",
        "utf-8",
    )
    assert run("java", "-cp", jdbc, program, LC_ALL="C.UTF-8") == who(target)


def test_node(target: Target, node: Path) -> None:
    code = f"""{CLIENTS["node"].lines(target)}
    client.query("{WHO}", (error, result) => {{
      if (error) throw error;
      console.log(Object.values(result.rows[0])[0]); client.end(); }});"""
    assert run("node", "-e", code, folder=node) == who(target)


def test_r(target: Target) -> None:
    if not shutil.which("Rscript"):
        pytest.skip("R cannot be had from a package registry: Rscript is not on this machine")
    code = f"{CLIENTS['r'].lines(target)}\ncat(DBI::dbGetQuery(connection, {WHO!r})[[1]])"
    assert run("Rscript", "-e", code) == who(target)


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
