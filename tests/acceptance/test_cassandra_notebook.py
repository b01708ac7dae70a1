"""A student's first Cassandra notebook works unmodified: cassandra-driver, nothing of Myriad."""

import json
import socket
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cassandra import AuthenticationFailed, InvalidRequest, Unauthorized
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster, NoHostAvailable
from cassandra.protocol import SyntaxException

from myriad import Myriad
from myriad.home.home import Home
from tests.harness import reachable_folder, run

PORT = 9042  # that clients use unless told


def free_address() -> str:
    """Return the address that notebooks have; another if somebody else's Cassandra has that one."""
    for address in ("127.0.0.1", "127.0.0.31"):
        with closing(socket.socket()) as probe:
            if probe.connect_ex((address, PORT)):
                return address
    raise LookupError(f"port {PORT} is taken on every address")


@pytest.fixture(scope="module")
def classroom(java: Path) -> Iterator[str]:
    """An address where anybody on this machine may do anything."""
    with reachable_folder() as folder:
        address = free_address()
        home = Home(folder / "home")
        options = {
            "MYRIAD_CASSANDRA_LOGIN": "open",
            "MYRIAD_CASSANDRA_ADDRESS": address,
            "MYRIAD_CASSANDRA_HEAP_MB": "512",
            "MYRIAD_JAVA": str(java),
        }
        started = run(home, "up", "--detach", "--cassandra", "1", environment=options)
        assert started.returncode == 0, started.stderr
        yield address
        assert run(home, "down").returncode == 0


def notebook(cluster: Cluster, keyspace: str) -> None:
    """Run what the notebook runs, cell by cell."""
    session = cluster.connect()
    with pytest.raises(SyntaxException):
        session.execute("SELCT * FROM music_library")
    with pytest.raises(InvalidRequest):
        session.execute("""select * from music_libary""")

    session.execute(
        f"""
    CREATE KEYSPACE IF NOT EXISTS {keyspace}
    WITH REPLICATION =
    {{ 'class' : 'SimpleStrategy', 'replication_factor' : 1 }}"""
    )
    session.set_keyspace(keyspace)

    query = "CREATE TABLE IF NOT EXISTS music_library "
    query = query + (
        "(year int, artist_name text, album_name text, PRIMARY KEY (year, artist_name))"
    )
    session.execute(query)
    assert session.execute("select count(*) from music_library").one().count == 0

    query = "INSERT INTO music_library (year, artist_name, album_name)"
    query = query + " VALUES (%s, %s, %s)"
    session.execute(query, (1970, "The Beatles", "Let it Be"))
    session.execute(query, (1965, "The Beatles", "Rubber Soul"))

    rows = session.execute("SELECT * FROM music_library")
    assert {(row.year, row.album_name, row.artist_name) for row in rows} == {
        (1970, "Let it Be", "The Beatles"),
        (1965, "Rubber Soul", "The Beatles"),
    }
    rows = session.execute("select * from music_library WHERE YEAR=1970")
    assert [tuple(row) for row in rows] == [(1970, "The Beatles", "Let it Be")]

    session.execute("drop table music_library")
    session.execute(f"drop keyspace {keyspace}")
    session.shutdown()
    cluster.shutdown()


@pytest.mark.nightly(
    daily="tests/acceptance/test_cassandra_notebook.py::test_the_notebook_where_login_is_required"
)
def test_the_notebook_in_a_classroom(classroom: str) -> None:
    notebook(Cluster([classroom]), "music")


@pytest.fixture
def owner(clustered: Myriad) -> Iterator[PlainTextAuthProvider]:
    """Somebody who may make keyspaces."""
    name = f"student {uuid.uuid4().hex[:8]}"
    added = run(clustered.home, "person", "add", name, "--owner", "--json")
    assert added.returncode == 0, added.stderr
    [person] = json.loads(added.stdout)
    yield PlainTextAuthProvider(username=name, password=person["password"])
    assert run(clustered.home, "person", "remove", name).returncode == 0


def test_the_notebook_where_login_is_required(
    clustered: Myriad, owner: PlainTextAuthProvider
) -> None:
    to = clustered.cluster().endpoint
    notebook(Cluster(to.hosts, port=to.port, auth_provider=owner), f"m{uuid.uuid4().hex[:8]}")


@pytest.mark.parametrize(
    "login", [None, PlainTextAuthProvider("nobody", "x"), PlainTextAuthProvider("cassandra", "x")]
)
def test_without_the_right_login_nobody_gets_in(
    clustered: Myriad, login: PlainTextAuthProvider | None
) -> None:
    to = clustered.cluster().endpoint
    cluster = Cluster(to.hosts, port=to.port, auth_provider=login)
    with pytest.raises(NoHostAvailable) as error:
        cluster.connect()
    cluster.shutdown()
    assert all(isinstance(each, AuthenticationFailed) for each in error.value.errors.values())


def test_somebody_who_is_no_owner_makes_no_keyspace(clustered: Myriad) -> None:
    to, name = clustered.cluster().endpoint, f"reader {uuid.uuid4().hex[:8]}"
    [(_, password)] = clustered.people.add_people([name])
    login = PlainTextAuthProvider(name, password)
    cluster = Cluster(to.hosts, port=to.port, auth_provider=login)
    with pytest.raises(Unauthorized):
        notebook(cluster, "music")
    cluster.shutdown()
    clustered.people.remove([name])
