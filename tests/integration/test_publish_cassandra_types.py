"""Types of people's that change inside: the table is made anew with them, or nothing is touched."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from myriad.cql.session import Session
from myriad.engines.cassandra import swap
from myriad.errors import CqlError, HalfPublished, NotRunning, SchemaRefused
from myriad.publish.cassandra import existing, switch
from tests.harness import READ_AGAIN, wait_until
from tests.keyspaces import Space
from tests.marked import undo

NUMBER = {"id": 1, "a": {"b": {"c": 1, "d": 2}, "e": 3}}
TEXT = {"id": 1, "a": {"b": {"c": "x", "d": 2}, "e": 3}}


def _publish(space: Space, record: dict[str, Any], **options: Any) -> None:
    path = space.write("t.json", json.dumps([record]))
    space.publish(path, "id", contract="free", **options)


def _read(space: Space) -> list[Any]:
    with space.driver() as session:
        return list(session.execute("SELECT a FROM t"))


def _c(space: Space) -> list[Any]:
    return [row.a.b.c for row in _read(space)]


def _types(space: Space) -> set[str]:
    rows = space.ask(
        "SELECT type_name FROM system_schema.types WHERE keyspace_name = ?", [space.dataset]
    )
    return {name for (name,) in rows}


def test_a_type_that_changes_inside_another_is_made_anew_and_comes_back(space: Space) -> None:
    _publish(space, NUMBER)
    _publish(space, TEXT)
    assert _c(space) == ["x"]
    undo(space)
    assert _c(space) == [1]
    undo(space)
    assert _c(space) == ["x"]
    assert (space.loads(), space.staged()) == ([], set())


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_types.py::"
    "test_a_type_that_changes_inside_another_is_made_anew_and_comes_back"
)
def test_a_type_three_deep_changes_in_a_list_and_a_map_too(space: Space) -> None:
    def record(value: object) -> dict[str, Any]:
        deepest = {"y": value, "z": 1}
        return {"id": 1, "a": {"b": [{"c": deepest, "d": 2}], "e": 3}, "f": deepest}

    _publish(space, record(1))
    _publish(space, record("x"))
    [[row]] = _read(space)
    assert (row.b[0].c.y, row.e) == ("x", 3)


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_types.py::"
    "test_a_type_that_changes_inside_another_is_made_anew_and_comes_back"
)
def test_types_of_columns_that_go_do_not_stop_one_that_they_have(space: Space) -> None:
    _publish(space, NUMBER)
    _publish(space, {"id": 1, "a_b": {"c": "x", "d": 2}})
    with space.driver() as session:
        [row] = session.execute("SELECT a_b FROM t")
    assert row.a_b.c == "x"


other_users = pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_types.py"
    "::test_what_others_have_of_a_type_inside_keeps_it_and_nothing_is_touched"
)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        pytest.param(
            "CREATE TABLE {}.other (id int PRIMARY KEY, v frozen<t_a>)",
            r"table .*\.other",
            marks=other_users,
        ),
        pytest.param(
            "CREATE TABLE {}.other (id int PRIMARY KEY, v list<frozen<t_a_b>>)",
            r"table .*\.other",
            marks=other_users,
        ),
        ('CREATE TYPE {}."Its own" (v frozen<map<text, frozen<t_a_b>>>)', r"type .*\.Its own"),
    ],
)
def test_what_others_have_of_a_type_inside_keeps_it_and_nothing_is_touched(
    space: Space, other: str, told: str
) -> None:
    _publish(space, NUMBER)
    space.ask(other)
    before = _types(space)
    with pytest.raises(SchemaRefused, match=rf"would change, and {told} has it too"):
        _publish(space, TEXT)
    assert (_c(space), _types(space)) == ([1], before)
    assert (space.loads(), space.staged()) == ([], set())
    _publish(space, NUMBER | {"id": 2}, wait=30.0)  # what does not change it is taken
    assert _c(space) == [1]


def test_a_new_table_is_refused_whose_type_others_have_with_other_fields(space: Space) -> None:
    _publish(space, NUMBER)
    space.ask("CREATE TABLE {}.other (id int PRIMARY KEY, v frozen<t_a>)")
    space.installation.unpublish(f"{space.dataset}.t")
    with pytest.raises(SchemaRefused, match=r"type t_a would change, and table"):
        _publish(space, TEXT)
    assert (space.loads(), space.tables()) == ([], {"other"})


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_types.py::"
    "test_what_others_have_of_a_type_inside_keeps_it_and_nothing_is_touched"
)
def test_a_type_that_others_make_of_it_at_the_last_moment_keeps_the_table(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(space, NUMBER)
    real = switch.prepare

    def prepare(*arguments: Any) -> None:
        real(*arguments)
        space.ask("CREATE TYPE {}.late (v frozen<t_a>)")

    with monkeypatch.context() as patch:
        patch.setattr(switch, "prepare", prepare)
        with pytest.raises(HalfPublished, match=r"type .*\.late has it too"):
            _publish(space, TEXT)
    assert _c(space) == [1]
    space.ask("DROP TYPE {}.late")
    _publish(space, TEXT)
    assert _c(space) == ["x"]


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_left.py::"
    "test_a_killed_publish_is_remembered_and_told_as_if_it_had_ended[after the links]"
)
def test_one_killed_between_two_types_is_finished(space: Space) -> None:
    _publish(space, NUMBER)
    path = space.write("t.json", json.dumps([TEXT]))
    space.killed(path, "after the old table's drop", contract="free")
    _publish(space, TEXT)
    assert _c(space) == ["x"]


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_types.py::"
    "test_a_type_that_changes_inside_another_is_made_anew_and_comes_back"
)
def test_outer_types_come_before_those_in_them(space: Space) -> None:
    _publish(space, NUMBER)
    wanted = {"types": {"t_a_b": [["c", "text"], ["d", "bigint"]]}}
    with space.installation.cluster().session() as session:
        assert existing.other_types(session, space.dataset, wanted) == ["t_a", "t_a_b"]


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_types.py::"
    "test_a_type_that_changes_inside_another_is_made_anew_and_comes_back"
)
def test_who_reads_while_types_change_gets_rows_or_an_error_and_never_an_empty_table(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    space.publish(space.write("t.csv", "id,v\n1,1\n2,2\n"), "id")
    seen, done = list[object](), threading.Event()

    def read() -> None:
        with space.installation.cluster().session() as session:
            while not done.wait(READ_AGAIN):
                try:
                    seen.append(len(session.query(f"SELECT * FROM {space.dataset}.t")))
                except CqlError:
                    seen.append("error")

    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(read)
        try:
            wait_until(lambda: bool(seen))
            order = list[str]()
            _noting(monkeypatch, order)
            space.publish(space.write("t.csv", "id,v\n1,a\n2,b\n3,c\n"), contract="free")
        finally:
            done.set()
        reading.result()
    assert set(seen) <= {2, 3, "error"}
    # What is in memory is written before the table goes, and nothing is asked until it is back.
    assert order == ["flushed", "DROP TABLE", "CREATE TABLE"]


def test_a_node_that_turns_the_drop_and_the_new_table_round_still_shows_the_new_one(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    space.publish(space.write("t.csv", "id,v\n1,1\n2,2\n"), "id")

    def turned(session: Session, first: str, then: str, *, timeout: float) -> None:
        session.query(then, timeout=timeout)
        session.query(first, timeout=timeout)

    monkeypatch.setattr(Session, "in_step", turned)
    space.publish(space.write("t.csv", "id,v\n1,a\n2,b\n3,c\n"), contract="free")
    assert dict(space.ask("SELECT id, v FROM {}.t")) == {1: "a", 2: "b", 3: "c"}


def test_what_a_node_does_after_its_connection_was_lost_is_not_done_again(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the second drop would take the table that the first try has made."""
    query, in_step = Session.query, Session.in_step
    sent, late = list[tuple[str, str]](), list[tuple[str, str]]()

    def lost(_: Session, first: str, then: str, **__: float) -> None:
        sent.append((first, then))
        late.append((first, then))
        raise NotRunning("the connection is closed", hint="Again.")

    def ask(session: Session, text: str, *values: Any, **options: Any) -> Any:
        if late and text.startswith("CREATE TABLE"):  # a node does one change after the other
            in_step(session, *late.pop(), timeout=60)
        return query(session, text, *values, **options)

    space.publish(space.write("t.csv", "id,v\n1,1\n2,2\n"), "id")
    monkeypatch.setattr(Session, "in_step", lost)
    monkeypatch.setattr(Session, "query", ask)
    space.publish(space.write("t.csv", "id,v\n1,a\n2,b\n3,c\n"), contract="free")  # it tries again
    assert (len(sent), late) == (1, [])
    assert dict(space.ask("SELECT id, v FROM {}.t")) == {1: "a", 2: "b", 3: "c"}


def _noting(monkeypatch: pytest.MonkeyPatch, order: list[str]) -> None:
    """Note what is done from the flush before the old table's drop, until the new one is there."""
    query, in_step, flush_all = Session.query, Session.in_step, swap.flush_all

    def flush(*arguments: Any) -> None:
        flush_all(*arguments)
        order.append("flushed")

    def ask(session: Session, text: str, *values: Any, **options: Any) -> Any:
        note(text)
        return query(session, text, *values, **options)

    def both(session: Session, *texts: str, timeout: float) -> None:
        for text in texts:
            note(text)
        in_step(session, *texts, timeout=timeout)

    def note(text: str) -> None:
        if order and order[-1] != "CREATE TABLE" and "SELECT * FROM" not in text:
            order.append(" ".join(text.split()[:2]))

    monkeypatch.setattr(swap, "flush_all", flush)
    monkeypatch.setattr(Session, "query", ask)
    monkeypatch.setattr(Session, "in_step", both)
