"""What a table was before is kept, and shown again by `undo`."""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
import pytest

from myriad import Myriad
from myriad.errors import KeyRefused, MyriadError, PublishError, SchemaRefused, UsageError
from myriad.sources.options import ReadOptions
from tests.harness import run
from tests.publishing import Place


def published(place: Place, *values: str, name: str = "t", **options: Any) -> None:
    """Publish a table of these values, numbered."""
    rows = "".join(f"{number},{value}\n" for number, value in enumerate(values))
    chosen = {"contract": "free", "keys": {"": ("id",)}, **options}
    place.publish(place.write(f"{name}.csv", f"id,v\n{rows}"), **chosen)


def undo(place: Place, table: str = "t", to: int | None = None) -> list[dict[str, Any]]:
    tables: list[dict[str, Any]] = place.installation.undo(table, to, place.database)["tables"]
    return tables


def values(place: Place, table: str = "t") -> list[str]:
    return [value for (value,) in place.ask(f"SELECT v FROM {table} ORDER BY id")]


def test_undo_shows_the_version_before_and_an_undo_can_be_undone(place: Place) -> None:
    published(place, "a")
    published(place, "b", "c")
    sums = place.checksums("t")
    assert undo(place)[0]["back_to"] == 1
    assert values(place) == ["a"]
    assert undo(place)[0]["back_to"] == 2
    assert place.checksums("t") == sums


def test_undo_to_each_version_that_is_kept(place: Place) -> None:
    sums = {}
    for number, value in enumerate("abcd", 1):
        published(place, value, value + value)
        sums[number] = place.checksums("t")
    with pytest.raises(PublishError, match=r"version 1 of public\.t is not kept") as caught:
        undo(place, to=1)
    assert "There are: 3, 2." in caught.value.hint
    for number in (3, 2):
        undo(place, to=number)
        assert place.checksums("t") == sums[number]


def test_undo_of_appends_takes_out_what_they_added_and_puts_it_back(place: Place) -> None:
    published(place, "a")
    place.publish(place.write("t.csv", "id,v\n1,b\n2,c\n"), append=True)
    place.publish(place.write("t.csv", "id,v\n3,d\n"), append=True)
    assert undo(place)[0]["back_to"] == 2
    assert values(place) == ["a", "b", "c"]
    assert undo(place, to=1)[0]["back_to"] == 1
    assert values(place) == ["a"]
    assert undo(place)[0]["back_to"] == 2
    assert values(place) == ["a", "b", "c"]
    assert undo(place)[0]["back_to"] == 1
    assert values(place) == ["a"]


def test_undo_to_what_rows_were_added_to_before_the_table_was_put_away(place: Place) -> None:
    """To each of two versions that lie in one relation, and to and fro."""
    sums = {}
    for number, text in enumerate(["1,a\n", "1,b\n2,c\n", "3,d\n"], 1):
        path = place.write("t.csv", f"id,v\n{text}")
        place.publish(path, contract="free", append=number == 3)
        sums[number] = place.checksums("t")
    for goal in (1, 2, 3, 1, 3, 2, 1):
        undo(place, to=goal)
        assert place.checksums("t") == sums[goal]


def test_the_history_of_a_table_has_what_could_not_even_be_read(place: Place) -> None:
    published(place, "a")
    for count, name in enumerate(("t.csv.gz", "t.parquet"), 1):
        with pytest.raises(MyriadError):
            place.publish(place.write(name, b"\x1f\x8bnothing"))
        runs = place.installation.history("t", place.database)
        told = [(run["engine"], run["outcome"]) for run in runs]  # once, where the table is
        assert told == [("postgres", "failed")] * count + [("postgres", "done")]


@pytest.fixture
def shop(place: Place) -> Callable[[str], str]:
    """Publish two tables with a foreign key between them, with a text that all rows have."""

    def publish(text: str) -> str:
        path = place.folder / "shop.db"
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as source, source:
            source.executescript(
                "CREATE TABLE customer (id INTEGER PRIMARY KEY, v TEXT);"
                "CREATE TABLE orders (id INTEGER PRIMARY KEY, v TEXT,"
                " customer INTEGER REFERENCES customer (id));"
                f"INSERT INTO customer VALUES (1, '{text}'), (2, '{text}');"
                f"INSERT INTO orders VALUES (1, '{text}', 2);"
            )
        return place.publish(path).run

    return publish


