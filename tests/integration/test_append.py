"""Adding to a table that is there: by names, in its types, and no content twice."""

import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from myriad.errors import (
    ContractRefused,
    KeyRefused,
    PublishError,
    SchemaRefused,
    UsageError,
)
from myriad.publish.contract import Change
from myriad.publish.options import Step
from tests.publishing import Place

COLUMNS = frozenset({Change.COLUMNS})


def append(place: Place, text: str, **options: Any) -> Any:
    """Append a file to table t; return what is told of the table."""
    (table,) = place.publish(
        place.write("more.csv", text), table="t", append=True, **options
    ).tables
    return table


def refused(place: Place, text: str, **options: Any) -> Any:
    with pytest.raises(ContractRefused) as caught:
        append(place, text, **options)
    assert caught.value.exit_code == 4
    return caught.value


def test_appending_adds_rows_in_the_types_that_are_there(place: Place) -> None:
    place.publish(place.write("1.csv", "a,b,c\n100000,x,1.25\n"), table="t", keys={"": ("a",)})
    report = place.publish(place.write("2.csv", "c,a,b\n2.5,7,y\n3,8,z\n"), table="t", append=True)
    assert (report.tables[0].action, report.rows) == ("appended", 2)
    assert place.columns("t") == {"a": "bigint", "b": "text", "c": "numeric"}
    assert place.ask("SELECT a, b, c::float8 FROM t ORDER BY a") == [
        (7, "y", 2.5), (8, "z", 3.0), (100000, "x", 1.25),
    ]  # fmt: skip
    (listed,) = (r for r in place.installation.published() if r["database"] == place.database)
    assert listed["rows"] == 3
    assert place.installation.describe("t", place.database)["rows"] == 3


def test_appending_where_nothing_is_makes_the_table(place: Place) -> None:
    (table,) = place.publish(place.write("t.csv", "a\n1\n"), append=True).tables
    assert table.action == "created"
    assert place.ask("SELECT a FROM t") == [(1,)]
    new = "there was none to add to: the table is new"
    assert new in table.table.notes
    (table,) = place.publish(place.write("tab le.csv", "A\n1\n"), table="Sales", append=True).tables
    assert any("in SQL write in quotes" in note for note in table.notes)
    (table,) = place.publish(
        place.write("t.csv", "A\n1\n"), table="sales", merge=True, keys={"": ("A",)}
    ).tables
    assert f"{new}; is Sales meant?" in table.table.notes
    (table,) = place.publish(place.write("t.csv", "a\n2\n"), append=True).tables
    assert not any(new in note for note in table.table.notes)


def test_appending_to_a_table_of_somebody_else_leaves_it_theirs(place: Place) -> None:
    place.ask("CREATE TABLE public.t (a int, b text DEFAULT 'theirs')")
    path = place.write("t.csv", "a\n1\n")
    place.publish(path, append=True)
    assert place.ask("SELECT a, b FROM t") == [(1, "theirs")]
    with pytest.raises(SchemaRefused, match="Myriad did not publish it"):
        place.publish(path)


def test_appending_other_columns_is_refused_with_the_difference(place: Place) -> None:
    place.publish(place.write("t.csv", "a,b\n1,x\n"), keys={"": ("a",)})
    with pytest.raises(SchemaRefused, match=r"lacks what public\.t needs in every row: a"):
        place.publish(place.write("t.csv", "b,c\ny,2\n"), append=True)
    error = refused(place, "a,b,c\n2,y,3\n")
    assert [each["change"] for each in error.details["differences"]] == ["columns"]
    assert "column c is new" in error.message
    assert place.ask("SELECT count(*) FROM t") == [(1,)]


def test_the_same_content_is_named_as_such_where_the_key_forbids_it_too(place: Place) -> None:
    place.publish(place.write("t.csv", "a,b\n1,x\n"), keys={"": ("a",)})
    append(place, "a,b\n2,y\n")
    assert "--merge updates those whose key is there" in refused(place, "b,a\ny,2\n").hint
    with pytest.raises(KeyRefused, match="already exists"):
        append(place, "b,a\ny,2\n", again=True)


