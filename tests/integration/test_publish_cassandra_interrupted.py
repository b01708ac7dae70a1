"""Readers never see a half, and a publish that is killed goes on where it was."""

import threading
from collections.abc import Sized
from functools import partial
from typing import Any

import pytest

from myriad.errors import EngineError, HalfPublished
from myriad.publish.cassandra import switch
from myriad.publish.keys import parse_keys
from myriad.publish.options import Options, Step
from tests.harness import READ_AGAIN, wait_until
from tests.keyspaces import Space

ROWS = 10_000
PARTITIONS = 20
FILE = "tests/integration/test_publish_cassandra_interrupted.py"
SWITCH = f"{FILE}::test_a_publish_that_is_killed_at_the_switch_is_finished_by_the_same_command"


def _content(mark: str, rows: int, first: int = 0) -> str:
    lines = (f"p{n % PARTITIONS},{n},{mark}\n" for n in range(first, first + rows))
    return "part,n,mark\n" + "".join(lines)


def test_who_keeps_reading_sees_all_of_the_old_or_all_of_the_new(space: Space) -> None:
    sizes = {"one": 400, "two": 300, "three": 500}
    path = space.write("t.csv", _content("one", sizes["one"]))
    space.publish(path, "part/n")
    seen: list[set[tuple[str, int]]] = []
    done = threading.Event()

    def read() -> None:
        with space.driver() as session:
            whole = session.prepare("SELECT mark FROM t")
            whole.fetch_size = 5000
            part = session.prepare("SELECT mark FROM t WHERE part = 'p1'")
            while not done.wait(READ_AGAIN):
                for statement, parts in ((whole, 1), (part, PARTITIONS)):
                    marks = [row.mark for row in session.execute(statement)]
                    seen.append({(mark, marks.count(mark) * parts) for mark in marks})

    reader = threading.Thread(target=read)
    reader.start()
    try:
        wait_until(lambda: len(seen) > 10)
        for mark in ("two", "three"):
            # The old rows have other keys as well: they must go, too.
            path.write_text(_content(mark, sizes[mark], first=100))
            space.publish(path)
            wanted = len(seen) + 10
            wait_until(partial(_longer, seen, wanted))
    finally:
        done.set()
        reader.join()
    assert all(len(marks) == 1 for marks in seen), [marks for marks in seen if len(marks) != 1]
    assert {marks.pop() for marks in seen} == set(sizes.items())


def _longer(seen: Sized, count: int) -> bool:
    return len(seen) > count


def _marks(space: Space) -> dict[str, int]:
    """Return how many rows have which mark."""
    rows = space.ask("SELECT mark FROM {}.t")
    found = [mark for (mark,) in rows]
    return {mark: found.count(mark) for mark in set(found)}


