"""Changes of people while Cassandra is down: they stand, and Cassandra has them when it is back."""

import json
import os
import signal
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial

import pytest

from myriad import Myriad
from myriad.cql.connection import Connection, Endpoint
from myriad.engines.cassandra import announcement
from myriad.engines.cassandra.base import Cluster
from myriad.errors import EngineError
from myriad.people import People
from myriad.publish.cassandra import record
from tests.harness import as_admin, run, wait_until

BACK_WITHIN = 180.0  # seconds; on a busy machine


def reads(installation: Myriad, name: str, password: str, keyspace: str) -> bool:
    """Say whether somebody can log in and read there."""
    to = _announced(installation).endpoint
    try:
        with Connection(Endpoint(to.hosts, to.port, name, password), to.hosts[0]) as connection:
            connection.query(f"SELECT k FROM {keyspace}.t")
    except EngineError:
        return False
    return True


def kill_node(installation: Myriad) -> None:
    """Kill it, and return when nothing answers."""
    said = announcement.read(installation.home)
    assert said is not None
    [node] = said.nodes
    os.kill(node.pid, signal.SIGKILL)
    wait_until(lambda: not _answers(installation))


def _announced(installation: Myriad) -> Cluster:
    """Return the cluster, also while it does not answer."""
    said = announcement.read(installation.home)
    assert said is not None
    return said.cluster(installation.home)


def _answers(installation: Myriad) -> bool:
    try:
        _announced(installation).session().close()
    except EngineError:
        return False
    return True


@pytest.fixture
def published(clustered: Myriad, keyspace: str) -> Iterator[str]:
    """A keyspace that counts as made by Myriad, with an empty table."""
    with record.opened(clustered.server()) as made:
        made.announce(keyspace, "main", keyspace)
        made.made(keyspace)
    with clustered.cluster().session() as session:
        session.query(f"CREATE TABLE {keyspace}.t (k int PRIMARY KEY)")
    yield keyspace
    with closing(as_admin(clustered.server(), autocommit=True)) as connection:
        connection.execute("DELETE FROM cassandra_keyspace WHERE keyspace = %s", [keyspace])


def _only_comes(
    installation: Myriad, keyspace: str, comes: tuple[str, str], gone: Sequence[tuple[str, str]]
) -> bool:
    """Say whether who came can read; who went never can, from the node's first answer on."""
    assert not any(reads(installation, *each, keyspace) for each in gone)
    return reads(installation, *comes, keyspace)


@pytest.mark.nightly(
    daily="tests/integration/test_people_cassandra.py::"
    "test_what_was_changed_by_hand_is_made_right_again"
)
def test_changes_while_cassandra_is_down_are_there_when_it_is_back(
    clustered: Myriad, published: str
) -> None:
    home, people, tag = clustered.home, clustered.people, uuid.uuid4().hex[:8]
    group, lost = f"g {tag}", f"lost {tag}"
    added = dict(people.add_people([f"stays {tag}", f"goes {tag}", f"new word {tag}"], [group]))
    added |= dict(people.add_people([f"loses {tag}"], [lost]))
    people.grant(group, published)
    people.grant(lost, published)
    assert all(reads(clustered, *one, published) for one in added.items())
    kill_node(clustered)
    for change in (
        ("person", "add", f"comes {tag}", "--group", group, "--json"),
        ("person", "remove", f"goes {tag}"),
        ("person", "password", f"new word {tag}"),
        ("revoke", lost, published),
    ):
        done = run(home, *change)
        assert done.returncode == 0, done.stderr
        if "--json" in change:
            [person] = json.loads(done.stdout)
            added[person["name"]] = person["password"]
            said = json.loads(done.stderr)["warning"]
        else:
            said = done.stderr
        assert "Cassandra does not have it yet, and gets this when it is back" in said
        if change[1] == "password":
            new_word = done.stdout.strip()
    gone = [
        (name, added[name]) for name in (f"{what} {tag}" for what in ("new word", "goes", "loses"))
    ]
    comes = (f"comes {tag}", added[f"comes {tag}"])
    wait_until(partial(_only_comes, clustered, published, comes, gone), BACK_WITHIN)
    assert reads(clustered, f"stays {tag}", added[f"stays {tag}"], published)
    assert reads(clustered, f"new word {tag}", new_word, published)
    people.remove([f"{name} {tag}" for name in ("stays", "comes", "new word", "loses")])
    people.remove_group(group)
    people.remove_group(lost)
    assert people.behind == ""


@pytest.mark.nightly(
    daily="tests/integration/test_people_cassandra.py"
    "::test_what_was_changed_by_hand_is_made_right_again"
)
def test_somebody_with_a_keyspace_goes_and_the_keyspace_stays(clustered: Myriad) -> None:
    people, tag = clustered.people, uuid.uuid4().hex[:8]
    [(name, password)] = people.add_people([f"o {tag}"], owner=True)
    to = clustered.cluster().endpoint
    with Connection(Endpoint(to.hosts, to.port, name, password), to.hosts[0]) as connection:
        connection.query(
            f"CREATE KEYSPACE own_{tag} WITH replication ="
            " {'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
        connection.query(f"CREATE TABLE own_{tag}.t (k int PRIMARY KEY)")
    assert reads(clustered, name, password, f"own_{tag}")
    kill_node(clustered)
    clustered.people.remove([name])
    wait_until(lambda: _answers(clustered), BACK_WITHIN)
    wait_until(lambda: not reads(clustered, name, password, f"own_{tag}"), BACK_WITHIN)
    with _announced(clustered).session() as session:
        assert session.query(f"SELECT k FROM own_{tag}.t") == []
        session.query(f"DROP KEYSPACE own_{tag}")


def test_people_lists_who_has_no_password_for_cassandra(clustered: Myriad) -> None:
    name = f"old {uuid.uuid4().hex[:8]}"
    unheard = People(clustered.server(), clustered.settings)
    unheard.add_people([name], passwords={name: "x" * 100})
    said = run(clustered.home, "person", "list").stderr
    assert "Cannot log in to Cassandra: " in said
    assert repr(name) in said
    clustered.people.remove([name])
    assert repr(name) not in run(clustered.home, "person", "list").stderr
