"""What is shown and then is not what was loaded: it takes no older version's place."""

from pathlib import Path
from typing import Any

import pytest

from myriad.errors import PublishError
from myriad.publish.cassandra import record, switch, unfinished
from tests.harness import as_admin
from tests.keyspaces import Space
from tests.marked import undo

OLD, NEW, OTHER = "id,v\n1,1\n2,2\n3,3\n", "id,v\n1,10\n2,20\n", "id,v\n1,7\n8,8\n"


def _rows(space: Space) -> dict[int, Any]:
    return dict(space.ask("SELECT id, v FROM {}.t"))


@pytest.fixture
def path(space: Space, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source whose publish over an older one has failed: a row that nobody knows was there."""
    path = space.write("t.csv", OLD)
    space.publish(path, "id")
    path.write_text(NEW)
    _fail(space, path, monkeypatch)
    return path


def _fail(space: Space, path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    real = switch.finish

    def finish(*arguments: Any) -> None:
        real(*arguments)
        space.ask("INSERT INTO {}.t (id, v) VALUES (99, 99) USING TIMESTAMP 1")

    with monkeypatch.context() as patch:
        patch.setattr(switch, "finish", finish)
        with pytest.raises(PublishError, match="is not what was loaded"):
            space.publish(path, **options)


def test_the_same_command_shows_it_and_undo_what_was_before(space: Space, path: Path) -> None:
    space.publish(path)
    assert _rows(space) == {1: 10, 2: 20}
    assert undo(space)["back_to"] == 1
    assert _rows(space) == {1: 1, 2: 2, 3: 3}


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_unproven.py::"
    "test_the_same_command_shows_it_and_undo_what_was_before"
)
def test_an_undo_right_away_shows_what_was_before(space: Space, path: Path) -> None:
    assert path.exists()
    assert undo(space)["back_to"] == 1
    assert _rows(space) == {1: 1, 2: 2, 3: 3}
    undo(space)
    undo(space, 1)
    assert _rows(space) == {1: 1, 2: 2, 3: 3}


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_unproven.py::"
    "test_the_same_command_shows_it_and_undo_what_was_before"
)
def test_another_source_leaves_what_was_before_as_it_was(space: Space, path: Path) -> None:
    path.write_text(OTHER)
    space.publish(path)
    assert _rows(space) == {1: 7, 8: 8}
    undo(space, 1)
    assert _rows(space) == {1: 1, 2: 2, 3: 3}


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_unproven.py::"
    "test_the_same_command_shows_it_and_undo_what_was_before"
)
def test_an_append_that_was_not_proven_counts_its_rows_once(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    space.publish(space.write("t.csv", OLD), "id")
    more = space.write("more.csv", "id,v\n7,7\n")
    _fail(space, more, monkeypatch, table="t", append=True)
    space.ask("DELETE FROM {}.t USING TIMESTAMP 2 WHERE id = 99")
    space.publish(more, table="t", append=True)
    assert _rows(space) == {1: 1, 2: 2, 3: 3, 7: 7}


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_unproven.py::"
    "test_the_same_command_shows_it_and_undo_what_was_before"
)
def test_who_sweeps_an_old_load_of_others_lets_them_publish_at_once(space: Space) -> None:
    path = space.write("t.csv", OLD)
    space.killed(path, "proving the counts", "id")
    server, cluster = space.installation.server(), space.installation.cluster()
    with as_admin(server) as connection:
        connection.execute(
            "UPDATE cassandra_load SET touched = touched - interval '2 days' WHERE keyspace = %s",
            [space.dataset],
        )
    with record.opened(server) as written, cluster.session() as session:
        unfinished.sweep(written, session)
        assert space.loads() == []
        with record.opened(server) as other:
            other.claim(space.dataset, "t")
    space.publish(path, "id", wait=30.0)
    assert _rows(space) == {1: 1, 2: 2, 3: 3}