def test_a_killed_load_goes_on_where_it_was(space: Space) -> None:
    space.publish(space.write("t.csv", _content("old", 100)), "part/n")
    path = space.write("t.csv", _content("new", ROWS))
    space.killed(path, "loading", rows=ROWS // 2)
    assert _marks(space) == {"old": 100}
    ((state, acknowledged),) = space.loads()
    assert state == "loading"
    assert acknowledged > 0
    wait_until(lambda: len(space.loading()) == 1)
    first: list[int] = []

    def loading(step: Step) -> None:
        if step.phase == "loading":
            first.append(step.rows)

    space.publish(path, progress=loading)
    assert first[0] >= acknowledged  # what was there was not sent again
    assert _marks(space) == {"new": ROWS}
    assert (space.loads(), space.staged()) == ([], set())


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_interrupted.py::"
    "test_a_killed_load_goes_on_where_it_was"
)
def test_a_source_that_changed_begins_anew(space: Space) -> None:
    path = space.write("t.csv", _content("new", ROWS))
    space.killed(path, "loading", "part/n", rows=ROWS // 2)
    wait_until(lambda: len(space.loading()) == 1)
    assert space.tables() == set()
    path.write_text(_content("newer", 1000))
    space.publish(path, "part/n")
    assert _marks(space) == {"newer": 1000}
    assert space.staged() == set()


at_another_place = pytest.mark.nightly(daily=f"{SWITCH}[after the swap]")


@pytest.mark.parametrize(
    "at",
    [
        "after the swap",
        pytest.param("replacing", marks=at_another_place),
        pytest.param("before the swap", marks=at_another_place),
        pytest.param("after the proof", marks=at_another_place),
    ],
)
def test_a_publish_that_is_killed_at_the_switch_is_finished_by_the_same_command(
    space: Space, at: str
) -> None:
    space.publish(space.write("t.csv", _content("old", 100)), "part/n")
    path = space.write("t.csv", _content("new", 200))
    space.killed(path, at)
    assert _marks(space) in ({"old": 100}, {"new": 200})
    again: list[str] = []
    space.publish(path, progress=lambda step: again.append(step.phase))
    assert "loading" not in again  # it was loaded and proven
    assert _marks(space) == {"new": 200}
    assert (space.loads(), space.staged()) == ([], set())


@pytest.mark.nightly(daily=SWITCH)
def test_another_publish_finishes_the_switch_of_a_killed_one_first(space: Space) -> None:
    space.publish(space.write("t.csv", _content("old", 100)), "part/n")
    space.killed(space.write("t.csv", _content("new", 200)), "after the swap")
    more = space.write("more.csv", _content("more", 50, first=500))
    space.publish(more, table="t", append=True)
    assert _marks(space) == {"new": 200, "more": 50}


def test_a_killed_append_shows_nothing_and_goes_on(space: Space) -> None:
    space.publish(space.write("t.csv", _content("old", 100)), "part/n")
    more = space.write("more.csv", _content("more", 50, first=500))
    space.killed(more, "before the swap", table="t", append=True)
    assert _marks(space) == {"old": 100}
    space.publish(more, table="t", append=True)
    assert _marks(space) == {"old": 100, "more": 50}


@pytest.mark.nightly(daily=f"{FILE}::test_a_killed_append_shows_nothing_and_goes_on")
def test_a_first_append_that_was_killed_is_written_down_by_the_next(space: Space) -> None:
    path = space.write("t.csv", _content("new", 100))
    space.killed(path, "after the swap", "part/n", append=True)
    report = space.publish(path, "part/n", append=True)
    assert [table.rows for table in report.tables] == [100]
    assert _marks(space) == {"new": 100}
    listed = [row for row in space.installation.published() if row["dataset"] == space.dataset]
    assert [(row["name"], row["rows"]) for row in listed] == [("t", 100)]


def test_a_load_that_would_fail_again_leaves_nothing_behind(space: Space) -> None:
    path = space.write("t.csv", _content("new", 300))

    def drop(step: Step) -> None:
        if step.phase == "loading":
            for name in space.loading():
                space.ask(f"DROP TABLE myriad_next.{name}")

    with pytest.raises(EngineError):
        space.publish(path, "part/n", progress=drop)
    assert (space.loads(), space.staged(), space.tables()) == ([], set(), set())


def test_a_load_that_no_command_goes_on_with_leaves_nothing_behind(space: Space) -> None:
    """As one from standard input, which is never the same again."""
    path = space.write("t.csv", _content("new", 300))

    def interrupt(step: Step) -> None:
        if step.phase == "proving the key":
            path.unlink()
        if step.phase == "loading":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        space.publish(path, "part/n", progress=interrupt)
    assert (space.loads(), space.staged(), space.tables()) == ([], set(), set())


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_left.py::"
    "test_a_kill_between_the_engines_leaves_each_whole_and_the_same_command_mends_it"
)
def test_what_was_shown_and_what_not_is_said_where_the_last_step_fails(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, calls = parse_keys(["one=part/n", "two=part/n"]), []
    options = Options(to="both", dataset=space.dataset, keys=keys)
    sources = [space.write(f"{name}.csv", _content("new", 40)) for name in ("one", "two")]
    real = switch.finish

    def fails_at_the_second(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) > 1:
            raise EngineError("the disk is full", hint="Make room.")
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(switch, "finish", fails_at_the_second)
        with pytest.raises(HalfPublished) as error:
            space.installation.publish(sources, options)
    told = "PostgreSQL has all new rows; Cassandra shows one; Cassandra does not show two yet: the"
    assert error.value.message == f"{told} disk is full"
    assert error.value.exit_code == 6
    space.installation.publish(sources, options)
    for name in ("one", "two"):
        assert len(space.ask(f"SELECT n FROM {{}}.{name}")) == 40
    assert (space.loads(), space.staged()) == ([], set())
