"""One Cassandra node under `myriad up`: soon ready, started again, clear about what is wrong."""

import json
import os
import shutil
import signal
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

import myriad
from myriad import Myriad
from myriad.cql.connection import Connection, Endpoint
from myriad.engines.cassandra import announcement
from myriad.engines.cassandra.announcement import READY
from myriad.engines.cassandra.nodes import layout, node
from myriad.errors import CqlError
from myriad.home.home import Home
from myriad.settings import Settings
from tests.harness import run, up, wait_until

STARTS_WITHIN = 120
PLACE = {"MYRIAD_CASSANDRA_ADDRESS": "127.0.0.42", "MYRIAD_CASSANDRA_HEAP_MB": "512"}

pytestmark = pytest.mark.timeout(300)


def _endpoint(home: Home) -> Endpoint:
    said = announcement.read(home)
    assert said is not None
    return said.cluster(home).endpoint


def test_the_superuser_that_everybody_knows_cannot_log_in(clustered: Myriad) -> None:
    mine = _endpoint(clustered.home)
    for user, password in (("cassandra", "cassandra"), ("", ""), ("myriad", "myriad")):
        with pytest.raises(CqlError):
            Connection(Endpoint(mine.hosts, mine.port, user, password), mine.hosts[0])


def test_no_password_and_no_management_port_is_in_the_open(clustered: Myriad) -> None:
    process = node.running(node.folder(clustered.home, 1))
    assert process is not None
    password = _endpoint(clustered.home).password
    assert not any(password in part for part in process.cmdline())
    for path in clustered.home.folder.rglob("*"):
        with suppress(FileNotFoundError):  # the node deletes what it has compacted
            if path.is_file() and path.stat().st_mode & 0o077:
                assert password.encode() not in path.read_bytes(), path

    def listening() -> set[int]:
        entries = process.net_connections("tcp")
        return {entry.laddr.port for entry in entries if entry.status == "LISTEN"}

    # People's, and the nodes' among themselves; soon, where somebody has just published.
    wait_until(lambda: len(listening()) == 2, 60)


