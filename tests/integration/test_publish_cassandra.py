"""Publish to a real Cassandra: every value arrives, keys are proven, refusals change nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

import myriad
from myriad import Myriad
from myriad.errors import (
    KeyRefused,
    PublishError,
    SchemaRefused,
    SourceError,
    TooManyRejects,
    UsageError,
)
from myriad.publish.options import Options, Step
from tests.harness import as_admin
from tests.keyspaces import Space

DAYS = "carrier,day,n\n" + "".join(f"{c},2024-01-{d:02d},{d}\n" for c in "AB" for d in range(1, 11))
KEY = "carrier/day:desc"

FILE = "tests/integration/test_publish_cassandra.py"

other_keys = pytest.mark.nightly(daily=f"{FILE}::test_a_key_that_does_not_hold_changes_nothing")
other_files = pytest.mark.nightly(daily=f"{FILE}::test_append_refuses_what_does_not_fit")


def test_a_file_becomes_a_table_that_is_asked_by_its_key(space: Space) -> None:
    report = space.publish(space.write("days.csv", DAYS), KEY)
    (table,) = report.tables
    assert (table.engine, table.rows, table.key, table.action) == ("cassandra", 20, KEY, "created")
    assert (table.partitions["count"], table.partitions["largest_rows"]) == (2, 10)
    assert table.types == {"carrier": "text", "day": "date", "n": "bigint"}
    rows = space.ask("SELECT n FROM {}.days WHERE carrier = 'A'")
    assert [n for (n,) in rows] == list(range(10, 0, -1))
    for statement in (line for line in table.asks if line.startswith("SELECT")):
        assert space.ask(statement.removesuffix(";"))
    assert space.tables() == {"days"}
    assert space.staged() == set()
    assert space.loads() == []


def test_without_a_key_it_is_refused_with_keys_that_work(space: Space) -> None:
    path = space.write("days.csv", DAYS)
    with pytest.raises(KeyRefused, match="needs a key") as refused:
        space.publish(path)
    keys = [line.split("--key ")[1] for line in refused.value.message.splitlines() if "--" in line]
    assert KEY in keys
    assert space.tables() == set()
    for key in keys:
        space.publish(path, key, dry_run=True)


@pytest.mark.nightly(
    daily="tests/integration/test_contract_cassandra.py::"
    "test_what_is_worse_is_refused_and_changes_nothing"
)
def test_the_key_of_before_is_kept(space: Space) -> None:
    path = space.write("days.csv", DAYS)
    space.publish(path, KEY)
    (table,) = space.publish(space.write("days.csv", DAYS.replace("B", "C"))).tables
    assert (table.key, table.action, table.difference) == (KEY, "replaced", [])
    assert {carrier for (carrier,) in space.ask("SELECT carrier FROM {}.days")} == {"A", "C"}
    (table,) = space.publish(path, replace=True).tables
    assert table.key == KEY


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra.py::"
    "test_a_file_becomes_a_table_that_is_asked_by_its_key"
)
def test_a_key_of_columns_in_any_order_is_counted_and_replaced(space: Space) -> None:
    """Neither by length nor by the alphabet are these names in the key's order."""
    body = "zone,a,year,b,n\n" + "".join(f"z{n % 3},{n % 2},20{n},{n},{n}\n" for n in range(10, 30))
    key = "zone,a/year,b"
    for rows in (20, 19):
        source = space.write("odd.csv", "\n".join(body.splitlines()[: rows + 1]) + "\n")
        (table,) = space.publish(source, key).tables
        assert (table.rows, table.key) == (rows, key)
        assert space.ask("SELECT count(*) FROM {}.odd") == [(rows,)]


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        (DAYS, "carrier", "18 of 20 would be lost"),
        pytest.param(
            "a,b\n1,x\n,y\n", "a", "a is null and in the key: so in 1 row", marks=other_keys
        ),
        pytest.param("a,b\n1,x\n", "c", "no column 'c'", marks=other_keys),
    ],
)
def test_a_key_that_does_not_hold_changes_nothing(
    space: Space, text: str, key: str, reason: str
) -> None:
    space.publish(space.write("t.csv", "old\n1\n"), "old")
    with pytest.raises(PublishError, match=reason):
        space.publish(space.write("t.csv", text), key)
    assert space.ask("SELECT old FROM {}.t") == [(1,)]
    assert space.staged() == set()


