"""Cassandra: versions whose files are lost, or would be, and returns that others finish."""

import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from myriad.engines.cassandra import kept_files
from myriad.errors import EngineError, PublishError, SchemaRefused
from myriad.publish.cassandra import record
from myriad.publish.cassandra.changes import CassandraChanges
from myriad.publish.cassandra.undo import Returning
from myriad.publish.cassandra.versions import Versions
from tests.harness import as_admin, wait_until
from tests.keyspaces import Space
from tests.marked import file, marks, undo


@contextmanager
def _claimed(space: Space, patch: pytest.MonkeyPatch) -> Iterator[Returning]:
    """Claim the table for whole commands: who keeps Cassandra finishes nothing meanwhile."""
    with space.installation.changes().cassandra.opened(space.dataset, ["t"]) as [one]:

        @contextmanager
        def opened(*_: object) -> Iterator[list[Returning]]:
            yield [one]

        patch.setattr(CassandraChanges, "opened", opened)
        yield one
        patch.undo()


def _large(space: Space) -> Path:
    rows = (f"p{n % 5},{n},{os.urandom(600).hex()}\n" for n in range(3000))
    return space.write("t.csv", "part,n,mark\n" + "".join(rows))


def _lose(space: Space, files: str) -> None:
    """Take away what the first node has kept under that number."""
    folder = space.installation.cluster().folder
    assert folder is not None
    shutil.rmtree(folder / "node1" / kept_files.KEPT / files)


def _versions(space: Space) -> list[tuple[int, str, bool]]:
    with as_admin(space.installation.server()) as connection:
        return connection.execute(
            "SELECT number, files::text, back IS NOT NULL FROM cassandra_version"
            " WHERE keyspace = %s AND name = 't' AND files IS NOT NULL ORDER BY number",
            [space.dataset],
        ).fetchall()


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra.py::"
    "test_an_unpublished_table_is_gone_and_comes_back"
)
def test_what_is_unpublished_is_kept_however_large_and_comes_back(space: Space) -> None:
    space.publish(file(space, "one", 1), "part/n")
    with space.bounded(versions_megabytes=1) as small:
        small.publish(_large(small))
        report = small.installation.unpublish(f"{small.dataset}.t")
        assert report["tables"][0]["version"] == 2
        # Nor does a publish of another table take it away.
        small.publish(file(small, "three"), "part/n", table="other")
        small.publish(file(small, "four"), "part/n", table="other")
        assert undo(small)["rows"] == 3000
    assert space.ask("SELECT count(*) FROM {}.t") == [(3000,)]


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra.py::"
    "test_an_unpublished_table_is_gone_and_comes_back"
)
def test_a_table_that_somebody_dropped_is_unpublished_with_purge_only(space: Space) -> None:
    space.publish(file(space, "one"), "part/n")
    space.publish(file(space, "two"))
    space.ask("DROP TABLE {}.t")
    with pytest.raises(SchemaRefused, match="was dropped in Cassandra by somebody") as refused:
        space.installation.unpublish(f"{space.dataset}.t")
    assert "--purge" in refused.value.hint
    undo(space)
    assert marks(space) == {"one": 30}


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra_lost.py::"
    "test_a_return_whose_files_are_lost_is_taken_back_and_that_is_said"
)
def test_a_version_that_a_node_lacks_is_refused_and_the_table_stays_changeable(
    space: Space,
) -> None:
    space.publish(file(space, "one"), "part/n")
    space.publish(file(space, "two"))
    [(_, files, _)] = _versions(space)
    _lose(space, files)
    with pytest.raises(PublishError, match=r"node 1 has no files of version 1 of"):
        undo(space)
    assert marks(space) == {"two": 30}
    assert _versions(space) == []
    space.publish(file(space, "three"))
    undo(space)
    assert marks(space) == {"two": 30}


