"""CSV files become tables with the source's very values."""

import random
import uuid
from datetime import date, timedelta
from pathlib import Path

import pytest

from myriad.errors import KeyRefused, PublishError, SourceError, UsageError
from tests.publishing import Place, csv_checksums

ROWS = 3000


def _all_types(path: Path) -> Path:
    """Write a table with every type, in the very text that PostgreSQL gives back."""
    random_ = random.Random(7)
    names = "small,whole,big,huge,price,ratio,flag,day,moment,instant,id,doc,code,remark"
    lines = [names]
    for n in range(ROWS):
        day = date(2000, 1, 1) + timedelta(days=random_.randrange(9000))
        values = [
            random_.randrange(-9999, 9999),
            random_.randrange(-(10**8), 10**9),
            random_.randrange(-(2**63), 2**63),
            random_.randrange(10**25, 10**30),
            f"{random_.randrange(10**7)}.{random_.randrange(100):02}",
            repr(random_.uniform(1, 9) * 10.0 ** -random_.randrange(10, 30)),
            random_.choice(["true", "false"]),
            day,
            f"{day} {n % 24:02}:30:00.{n % 9 + 1:06}",
            f"{day} {n % 24:02}:30:00+00",
            uuid.UUID(int=random_.getrandbits(128)),
            f'"{{""k"": [{n}, null, ""ü""]}}"',
            f"{random_.randrange(10**5):05}",
            random_.choice(
                ["", '""', '"a ""b"", c"', "Ünïcode 漢字 🎉", '"two\nlines"', "\\.", "\\N"]
            ),
        ]
        if n % 10 == 9:
            values[random_.randrange(12)] = ""
        lines.append(",".join(map(str, values)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_every_type_is_found_and_every_value_comes_back(place: Place) -> None:
    path = _all_types(place.folder / "things.csv")
    report = place.publish(path)
    assert report.rows == ROWS == place.one("SELECT count(*) FROM things")
    assert place.columns("things") == {
        "small": "bigint",
        "whole": "bigint",
        "big": "bigint",
        "huge": "numeric",
        "price": "numeric",
        "ratio": "double precision",
        "flag": "boolean",
        "day": "date",
        "moment": "timestamp without time zone",
        "instant": "timestamp with time zone",
        "id": "uuid",
        "doc": "jsonb",
        "code": "text",
        "remark": "text",
    }
    loaded, source = place.checksums("things"), csv_checksums(path)
    # Python's reader cannot tell an empty string from nothing; `"true"::text` is PostgreSQL's `t`.
    for lossy in ("remark",):
        assert loaded.pop(lossy) != source.pop(lossy)
    assert loaded == source
    empty = place.one("SELECT count(*) FROM things WHERE remark = ''")
    nulls = place.one("SELECT count(*) FROM things WHERE remark IS NULL")
    text = path.read_text(encoding="utf-8").splitlines()
    assert empty == sum(line.endswith(',""') for line in text) > 100
    assert nulls == sum(line.endswith(",") for line in text) > 100


def test_the_report_says_what_each_column_is_and_why(place: Place) -> None:
    report = place.publish(place.write("t.csv", "Id No,Code\n1,007\n2,123\n"))
    table = report.tables[0].as_data()
    assert table["rows"] == 2
    told, columns = ("name", "original", "type", "why"), table["columns"]
    assert isinstance(columns, list)
    assert [tuple(column[name] for name in told) for column in columns] == [
        ("id_no", "Id No", "bigint", "whole numbers from 1 to 2"),
        ("code", "Code", "text", "1 of 2 are whole numbers, 1 is not, the first '007' in line 2"),
    ]
    shown = place.installation.describe("t", place.database)
    assert shown["columns"] == [{**column, "description": None} for column in columns]
    assert shown["rows"] == 2


def test_names_are_made_and_the_original_is_kept_as_comment(place: Place) -> None:
    path = place.write("My Data (v2).csv", "Total Price,a,A,select,Größe\n1,2,3,4,5\n")
    place.publish(path)
    assert list(place.columns("my_data_v2")) == ["total_price", "a", "a_2", "select", "größe"]
    assert place.comments("my_data_v2") == {
        "total_price": "Total Price",
        "a": None,
        "a_2": "A",
        "select": None,
        "größe": "Größe",
    }


def test_names_can_be_kept(place: Place) -> None:
    place.publish(place.write("My Data.csv", 'Total "Price",a,A\n1,2,3\n'), keep_names=True)
    assert list(place.columns("My Data")) == ['Total "Price"', "a", "A"]


HOSTILE = [
    'quo"te',
    "it's",
    "semi; DROP TABLE t; --",
    "per%s {}",
    "select",
    " spaces ",
    "Größe 漢字 🎉",
    "back\\slash",
    "new\nline",
    "dotted.name",
    "pg_class",
    "$$",
]


@pytest.mark.nightly(by_day=["semi; DROP TABLE t; --"])
@pytest.mark.parametrize("name", HOSTILE)
def test_names_with_sql_in_them_are_just_names(place: Place, name: str) -> None:
    path = place.write("t.csv", f'"{name.replace(chr(34), 2 * chr(34))}",id\nx,1\ny,2\n')
    for _ in range(2):  # the second replaces
        place.publish(
            path,
            table=name,
            dataset=name if name != "pg_class" else "s",
            keys={name: ("id",)},
            keep_names=True,
        )
    dataset = name if name != "pg_class" else "s"
    assert list(place.columns(name, dataset)) == [name, "id"]
    assert len(place.checksums(name, dataset)) == 2
    listed = place.installation.published()
    assert (dataset, name, 2) in {(row["dataset"], row["name"], row["rows"]) for row in listed}


@pytest.mark.nightly(by_day=["[a].csv", 'q"q.csv'])
@pytest.mark.parametrize(
    "name", ["*.csv", "[a].csv", "a?b.csv", "it's.csv", 'q"q.csv', "ä ö.csv", "$(x).csv"]
)
def test_names_of_files_are_just_names(place: Place, name: str) -> None:
    place.write("other.csv", "zzz\n9\n")
    report = place.publish(place.write(name, "a,b\n1,2\n"), table="t")
    assert report.tables[0].source.endswith(name)
    assert place.ask("SELECT a, b FROM t") == [(1, 2)]


def test_a_file_name_that_is_no_unicode_is_published_and_listed(place: Place) -> None:
    path = place.write("b\udcff.csv", "a,b\n1,2\n")
    place.publish(path, table="t")
    assert place.ask("SELECT a, b FROM t") == [(1, 2)]
    (listed,) = (r for r in place.installation.published() if r["database"] == place.database)
    assert "b" in listed["source"]


def test_a_key_becomes_the_primary_key(place: Place) -> None:
    path = place.write("t.csv", "Id No,a\n1,x\n2,y\n")
    report = place.publish(path, keys={"": ("Id No",)})
    assert report.tables[0].table.primary_key == ("id_no",)
    definition = place.one(
        "SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = 't'::regclass AND contype = 'p'"
    )
    assert definition == "t_pkey PRIMARY KEY (id_no)"


def test_a_key_that_is_not_unique_is_refused_with_its_duplicates(place: Place) -> None:
    path = place.write("t.csv", "a,b\n1,x\n1,x\n1,x\n2,y\n2,y\n3,z\n")
    with pytest.raises(KeyRefused) as caught:
        place.publish(path, keys={"t": ("a", "b")})
    assert "(a, b) is not unique in t:\n  (1, x) 3 times\n  (2, y) 2 times" in caught.value.message
    assert place.relations() == set()


def test_a_key_with_nulls_is_refused(place: Place) -> None:
    path = place.write("t.csv", "a,b\n1,x\n,y\n,z\n")
    with pytest.raises(KeyRefused, match="a is null in 2 rows of t"):
        place.publish(path, keys={"": ("a",)})
    assert place.relations() == set()


def test_a_key_of_an_unknown_column_or_table_is_refused(place: Place) -> None:
    path = place.write("t.csv", "a,b\n1,x\n")
    with pytest.raises(PublishError, match="no column 'c'") as caught:
        place.publish(path, keys={"": ("c",)})
    assert caught.value.hint == "Its columns: a, b."
    with pytest.raises(UsageError, match="'u', which is not published here"):
        place.publish(path, keys={"u": ("a",)})
    with pytest.raises(UsageError, match="names no table and there are 2"):
        place.publish(path, place.write("u.csv", "a,b\n1,x\n"), keys={"": ("a",)})


def test_columns_that_could_be_the_key_are_named(place: Place) -> None:
    text = "id,grp,code,hole\n" + "".join(f"{n},{n % 3},x{n},{n or ''}\n" for n in range(500))
    report = place.publish(place.write("t.csv", text))
    assert sorted(report.tables[0].key_candidates) == ["code", "id"]


def test_several_files_and_globs_go_into_one_table(place: Place) -> None:
    place.write("y2022.csv", "a,b\n1,x\n2,y\n")
    place.write("y2023.csv", "a,b\n70000,z\n")
    place.write("last.csv", "a,b\n5.25,w\n")
    report = place.publish(place.folder / "y20*.csv", place.folder / "last.csv", table="all")
    assert report.rows == 4
    assert place.columns("all") == {"a": "numeric", "b": "text"}
    assert place.ask('SELECT a::text, b FROM "all" ORDER BY b') == [
        ("5.25", "w"), ("1.00", "x"), ("2.00", "y"), ("70000.00", "z"),
    ]  # fmt: skip


JOINED = {
    "numbers long together": ("1" * 38, "0.12345", "numeric"),
    "whole and huge": ("5", "1" * 30, "numeric"),
    "small and big": ("5", "5000000000", "bigint"),
    "dates and text": ("2024-01-01", "x", "text"),
    "dates written otherwise": ("2024-01-01", "31/12/2024", "text"),
    "nothing and dates": ("", "2024-01-01", "date"),
    "dates and nothing": ("2024-01-01", "", "date"),
    "flags and numbers": ("true", "1", "text"),
}


@pytest.mark.nightly(by_day=["whole and huge", "dates written otherwise", "flags and numbers"])
@pytest.mark.parametrize(("one", "two", "kind"), JOINED.values(), ids=JOINED)
def test_files_of_different_types_meet_in_one_that_fits_both(
    place: Place, one: str, two: str, kind: str
) -> None:
    first = place.write("1.csv", f"k,v\na,{one}\n")
    place.publish(first, place.write("2.csv", f"k,v\nb,{two}\n"), table="t")
    assert place.columns("t")["v"] == kind
    if kind == "text":
        assert place.ask("SELECT v FROM t ORDER BY k") == [(one,), (two,)]


def test_files_with_other_columns_do_not_go_into_one_table(place: Place) -> None:
    first = place.write("1.csv", "a,b\n1,2\n")
    with pytest.raises(PublishError, match=r"2\.csv has other columns than .*1\.csv"):
        place.publish(first, place.write("2.csv", "b,c\n1,2\n"), table="t")


def test_two_files_of_one_name_are_refused(place: Place) -> None:
    first, second = place.write("x/t.csv", "a\n1\n"), place.write("y/t.csv", "a\n2\n")
    with pytest.raises(UsageError, match="two tables would be called t"):
        place.publish(first, second)
    assert place.relations() == set()


MISSING = {
    "a missing file": ("none.csv", "no such file"),
    "a glob without files": ("none*.csv", "no such file"),
    "a folder without a file": ("nothing", "there is no file in it"),
    "an unknown ending": ("t.xyz", r"the ending \.xyz is not known"),
    "no ending": ("plain", "the name has no ending"),
}


@pytest.mark.parametrize(("name", "said"), MISSING.values(), ids=MISSING)
def test_what_cannot_be_opened_is_named_with_a_hint(place: Place, name: str, said: str) -> None:
    place.write("t.xyz", "a\n")
    (place.folder / "nothing").mkdir()
    place.write("plain", "a\n")
    with pytest.raises(SourceError, match=said) as caught:
        place.publish(place.folder / name)
    assert caught.value.hint


def test_a_header_alone_makes_an_empty_table(place: Place) -> None:
    assert place.publish(place.write("t.csv", "a,b\n")).rows == 0
    assert place.columns("t") == {"a": "text", "b": "text"}
    assert place.ask("SELECT * FROM t") == []


JSON_REFUSED = {
    "a lone surrogate": r'{""a"": ""\ud800""}',
    "a number beyond numeric": '{""a"": 1e999999}',
    "nested beyond the stack": "[" * 50_000 + "]" * 50_000,
}


@pytest.mark.parametrize("value", JSON_REFUSED.values(), ids=JSON_REFUSED)
def test_json_that_only_postgresql_refuses_stays_text(place: Place, value: str) -> None:
    path = place.write("t.csv", f'id,Doc\n1,"{{""a"": 1}}"\n2,"{value}"\n')
    report = place.publish(path)
    assert place.columns("t") == {"id": "bigint", "doc": "text"}
    assert place.ask("SELECT doc FROM t WHERE id = 2") == [(value.replace('""', '"'),)]
    assert "jsonb" in report.tables[0].table.column("doc").why


def test_a_database_that_is_new_is_made(place: Place) -> None:
    name = f'new "{place.database}"; --'
    place.publish(place.write("t.csv", "a\n1\n"), database=name)
    new = Place(place.installation, name, place.folder)
    try:
        assert new.ask("SELECT a FROM t") == [(1,)]
    finally:
        place.ask('DROP DATABASE "' + name.replace('"', '""') + '"')


@pytest.mark.parametrize("name", ["postgres", "template0", "template1", "myriad", "x" * 64, "a\0b"])
def test_databases_that_are_not_for_data_are_refused(place: Place, name: str) -> None:
    with pytest.raises((PublishError, UsageError)) as caught:
        place.publish(place.write("t.csv", "a\n1\n"), database=name)
    assert caught.value.hint


@pytest.mark.parametrize(
    "name", ["pg_catalog", "pg_x", "information_schema", "myriad", "x" * 64, "a\0b"]
)
def test_datasets_that_are_not_for_data_are_refused(place: Place, name: str) -> None:
    with pytest.raises((PublishError, UsageError)) as caught:
        place.publish(place.write("t.csv", "a\n1\n"), dataset=name)
    assert caught.value.hint
    assert place.relations() == set()


@pytest.mark.parametrize("name", ["", "x" * 64, "a\0b"])
def test_tables_that_postgresql_cannot_name_are_refused(place: Place, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        place.publish(place.write("t.csv", "a\n1\n"), table=name)
    assert caught.value.hint