def test_other_columns_or_another_key_make_the_table_anew_and_say_so(space: Space) -> None:
    space.publish(space.write("t.csv", "a,b\n1,x\n2,y\n"), "a")
    (table,) = space.publish(
        space.write("t.csv", "a,c\n1,1.5\n3,2.5\n"), "c/a", contract="free"
    ).tables
    assert table.difference == ["+ c decimal", "- b text", "- key a", "+ key c/a"]
    assert any("made anew" in note for note in table.notes)
    assert sorted(a for (a,) in space.ask("SELECT a FROM {}.t")) == [1, 3]


@pytest.mark.nightly(
    daily="tests/integration/test_contract_cassandra.py::"
    "test_types_stay_and_are_changed_only_where_that_is_allowed"
)
def test_numbers_that_grow_within_the_tables_type_do_not_change_it(space: Space) -> None:
    space.publish(space.write("t.csv", "a,b\n1,5000000000\n"), "a")
    (table,) = space.publish(space.write("t.csv", "a,b\n1,5\n")).tables
    assert table.difference == []
    assert space.ask("SELECT a, b FROM {}.t") == [(1, 5)]


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_stays.py::"
    "test_columns_that_come_and_go_leave_the_table_there_for_who_reads"
)
def test_an_index_survives_a_replacement_and_is_not_lost_by_a_new_schema(space: Space) -> None:
    space.publish(space.write("t.csv", "a,b\n1,x\n2,y\n"), "a")
    space.ask("CREATE INDEX by_b ON {}.t (b) USING 'sai'")
    space.publish(space.write("t.csv", "a,b\n1,z\n2,y\n"), "a")
    assert space.ask("SELECT a FROM {}.t WHERE b = 'z'") == [(1,)]
    assert space.ask("SELECT a FROM {}.t WHERE b = 'x'") == []
    with pytest.raises(SchemaRefused, match="lose index by_b"):
        space.publish(space.write("t.csv", "a,c\n1,z\n"), "a", contract="free")
    assert len(space.ask("SELECT a FROM {}.t")) == 2


def test_append_adds_rows_and_refuses_those_that_are_there(space: Space) -> None:
    space.publish(space.write("t.csv", "a,b,c\n1,2024-01-01T00:00:00Z,x\n"), "a/b")
    more = space.write("more.csv", "c,a,b\ny,2,2024-01-01T00:00:00Z\nz,1,2024-01-02T00:00:00Z\n")
    (table,) = space.publish(more, table="t", append=True).tables
    assert (table.action, table.rows) == ("appended", 2)
    assert sorted(c for (c,) in space.ask("SELECT c FROM {}.t")) == ["x", "y", "z"]
    with pytest.raises(KeyRefused, match=r"has 2 such rows already.*a = 1"):
        space.publish(more, table="t", append=True)
    (row,) = [r for r in space.installation.published() if r["dataset"] == space.dataset]
    assert (row["rows"], row["source"].count(".csv")) == (3, 2)