def test_digits_that_a_source_declares_get_more_and_a_persons_do_not(place: Place) -> None:
    def write(name: str, digits: int, value: str) -> Path:
        table = pa.table({"v": pa.array([Decimal(value)], pa.decimal128(digits, 2))})
        pq.write_table(table, place.folder / name)
        return place.folder / name

    place.publish(write("t.parquet", 6, "1.25"))
    place.publish(write("fits.parquet", 12, "2.25"), table="t", append=True)
    assert place.columns("t") == {"v": "numeric(6,2)"}
    place.publish(write("more.parquet", 12, "1234567.75"), table="t", append=True)
    assert place.columns("t") == {"v": "numeric(12,2)"}
    assert place.one("SELECT sum(v)::text FROM t") == "1234571.25"
    place.publish(write("t.parquet", 6, "1.25"), types={"v": "numeric(6,2)"})
    with pytest.raises(ContractRefused, match=r"v: the value does not fit numeric\(6,2\)"):
        place.publish(write("x.parquet", 12, "1234567.75"), table="t", append=True)
    assert place.columns("t") == {"v": "numeric(6,2)"}


def test_appending_a_key_that_is_there_is_refused(place: Place) -> None:
    place.publish(place.write("t.csv", "a,b\n1,x\n"), keys={"": ("a",)})
    with pytest.raises(KeyRefused, match=r"Key \(a\)=\(1\) already exists"):
        place.publish(place.write("t.csv", "a,b\n2,y\n1,z\n"), append=True)
    assert place.ask("SELECT * FROM t") == [(1, "x")]


def test_appending_what_a_constraint_forbids_is_refused_in_words(place: Place) -> None:
    place.ask("CREATE TABLE public.t (a int CHECK (a > 0), b text NOT NULL)")
    for text, said in (("a,b\n-1,x\n", "check constraint"), ("a,b\n1,\n", "not-null constraint")):
        with pytest.raises(PublishError, match=said) as caught:
            place.publish(place.write("t.csv", text), append=True)
        assert caught.value.hint
    assert place.ask("SELECT * FROM t") == []


def test_appending_values_that_do_not_fit_are_rejects_by_line(place: Place) -> None:
    place.publish(place.write("t.csv", "a,b\n1,x\n"))
    path = place.write("t.csv", 'a,b\n2,y\nfour,"z\nz"\n4e9,w\n5,v\n')
    with pytest.raises(ContractRefused) as caught:
        place.publish(path, append=True)
    assert "line 3: a: the value does not fit bigint: 'four'" in caught.value.message
    assert place.ask("SELECT count(*) FROM t") == [(1,)]
    report = place.publish(path, append=True, max_rejects=2)
    assert [(r.line, r.raw) for r in report.rejects] == [(3, 'four,"z\nz"'), (5, "4e9,w")]
    assert place.ask("SELECT a, b FROM t ORDER BY a") == [(1, "x"), (2, "y"), (5, "v")]


@pytest.mark.nightly(
    daily="tests/integration/test_append.py::"
    "test_numbers_that_need_a_wider_type_get_one_and_all_that_hangs_on_the_table_stays"
)
def test_appending_more_places_than_the_sample_shows_keeps_them(place: Place) -> None:
    place.publish(place.write("t.csv", "id,v\n1000000,1.5\n"))
    lines = [f"{n},2.5\n" for n in range(1, 300_000)]
    lines[140_001] = "140002,0.12345678\n"
    place.publish(place.write("t.csv", "id,v\n" + "".join(lines)), append=True)
    assert place.one("SELECT v::text FROM t WHERE id = 140002") == "0.12345678"
    assert place.one("SELECT count(*) FROM t") == 300_000


def test_appending_json_that_postgresql_refuses_fails_at_once(place: Place) -> None:
    place.publish(place.write("t.csv", 'id,d\n1,"{}"\n'))
    assert place.columns("t")["d"] == "jsonb"
    phases: list[str] = []
    with pytest.raises(PublishError, match=r"out of range|overflow"):
        place.publish(
            place.write("t.csv", 'id,d\n1,"[1e999999]"\n'),
            append=True,
            progress=lambda step: phases.append(step.phase),
        )
    assert len(phases) < 4
    assert place.one("SELECT count(*) FROM t") == 1


def test_columns_that_the_source_lacks_are_null_or_their_default_and_named(place: Place) -> None:
    place.publish(place.write("t.csv", "a,b,c\n1,x,5\n"))
    place.ask("ALTER TABLE t ALTER b SET DEFAULT 'usual'")
    table = append(place, "a\n2\n")
    assert table.notes == [
        "the source has no c: null in new rows",
        "the source has no b: its default in new rows",
    ]
    assert place.ask("SELECT * FROM t ORDER BY a") == [(1, "x", 5), (2, "usual", None)]


