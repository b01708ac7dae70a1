"""Cassandra: an undo or unpublish that is killed, and tables in both engines, never stay a half."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from myriad import Myriad
from myriad.engines.cassandra import swap
from myriad.errors import EngineError, HalfPublished, PublishError
from myriad.publish.keys import parse_keys
from myriad.publish.options import Options
from myriad.publish.postgres.changes import Changes
from tests.forked import run_until_killed
from tests.harness import as_admin, wait_until
from tests.keyspaces import Space
from tests.marked import file, marks, undo

FILE = "tests/integration/test_versions_cassandra_interrupted.py"
KILLS = f"{FILE}::test_an_undo_that_is_killed_is_finished_without_a_command"

# Undoes, or takes away, and kills itself at a place: argument 1 says how, in JSON.
KILLED = """
import json, os, signal, sys
import myriad
from myriad.cql.session import Session
from myriad.engines.cassandra import swap
from myriad.publish.cassandra import switch
from myriad.publish.postgres.changes import Changes
given = json.loads(sys.argv[1])
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
place, name = {
    "before the files": (swap, "put_in"),
    "before the table": (switch, "make_target"),
    "after the drop": (Session, "query"),
    "before PostgreSQL": (Changes, "undo"),
    "after PostgreSQL": (Changes, "undo"),
}[given["at"]]
real = getattr(place, name)
def dying(*arguments, **named):
    found = real(*arguments, **named) if given["at"].startswith("after") else None
    if name == "query" and not arguments[1].startswith("DROP TABLE"): return found
    die()