def test_a_merge_adds_rows_and_changes_those_that_are_there(space: Space) -> None:
    space.publish(space.write("t.csv", "a,b,c\n1,x,5\n2,y,6\n3,z,7\n"), "a")
    more = space.write("more.csv", "b,a\nX,1\n,2\nw,4\n")
    (table,) = space.publish(more, table="t", merge=True).tables
    assert (table.action, table.rows) == ("merged", 3)
    assert "2 of the rows were there, and get what the source says" in table.notes
    (row,) = [r for r in space.installation.published() if r["dataset"] == space.dataset]
    assert row["rows"] == 4
    assert sorted(space.ask("SELECT a, b, c FROM {}.t")) == [
        (1, "X", 5), (2, "y", 6), (3, "z", 7), (4, "w", None),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="--delete-missing is for PostgreSQL"):
        space.publish(more, table="t", merge=True, delete_missing=True)


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        pytest.param("a,b,z\n9,x,1\n", "", r"\+ z", marks=other_files),
        pytest.param("b\nx\n", "", "- a, which is in the key", marks=other_files),
        pytest.param("a,b\n9,x\n", "b", "key a, --key says b", marks=other_files),
        ("a,b\n9,x\n1e30,y\n", "", "does not fit bigint"),
    ],
)
def test_append_refuses_what_does_not_fit(space: Space, text: str, key: str, reason: str) -> None:
    space.publish(space.write("t.csv", "a,b\n1,x\n"), "a")
    with pytest.raises((SchemaRefused, SourceError, TooManyRejects), match=reason):
        space.publish(space.write("more.csv", text), key, table="t", append=True)
    assert space.ask("SELECT a FROM {}.t") == [(1,)]


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra.py::"
    "test_append_adds_rows_and_refuses_those_that_are_there"
)
def test_append_gives_values_the_types_of_the_table(space: Space) -> None:
    space.publish(space.write("t.csv", "a,b,c\n1,x,1.25\n"), "a")
    space.publish(space.write("m.csv", "a,b,c\n2,007,3\n3,10.0.0.1,4.5\n"), table="t", append=True)
    rows = space.ask("SELECT a, b, c FROM {}.t")
    assert sorted((a, b, str(c)) for a, b, c in rows)[1:] == [
        (2, "007", "3.0"),
        (3, "10.0.0.1", "4.5"),
    ]


def test_a_keyspace_of_somebody_else_is_refused(
    clustered: Myriad, keyspace: str, tmp_path: Path
) -> None:
    space = Space(clustered, keyspace, tmp_path)
    for replace in (False, True):
        with pytest.raises(PublishError, match="Myriad did not make it"):
            space.publish(space.write("t.csv", "a\n1\n"), "a", replace=replace)
    assert space.tables() == set()


@pytest.mark.parametrize("name", ["system", "system_auth", "System_x", "myriad_next", "myriad"])
def test_keyspaces_of_cassandra_and_of_myriad_are_refused(
    clustered: Myriad, name: str, tmp_path: Path
) -> None:
    space = Space(clustered, name, tmp_path)
    with pytest.raises((PublishError, UsageError), match="cannot be called"):
        space.publish(space.write("t.csv", "a\n1\n"), "a")


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra.py::"
    "test_a_file_becomes_a_table_that_is_asked_by_its_key"
)
def test_a_dataset_keeps_its_keyspace_when_another_database_becomes_the_usual_one(
    space: Space,
) -> None:
    path = space.write("days.csv", DAYS)
    space.publish(path, KEY)
    later = myriad.open(space.installation.home.folder, database="elsewhere")
    options = Options(to="cassandra", database="main", dataset=space.dataset)
    later.publish([path], options)
    names = "SELECT keyspace_name FROM system_schema.keyspaces"
    mine = [name for (name,) in space.ask(names) if space.dataset in name]
    assert mine == [space.dataset]


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_strangers.py::"
    "test_a_table_of_a_stranger_that_is_replaced_is_made_anew_and_theirs_no_more"
)
def test_a_table_that_myriad_did_not_publish_needs_replace(space: Space) -> None:
    space.publish(space.write("t.csv", "a\n1\n"), "a")
    space.ask("CREATE TABLE {}.other (a int PRIMARY KEY)")
    space.ask("INSERT INTO {}.other (a) VALUES (7)")
    path = space.write("other.csv", "a\n1\n2\n")
    with pytest.raises(SchemaRefused, match="Myriad did not publish it"):
        space.publish(path, "a")
    space.publish(path, "a", replace=True)
    assert sorted(space.ask("SELECT a FROM {}.other")) == [(1,), (2,)]


