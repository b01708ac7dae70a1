"""Clients of Cassandra connect with the very lines that `myriad connect` prints."""

import os
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from myriad import Myriad
from myriad.connect import CQL_CLIENTS, Contact
from myriad.cql.names import quoted
from tests.harness import run as myriad

ODD = "-r'o\"s\\e %41 $HOME `id` :@/?#&=+ ü山🦉;--"


@pytest.fixture(scope="module")
def contact(clustered: Myriad) -> Iterator[Contact]:
    """Somebody with odd characters in name and password, who may see their own role."""
    name, to = f"{ODD[:30]} {uuid.uuid4().hex[:6]}", clustered.cluster().endpoint
    clustered.people.add_people([name], passwords={name: f" {ODD} "})
    with clustered.cluster().session() as session:
        session.query(f"GRANT DESCRIBE ON ALL ROLES TO {quoted(name)}")
    yield Contact(to.hosts, to.port, "datacenter1", name, f" {ODD} ")
    clustered.people.remove([name])


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tools")


def run(*arguments: str | Path, folder: Path | None = None, given: str = "", **more: str) -> str:
    done = subprocess.run(
        arguments,
        cwd=folder,
        input=given.encode(),
        env={**os.environ, "PYTHONUTF8": "1", **more},
        capture_output=True,
        check=False,
        timeout=150,
        start_new_session=True,  # without a terminal, passwords are read from standard input
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_cqlsh(contact: Contact, tools: Path) -> None:
    line = CQL_CLIENTS["cqlsh"].lines(contact)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said = run(
        "sh",
        "-c",
        f"{line} -e 'LIST ROLES'",
        folder=tools,
        given=f"{contact.password}\n",
        PATH=path,
        HOME=str(tools),
    )
    assert contact.user.replace("\\", "\\\\") in said
    assert contact.password not in line


def test_cassandra_driver(contact: Contact) -> None:
    code = f"""{CQL_CLIENTS["cassandra-driver"].lines(contact)}
print([row.role for row in session.execute("LIST ROLES")])
cluster.shutdown()"""
    assert repr(contact.user) in run(sys.executable, "-c", code)


@pytest.mark.nightly(daily="tests/integration/test_connect_cassandra.py::test_cassandra_driver")
def test_java_driver(contact: Contact, tools: Path, java_drivers: str) -> None:
    program = tools / "Main.java"
    program.write_text(
        f"""class Main {{ public static void main(String[] arguments) throws Exception {{
        {CQL_CLIENTS["cassandra-java"].lines(contact)}
        var out = new java.io.PrintStream(System.out, true, "UTF-8");
        session.execute("LIST ROLES").forEach(row -> out.println(row.getString("role")));
        session.close(); }} }}""",
        "utf-8",
    )
    said = run("java", "-cp", java_drivers, program, LC_ALL="C.UTF-8")
    assert contact.user in said.splitlines()


@pytest.mark.nightly(daily="tests/integration/test_connect_cassandra.py::test_cassandra_driver")
def test_node_driver(contact: Contact, node: Path) -> None:
    code = f"""{CQL_CLIENTS["cassandra-node"].lines(contact)}
    client.execute("LIST ROLES", (error, result) => {{
      if (error) throw error;
      for (const row of result.rows) console.log(row.role);
      client.shutdown(); }});"""
    assert contact.user in run("node", "-e", code, folder=node).splitlines()


def test_where_login_is_open_no_name_is_needed(contact: Contact) -> None:
    open_ = replace(contact, user="")
    for client in CQL_CLIENTS.values():
        assert contact.user not in client.lines(open_)
        assert contact.password not in client.lines(open_)


def test_where_connections_are_encrypted_the_certificates_are_named(contact: Contact) -> None:
    safe = replace(contact, ca="/a b/c'a $x.pem")
    assert shlex.split(CQL_CLIENTS["cqlsh"].lines(safe))[:3] == [
        "SSL_CERTFILE=/a b/c'a $x.pem",
        "cqlsh",
        "--ssl",
    ]
    code = CQL_CLIENTS["cassandra-driver"].lines(safe)
    assert f"create_default_context(cafile={safe.ca!r})" in code
    compile(code, "lines", "exec")
    assert '"/a b/c\'a $x.pem"' in CQL_CLIENTS["cassandra-node"].lines(safe)
    assert "withSslContext" in CQL_CLIENTS["cassandra-java"].lines(safe)


def test_the_command_prints_them(clustered: Myriad, contact: Contact) -> None:
    command = (sys.executable, "-m", "myriad", "connect", "--home", str(clustered.home.folder))
    unknown = replace(contact, password="PASSWORD")
    shown = run(*command, "--", contact.user)
    assert all(client.lines(unknown) in shown for client in CQL_CLIENTS.values())
    alone = run(*command, "--with", "cqlsh", "--", contact.user)
    assert alone == CQL_CLIENTS["cqlsh"].lines(contact) + "\n"


def test_the_command_says_that_there_is_no_cassandra(installation: Myriad) -> None:
    done = myriad(installation.home, "connect", "--with", "cqlsh")
    assert done.returncode == 1
    assert "no Cassandra is up" in done.stderr
    assert "# Cassandra" not in myriad(installation.home, "connect").stdout