FOREIGN_KEYS = """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'f' AND conrelid = 'orders'::regclass"""


def test_tables_with_foreign_keys_between_them_go_back_together(
    place: Place, shop: Callable[[str], str]
) -> None:
    shop("old")
    keys = place.ask(FOREIGN_KEYS)
    shop("new")
    assert {table["table"] for table in undo(place, "customer")} == {"customer", "orders"}
    assert values(place, "orders") == ["old"]
    assert values(place, "customer") == ["old", "old"]
    assert place.ask(FOREIGN_KEYS) == keys
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        place.ask("DELETE FROM customer")
    shop("newest")
    assert place.ask(FOREIGN_KEYS) == keys
    assert {table["back_to"] for table in undo(place, "orders")} == {1}


def test_a_run_goes_back_with_all_its_tables_and_those_that_it_made_are_gone(
    place: Place, shop: Callable[[str], str]
) -> None:
    published(place, "a", name="customer")
    run = shop("new")
    report = place.installation.undo_run(run, place.database)
    assert report["gone"] == ["orders"]
    assert values(place, "customer") == ["a"]
    assert place.ask("SELECT relname FROM pg_class WHERE relname = 'orders'") == []
    place.installation.undo_run(report["run"], place.database)
    assert values(place, "customer") == ["new", "new"]
    undo(place, "orders")
    assert values(place, "orders") == ["new"]


def test_a_run_whose_table_was_changed_again_is_named(
    place: Place, shop: Callable[[str], str]
) -> None:
    run = shop("old")
    published(place, "a", "b", "c", name="customer")
    with pytest.raises(PublishError, match=r"public\.customer was changed again after that run"):
        place.installation.undo_run(run, place.database)


def test_a_table_that_was_unpublished_can_be_had_back_with_the_rights_of_a_new_one(
    place: Place, installation: Myriad, tag: str
) -> None:
    group = f"g {tag}"
    installation.people.add_groups([group])
    published(place, "a")
    installation.people.grant(group, "public", place.database)
    installation.unpublish("t", database=place.database)
    assert place.ask("SELECT relname FROM pg_class WHERE relname = 't'") == []
    assert [row for row in installation.published() if row["database"] == place.database] == []
    undo(place)
    assert values(place) == ["a"]
    may = "SELECT has_table_privilege(%s, 't', 'SELECT')"
    assert place.one(may, [group]) is True
    installation.unpublish("t", database=place.database)
    installation.people.revoke(group, "public", place.database)
    undo(place)
    assert place.one(may, [group]) is False
    installation.people.remove_group(group)


def test_what_is_purged_is_gone(place: Place) -> None:
    published(place, "a")
    published(place, "b")
    place.installation.unpublish("t", database=place.database, purge=True)
    assert kept(place) == []
    with pytest.raises(PublishError, match="no older version"):
        undo(place)


def kept(place: Place) -> list[str]:
    """Return the relations of versions that there are."""
    rows = place.ask(
        "SELECT relname FROM pg_class WHERE relnamespace = 'myriad'::regnamespace"
        " AND relname ~ '^version_' AND relkind IN ('r', 'S')"
    )
    return [name for (name,) in rows]


DEPENDENTS = {
    "view public.above": "CREATE VIEW above AS SELECT * FROM t",
    "foreign key mine_n_fkey of public.mine": "CREATE TABLE mine (n bigint REFERENCES t)",
    "function public.f": "CREATE FUNCTION f() RETURNS SETOF t LANGUAGE sql AS 'SELECT * FROM t'",
    "column one of table public.typed": "CREATE TABLE typed (one t)",
}


@pytest.mark.parametrize(("name", "statement"), DEPENDENTS.items(), ids=DEPENDENTS)
def test_what_depends_on_a_table_is_named_before_it_is_unpublished(
    place: Place, name: str, statement: str
) -> None:
    published(place, "a")
    place.ask(f"SET search_path = public; {statement}")
    with pytest.raises(SchemaRefused, match=name):
        place.installation.unpublish("t", database=place.database)
    assert values(place) == ["a"]


