"""Cassandra: history, undo, unpublish; whatever ends them leaves the one or the other whole."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from myriad import Myriad
from myriad.engines.cassandra import swap
from myriad.errors import EngineError, HalfPublished, PublishError, SchemaRefused, UsageError
from myriad.publish import Options, parse_keys
from tests.harness import as_admin, wait_until
from tests.keyspaces import ROOT, Space

FILE = "tests/integration/test_versions_cassandra.py"
KILLS = f"{FILE}::test_an_undo_that_is_killed_is_finished_without_a_command"


def _file(space: Space, mark: str, rows: int = 30, first: int = 0) -> Path:
    lines = (f"p{n % 5},{n},{mark}\n" for n in range(first, first + rows))
    return space.write("t.csv", "part,n,mark\n" + "".join(lines))


def _marks(space: Space) -> dict[str, int]:
    found = [mark for (mark,) in space.ask("SELECT mark FROM {}.t")]
    return {mark: found.count(mark) for mark in set(found)}


def _kept(space: Space) -> int:
    """Return how many versions have files on the node, of all keyspaces that the record knows."""
    return len(swap.kept_now(space.installation.cluster()))


def _undo(space: Space, to: int | None = None, **options: Any) -> dict[str, Any]:
    one: dict[str, Any]
    [one] = space.installation.undo(f"{space.dataset}.t", to, **options)["tables"]
    return one


def test_an_undo_shows_what_was_before_and_can_be_undone(space: Space) -> None:
    space.publish(_file(space, "one", 30), "part/n")
    space.publish(_file(space, "two", 20, first=10))
    back = _undo(space)
    assert _marks(space) == {"one": 30}
    assert (back["back_to"], back["before"], back["rows"]) == (1, 2, 30)
    again = _undo(space)
    assert _marks(space) == {"two": 20}
    assert (again["back_to"], again["before"]) == (2, 1)
    assert _undo(space, 1)["rows"] == 30
    space.publish(_file(space, "three", 10))  # what came back is replaced like anything else
    assert _marks(space) == {"three": 10}
    assert _undo(space)["before"] == 3  # no number is given twice
    assert _marks(space) == {"one": 30}


def test_an_append_and_rows_that_people_wrote_go_back_too(space: Space) -> None:
    space.publish(_file(space, "one"), "part/n")
    space.ask("INSERT INTO {}.t (part, n, mark) VALUES ('p1', 1000, 'by hand')")
    space.publish(_file(space, "more", 5, first=500), append=True)
    assert _marks(space) == {"one": 30, "by hand": 1, "more": 5}
    _undo(space)
    assert _marks(space) == {"one": 30, "by hand": 1}
    _undo(space)
    assert _marks(space) == {"one": 30, "by hand": 1, "more": 5}


def test_other_columns_and_types_come_back(space: Space) -> None:
    first = space.write("t.json", '[{"id": 1, "at": {"x": 1, "y": "a"}}]')
    space.publish(first, "id")
    before = space.ask("SELECT * FROM {}.t")
    second = space.write("t.json", '[{"id": 1, "at": {"x": 1, "z": true}, "more": "b"}]')
    space.publish(second, "id", contract="free")
    back = _undo(space)
    assert space.ask("SELECT * FROM {}.t") == before
    assert back["notes"] == ["its columns are others than those of what was shown"]
    _undo(space)
    assert [len(row) for row in space.ask("SELECT * FROM {}.t")] == [3]


def test_a_column_that_is_gone_for_a_night_comes_back_and_goes_again(space: Space) -> None:
    def columns() -> list[str]:
        where = "keyspace_name = ? AND table_name = ?"
        query = f"SELECT column_name FROM system_schema.columns WHERE {where}"
        return sorted(name for (name,) in space.ask(query, [space.dataset, "t"]))

    space.publish(_file(space, "one"), "part/n")
    with_column = space.ask("SELECT * FROM {}.t")
    space.publish(space.write("t.csv", "part,n\np1,1\n"), contract="free")
    without = space.ask("SELECT * FROM {}.t")
    _undo(space)
    assert (columns(), space.ask("SELECT * FROM {}.t")) == (["mark", "n", "part"], with_column)
    _undo(space)
    assert (columns(), space.ask("SELECT * FROM {}.t")) == (["n", "part"], without)


def test_as_many_versions_are_kept_as_the_settings_say_and_others_leave_the_disk(
    space: Space,
) -> None:
    for number in range(4):
        space.publish(_file(space, f"n{number}"), "part/n")
    with pytest.raises(PublishError, match=r"version 1 of .* is not kept") as refused:
        _undo(space, 1)
    assert refused.value.hint.startswith("There are: 3, 2.")
    _undo(space, 2)
    assert _marks(space) == {"n1": 30}
    with_versions = _kept(space)
    space.installation.unpublish(f"{space.dataset}.t", purge=True)
    assert _kept(space) == with_versions - 2


def test_a_version_larger_than_the_bound_is_not_kept_and_that_is_said(space: Space) -> None:
    space.publish(_file(space, "one"), "part/n")
    with space.bounded(versions_megabytes=1) as small:
        large = "part,n,mark\n" + "".join(
            f"p{n % 5},{n},{os.urandom(400).hex()}\n" for n in range(3000)
        )
        small.publish(small.write("t.csv", large))
        report = small.publish(_file(small, "two"), contract="free")
        assert any("versions_megabytes" in note for note in report.tables[0].notes)
        _undo(small)
    assert _marks(space) == {"one": 30}


def test_a_reader_sees_all_of_one_or_all_of_the_other_or_an_error(space: Space) -> None:
    space.publish(_file(space, "one", 400), "part/n")
    space.publish(_file(space, "two", 300))
    seen: list[frozenset[tuple[str, int]]] = []
    done = threading.Event()

    def read() -> None:
        with space.installation.cluster().session() as session:
            while not done.is_set():
                try:
                    marks = [row[0] for row in session.query(f"SELECT mark FROM {space.dataset}.t")]
                except EngineError:
                    continue
                seen.append(frozenset((mark, marks.count(mark)) for mark in marks))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        wait_until(lambda: len(seen) > 5)
        _undo(space)
        wanted = len(seen) + 5
        wait_until(lambda: len(seen) > wanted)
    finally:
        done.set()
        reader.join()
    assert set(seen) == {frozenset({("one", 400)}), frozenset({("two", 300)})}


def test_an_unpublished_table_is_gone_and_comes_back(space: Space) -> None:
    space.publish(_file(space, "one"), "part/n")
    space.publish(_file(space, "two"))
    name = f"{space.dataset}.t"
    report = space.installation.unpublish(name)
    assert report["tables"] == [{"engine": "cassandra", "table": "t", "version": 2}]
    assert space.tables() == set()
    assert not [row for row in space.installation.published() if row["dataset"] == space.dataset]
    assert _undo(space)["back_to"] == 2
    assert _marks(space) == {"two": 30}
    space.installation.unpublish(name, purge=True)
    with pytest.raises(PublishError):
        _undo(space)


def test_what_hangs_on_a_table_is_named_and_nothing_is_changed(space: Space) -> None:
    space.publish(_file(space, "one"), "part/n")
    space.publish(_file(space, "two"))
    space.ask("CREATE INDEX by_mark ON {}.t (mark)")
    with pytest.raises(SchemaRefused, match="index by_mark"):
        space.installation.unpublish(f"{space.dataset}.t")
    with pytest.raises(SchemaRefused, match="index by_mark"):
        _undo(space)
    assert _marks(space) == {"two": 30}


def test_a_table_that_somebody_else_made_is_not_touched(space: Space) -> None:
    space.publish(_file(space, "one"), "part/n")
    space.publish(_file(space, "two"))
    space.ask("DROP TABLE {}.t")
    space.ask("CREATE TABLE {}.t (mark text PRIMARY KEY)")
    with pytest.raises(SchemaRefused, match="Myriad did not publish it"):
        _undo(space)
    with pytest.raises(SchemaRefused, match="Myriad did not publish it"):
        space.installation.unpublish(f"{space.dataset}.t")
    assert space.ask("SELECT * FROM {}.t") == []


def test_the_history_tells_of_cassandra_too(space: Space) -> None:
    space.publish(_file(space, "one"), "part/n")
    space.publish(_file(space, "two"))
    with pytest.raises(PublishError):
        space.publish(space.write("t.csv", "part,n,mark\n"))
    _undo(space)
    runs = space.installation.history(f"{space.dataset}.t")
    told = [(run["engine"], run["kind"], run["outcome"], run["rows"]) for run in runs]
    assert told == [
        ("cassandra", "undo", "done", 30),
        ("cassandra", "publish", "refused", None),
        ("cassandra", "publish", "done", 30),
        ("cassandra", "publish", "done", 30),
    ]
    assert runs[1]["error"]
    assert runs[2]["versions"] == {"t": 2}
    assert all(run["database"] == "main" for run in runs)
    everything = space.installation.history()
    assert {run["run"] for run in runs} <= {run["run"] for run in everything}


def test_a_run_that_was_killed_is_told_so_or_done_if_somebody_finished_it(space: Space) -> None:
    space.publish(_file(space, "one"), "part/n")
    space.killed(_file(space, "two"), "loading")

    def outcomes() -> list[str]:
        return [run["outcome"] for run in space.installation.history(f"{space.dataset}.t")]

    wait_until(lambda: outcomes() == ["killed", "done"])


def test_the_comment_says_what_a_table_is_and_how_fresh(space: Space) -> None:
    def comment() -> str:
        query = (
            "SELECT comment FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?"
        )
        [(text,)] = space.ask(query, [space.dataset, "t"])
        return str(text)

    space.publish(_file(space, "one"), "part/n")
    assert comment().startswith("Published 2")
    assert comment().endswith("UTC from t.csv: 30 rows.")
    space.installation.say(f"{space.dataset}.t", "What it's about.")
    space.publish(_file(space, "two", 20))
    assert comment().startswith("What it's about.\nPublished 2")
    assert comment().endswith(": 20 rows.")
    _undo(space)
    assert comment().endswith(": 30 rows.")
    space.ask("ALTER TABLE {}.t WITH comment = 'mine'")
    space.publish(_file(space, "three"))
    assert comment() == "mine"
    with pytest.raises(UsageError, match="columns have no comments"):
        space.installation.say(f"{space.dataset}.t.mark", "A mark.")


def test_a_table_in_cassandra_cannot_be_renamed_and_what_can_be_done_is_said(space: Space) -> None:
    space.publish(_file(space, "one"), "part/n")
    with pytest.raises(UsageError, match="cannot be renamed") as refused:
        space.installation.rename(f"{space.dataset}.t", "u")
    assert "--table" in refused.value.hint
    assert space.tables() == {"t"}


# Undoes, or takes away, and kills itself at a place: argument 1 says how, in JSON.
KILLED = """
import json, os, signal, sys
import myriad
from myriad.cql.session import Session
from myriad.engines.cassandra import swap
from myriad.publish.cassandra import switch
from myriad.publish.changes import Changes
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
installation = myriad.open(given["home"])
getattr(installation, given["do"])(given["table"])
"""


def _killed(space: Space, at: str, do: str = "undo") -> None:
    home = str(space.installation.home.folder)
    given = {"home": home, "table": f"{space.dataset}.t", "at": at, "do": do}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, json.dumps(given)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


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
    space.publish(_file(space, "one"), "part/n")
    space.publish(_file(space, "two", 20))
    _killed(space, at)
    wait_until(lambda: not _returning(space), 60)
    assert _marks(space) == {"one": 30}
    assert _undo(space)["rows"] == 20
    assert _marks(space) == {"two": 20}


def _returning(space: Space) -> list[Any]:
    with as_admin(space.installation.server()) as connection:
        return connection.execute(
            "SELECT 1 FROM cassandra_version WHERE keyspace = %s AND back IS NOT NULL",
            [space.dataset],
        ).fetchall()


def test_a_publish_finishes_an_undo_that_was_killed_before_it_replaces(space: Space) -> None:
    space.publish(_file(space, "one"), "part/n")
    space.publish(_file(space, "two"))
    _killed(space, "before the table")
    space.publish(_file(space, "three", 10))
    assert _marks(space) == {"three": 10}
    assert _undo(space)["rows"] == 30
    assert _marks(space) == {"one": 30}


def test_an_unpublish_that_is_killed_is_finished_by_the_same_command(space: Space) -> None:
    space.publish(_file(space, "one"), "part/n")
    _killed(space, "after the drop", "unpublish")
    report = space.installation.unpublish(f"{space.dataset}.t")
    assert report["tables"][0]["version"] == 1
    assert not [row for row in space.installation.published() if row["dataset"] == space.dataset]
    _undo(space)
    assert _marks(space) == {"one": 30}


@pytest.fixture
def both(clustered: Myriad, tag: str, tmp_path: Path) -> Space:
    """A dataset that is published into both engines."""
    return Space(clustered, f"both_{tag}", tmp_path)


def _both(space: Space, mark: str, rows: int = 30) -> None:
    keys = parse_keys(["part/n"])
    options = Options(to="both", dataset=space.dataset, keys=keys)
    space.installation.publish([_file(space, mark, rows)], options)


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
    assert _marks(both) == _in_postgres(both) == {"one": 30}
    runs = both.installation.history(f"{both.dataset}.t", limit=2)
    assert {(run["engine"], run["kind"], str(run["run"])) for run in runs} == {
        ("postgres", "undo", report["run"]),
        ("cassandra", "undo", report["run"]),
    }
    both.installation.unpublish(f"{both.dataset}.t")
    assert both.tables() == set()
    both.installation.undo(f"{both.dataset}.t")
    assert _marks(both) == _in_postgres(both) == {"one": 30}


def test_an_undo_in_both_that_ends_between_them_is_finished_by_the_same_command(
    both: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    _both(both, "one")
    _both(both, "two", 20)

    def full(*_: object) -> None:
        raise EngineError("the disk is full", hint="Make room.")

    with monkeypatch.context() as patch:
        patch.setattr(swap, "put_in", full)
        with pytest.raises(HalfPublished, match="back in PostgreSQL, and not yet in Cassandra"):
            both.installation.undo(f"{both.dataset}.t")
    assert _in_postgres(both) == {"one": 30}
    wait_until(lambda: not _returning(both), 60)  # or who keeps Cassandra finishes it
    assert _marks(both) == _in_postgres(both) == {"one": 30}


@pytest.mark.parametrize(
    ("at", "after"), [("before PostgreSQL", "two"), ("after PostgreSQL", "one")]
)
def test_an_undo_in_both_that_is_killed_leaves_one_of_the_two_in_both(
    both: Space, at: str, after: str
) -> None:
    _both(both, "one")
    _both(both, "two")
    _killed(both, at)
    wait_until(lambda: not _returning(both), 60)
    assert _marks(both) == _in_postgres(both) == {after: 30}


def test_versions_of_different_publishes_do_not_go_back_together(both: Space) -> None:
    _both(both, "one")
    _both(both, "two", 20)
    both.publish(_file(both, "three", 10))
    with pytest.raises(PublishError, match="not of the same publish"):
        both.installation.undo(f"{both.dataset}.t")
    both.installation.undo(f"{both.dataset}.t", engine="cassandra")
    assert _marks(both) == _in_postgres(both) == {"two": 20}
