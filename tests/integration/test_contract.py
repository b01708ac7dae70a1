"""What publishing again may change, and what it refuses with the old table left as it was."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import pytest

from myriad.errors import ContractRefused, KeyRefused, PublishError, TooManyRejects
from myriad.publish.contract import Change
from myriad.publish.report import Report
from tests.harness import run
from tests.publishing import Place

SALES = "id,day,price,note\n" + "".join(
    f"{n},{n % 28 + 1:02}.12.2024,{n}.50,n{n}\n" for n in range(1, 201)
)


@pytest.fixture
def again(place: Place) -> Callable[..., Report]:
    """Publish another content of a table of 200 sales that is there, with its key."""
    place.publish(place.write("sales.csv", SALES), keys={"": ("id",)})

    def publish(text: str, **options: Any) -> Report:
        return place.publish(place.write("sales.csv", text), **options)

    return publish


def refused(publish: Callable[..., Report], text: str, **options: Any) -> ContractRefused:
    with pytest.raises(ContractRefused) as caught:
        publish(text, **options)
    return caught.value


def changes(error: ContractRefused) -> list[Change]:
    listed = error.details["differences"]
    assert isinstance(listed, list)
    return [each["change"] for each in listed]


def without(column: int) -> str:
    rows = (line.split(",") for line in SALES.splitlines())
    return "".join(",".join([*row[:column], *row[column + 1 :]]) + "\n" for row in rows)


WORSE: Mapping[str, tuple[str, list[Change], str]] = {
    "no rows": (SALES.splitlines()[0] + "\n", [Change.EMPTY], "no rows, where there were 200"),
    "a file without a byte": ("", [Change.EMPTY], "no rows, where there were 200"),
    "a file of blank lines": ("\n\r\n\n", [Change.EMPTY], "no rows, where there were 200"),
    "fewer than half": (
        "".join(SALES.splitlines(keepends=True)[:100]),
        [Change.SHRINK],
        "99 rows, where there were 200: less than 50%",
    ),
    "a column gone": (without(3), [Change.COLUMNS], "column note is gone"),
    "the key's column gone": (
        without(0),
        [Change.COLUMNS, Change.KEY],
        "its key (id) is gone",
    ),
    "the key's column renamed": (
        SALES.replace("id,", "nr,", 1),
        [Change.COLUMNS, Change.KEY],
        "column id is gone; new in the source: nr",
    ),
    "hardly a column in common": (
        "id,other\n1,x\n",
        [Change.COLUMNS, Change.SHRINK],
        "1 of 4 columns remain: it had id, day, price, note, the source has id, other",
    ),
    "a key that is not unique": (
        SALES + "7,01.12.2024,1.00,again\n",
        [Change.KEY],
        "(7) 2 times",
    ),
    "a key that is null": (
        SALES + ",01.12.2024,1.00,again\n",
        [Change.KEY],
        "id is null in 1 row",
    ),
    "a culprit among numbers": (
        SALES.replace("3.50", "none", 1),
        [Change.TYPES],
        "line 4: price: the value does not fit numeric",
    ),
    "a date of another order": (
        SALES.replace("15.12.2024", "2024-12-15", 1),
        [Change.TYPES],
        "day: the value does not fit date",
    ),
    "a column without values": (
        "".join(line.rpartition(",")[0] + ",\n" for line in SALES.splitlines()).replace(
            "price,\n", "price,note\n"
        ),
        [Change.NULLS],
        "no value in column note",
    ),
}


@pytest.mark.nightly(
    by_day=[
        "no rows",
        "a file without a byte",
        "fewer than half",
        "a column gone",
        "the key's column gone",
        "a key that is not unique",
        "a culprit among numbers",
        "a column without values",
    ]
)
@pytest.mark.parametrize(("text", "expected", "said"), WORSE.values(), ids=WORSE)
def test_what_is_worse_is_refused_and_changes_nothing(
    place: Place, again: Callable[..., Report], text: str, expected: list[Change], said: str
) -> None:
    before = place.columns("sales"), place.checksums("sales"), place.relations()
    error = refused(again, text)
    assert error.exit_code == 4
    assert said in error.message
    found = changes(error)
    assert found == expected[: len(found)]
    assert error.hint.endswith("--allow " + ",".join(found))
    assert (place.columns("sales"), place.checksums("sales"), place.relations()) == before


@pytest.mark.nightly(by_day=["no rows", "a culprit among numbers"])
@pytest.mark.parametrize(("text", "expected", "said"), WORSE.values(), ids=WORSE)
def test_what_is_allowed_by_name_is_published_and_named(
    place: Place, again: Callable[..., Report], text: str, expected: list[Change], said: str
) -> None:
    report = again(text, allow=frozenset(expected))
    (table,) = report.tables
    assert [each.change for each in table.allowed if each.change is not Change.TYPES] == [
        change for change in expected if change is not Change.TYPES
    ]
    assert place.one("SELECT count(*) FROM sales") == report.rows
    assert said


def test_a_free_contract_permits_all_of_it(place: Place, again: Callable[..., Report]) -> None:
    again("other\nx\n", contract="free")
    assert place.columns("sales") == {"other": "text"}


def test_a_contract_is_remembered(place: Place, again: Callable[..., Report]) -> None:
    again(SALES, contract="frozen")
    assert changes(refused(again, SALES.replace("note", "note,more", 1)))
    again(SALES, contract="safe")
    report = again(SALES)
    assert report.tables[0].contract == "safe"
    assert place.installation.recipe("sales", place.database).contract == "safe"


def test_more_rows_new_columns_and_wider_numbers_are_published_and_reported(
    again: Callable[..., Report],
) -> None:
    lines = SALES.splitlines()
    more = [lines[0] + ",extra", *(f"{line},7" for line in lines[1:]), f"{10**20},01.01.2025,1,x,8"]
    report = again("\n".join(more) + "\n")
    assert report.rows == 201
    assert report.tables[0].allowed == []
    assert report.tables[0].difference == ["+ extra bigint", "~ id bigint → numeric"]


def test_a_type_never_becomes_narrower_by_itself(
    place: Place, again: Callable[..., Report]
) -> None:
    kinds = place.columns("sales")
    assert kinds == {"id": "bigint", "day": "date", "price": "numeric", "note": "text"}
    narrow = "id,day,price,note\n" + "".join(f"{n},05.06.2024,7,8\n" for n in range(150))
    again(narrow)
    assert place.columns("sales") == kinds
    again(narrow, contract="free")
    assert place.columns("sales") == kinds
    assert place.one("SELECT sum(price * note::int)::text FROM sales") == str(150 * 56)


def test_a_column_without_values_keeps_its_type_where_that_is_allowed(
    place: Place, again: Callable[..., Report]
) -> None:
    again(
        "id,day,price,note\n" + "".join(f"{n},,,x\n" for n in range(150)),
        allow=frozenset({Change.NULLS}),
    )
    assert place.columns("sales")["price"] == "numeric"
    again(SALES)
    assert place.columns("sales")["day"] == "date"


def test_values_that_do_not_fit_are_rejects_where_rejects_are_allowed(
    place: Place, again: Callable[..., Report]
) -> None:
    report = again(SALES.replace("3.50", "none", 1), max_rejects=1)
    assert [reject.line for reject in report.rejects] == [4]
    assert place.columns("sales")["price"] == "numeric"
    assert place.one("SELECT count(*) FROM sales") == 199


def test_broken_records_are_no_matter_of_the_contract(again: Callable[..., Report]) -> None:
    with pytest.raises(TooManyRejects):
        again(SALES + "201,01.12.2024\n")


def test_frozen_takes_neither_new_columns_nor_other_types_nor_another_key(
    again: Callable[..., Report],
) -> None:
    again(SALES, contract="frozen")
    assert changes(refused(again, SALES.replace("note\n", "note,b\n", 1).replace(
        "\n", ",1\n").replace("note,b,1", "note,b"))) == [Change.COLUMNS]  # fmt: skip
    assert changes(refused(again, SALES.replace("\n7,", f"\n{10**20},", 1)))
    assert changes(refused(again, SALES, keys={"": ("note",)})) == [Change.KEY]
    again(SALES, keys={"": ("note",)}, allow=frozenset({Change.KEY}))


def test_a_key_that_was_asked_for_now_is_refused_as_always(again: Callable[..., Report]) -> None:
    with pytest.raises(KeyRefused):
        again(SALES + "7,01.12.2024,1.00,again\n", keys={"": ("id",)})


def test_a_small_table_may_lose_most_of_its_rows(place: Place) -> None:
    place.publish(place.write("t.csv", "a\n" + "1\n" * 99))
    place.publish(place.write("t.csv", "a\n1\n"))
    assert place.one("SELECT count(*) FROM t") == 1


def test_replace_does_not_skip_the_contract(again: Callable[..., Report]) -> None:
    assert changes(refused(again, "id,day,price,note\n", replace=True)) == [Change.EMPTY]


def test_several_tables_are_refused_together_and_all_are_named(place: Place) -> None:
    paths = [place.write(f"{name}.csv", "a,b\n1,2\n") for name in ("one", "two")]
    place.publish(*paths)
    for path in paths:
        path.write_text("a,b\n", encoding="utf-8")
    with pytest.raises(ContractRefused) as caught:
        place.publish(*paths)
    listed = caught.value.details["differences"]
    assert isinstance(listed, list)
    assert [each["table"] for each in listed] == ["one", "two"]


def test_a_check_says_what_would_happen_and_changes_nothing(
    place: Place, again: Callable[..., Report]
) -> None:
    before = place.columns("sales"), place.checksums("sales"), place.relations()
    assert changes(refused(again, "id,day,price,note\n", check=True)) == [Change.EMPTY]
    report = again(SALES.replace("200,", "20000,"), check=True)
    assert (report.checked, report.rows) == (True, 200)
    assert (place.columns("sales"), place.checksums("sales"), place.relations()) == before
    first = place.publish(place.write("new.csv", "a\n1\n"), check=True)
    assert first.tables[0].action == "created"
    assert place.relations() == before[2]


def test_the_command_ends_with_4_and_gives_the_differences_as_data(place: Place) -> None:
    path = place.write("t.csv", "a,b\n1,2\n")
    place.publish(path)
    path.write_text("<html><body>503</body></html>\n", encoding="utf-8")
    home = place.installation.home
    options = ("--database", place.database, str(path))
    done = run(home, "publish", "--json", "--delimiter", ",", *options)
    assert done.returncode == 4
    told = json.loads(done.stderr.splitlines()[-1])
    assert told["type"] == "ContractRefused"
    assert [each["change"] for each in told["differences"]] == ["columns"]
    assert run(home, "publish", "--allow", "nonsense", *options).returncode == 2


def test_a_key_that_only_its_recipe_names_is_missed_at_the_first_publish(place: Place) -> None:
    with pytest.raises(PublishError, match="no column 'id'"):
        place.publish(place.write("t.csv", "a\n1\n"), keys={"": ("id",)})


def test_a_type_that_a_person_chose_is_changed_by_their_word_only(place: Place) -> None:
    place.publish(place.write("t.csv", "a,b\n1.5,2\n"), types={"a": "numeric(4,2)"})
    path = place.write("t.csv", "a,b\n12345.5,2\n")
    with pytest.raises(ContractRefused) as caught:
        place.publish(path)
    assert caught.value.hint.endswith("--type a=TYPE.")
    for options in ({"allow": frozenset({Change.TYPES})}, {"contract": "free"}):
        with pytest.raises(TooManyRejects, match=r"a: the value does not fit numeric\(4,2\)"):
            place.publish(path, **options)
    place.publish(path, types={"a": "numeric(9,2)"})
    assert place.columns("t")["a"] == "numeric(9,2)"


def test_digits_that_a_source_declares_get_more(place: Place) -> None:
    path = place.folder / "t.db"

    def declared(kind: str, value: str) -> None:
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as con:
            con.execute(f"CREATE TABLE t (a NUMERIC({kind}))")
            con.execute("INSERT INTO t VALUES (?)", [value])
            con.commit()

    declared("6,2", "1234.5")
    place.publish(path)
    declared("9,2", "1234567.5")
    assert place.publish(path).tables[0].difference == ["~ a numeric(6,2) → numeric(9,2)"]


def dates(*days: str) -> str:
    return "id,d\n" + "".join(f"{number},{day}\n" for number, day in enumerate(days))


def test_the_order_of_dates_does_not_change_by_itself(place: Place) -> None:
    place.publish(place.write("t.csv", dates("13/02/2024", "25/03/2024")))
    with pytest.raises(ContractRefused, match="the value does not fit date"):
        place.publish(place.write("t.csv", dates("02/13/2024", "03/25/2024")))
    place.publish(place.write("t.csv", dates("2024-02-13")))
    (table,) = place.publish(place.write("t.csv", dates("05/04/2024"))).tables
    assert "as before, written DD/MM/YYYY" in table.table.column("d").why
    assert place.one("SELECT d::text FROM t") == "2024-04-05"
    place.publish(place.write("t.csv", dates("06/04/2024")), types={"d": "date"})
    place.publish(place.write("more.csv", "id,d\n9,07/04/2024\n"), table="t", append=True)
    assert place.one("SELECT string_agg(d::text, ' ' ORDER BY d) FROM t") == "2024-04-06 2024-04-07"
    path = place.write("t.csv", dates("02/13/2024", "03/25/2024"))
    place.publish(path, allow=frozenset({Change.TYPES}), contract="safe")
    assert place.one("SELECT max(d)::text FROM t") == "2024-03-25"