def test_a_dataset_is_unpublished_whole(place: Place, shop: Callable[[str], str]) -> None:
    shop("a")
    published(place, "a")
    report = place.installation.unpublish(dataset="public", database=place.database)
    assert {table["table"] for table in report["tables"]} == {"customer", "orders", "t"}
    assert place.relations() == set()


def test_a_table_that_is_renamed_keeps_its_versions(place: Place) -> None:
    published(place, "a")
    published(place, "b")
    place.ask("CREATE VIEW above AS SELECT v FROM t")
    place.installation.rename("t", "new name", place.database)
    assert place.ask("SELECT * FROM above") == [("b",)]
    assert undo(place, "new name")[0]["back_to"] == 1
    assert place.ask("SELECT * FROM above") == [("a",)]
    published(place, "c", name="u")
    with pytest.raises(PublishError, match="is there already"):
        place.installation.rename("u", "new name", place.database)


def test_the_recipe_goes_by_the_new_name_and_is_forgotten_with_the_table(place: Place) -> None:
    place.publish(place.write("t.csv", "id|v\n1|a\n"), read=ReadOptions(delimiter="|"))
    place.installation.rename("t", "u", place.database)
    assert place.installation.recipe("u", place.database).as_data()["delimiter"] == "|"
    assert place.installation.recipe("t", place.database).as_data() == {}
    place.installation.unpublish("u", database=place.database)
    assert place.installation.recipe("u", place.database).as_data() != {}
    place.installation.unpublish("u", database=place.database, purge=True)
    assert place.installation.recipe("u", place.database).as_data() == {}


def comment(place: Place, table: str = "t") -> str:
    said: str = place.one("SELECT obj_description(%s::regclass, 'pg_class')", [table])
    return said


def test_the_comment_says_how_fresh_a_table_is_until_somebody_writes_another(place: Place) -> None:
    published(place, "a")
    assert re.fullmatch(r"Published [-\d]{10} [:\d]{5} UTC from t\.csv: 1 row\.", comment(place))
    published(place, "b", "c")
    assert comment(place).endswith("from t.csv: 2 rows.")
    undo(place)
    assert comment(place).endswith("from t.csv: 1 row.")
    place.ask("COMMENT ON TABLE t IS 'mine'")
    published(place, "b", "c")
    assert comment(place) == "mine"


def test_a_description_is_kept_when_the_table_is_made_anew(place: Place) -> None:
    published(place, "a")
    place.installation.say("t", "What it's about.", place.database)
    place.installation.say("t.v", "A value.", place.database)
    published(place, "b")
    assert re.match(r"What it's about\.\nPublished .*: 1 row\.", comment(place))
    assert place.comments("t")["v"] == "A value."
    place.publish(place.write("t.csv", "id\n1\n"), contract="free")
    published(place, "b")
    assert place.comments("t")["v"] == "A value."
    place.installation.say("t", "", place.database)
    assert comment(place).startswith("Published")
    with pytest.raises(PublishError, match=r"no table or column t\.w"):
        place.installation.say("t.w", "Nothing.", place.database)


def test_a_diff_counts_rows_by_key_and_shows_some(place: Place) -> None:
    published(place, "a", "b", "c")
    place.publish(
        place.write("t.csv", "id,v,w\n0,a,1\n1,x,2\n3,new,3\n4,newer,4\n"), keys={"": ("id",)}
    )
    found = place.installation.diff("t", database=place.database)
    assert (found["from"], found["to"], found["key"]) == (1, 2, ["id"])
    assert [found[kind] for kind in ("added", "removed", "changed")] == [2, 1, 1]
    assert found["changed_columns"] == {"v": 1}
    assert [line.split()[:2] for line in found["columns"]] == [["+", "w"]]
    assert found["examples"]["removed"] == [{"id": "2", "v": "c"}]
    assert found["examples"]["changed"] == [{"key": {"id": "1"}, "values": {"v": ["b", "x"]}}]
    assert {row["v"] for row in found["examples"]["added"]} == {"new", "newer"}


