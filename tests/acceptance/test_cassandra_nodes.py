"""Three nodes: what one of them, or all, can suffer without anything being lost."""

import json
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import myriad
from myriad.cql.connection import Consistency
from myriad.engines.cassandra import announcement
from myriad.engines.cassandra.announcement import READY
from myriad.engines.cassandra.nodes import node
from myriad.home.home import Home
from tests.cassandra_nodes import (
    PLACE,
    Writer,
    ask,
    await_hints_sent,
    await_ready,
    connected,
    kill,
    paused,
    process_of,
    read_alone,
    started,
    three_up,
)
from tests.harness import Up, run, up, wait_until
from tests.keyspaces import Space

THREE = {"class": "NetworkTopologyStrategy", "datacenter1": 3}

# Starting three nodes takes a minute of the processor; daily, one is killed alone.
pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.nightly(
        daily="tests/acceptance/test_cassandra_up.py"
        "::test_a_killed_node_is_started_again_and_has_what_was_acknowledged"
    ),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Up]:
    """Three nodes that are up, with a table of three replicas."""
    with three_up() as started:
        with connected(started.home) as session:
            session.execute(f"CREATE KEYSPACE three WITH replication = {THREE}")
        yield started


@pytest.fixture
def home(cluster: Up) -> Home:
    """The home of three nodes, all well."""
    await_ready(cluster.home, 1, 2, 3)
    return cluster.home


@pytest.fixture
def table(home: Home) -> str:
    """A table of three replicas, for one test."""
    name = f"three.t{uuid.uuid4().hex[:8]}"
    with connected(home) as session:
        session.execute(f"CREATE TABLE {name} (a int PRIMARY KEY, b int)")
    return name


def _there(rows: list[tuple[int, ...]]) -> set[int]:
    return {value for (value,) in rows}


def test_a_killed_node_costs_no_request_at_quorum_and_catches_up_by_itself(
    home: Home, table: str
) -> None:
    with connected(home) as session, Writer(session, table) as writer:
        writer.has_written(200)
        kill(home, 2)
        killed = len(writer.acknowledged)
        writer.has_written(500)
        await_ready(home, 2)
        writer.has_written(100)
    assert writer.failures == []
    await_hints_sent(home, 1, 3)
    missing = set(writer.acknowledged) - _there(read_alone(home, 2, f"SELECT a FROM {table}"))
    # What was under way to node 2 as it died: two others have it, and perhaps nobody knows that it
    # has not. A read of all replicas gives it back.
    assert missing <= set(range(killed - 50, killed + 5))
    ask(home, 1, f"SELECT a FROM {table}", consistency=Consistency.ALL)
    assert set(writer.acknowledged) <= _there(read_alone(home, 2, f"SELECT a FROM {table}"))


def test_a_publish_survives_the_death_of_a_node_and_all_nodes_have_its_rows(
    home: Home, tmp_path: Path
) -> None:
    file = tmp_path / "many.csv"
    rows = 3_000
    file.write_text("k,v\n" + "".join(f"{number},value {number}\n" for number in range(rows)))
    command = ("publish", str(file), "--to", "cassandra", "--key", "k", "--dataset", "killed")
    for name in ("many", "other"):
        done = run(home, *command, "--table", name, timeout=120)
        assert done.returncode == 0, done.stderr
    # In the place of what is there, and two at once.
    with started(home, *command) as one, started(home, *command, "--table", "other") as other:
        wait_until(lambda: _loading(home), 90)
        kill(home, 3)
        assert (one.wait(200), other.wait(200)) == (0, 0)
    await_ready(home, 1, 2, 3)
    counted = ask(home, 3, "SELECT count(*) FROM killed.many", consistency=Consistency.QUORUM)
    assert counted == [(rows,)]
    assert read_alone(home, 3, "SELECT count(*) FROM killed.many") == [(rows,)]


@pytest.mark.parametrize(
    ("at", "number"), [("after the links", 2), ("when it switches", 1), ("after the swap", 3)]
)
def test_a_switch_whose_publish_and_a_node_were_killed_is_finished_by_who_keeps_them(
    home: Home, tmp_path: Path, at: str, number: int
) -> None:
    space = Space(myriad.open(home), f"left_{number}", tmp_path)
    path = space.write("t.csv", "id,v\n" + "".join(f"{id_},old\n" for id_ in range(300)))
    space.publish(path, "id")
    path.write_text("id,v\n" + "".join(f"{id_},new\n" for id_ in range(100, 300)))
    space.killed(path, at)
    kill(home, number)
    await_ready(home, 1, 2, 3)
    wait_until(lambda: space.loads() == [("shown", 200)], 120)
    for each in (1, 2, 3):
        rows = read_alone(home, each, f"SELECT id, v FROM {space.dataset}.t")
        assert sorted(rows) == [(id_, "new") for id_ in range(100, 300)]