def test_a_return_whose_files_are_lost_is_taken_back_and_that_is_said(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    space.publish(file(space, "one"), "part/n")
    space.publish(file(space, "two"))
    space.publish(file(space, "three"))
    with _claimed(space, monkeypatch) as one:
        goal = one.chosen(None)
        one.begin(goal, goal["published"]["run"])
        _lose(space, goal["files"])
        with pytest.raises(PublishError, match=r"node 1 has no files .* cut short is taken back"):
            undo(space)
        assert marks(space) == {"three": 30}
        assert [number for number, _, _ in _versions(space)] == [1, 3]
    undo(space)  # 3 is what is shown
    assert marks(space) == {"one": 30}


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra_lost.py::"
    "test_a_return_whose_files_are_lost_is_taken_back_and_that_is_said"
)
def test_a_return_whose_old_table_is_gone_is_finished_without_the_kept_files(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    space.publish(file(space, "one"), "part/n")
    space.publish(file(space, "two"))

    def ends(*_: object) -> None:
        space.ask("DROP TABLE {}.t")
        raise EngineError("cut short", hint="")

    with _claimed(space, monkeypatch) as one:
        back = one.begin(one.chosen(None), "00000000-0000-0000-0000-000000000000")
        with monkeypatch.context() as patch:
            patch.setattr("myriad.publish.cassandra.switch.make_target", ends)
            with pytest.raises(EngineError):
                one.finish(back)
        _lose(space, back.version["files"])
        settled = one.settle()
    assert settled is not None
    assert settled.shown
    assert marks(space) == {"one": 30}


def test_an_undo_finishes_one_that_was_cut_short_and_says_so(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    space.publish(file(space, "one"), "part/n")
    space.publish(file(space, "two"))
    with _claimed(space, monkeypatch) as one:
        one.begin(one.chosen(None), "00000000-0000-0000-0000-000000000000")
        back = undo(space)
    assert marks(space) == {"one": 30}
    assert any("cut short" in note for note in back["notes"])


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra_lost.py::"
    "test_an_undo_finishes_one_that_was_cut_short_and_says_so"
)
def test_an_undo_to_another_version_than_one_that_was_cut_short_shows_what_it_says(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    for mark in ("one", "two", "three"):
        space.publish(file(space, mark), "part/n")
    with _claimed(space, monkeypatch) as one:
        one.begin(one.chosen(2), "00000000-0000-0000-0000-000000000000")
        assert undo(space, 1)["back_to"] == 1
    assert marks(space) == {"one": 30}


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_left.py::"
    "test_a_killed_publish_is_remembered_and_told_as_if_it_had_ended"
)
def test_the_history_says_done_of_an_undo_that_somebody_else_finished(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    space.publish(file(space, "one"), "part/n")
    space.publish(file(space, "two"))

    def ends(*_: object) -> None:
        raise KeyboardInterrupt

    changes = space.installation.changes()
    with monkeypatch.context() as patch:
        patch.setattr(Returning, "finish", ends)
        patch.setattr("myriad.publish.cassandra.runs.failed", lambda *_: None)  # as if killed
        with pytest.raises(KeyboardInterrupt):
            changes.undo(f"{space.dataset}.t")
    wait_until(lambda: marks_or_none(space) == {"one": 30}, 60)
    wait_until(lambda: _outcome(space) == ("undo", "done"), 60)


def marks_or_none(space: Space) -> dict[str, int] | None:
    """Return what `marks` does, None in the moment in which there is no table."""
    try:
        return marks(space)
    except EngineError:
        return None


def _outcome(space: Space) -> tuple[str, str]:
    run = space.installation.history(f"{space.dataset}.t", limit=1)[0]
    return run["kind"], run["outcome"]


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra_lost.py::"
    "test_a_version_that_is_forgotten_just_before_is_refused_and_nothing_stays_begun"
)
def test_no_other_publish_takes_files_away_from_a_version_that_is_being_shown_again(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    space.publish(file(space, "one"), "part/n")
    space.publish(file(space, "two"))
    keep = Versions.keep

    def meanwhile(versions: Versions, *arguments: Any, **named: Any) -> Any:
        found = keep(versions, *arguments, **named)
        versions.query("too_large", keyspace=space.dataset, most=0)
        versions.sweep()
        return found

    monkeypatch.setattr(Versions, "keep", meanwhile)
    undo(space)
    assert marks(space) == {"one": 30}


def test_a_version_that_is_forgotten_just_before_is_refused_and_nothing_stays_begun(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    space.publish(file(space, "one"), "part/n")
    space.publish(file(space, "two"))
    with _claimed(space, monkeypatch) as one:
        goal = one.chosen(None)
        one.versions.query("unkept", files=goal["files"])
        with pytest.raises(PublishError, match="is not kept any longer"):
            one.begin(goal, goal["published"]["run"])
        assert one.versions.query("returning") == []
    assert marks(space) == {"two": 30}


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra.py::"
    "test_a_publish_waits_for_one_of_the_same_table_where_it_is_told_to"
)
def test_a_command_waits_for_a_return_that_is_being_finished(space: Space) -> None:
    space.publish(file(space, "one"), "part/n")
    space.publish(file(space, "two"))
    server = space.installation.server()
    with (
        ThreadPoolExecutor() as pool,
        record.opened(server) as waiting,
        record.opened(server) as other,
    ):
        other.claim(space.dataset, "t")
        other.connection.execute(
            "UPDATE public.cassandra_version SET back = '{}' WHERE keyspace = %s", [space.dataset]
        )
        tried = threading.Event()
        take = waiting.take

        def taken(keyspace: str, name: str) -> bool:
            found = take(keyspace, name)
            tried.set()
            return found

        waiting.take = taken  # type: ignore[method-assign]
        claimed = pool.submit(waiting.claim, space.dataset, "t")
        assert tried.wait(30)
        other.connection.close()
        claimed.result(60)
