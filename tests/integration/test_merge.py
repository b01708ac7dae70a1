"""Merging into a table that is there, by its key."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myriad.errors import ContractRefused, KeyRefused, SchemaRefused, UsageError
from myriad.publish.contract import Change
from myriad.publish.options import Options, Step
from tests.examples import examples
from tests.harness import READ_AGAIN
from tests.publishing import Place


@pytest.fixture
def table(place: Place) -> Place:
    """A table of three rows with its key."""
    place.publish(place.write("t.csv", "id,v,w\n1,a,5\n2,b,6\n3,,7\n"), keys={"": ("id",)})
    return place


def merge(place: Place, text: str, **options: Any) -> Any:
    """Merge a file into table t; return what is told of the table."""
    path = place.write("more.csv", text)
    (told,) = place.publish(path, table="t", merge=True, **options).tables
    return told


def rows(place: Place) -> list[tuple[Any, ...]]:
    return place.ask("SELECT * FROM t ORDER BY id")


def test_rows_are_inserted_and_updated_and_columns_that_the_file_lacks_stay(table: Place) -> None:
    told = merge(table, "v,id\nA,1\nb,2\nd,4\n")
    assert told.action == "merged"
    assert told.merged._asdict() == {"inserted": 1, "updated": 1, "unchanged": 1, "deleted": 0}
    assert rows(table) == [(1, "A", 5), (2, "b", 6), (3, None, 7), (4, "d", None)]
    assert table.one("SELECT rows FROM myriad.published WHERE name = 't'") == 4
    assert told.as_data()["merged"]["updated"] == 1


def test_a_merge_can_be_undone_and_the_undo_too(table: Place) -> None:
    before = rows(table)
    merge(table, "id,v\n1,A\n4,d\n")
    after = rows(table)
    merge(table, "id,v\n1,B\n")
    table.installation.undo("t", 2, table.database)
    assert rows(table) == after
    table.installation.undo("t", 1, table.database)
    assert rows(table) == before


def test_a_merge_of_what_is_there_changes_nothing(table: Place) -> None:
    oid = table.one("SELECT 't'::regclass::oid")
    told = merge(table, "id,v\n3,\n1,a\n")
    assert (told.merged.nothing, told.merged.unchanged) == (True, 2)
    assert table.one("SELECT 't'::regclass::oid") == oid
    merge(table, "id,v\n1,A\n")
    assert table.one("SELECT v FROM t WHERE id = 1") == "A"


def test_rows_that_the_file_lacks_are_deleted_if_that_is_said(table: Place) -> None:
    told = merge(table, "id,v,w\n1,a,5\n2,x,6\n", delete_missing=True)
    assert told.merged == (0, 1, 1, 1)
    assert rows(table) == [(1, "a", 5), (2, "x", 6)]


def test_a_contract_holds_for_what_would_be_deleted(place: Place) -> None:
    text = "".join(f"{number},v\n" for number in range(200))
    place.publish(place.write("t.csv", f"id,v\n{text}"), keys={"": ("id",)})
    for change, file, said in (
        (Change.EMPTY, "id,v\n900,v\n", "all 200 rows would be deleted"),
        (Change.SHRINK, "id,v\n1,v\n", "199 of 200 rows would be deleted: less than 50% remain"),
    ):
        with pytest.raises(ContractRefused, match=said) as caught:
            merge(place, file, delete_missing=True)
        assert f"--allow {change}" in caught.value.hint
        assert place.one("SELECT count(*) FROM t") == 200
    merge(place, "id,v\n1,v\n", delete_missing=True, allow=frozenset({Change.SHRINK}))
    assert place.one("SELECT count(*) FROM t") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,v\n7,x\n7,y\n8,z\n", r"\(id\) is not unique in t:\n  \(7\) 2 times"),
        ("id,v\n7,x\n,y\n", "id is null in 1 row of t"),
        ("v,w\nx,1\n", "lacks what public.t needs in every row: id"),
    ],
)
def test_a_file_with_a_bad_key_is_refused(table: Place, text: str, said: str) -> None:
    before = rows(table)
    with pytest.raises((KeyRefused, SchemaRefused), match=said):
        merge(table, text)
    assert rows(table) == before


def test_a_table_without_a_key_needs_to_be_told_one(place: Place) -> None:
    with pytest.raises(KeyRefused, match="has no key"):
        merge(place, "id,v\n1,a\n")
    place.publish(place.write("t.csv", "id,v\n1,a\n2,b\n"))
    with pytest.raises(KeyRefused, match="has no key"):
        merge(place, "id,v\n1,x\n")
    merge(place, "id,v\n1,x\n", keys={"": ("id",)})
    assert rows(place) == [(1, "x"), (2, "b")]
    merge(place, "id,v\n2,y\n")
    assert rows(place) == [(1, "x"), (2, "y")]


def test_new_columns_and_wider_numbers_come_with_a_merge(table: Place) -> None:
    with pytest.raises(ContractRefused, match="column n is new"):
        merge(table, "id,n\n1,x\n")
    told = merge(table, "id,n,w\n1,x,1.5\n", allow=frozenset({Change.COLUMNS}))
    assert sorted(told.difference) == ["+ n text", "~ w bigint → numeric"]
    got = table.ask("SELECT id, v, w::float8, n FROM t ORDER BY id")
    assert got == [(1, "a", 1.5, "x"), (2, "b", 6.0, None), (3, None, 7.0, None)]


def test_what_people_wrote_is_not_thrown_away_unless_that_is_allowed(table: Place) -> None:
    table.ask(f"CREATE ROLE {table.database}_w; GRANT UPDATE, INSERT ON t TO {table.database}_w")
    table.ask("UPDATE t SET v = 'mine' WHERE id = 1; INSERT INTO t VALUES (9, 'mine', 1)")
    with pytest.raises(ContractRefused, match="it would undo 1 row that people"):
        merge(table, "id,v\n1,x\n2,y\n")
    merge(table, "id,v\n2,y\n")
    assert table.ask("SELECT id, v FROM t ORDER BY id") == [
        (1, "mine"), (2, "y"), (3, None), (9, "mine"),
    ]  # fmt: skip
    with pytest.raises(ContractRefused, match="it would undo 2 rows that people"):
        table.publish(table.write("t.csv", "id,v,w\n1,a,5\n2,b,6\n3,,7\n"))
    table.ask(f"DROP OWNED BY {table.database}_w; DROP ROLE {table.database}_w")


def test_options_that_contradict_each_other_are_refused() -> None:
    for given_options, said in (
        ({"merge": True, "append": True}, "exclude each other"),
        ({"delete_missing": True}, "is for --merge"),
        ({"merge": True, "delete_missing": True, "to": "both"}, "Cassandra cannot tell"),
        ({"again": True}, "is for --append"),
    ):
        with pytest.raises(UsageError, match=said):
            Options(**given_options)


def test_a_hostile_trigger_is_refused_and_does_not_run(table: Place) -> None:
    who = f"{table.database}_h"
    table.ask(
        f"""CREATE ROLE {who}; GRANT USAGE ON LANGUAGE plpgsql TO {who};
        GRANT TRIGGER ON t TO {who}; GRANT CREATE ON SCHEMA public TO {who};
        SET ROLE {who};
        CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN EXECUTE 'ALTER ROLE {who} SUPERUSER'; RETURN NEW; END $$;
        CREATE TRIGGER evil BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION evil();"""
    )
    for options in ({"merge": True}, {"append": True, "allow": frozenset({Change.COLUMNS})}):
        with pytest.raises(SchemaRefused, match=f"of {who}"):
            table.publish(table.write("m.csv", "id,v,n\n8,x,1\n"), table="t", **options)
    assert table.one("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [who]) is False
    table.ask(f"DROP OWNED BY {who} CASCADE; DROP ROLE {who}")


def test_an_interrupted_merge_leaves_the_old_state(table: Place) -> None:
    before, relations = rows(table), table.relations()

    def end(step: Step) -> None:
        if step.phase == "replacing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        table.publish(table.write("m.csv", "id,v\n1,X\n9,n\n"), table="t", merge=True, progress=end)
    assert (rows(table), table.relations()) == (before, relations)


@pytest.mark.nightly(
    daily="tests/integration/test_nights.py::"
    "test_six_nights_lose_nothing_and_show_everybody_whole_tables"
)
def test_twenty_readers_see_all_of_a_merge_or_nothing(place: Place) -> None:
    """Also those whose snapshot is older, and who look at the table only then."""
    text = "".join(f"{number},0\n" for number in range(2000))
    place.publish(place.write("t.csv", f"id,v\n{text}"), keys={"": ("id",)})
    done = Event()

    def read(number: int) -> set[tuple[int, int]]:
        seen = set()
        with closing(place.connect()) as connection:
            while not done.wait(READ_AGAIN):
                seen.add(_seen(connection, repeatable=number % 2 == 0))
        return seen

    with ThreadPoolExecutor(20) as pool:
        readers = [pool.submit(read, number) for number in range(20)]
        for value in range(1, 4):
            changed = "".join(f"{number},{value}\n" for number in range(1000))
            merge(place, f"id,v\n{changed}")
        done.set()
        seen = set().union(*(reader.result(60) for reader in readers))
    assert seen <= {(2000, 1000 * value) for value in range(4)}


def _seen(connection: psycopg.Connection, *, repeatable: bool) -> tuple[int, int]:
    with connection.transaction():
        if repeatable:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute("SELECT 1; SELECT pg_sleep(0.05)")
        row = connection.execute("SELECT count(*), sum(v)::bigint FROM t").fetchone()
    assert row
    return row


CELL = st.one_of(st.none(), st.sampled_from(["", "x", "y"]))
STATE = st.dictionaries(st.integers(1, 6), st.tuples(CELL, CELL), min_size=1, max_size=6)


@given(first=STATE, steps=st.lists(st.tuples(STATE, st.booleans()), min_size=1, max_size=2))
@examples(daily=5, nightly=60)
def test_a_merge_is_what_a_dict_says(
    place: Place,
    first: dict[int, tuple[Any, Any]],
    steps: list[tuple[dict[int, tuple[Any, Any]], bool]],
) -> None:
    free: dict[str, Any] = {"contract": "free", "types": {"a": "text", "b": "text"}}
    place.publish(place.write("t.csv", _text(first)), keys={"": ("id",)}, **free)
    state = dict(first)
    for file, delete in steps:
        told = merge(place, _text(file), delete_missing=delete, **free)
        inserted = file.keys() - state.keys()
        updated = {key for key in file.keys() & state.keys() if file[key] != state[key]}
        gone = state.keys() - file.keys() if delete else set()
        kept = len(file) - len(inserted) - len(updated)
        state = {key: value for key, value in {**state, **file}.items() if key not in gone}
        assert told.merged == (len(inserted), len(updated), kept, len(gone))
        assert {row[0]: row[1:] for row in rows(place)} == state


def _text(state: dict[int, tuple[Any, Any]]) -> str:
    def cell(value: str | None) -> str:
        return "" if value is None else f'"{value}"'

    lines = [f"{key},{cell(one)},{cell(two)}" for key, (one, two) in state.items()]
    return "\n".join(["id,a,b", *lines]) + "\n"