def test_a_new_column_is_added_where_that_is_allowed(place: Place) -> None:
    place.publish(place.write("t.csv", "a,b\n1,x\n"), keys={"": ("a",)})
    table = append(place, "c,a\n2024-02-29,2\n", allow=COLUMNS)
    assert table.difference == ["+ c date"]
    assert place.columns("t") == {"a": "bigint", "b": "text", "c": "date"}
    assert place.ask("SELECT a, b, c::text FROM t ORDER BY a") == [
        (1, "x", None), (2, None, "2024-02-29"),
    ]  # fmt: skip
    shown = place.installation.describe("t", place.database)
    assert [(each["name"], each["type"]) for each in shown["columns"]] == [
        ("a", "bigint"), ("b", "text"), ("c", "date"),
    ]  # fmt: skip
    assert (shown["rows"], shown["primary_key"]) == (2, ["a"])
    place.installation.undo("t", database=place.database)
    assert place.ask("SELECT * FROM t") == [(1, "x")]
    place.installation.undo("t", database=place.database)
    assert place.one("SELECT count(c) FROM t") == 1


WIDER = {
    "smallint": ("smallint", "40000", "bigint"),
    "bigint": ("bigint", str(10**25), "numeric"),
    "places": ("bigint", "1.25", "numeric"),
    "real": ("real", "0.1234567890123e-3", "double precision"),
}


@pytest.mark.nightly(by_day=["bigint", "places"])
@pytest.mark.parametrize(("before", "value", "after"), WIDER.values(), ids=WIDER)
def test_numbers_that_need_a_wider_type_get_one_and_all_that_hangs_on_the_table_stays(
    place: Place, before: str, value: str, after: str
) -> None:
    place.publish(place.write("t.csv", "a,v\n1,7\n2,8\n"), keys={"": ("a",)})
    place.ask(
        f"""ALTER TABLE t ALTER v TYPE {before}; CREATE VIEW seen AS SELECT v FROM t;
        CREATE INDEX by_hand ON t (v DESC); COMMENT ON COLUMN t.v IS 'theirs';
        CREATE ROLE {place.database}_reader; GRANT SELECT ON t TO {place.database}_reader;
        ALTER TABLE t ALTER a ADD GENERATED BY DEFAULT AS IDENTITY (START 40)"""
    )
    fits = append(place, "a,v\n3,9\n")
    assert (fits.difference, place.columns("t")["v"]) == ([], before)
    table = append(place, f"v,a\n{value},4\n")
    assert table.difference == [f"~ v {before} → {after}"]
    assert place.columns("t")["v"] == after
    assert place.ask("SELECT a, v::float8 FROM t ORDER BY a") == [
        (1, 7.0), (2, 8.0), (3, 9.0), (4, float(value)),
    ]  # fmt: skip
    assert place.one("SELECT count(*) FROM seen") == 4
    assert place.comments("t")["v"] == "theirs"
    assert place.one("SELECT indexdef FROM pg_indexes WHERE indexname = 'by_hand'")
    reader = f"{place.database}_reader"
    assert place.one("SELECT has_table_privilege(%s, 't', 'SELECT')", [reader])
    assert place.ask("INSERT INTO t (v) VALUES (5) RETURNING a") == [(40,)]
    place.ask("DELETE FROM t WHERE a = 40")
    place.installation.undo("t", database=place.database)
    assert place.columns("t")["v"] == before
    assert place.ask("SELECT a FROM t ORDER BY a") == [(1,), (2,), (3,)]
    place.ask(f"DROP OWNED BY {reader}; DROP ROLE {reader}")


def test_a_type_that_a_person_declared_does_not_get_wider(place: Place) -> None:
    place.publish(place.write("t.csv", "a\n1.5\n"), types={"a": "numeric(4,2)"})
    error = refused(place, "a\n2.5\n123456.75\n")
    assert "line 3: a: the value does not fit numeric(4,2): '123456.75'" in error.message
    assert [each["change"] for each in error.details["differences"]] == ["types"]
    assert place.columns("t") == {"a": "numeric(4,2)"}


def test_a_frozen_table_takes_rows_and_nothing_wider(place: Place) -> None:
    place.publish(place.write("t.csv", "a\n1\n"), contract="frozen")
    append(place, "a\n2\n")
    assert "types change: a bigint → numeric" in refused(place, "a\n3.5\n").message
    assert "column b is new" in refused(place, "a,b\n3,4\n").message
    assert place.ask("SELECT a FROM t ORDER BY a") == [(1,), (2,)]