def test_any_column_name_works_and_table_names_are_checked(space: Space) -> None:
    content = 'select,Order,"say ""hi""; DROP",größe,token\n1,2,3,4,5\n'
    path = space.write("t.csv", content)
    key = 'select,"say ""hi""; DROP"/Order:desc'
    (table,) = space.publish(path, key, keep_names=True, table="TABLE").tables
    query = 'SELECT "select", "Order", "say ""hi""; DROP", "größe", "token" FROM {}."TABLE"'
    assert space.ask(query) == [(1, 2, 3, 4, 5)]
    assert space.ask(table.asks[0].removesuffix(";"))
    for name in ("x" * 49, "größe", "a b", 'a"b'):
        with pytest.raises(UsageError, match="no name of a table") as refused:
            space.publish(path, key, keep_names=True, table=name)
        assert "--table" in refused.value.hint
    with pytest.raises(UsageError, match="no name of a keyspace"):
        space.publish(path, key, keep_names=True, dataset="x" * 49)


def test_what_cassandra_cannot_hold_is_a_reject_with_its_reason(space: Space) -> None:
    big = space.write("t.csv", "a,b\n1,x\n2," + "y" * 17_000_000 + "\n3,z\n,w\n")
    with pytest.raises(PublishError, match="a is null and in the key"):
        space.publish(big, "a", max_rejects=1)
    report = space.publish(big, "a", max_rejects=2)
    assert sorted(space.ask("SELECT a, b FROM {}.t")) == [(1, "x"), (3, "z")]
    assert {reject.reason[:25] for reject in report.rejects} == {
        "the row is larger than th",
        "a is null and in the key",
    }
    assert report.rejects_file
    kept = Path(report.rejects_file).read_text().splitlines()
    assert len([json.loads(line) for line in kept]) == 2
    shown = space.installation.describe(f"{space.dataset}.t")
    assert len(shown["first_rejects"]) == 2


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra.py::"
    "test_what_cassandra_cannot_hold_is_a_reject_with_its_reason"
)
def test_one_huge_partition_is_warned_about_and_loaded(space: Space) -> None:
    text = "a,b\n" + "".join(f"1,{n}\n" for n in range(120_000))
    (table,) = space.publish(space.write("t.csv", text), "a/b").tables
    assert any("a = 1 has 120,000 rows" in note for note in table.notes)
    assert any("only 1 partition for" in note for note in table.notes)
    assert space.ask("SELECT count(*) FROM {}.t WHERE a = 1") == [(120_000,)]


def test_a_dry_run_shows_everything_and_changes_nothing(space: Space) -> None:
    report = space.publish(space.write("days.csv", DAYS), KEY, dry_run=True)
    (table,) = report.tables
    assert 'PRIMARY KEY (("carrier"), "day")' in table.ddl
    assert table.partitions["count"] == 2
    query = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?"
    assert space.ask(query, [space.dataset]) == []
    with pytest.raises(KeyRefused, match="would be lost"):
        space.publish(space.write("days.csv", DAYS), "carrier", dry_run=True)


def test_a_second_publish_of_the_same_table_is_refused(space: Space) -> None:
    path = space.write("t.csv", "a\n1\n")
    refused: list[str] = []

    def meanwhile(step: Step) -> None:
        if step.phase == "replacing":
            with pytest.raises(PublishError, match="right now") as error:
                space.publish(path, "a")
            refused.append(error.value.message)
            space.publish(path, "a", table="another")

    space.publish(path, "a", meanwhile)
    assert refused
    assert space.tables() == {"t", "another"}


