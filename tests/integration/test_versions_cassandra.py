"""Cassandra: history, undo, unpublish; whatever ends them leaves the one or the other whole."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from myriad.engines.cassandra import kept_files
from myriad.errors import EngineError, PublishError, SchemaRefused, UsageError, WouldBeLost
from myriad.publish.cassandra import record
from tests.harness import READ_AGAIN, wait_until
from tests.keyspaces import Space
from tests.marked import file, marks, undo


def _kept(space: Space) -> int:
    """Return how many versions have files on the node, of all keyspaces that the record knows."""
    return len(kept_files.kept_now(space.installation.cluster()))


def test_an_undo_shows_what_was_before_and_can_be_undone(space: Space) -> None:
    space.publish(file(space, "one", 30), "part/n")
    space.publish(file(space, "two", 20, first=10))
    back = undo(space)
    assert marks(space) == {"one": 30}
    assert (back["back_to"], back["before"], back["rows"]) == (1, 2, 30)
    again = undo(space)
    assert marks(space) == {"two": 20}
    assert (again["back_to"], again["before"]) == (2, 1)
    assert undo(space, 1)["rows"] == 30
    space.publish(file(space, "three", 10))  # what came back is replaced like anything else
    assert marks(space) == {"three": 10}
    assert undo(space)["before"] == 3  # no number is given twice
    assert marks(space) == {"one": 30}
    with pytest.raises(PublishError):
        space.publish(space.write("t.csv", "part,n,mark\n"))
    _history_tells_all(space)


def _history_tells_all(space: Space) -> None:
    runs = space.installation.history(f"{space.dataset}.t")
    told = [(run["engine"], run["kind"], run["outcome"], run["rows"]) for run in runs]
    assert told == [
        ("cassandra", "publish", "refused", None),
        ("cassandra", "undo", "done", 30),
        ("cassandra", "publish", "done", 10),
        ("cassandra", "undo", "done", 30),
        ("cassandra", "undo", "done", 20),
        ("cassandra", "undo", "done", 30),
        ("cassandra", "publish", "done", 20),
        ("cassandra", "publish", "done", 30),
    ]
    assert runs[0]["error"]
    assert (runs[2]["versions"], runs[6]["versions"]) == ({"t": 3}, {"t": 2})
    assert all(run["database"] == "main" for run in runs)
    everything = space.installation.history()
    assert {run["run"] for run in runs} <= {run["run"] for run in everything}


def test_what_only_postgresql_can_says_that_the_table_is_in_cassandra_alone(space: Space) -> None:
    space.publish(file(space, "one", 30), "part/n")
    name, installation = f"{space.dataset}.t", space.installation
    for ask in (installation.diff, partial(installation.undo, engine="postgres")):
        with pytest.raises(PublishError, match=f"{name} is in Cassandra alone"):
            ask(name)
    with pytest.raises(UsageError, match="cannot be renamed") as refused:
        installation.rename(name, "u")
    assert "--table" in refused.value.hint
    assert space.tables() == {"t"}


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra.py::"
    "test_an_undo_shows_what_was_before_and_can_be_undone"
)
def test_the_next_publish_uses_the_recipe_of_what_came_back(space: Space) -> None:
    path = file(space, "one")
    space.publish(path, "part/n", contract="free")
    space.publish(path, renames={"mark": "other"})
    name = f"{space.dataset}.t"
    assert space.installation.recipe(name).rename == {"mark": "other"}
    before = "the next publish uses its recipe again: --key part/n --contract free"
    assert any(note.startswith(before) for note in undo(space)["notes"])
    assert space.installation.recipe(name).rename == {}
    space.publish(path)
    assert marks(space) == {"one": 30}


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra.py::"
    "test_an_undo_shows_what_was_before_and_can_be_undone"
)
def test_an_append_and_rows_that_people_wrote_go_back_too(space: Space) -> None:
    space.publish(file(space, "one"), "part/n")
    space.ask("INSERT INTO {}.t (part, n, mark) VALUES ('p1', 1000, 'by hand')")
    space.publish(file(space, "more", 5, first=500), append=True)
    assert marks(space) == {"one": 30, "by hand": 1, "more": 5}
    undo(space)
    assert marks(space) == {"one": 30, "by hand": 1}
    undo(space)
    assert marks(space) == {"one": 30, "by hand": 1, "more": 5}


def test_other_columns_and_types_come_back(space: Space) -> None:
    first = space.write("t.json", '[{"id": 1, "at": {"x": 1, "y": "a"}}]')
    space.publish(first, "id")
    before = space.ask("SELECT * FROM {}.t")
    second = space.write("t.json", '[{"id": 1, "at": {"x": 1, "z": true}, "more": "b"}]')
    space.publish(second, "id", contract="free")
    back = undo(space)
    assert space.ask("SELECT * FROM {}.t") == before
    assert back["notes"][0] == "its columns are others than those of what was shown"
    undo(space)
    assert [len(row) for row in space.ask("SELECT * FROM {}.t")] == [3]


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra.py::test_other_columns_and_types_come_back"
)
def test_a_column_that_is_gone_for_a_night_comes_back_and_goes_again(space: Space) -> None:
    def columns() -> list[str]:
        where = "keyspace_name = ? AND table_name = ?"
        query = f"SELECT column_name FROM system_schema.columns WHERE {where}"
        return sorted(name for (name,) in space.ask(query, [space.dataset, "t"]))

    space.publish(file(space, "one"), "part/n")
    with_column = space.ask("SELECT * FROM {}.t")
    space.publish(space.write("t.csv", "part,n\np1,1\n"), contract="free")
    without = space.ask("SELECT * FROM {}.t")
    undo(space)
    assert (columns(), space.ask("SELECT * FROM {}.t")) == (["mark", "n", "part"], with_column)
    undo(space)
    assert (columns(), space.ask("SELECT * FROM {}.t")) == (["n", "part"], without)


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra.py::"
    "test_an_undo_shows_what_was_before_and_can_be_undone"
)
def test_as_many_versions_are_kept_as_the_settings_say_and_others_leave_the_disk(
    space: Space,
) -> None:
    for number in range(4):
        space.publish(file(space, f"n{number}"), "part/n")
    with pytest.raises(PublishError, match=r"version 1 of .* is not kept") as refused:
        undo(space, 1)
    assert refused.value.hint.startswith("There are: 3, 2.")
    undo(space, 2)
    assert marks(space) == {"n1": 30}
    with_versions = _kept(space)
    space.installation.unpublish(f"{space.dataset}.t", purge=True)
    assert _kept(space) == with_versions - 2


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra.py::"
    "test_an_undo_shows_what_was_before_and_can_be_undone"
)
def test_a_version_larger_than_the_bound_is_not_kept_and_that_is_said(space: Space) -> None:
    space.publish(file(space, "one"), "part/n")
    with space.bounded(versions_megabytes=1) as small:
        large = "part,n,mark\n" + "".join(
            f"p{n % 5},{n},{os.urandom(400).hex()}\n" for n in range(3000)
        )
        small.publish(small.write("t.csv", large))
        report = small.publish(file(small, "two"), contract="free")
        assert any("versions_megabytes" in note for note in report.tables[0].notes)
        with pytest.raises(WouldBeLost):  # its files have the deletions of what was large
            undo(small)
        assert marks(space) == {"two": 30}
        small.installation.undo(f"{space.dataset}.t", for_good=True)
    assert marks(space) == {"one": 30}


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_interrupted.py::"
    "test_who_keeps_reading_sees_all_of_the_old_or_all_of_the_new"
)
def test_a_reader_sees_all_of_one_or_all_of_the_other_or_an_error(space: Space) -> None:
    space.publish(file(space, "one", 400), "part/n")
    space.publish(file(space, "two", 300))
    seen: list[frozenset[tuple[str, int]]] = []
    done = threading.Event()

    def read() -> None:
        with space.installation.cluster().session() as session:
            while not done.wait(READ_AGAIN):
                try:
                    marks = [row[0] for row in session.query(f"SELECT mark FROM {space.dataset}.t")]
                except EngineError:
                    continue
                seen.append(frozenset((mark, marks.count(mark)) for mark in marks))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        wait_until(lambda: len(seen) > 5)
        undo(space)
        wanted = len(seen) + 5
        wait_until(lambda: len(seen) > wanted)
    finally:
        done.set()
        reader.join()
    assert set(seen) == {frozenset({("one", 400)}), frozenset({("two", 300)})}


def test_an_unpublished_table_is_gone_and_comes_back(space: Space) -> None:
    space.publish(file(space, "one"), "part/n")
    space.publish(file(space, "two"))
    name = f"{space.dataset}.t"
    report = space.installation.unpublish(name)
    assert report["tables"] == [{"engine": "cassandra", "table": "t", "version": 2}]
    assert space.tables() == set()
    assert not [row for row in space.installation.published() if row["dataset"] == space.dataset]
    assert undo(space)["back_to"] == 2
    assert marks(space) == {"two": 30}
    space.installation.unpublish(name, purge=True)
    with pytest.raises(PublishError):
        undo(space)


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra.py::"
    "test_an_undo_shows_what_was_before_and_can_be_undone"
)
def test_what_hangs_on_a_table_is_named_and_nothing_is_changed(space: Space) -> None:
    space.publish(file(space, "one"), "part/n")
    space.publish(file(space, "two"))
    space.ask("CREATE INDEX by_mark ON {}.t (mark)")
    with pytest.raises(SchemaRefused, match="index by_mark"):
        space.installation.unpublish(f"{space.dataset}.t")
    with pytest.raises(SchemaRefused, match="index by_mark"):
        undo(space)
    assert marks(space) == {"two": 30}


@pytest.mark.nightly(
    daily="tests/integration/test_versions_cassandra.py::"
    "test_an_undo_shows_what_was_before_and_can_be_undone"
)
def test_a_table_that_somebody_else_made_is_not_touched(space: Space) -> None:
    space.publish(file(space, "one"), "part/n")
    space.publish(file(space, "two"))
    space.ask("DROP TABLE {}.t")
    space.ask("CREATE TABLE {}.t (mark text PRIMARY KEY)")
    with pytest.raises(SchemaRefused, match="Myriad did not publish it"):
        undo(space)
    with pytest.raises(SchemaRefused, match="Myriad did not publish it"):
        space.installation.unpublish(f"{space.dataset}.t")
    assert space.ask("SELECT * FROM {}.t") == []


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_left.py::"
    "test_a_killed_publish_is_remembered_and_told_as_if_it_had_ended"
)
def test_a_run_that_was_killed_is_told_so_or_done_if_somebody_finished_it(space: Space) -> None:
    space.publish(file(space, "one"), "part/n")
    space.killed(file(space, "two"), "loading")

    def outcomes() -> list[str]:
        return [run["outcome"] for run in space.installation.history(f"{space.dataset}.t")]

    wait_until(lambda: outcomes() == ["killed", "done"])


@pytest.mark.nightly(
    daily="tests/integration/test_texts_cassandra.py::"
    "test_a_table_comes_with_its_comment_and_one_written_by_hand_stays"
)
def test_the_comment_says_what_a_table_is_and_how_fresh(space: Space) -> None:
    def comment() -> str:
        query = (
            "SELECT comment FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?"
        )
        [(text,)] = space.ask(query, [space.dataset, "t"])
        return str(text)

    space.publish(file(space, "one"), "part/n")
    assert comment().startswith("Published 2")
    assert comment().endswith("UTC from t.csv: 30 rows.")
    space.installation.say(f"{space.dataset}.t", "What it's about.")
    space.publish(file(space, "two", 20))
    assert comment().startswith("What it's about.\nPublished 2")
    assert comment().endswith(": 20 rows.")
    undo(space)
    assert comment().endswith(": 30 rows.")
    space.ask("ALTER TABLE {}.t WITH comment = 'mine'")
    space.publish(file(space, "three"))
    assert comment() == "mine"
    with pytest.raises(UsageError, match="columns have no comments"):
        space.installation.say(f"{space.dataset}.t.mark", "A mark.")


def test_a_publish_waits_for_one_of_the_same_table_where_it_is_told_to(space: Space) -> None:
    with ThreadPoolExecutor() as pool:
        with record.opened(space.installation.server()) as other:
            other.claim(space.dataset, "t")
            with pytest.raises(PublishError, match="being changed by somebody else"):
                space.publish(file(space, "one"), "part/n", wait=0.1)
            second = pool.submit(space.publish, file(space, "two"), "part/n", wait=60.0)
            wait_until(lambda: "running" in _outcomes(space))
            assert not second.done()
        assert second.result().rows == 30
    assert marks(space) == {"two": 30}


def _outcomes(space: Space) -> list[str]:
    return [run["outcome"] for run in space.installation.history(f"{space.dataset}.t")]