def test_types_that_are_allowed_to_change_make_text_of_old_and_new_values(place: Place) -> None:
    place.publish(place.write("t.csv", "a\n1\n"))
    append(place, "a\nnone\n", allow=frozenset({Change.TYPES}))
    assert place.columns("t") == {"a": "text"}
    assert place.ask("SELECT a FROM t ORDER BY a") == [("1",), ("none",)]


@pytest.mark.parametrize("text", ["7,Ada,London\n8,Bob,Paris\n", "Ada,London\nBob,Paris\n"])
def test_a_file_without_a_header_is_refused_with_a_hint(place: Place, text: str) -> None:
    place.publish(place.write("t.csv", "id,name,city\n1,Rose,Bern\n"))
    error = refused(place, text)
    assert "no column of" in error.message
    assert "--header / --no-header" in error.hint


def test_the_same_content_is_not_added_twice_from_whatever_files(place: Place) -> None:
    place.publish(place.write("t.csv", "a,b\n1,x\n"))
    append(place, "a,b\n2,y\n3,z\n")
    error = refused(place, "b,a\nz,3\ny,2\n")
    assert "was added to t before" in error.message
    assert "--again" in error.hint
    one, two = place.write("one.csv", "a,b\n4,v\n"), place.write("two.csv", "a,b\n3,z\n2,y\n")
    with pytest.raises(ContractRefused, match="1 of its 2 sources was added to t before"):
        place.publish(one, two, table="t", append=True)
    assert place.one("SELECT count(*) FROM t") == 3
    append(place, "a,b\n2,y\n3,z\n", again=True)
    assert place.one("SELECT count(*) FROM t") == 5


@pytest.mark.nightly(
    daily="tests/integration/test_append.py::"
    "test_the_same_content_is_not_added_twice_from_whatever_files"
)
def test_what_an_undo_took_out_may_be_added_again(place: Place) -> None:
    place.publish(place.write("t.csv", "a\n1\n"))
    append(place, "a\n2\n")
    place.installation.undo("t", database=place.database)
    append(place, "a\n2\n")
    refused(place, "a\n2\n")
    place.publish(place.write("t.csv", "a\n1\n"))
    append(place, "a\n2\n")
    assert place.ask("SELECT a FROM t ORDER BY a") == [(1,), (2,)]


def test_a_table_that_append_makes_knows_what_it_has(place: Place) -> None:
    append(place, "a\n1\n")
    refused(place, "a\n1\n")
    assert "added" not in place.installation.describe("t", place.database)


def test_the_others_are_published_where_one_file_cannot_be(place: Place) -> None:
    place.publish(place.write("bad.csv", "id,v\n1,x\n"), keys={"": ("id",)})
    good, bad = place.write("good.csv", "a\n1\n"), place.write("bad.csv", "id,v\n1,x\n1,y\n")
    missing, same = place.folder / "none.csv", place.write("other/good.csv", "a\n9\n")
    report = place.publish(bad, good, missing, same, keep_going=True)
    assert [table.table.name for table in report.tables] == ["good"]
    assert [(one.source, type(one.error).__name__) for one in report.failed] == [
        (str(bad), "ContractRefused"), (str(missing), "SourceError"), (str(same), "UsageError"),
    ]  # fmt: skip
    assert json.dumps(report.as_data(), default=str)
    assert place.ask("SELECT a FROM good") == [(1,)]
    assert place.ask("SELECT id, v FROM bad") == [(1, "x")]
    with pytest.raises(UsageError, match="all of them, or none"):
        place.publish(good, bad, table="t", keep_going=True)


def test_a_publish_waits_for_another_of_the_same_table(place: Place) -> None:
    path, other = place.write("t.csv", "a\n1\n"), place.write("t2.csv", "a\n2\n")
    place.publish(path)
    with ThreadPoolExecutor(1) as pool:
        second: list[Any] = []

        def beside(step: Step) -> None:
            if step.phase == "building keys" and not second:
                with pytest.raises(PublishError, match=r"for 0\.1 s already"):
                    place.publish(other, table="t", wait=0.1)
                second.append(pool.submit(place.publish, other, table="t", wait=60.0))

        place.publish(path, progress=beside)
        second[0].result(60)
    assert place.ask("SELECT a FROM t") == [(2,)]