def _loading(home: Home) -> bool:
    """Say whether rows are being loaded now: a table that nobody else sees is there."""
    return bool(
        ask(
            home,
            1,
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'myriad_next'",
        )
    )


def test_what_was_acknowledged_is_there_after_all_three_were_killed(home: Home, table: str) -> None:
    with connected(home) as session, Writer(session, table) as writer:
        writer.has_written(300)
        kill(home, 1, 2, 3)
    await_ready(home, 1, 2, 3)
    with connected(home) as session:
        there = {row.a for row in session.execute(f"SELECT a FROM {table}")}
    assert set(writer.acknowledged) <= there


def test_a_paused_node_costs_no_request_at_quorum(home: Home, table: str) -> None:
    with connected(home) as session, Writer(session, table) as writer:
        writer.has_written(100)
        before = _deaths(home, 3)
        with paused(home, 3):
            wait_until(lambda: _deaths(home, 3) > before, 60)  # its silence is noticed
            writer.has_written(50)
        await_ready(home, 3)
    assert writer.failures == []
    assert process_of(home, 3).is_running()


def _deaths(home: Home, number: int) -> int:
    """Return how often node 1 took another for dead."""
    place = node.address(node.folder(home, number))
    log = node.log_path(home, 1).read_text("utf-8", "replace")
    return len(re.findall(rf"{re.escape(place)}:\d+ is now DOWN", log))


def test_a_rolling_restart_costs_no_request_at_quorum(home: Home, table: str) -> None:
    before = [process_of(home, number).pid for number in (1, 2, 3)]
    with connected(home) as session, Writer(session, table) as writer:
        writer.has_written(100)
        done = run(home, "cassandra", "restart", "--rolling", timeout=300)
        assert done.returncode == 0, done.stderr
    assert writer.failures == []
    after = [process_of(home, number).pid for number in (1, 2, 3)]
    assert not set(before) & set(after)


def test_a_node_whose_data_was_destroyed_is_made_anew_from_the_others(
    home: Home, table: str
) -> None:
    with connected(home) as session, Writer(session, table) as writer:
        writer.has_written(200)
    kill(home, 2)
    shutil.rmtree(node.folder(home, 2) / "data")
    wait_until(lambda: "lost" in run(home, "status").stdout)
    doctor = run(home, "doctor")
    assert "myriad cassandra replace 2" in doctor.stdout
    before = _joins(home, 2)
    with started(home, "cassandra", "replace", "2") as replacing:
        wait_until(lambda: _joins(home, 2) > before, 90)
        kill(home, 1)  # it is started again, and brought from again
        assert replacing.wait(300) == 0
    await_ready(home, 1, 2, 3)
    assert set(writer.acknowledged) <= _there(read_alone(home, 2, f"SELECT a FROM {table}"))


def _joins(home: Home, number: int) -> int:
    """Return how often a node said that it begins to bring its data."""
    return node.log_path(home, number).read_text("utf-8", "replace").count("JOINING: ")


def test_status_shows_every_node_and_its_share(home: Home) -> None:
    answer = json.loads(run(home, "status", "--json").stdout)
    nodes = answer["cassandra"]["nodes"]
    assert [(entry["number"], entry["state"]) for entry in nodes] == [
        (1, "ready"),
        (2, "ready"),
        (3, "ready"),
    ]
    assert sum(entry["owns"] for entry in nodes) == pytest.approx(1)
    assert {entry["version"] for entry in nodes} == {"5.0.9"}


def test_a_node_that_is_well_is_not_replaced(home: Home) -> None:
    done = run(home, "cassandra", "replace", "2")
    assert done.returncode == 2
    assert "the data of node 2 is there" in done.stderr
    assert run(home, "cassandra", "replace", "7").returncode == 2


def test_a_node_that_cannot_start_does_not_keep_the_others_down(cluster: Up, table: str) -> None:
    home = cluster.home
    with connected(home) as session, Writer(session, table) as writer:
        writer.has_written(100)
    assert cluster.end() == 0
    log = node.folder(home, 3) / "data" / "commitlog"  # empty, since it ended gracefully
    away = log.rename(log.with_name("away"))
    log.touch()  # no folder
    with up(home, **PLACE, MYRIAD_JAVA=str(home.folder.parent / "java")) as again:
        again.wait_ready(180)
        said = announcement.read(home)
        assert said is not None
        assert [state.state == READY for state in said.nodes] == [True, True, False]
        assert "node 3" in again.said()
        with connected(home) as session:
            there = {row.a for row in session.execute(f"SELECT a FROM {table}")}
        assert set(writer.acknowledged) <= there
        log.unlink()
        away.rename(log)
        await_ready(home, 1, 2, 3)
        assert again.end() == 0