def test_a_diff_without_a_key_counts_whole_rows_and_compares_other_types(place: Place) -> None:
    place.publish(place.write("t.csv", "a,j\n1,x\n1,x\n2,y\n"))
    place.publish(place.write("t.csv", "a,j\n1.0,x\n2.5,y\n"))
    found = place.installation.diff("t", 1, 2, place.database)
    assert (found["added"], found["removed"], found["key"]) == (1, 2, [])
    assert "changed" not in found


def test_a_diff_of_appended_rows(place: Place) -> None:
    published(place, "a")
    place.publish(place.write("t.csv", "id,v\n1,b\n2,c\n"), append=True)
    found = place.installation.diff("t", database=place.database)
    assert [found[kind] for kind in ("added", "removed", "changed")] == [2, 0, 0]
    undo(place)
    found = place.installation.diff("t", database=place.database)
    assert [found[kind] for kind in ("added", "removed", "changed")] == [0, 2, 0]


def test_the_commands_tell_and_ask(place: Place) -> None:
    published(place, "a")
    published(place, "b")
    with pytest.raises(KeyRefused):
        place.publish(place.write("t.csv", "id,v\n1,b\n1,c\n"), keys={"": ("id",)})

    def said(*arguments: str, given: str = "") -> str:
        home = place.installation.home
        done = run(home, *arguments, "--database", place.database, given=given)
        return f"{done.returncode} {done.stdout}{done.stderr}"

    told = said("history", "t")
    assert re.search(r"publish +postgres +public: t \(version 2\) .* done +\S*t\.csv", told), told
    assert re.search(r"failed .*\n.*is not unique in t", told), told
    assert json.loads(said("history", "--json")[2:])[0]["outcome"] == "failed"
    assert said("history", "--limit", "0").startswith("2 ")
    assert "Take public.t away?" in said("unpublish", "t", given="n\n")
    assert values(place) == ["b"]
    assert said("unpublish", "t", given="y\n").startswith("0 ")
    assert said("undo", "--to", "1").startswith("2 ")
    assert said("undo", "t").startswith(f"0 {place.database}.public.t: back to version 2, 1 row")
    assert said("describe", "t.v", "a value") == "0 public.t.v: a value\n"
    assert said("rename", "t", "u") == f"0 {place.database}.public.u: was t\n"


def test_names_that_need_quotes_and_keys_to_the_table_itself(place: Place) -> None:
    path, dataset, table = place.folder / "tree.db", 'My "Data"', '"T ""x"""'
    full = f'"My ""Data""".{table}'
    for text in ("old", "new"):
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as source, source:
            source.executescript(
                f'CREATE TABLE {table} (id INTEGER PRIMARY KEY, "v ""w" TEXT,'
                f" up INTEGER REFERENCES {table} (id));"
                f"INSERT INTO {table} VALUES (1, '{text}', NULL), (2, '{text}', 1);"
            )
        place.publish(path, dataset=dataset, keep_names=True)
    name = f'{dataset}.T "x"'
    found = place.installation.diff(name, database=place.database)
    assert (found["changed"], found["changed_columns"]) == (2, {'v "w': 2})
    undo(place, name)
    column = f'SELECT DISTINCT "v ""w" FROM {full}'
    assert place.ask(column) == [("old",)]
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        place.ask(f"DELETE FROM {full} WHERE id = 1")
    place.installation.say(name, "it's", place.database)
    place.installation.unpublish(name, database=place.database)
    undo(place, name)
    assert place.ask(column) == [("old",)]
    place.installation.rename(name, 'U "y"', place.database)
    assert place.ask(column.replace(table, '"U ""y"""')) == [("old",)]


def test_what_never_was_published_or_is_called_otherwise_cannot_be_taken_away(
    place: Place,
) -> None:
    published(place, "a")
    place.installation.rename("t", "public.u", place.database)
    for name in ("t", "nothing"):
        with pytest.raises(PublishError, match=f"no table .*{name}"):
            place.installation.unpublish(name, database=place.database)
    with pytest.raises(UsageError, match="no name within dataset"):
        place.installation.rename("u", "other.v", place.database)
    assert values(place, "u") == ["a"]