def test_both_engines_get_the_same_rows_from_one_command(space: Space) -> None:
    path = space.write("days.csv", DAYS)
    report = space.publish(path, "carrier/day:desc", to="both", table=f"t_{space.dataset[-8:]}")
    assert {table.engine: table.rows for table in report.tables} == {
        "postgres": 20,
        "cassandra": 20,
    }
    name = report.tables[0].table.name
    with as_admin(space.installation.server(), "main") as connection:
        query = f'SELECT carrier, day, n FROM "{space.dataset}"."{name}"'
        in_postgres = connection.execute(query.encode()).fetchall()
        connection.execute(f'DROP SCHEMA "{space.dataset}" CASCADE'.encode())
    assert set(space.ask(f"SELECT carrier, day, n FROM {{}}.{name}")) == set(in_postgres)
    assert report.tables[0].table.primary_key == ("carrier", "day")


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_left.py::"
    "test_a_kill_between_the_engines_leaves_each_whole_and_the_same_command_mends_it"
)
def test_what_one_engine_refuses_neither_gets(space: Space) -> None:
    space.publish(space.write("t.csv", "a,b\n1,x\n"), "a", to="both")
    path = space.write("t.csv", "a,b\n1,y\n1,z\n")
    with pytest.raises(KeyRefused):
        space.publish(path, "a", to="both")
    assert space.ask("SELECT b FROM {}.t") == [("x",)]
    with as_admin(space.installation.server(), "main") as connection:
        query = f'SELECT b FROM "{space.dataset}".t'
        assert connection.execute(query.encode()).fetchall() == [("x",)]
        connection.execute(
            f'CREATE VIEW "{space.dataset}".v AS SELECT b FROM "{space.dataset}".t'.encode()
        )
        connection.commit()
        with pytest.raises(SchemaRefused):
            space.publish(space.write("t.csv", "a\n1\n2\n"), "a", to="both", contract="free")
        assert space.ask("SELECT b FROM {}.t") == [("x",)]
        connection.execute(f'DROP SCHEMA "{space.dataset}" CASCADE'.encode())


def test_list_and_show_have_both_engines(space: Space) -> None:
    space.publish(space.write("days.csv", DAYS), KEY, to="both")
    rows = [row for row in space.installation.published() if row["dataset"] == space.dataset]
    assert {row["engine"]: (row["name"], row["rows"]) for row in rows} == {
        "postgres": ("days", 20),
        "cassandra": ("days", 20),
    }
    found: dict[str, Any] = space.installation.describe(f"{space.dataset}.days")
    assert (found["engine"], found["cassandra"]["key"]) == ("postgres", KEY)
    assert any("WHERE carrier = 'A'" in line for line in found["cassandra"]["asks"])
    with as_admin(space.installation.server(), "main") as connection:
        connection.execute(f'DROP SCHEMA "{space.dataset}" CASCADE'.encode())


def test_what_did_not_change_is_left_where_each_engine_has_it(space: Space) -> None:
    path = space.write("days.csv", DAYS)
    space.publish(path, KEY, if_changed=True)
    assert [each.tables for each in space.publish(path).unchanged] == [("days",)]
    assert space.publish(path, to="both").unchanged == []  # PostgreSQL did not have it
    assert [each.tables for each in space.publish(path, to="both").unchanged] == [("days",)]
    more = space.write("more.csv", "carrier,day,n\nC,2024-01-01,1\n")
    for left in ([], [("days",)]):
        report = space.publish(more, table="days", append=True, to="cassandra")
        assert [each.tables for each in report.unchanged] == left
    space.ask("DROP TABLE {}.days")
    assert space.publish(path, KEY, to="cassandra").unchanged == []


def test_nothing_is_published_into_a_workspace(space: Space, dataset: str) -> None:
    people = space.installation.people
    people.add_groups([f"makers of {dataset}"])
    people.create_workspace(f"makers of {dataset}", dataset)
    try:
        with pytest.raises(PublishError, match="is a workspace"):
            space.publish(space.write("days.csv", DAYS), KEY)
    finally:
        people.drop_workspace(dataset)
        people.remove_group(f"makers of {dataset}")