setattr(place, name, dying)
# A drop and the new table are sent together: between the two is a place as well.
Session.in_step = lambda session, *texts, timeout: [
    session.query(text, timeout=timeout) for text in texts
]
installation = myriad.open(given["home"])
getattr(installation, given["do"])(given["table"])
"""


def _killed(space: Space, at: str, do: str = "undo") -> None:
    home = str(space.installation.home.folder)
    given = {"home": home, "table": f"{space.dataset}.t", "at": at, "do": do}
    run_until_killed(KILLED, given)


at_another_place = pytest.mark.nightly(daily=f"{KILLS}[after the drop]")


@pytest.mark.parametrize(
    "at",
    [
        pytest.param("before the files", marks=at_another_place),
        pytest.param("before the table", marks=at_another_place),
        "after the drop",
    ],
)
def test_an_undo_that_is_killed_is_finished_without_a_command(space: Space, at: str) -> None:
    space.publish(file(space, "one"), "part/n")
    space.publish(file(space, "two", 20))
    _killed(space, at)
    wait_until(lambda: not _returning(space), 60)
    assert marks(space) == {"one": 30}
    assert undo(space)["rows"] == 20
    assert marks(space) == {"two": 20}


def _returning(space: Space) -> list[Any]:
    with as_admin(space.installation.server()) as connection:
        return connection.execute(
            "SELECT 1 FROM cassandra_version WHERE keyspace = %s AND back IS NOT NULL",
            [space.dataset],
        ).fetchall()


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra_interrupted.py::"
    "test_an_undo_that_is_killed_is_finished_without_a_command[after the drop]"
)
def test_a_publish_finishes_an_undo_that_was_killed_before_it_replaces(space: Space) -> None:
    space.publish(file(space, "one"), "part/n")
    space.publish(file(space, "two"))
    _killed(space, "before the table")
    space.publish(file(space, "three", 10))
    assert marks(space) == {"three": 10}
    assert undo(space)["rows"] == 30
    assert marks(space) == {"one": 30}


def test_an_unpublish_that_is_killed_is_finished_by_the_same_command(space: Space) -> None:
    space.publish(file(space, "one"), "part/n")
    _killed(space, "after the drop", "unpublish")
    report = space.installation.unpublish(f"{space.dataset}.t")
    assert report["tables"][0]["version"] == 1
    assert not [row for row in space.installation.published() if row["dataset"] == space.dataset]
    undo(space)
    assert marks(space) == {"one": 30}


@pytest.fixture
def both(clustered: Myriad, tag: str, tmp_path: Path) -> Space:
    """A dataset that is published into both engines."""
    return Space(clustered, f"both_{tag}", tmp_path)


def _both(space: Space, mark: str, rows: int = 30) -> None:
    keys = parse_keys(["part/n"])
    options = Options(to="both", dataset=space.dataset, keys=keys)
    space.installation.publish([file(space, mark, rows)], options)


def _in_postgres(space: Space) -> dict[str, int]:
    with closing(space.installation.server().connect("main")) as connection:
        rows = connection.execute(
            f"SELECT mark, count(*) FROM {space.dataset}.t GROUP BY mark"
        ).fetchall()
    return dict(rows)


def test_a_table_in_both_engines_goes_back_in_both(both: Space) -> None:
    _both(both, "one")
    _both(both, "two", 20)
    report = both.installation.undo(f"{both.dataset}.t")
    assert [table.get("engine", "postgres") for table in report["tables"]] == [
        "postgres",
        "cassandra",
    ]
    assert marks(both) == _in_postgres(both) == {"one": 30}
    runs = both.installation.history(f"{both.dataset}.t", limit=2)
    assert {(run["engine"], run["kind"], str(run["run"])) for run in runs} == {
        ("postgres", "undo", report["run"]),
        ("cassandra", "undo", report["run"]),
    }
    both.installation.unpublish(f"{both.dataset}.t")
    assert both.tables() == set()
    both.installation.undo(f"{both.dataset}.t")
    assert marks(both) == _in_postgres(both) == {"one": 30}


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra_interrupted.py::"
    "test_a_table_in_both_engines_goes_back_in_both"
)
def test_an_undo_in_both_that_ends_between_them_is_finished_without_a_command(
    both: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    _both(both, "one")
    _both(both, "two", 20)

    def full(*_: object) -> None:
        raise EngineError("the disk is full", hint="Make room.")

    with monkeypatch.context() as patch:
        patch.setattr(swap, "put_in", full)
        with pytest.raises(HalfPublished, match="PostgreSQL, and not yet in Cassandra") as half:
            both.installation.undo(f"{both.dataset}.t")
    assert "Myriad itself finishes it" in half.value.hint
    assert "myriad history" in half.value.hint
    assert _in_postgres(both) == {"one": 30}
    wait_until(lambda: not _returning(both), 60)
    assert marks(both) == _in_postgres(both) == {"one": 30}
    wait_until(lambda: _outcomes(both) == {"done"}, 60)  # once what failed is finished


def _outcomes(space: Space) -> set[str]:
    runs = space.installation.history(f"{space.dataset}.t", limit=2)
    assert {run["kind"] for run in runs} == {"undo"}
    return {run["outcome"] for run in runs}


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra_interrupted.py::"
    "test_a_table_in_both_engines_goes_back_in_both"
)
@pytest.mark.parametrize(
    ("at", "after"),
    [
        pytest.param("before PostgreSQL", "two", marks=at_another_place),
        ("after PostgreSQL", "one"),
    ],
)
def test_an_undo_in_both_that_is_killed_leaves_one_of_the_two_in_both(
    both: Space, at: str, after: str
) -> None:
    _both(both, "one")
    _both(both, "two")
    _killed(both, at)
    wait_until(lambda: not _returning(both), 60)
    assert marks(both) == _in_postgres(both) == {after: 30}


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra_interrupted.py::"
    "test_a_table_in_both_engines_goes_back_in_both"
)
def test_an_undo_in_both_that_is_interrupted_after_postgres_is_done_is_finished_in_cassandra(
    both: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    _both(both, "one")
    _both(both, "two", 20)
    real = Changes.undo

    def interrupted(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Changes, "undo", interrupted)
        with pytest.raises(KeyboardInterrupt):
            both.installation.undo(f"{both.dataset}.t")
    wait_until(lambda: not _returning(both), 60)
    assert marks(both) == _in_postgres(both) == {"one": 30}


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra_interrupted.py::"
    "test_a_table_in_both_engines_goes_back_in_both"
)
def test_versions_of_different_publishes_do_not_go_back_together(both: Space) -> None:
    _both(both, "one")
    _both(both, "two", 20)
    both.publish(file(both, "three", 10))
    with pytest.raises(PublishError, match="not of the same publish"):
        both.installation.undo(f"{both.dataset}.t")
    both.installation.undo(f"{both.dataset}.t", engine="cassandra")
    assert marks(both) == _in_postgres(both) == {"two": 20}