def test_a_killed_node_is_started_again_and_has_what_was_acknowledged(clustered: Myriad) -> None:
    mine = _endpoint(clustered.home)
    with closing(Connection(mine, mine.hosts[0])) as connection:
        connection.query(
            "CREATE KEYSPACE kept WITH replication"
            " = {'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
        connection.query("CREATE TABLE kept.t (a int PRIMARY KEY)")
        for number in range(100):
            connection.query("INSERT INTO kept.t (a) VALUES (?)", [number])
    before = node.running(node.folder(clustered.home, 1))
    assert before is not None
    before.kill()
    wait_until(lambda: _ready_in_another(clustered.home, before.pid), STARTS_WITHIN)
    with closing(Connection(mine, mine.hosts[0])) as connection:
        assert connection.query("SELECT count(*) FROM kept.t") == [(100,)]
    said = (clustered.home.logs / "myriad.log").read_text()
    assert "Cassandra node 1 is down (ended by signal 9)" in said


def _ready_in_another(home: Home, pid: int) -> bool:
    said = announcement.read(home)
    return said is not None and said.nodes[0].state == READY and said.nodes[0].pid != pid


def test_a_second_up_says_that_it_is_up_or_why_not_so(clustered: Myriad) -> None:
    done = run(clustered.home, "up", "--cassandra", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "already up" in done.stdout
    done = run(clustered.home, "up", "--cassandra", "3")
    assert done.returncode == 1
    assert "with 1 Cassandra node, not 3" in done.stderr
    assert "hint: Stop it first" in done.stderr


@pytest.mark.nightly(
    daily="tests/acceptance/test_cassandra_up.py::test_status_doctor_and_logs_show_the_node"
)
def test_a_node_is_started_beside_what_runs(made_home: Home, java: Path) -> None:
    assert run(made_home, "up", "--detach").returncode == 0
    try:
        installed = myriad.open(made_home)
        [(_, password)] = installed.people.add_people(["rose"])
        before = run(made_home, "status", "--json").stdout
        wrong = {**PLACE, "MYRIAD_CASSANDRA_HEAP_MB": "900000"}
        done = run(made_home, "up", "--detach", "--cassandra", "1", environment=wrong)
        assert done.returncode == 1
        assert "too little memory" in done.stderr
        assert "hint: Run fewer nodes" in done.stderr
        place = {**PLACE, "MYRIAD_JAVA": str(java)}
        done = run(made_home, "up", "--detach", "--cassandra", "1", environment=place)
        assert (done.returncode, "already up" in done.stdout) == (0, True), done.stderr
        assert "starting Cassandra" in done.stderr
        to = _endpoint(made_home)
        with closing(Connection(replace(to, user="rose", password=password), to.hosts[0])) as rose:
            assert rose.query("SELECT key FROM system.local") == [("local",)]
        now = json.loads(run(made_home, "status", "--json").stdout)
        assert now["pid"] == json.loads(before)["pid"]
        assert now["cassandra"]["nodes"][0]["state"] == READY
    finally:
        run(made_home, "down")
    assert layout.nodes(made_home, Settings()) == 1  # the next start has it, too


def test_the_data_of_a_node_is_locked_against_another_cassandra(clustered: Myriad) -> None:
    lock = node.folder(clustered.home, 1) / "lock"
    done = os.system(f"flock --nonblock {lock} true")
    assert os.waitstatus_to_exitcode(done) == 1


def test_status_doctor_and_logs_show_the_node(clustered: Myriad) -> None:
    address = clustered.settings.cassandra_address
    assert f"node 1       {address} ready" in run(clustered.home, "status").stdout
    assert f"node 1 ({address}) is ready" in run(clustered.home, "doctor").stdout
    assert (
        "Starting listening for CQL clients"
        in run(clustered.home, "logs", "--cassandra", "1", "-n", "500").stdout
    )


def test_one_node_alone_is_not_replaced(clustered: Myriad) -> None:
    done = run(clustered.home, "cassandra", "replace", "1")
    assert done.returncode == 1
    assert "no other that it could be made from" in done.stderr


def _refused(home: Home, *arguments: str, **environment: str) -> str:
    """Run an `up` that must fail, and leave nothing running; return what it said."""
    done = run(home, "up", *arguments, environment={**PLACE, **environment}, timeout=120)
    assert done.returncode in {1, 2}, done.stdout
    assert "hint: " in done.stderr
    assert home.running() is None
    assert not any(node.running(place) for place in home.cassandra.glob("node?"))
    return done.stderr


@pytest.mark.nightly(
    daily="tests/acceptance/test_cassandra_up.py::test_without_java_17_every_place_is_named"
)
def test_too_little_memory_is_said_before_anything_is_started(home: Home) -> None:
    said = _refused(home, "--cassandra", "3", MYRIAD_CASSANDRA_HEAP_MB="100000")
    assert "too little memory: 3 Cassandra nodes" in said


def test_without_java_17_every_place_is_named(made_home: Home, tmp_path: Path) -> None:
    other = tmp_path / "java21"
    (other / "bin").mkdir(parents=True)
    (other / "bin" / "java").touch(mode=0o755)
    (other / "release").write_text('JAVA_VERSION="21.0.4"\n')
    said = _refused(made_home, "--cassandra", "1", MYRIAD_JAVA=str(other))
    assert "no Java 17 was found" in said
    assert "version 21.0.4" in said


def test_an_attached_cassandra_that_does_not_answer_is_named(made_home: Home) -> None:
    assert "127.0.0.99 cannot be used" in _refused(made_home, "--cassandra-at", "127.0.0.99")


@pytest.mark.nightly(
    daily="tests/acceptance/test_cassandra_up.py::"
    "test_an_attached_cassandra_that_does_not_answer_is_named"
)
def test_own_nodes_and_an_attached_cluster_exclude_each_other(home: Home) -> None:
    said = _refused(home, "--cassandra", "1", "--cassandra-at", "127.0.0.99")
    assert "Give --cassandra or --cassandra-at." in said


@pytest.mark.nightly(
    daily="tests/acceptance/test_cassandra_up.py::"
    "test_a_killed_node_is_started_again_and_has_what_was_acknowledged"
)
def test_an_up_that_was_killed_leaves_a_node_that_the_next_one_takes_over(
    home: Home, java: Path
) -> None:
    place = {**PLACE, "MYRIAD_JAVA": str(java)}
    with up(home, "--cassandra", "1", **place) as it:
        it.wait_ready(STARTS_WITHIN)
        left = node.running(node.folder(home, 1))
        assert left is not None
        it.end(signal.SIGKILL)
        assert left.is_running()
        with up(home, MYRIAD_JAVA=str(java)) as again:
            again.wait_ready(STARTS_WITHIN)
            assert not left.is_running()
            shutil.rmtree(node.folder(home, 1) / "data")
            again.end()
        assert "the data of all 1 Cassandra nodes" in _refused(home)
