"""What a second night brings, as people meet it who publish and read: no table is lost."""

import getpass

import pytest

from myriad.errors import ContractRefused, PublishError, SourceError
from myriad.publish.contract import Change
from myriad.sources.options import ReadOptions
from tests.publishing import Place

STOCK = "id,qty,price\n1,300,400\n2,2,12.50\n"


@pytest.fixture
def stock(place: Place) -> Place:
    place.publish(place.write("stock.csv", STOCK), keys={"": ("id",)})
    return place


def test_a_sum_of_small_whole_numbers_does_not_overflow(place: Place) -> None:
    place.publish(place.write("t.csv", "qty,price\n300,400\n2,3\n"))
    assert place.one("SELECT sum(qty * price)::text FROM t") == "120006"


def test_a_key_that_grows_by_far_is_appended_and_published(stock: Place) -> None:
    stock.publish(stock.write("more.csv", "id,qty,price\n70000,1,1\n"), table="stock", append=True)
    stock.publish(stock.write("stock.csv", f"{STOCK}80000000000,7,1\n"))
    assert stock.one("SELECT max(id) FROM stock") == 80_000_000_000


def test_a_day_of_small_or_whole_values_changes_no_type(stock: Place) -> None:
    before = stock.columns("stock")
    stock.publish(stock.write("stock.csv", "id,qty,price\n1,7,9\n2,8,10\n"))
    assert stock.columns("stock") == before
    assert stock.one("SELECT (min(price) / 2)::float FROM stock") == 4.5


@pytest.mark.nightly(by_day=["header only", "HTML", "other key", "none", "cut short"])
@pytest.mark.parametrize(
    "text",
    [
        "id,qty,price\n",
        "",
        "<!DOCTYPE html>\n<html><head><title>503 Service Unavailable</title></head></html>\n",
        STOCK.replace("id,", "number,"),
        STOCK + "2,9,9\n",
        STOCK.replace("12.50", "none"),
        "id,qty,price\n1,300,\n2,2,\n",
        STOCK.partition("\n")[2],
        "Traceback (most recent call last):\nConnectionError\n",
        STOCK.replace("id,qty", "qty,id") + "4\n",
    ],
    ids=[
        "header only",
        "empty",
        "HTML",
        "other key",
        "duplicate",
        "none",
        "all null",
        "no header",
        "an error text",
        "cut short",
    ],
)
def test_a_bad_night_leaves_the_table_its_types_its_key_and_its_readers(
    stock: Place, text: str
) -> None:
    before = stock.columns("stock"), stock.checksums("stock")
    for replace in (False, True):
        with pytest.raises((ContractRefused, SourceError, PublishError)):
            stock.publish(stock.write("stock.csv", text), replace=replace)
    assert (stock.columns("stock"), stock.checksums("stock")) == before
    runs = stock.installation.history("stock", stock.database)
    assert [run["outcome"] == "done" for run in runs] == [False, False, True]


def test_a_file_is_appended_once_and_the_report_names_the_column_that_it_lacks(
    stock: Place,
) -> None:
    more = stock.write("more.csv", "id,qty\n3,4\n")
    report = stock.publish(more, table="stock", append=True)
    assert "the source has no price" in " ".join(report.tables[0].notes)
    with pytest.raises(PublishError, match="it was added to stock before"):
        stock.publish(more, table="stock", append=True)
    assert stock.one("SELECT count(*) FROM stock") == 3


def test_a_table_that_should_not_be_there_is_taken_away_and_had_back(stock: Place) -> None:
    stock.installation.unpublish("stock", database=stock.database)
    assert stock.relations() == set()
    stock.installation.undo("stock", None, stock.database)
    assert stock.one("SELECT count(*) FROM stock") == 2


def test_a_file_of_words_without_its_header_does_not_lose_its_first_record(place: Place) -> None:
    """As names of columns it would replace the table."""
    place.publish(place.write("people.csv", "name,city\nRose,Bern\nBruno,Rome\n"))
    with pytest.raises(ContractRefused, match="columns remain"):
        place.publish(place.write("people.csv", "Rose,Bern\nBruno,Rome\n"))
    assert place.ask("SELECT name FROM people ORDER BY name") == [("Bruno",), ("Rose",)]


def test_rows_that_people_wrote_are_named_and_not_thrown_away_unless_that_is_said(
    stock: Place,
) -> None:
    stock.ask("GRANT INSERT ON stock TO PUBLIC")
    stock.ask("INSERT INTO stock VALUES (9, 9, 9)")
    again = stock.write("stock.csv", STOCK)
    with pytest.raises(ContractRefused, match="1 row") as refused:
        stock.publish(again)
    assert refused.value.hint.endswith("--allow writes")
    assert stock.one("SELECT count(*) FROM stock") == 3
    stock.publish(again, allow=frozenset({Change.WRITES}))
    stock.installation.undo("stock", None, stock.database)
    assert stock.one("SELECT count(*) FROM stock") == 3


def test_a_night_that_went_wrong_all_the_same_goes_back_with_its_types_and_its_key(
    stock: Place,
) -> None:
    before = stock.columns("stock"), stock.checksums("stock")
    stock.publish(stock.write("stock.csv", "number\nnone\n"), allow=frozenset(Change))
    stock.installation.undo("stock", None, stock.database)
    assert (stock.columns("stock"), stock.checksums("stock")) == before
    stock.publish(stock.write("stock.csv", STOCK))  # its key is there: nobody said it again
    with pytest.raises(ContractRefused, match="key"):
        stock.publish(stock.write("stock.csv", STOCK + "1,1,1\n"))


def test_the_history_says_who_published_when_from_what_and_what_came_of_it(stock: Place) -> None:
    with pytest.raises(ContractRefused):
        stock.publish(stock.write("stock.csv", "id,qty,price\n"))
    refused, first = stock.installation.history("stock", stock.database)
    assert (refused["outcome"], first["outcome"]) == ("refused", "done")
    assert refused["account"] == first["account"] == getpass.getuser()
    assert refused["started"] > first["started"]
    assert first["sources"] == [str(stock.folder / "stock.csv")]
    assert "no rows, where there were 2" in refused["error"]


def test_the_same_people_are_updated_by_their_key_and_not_doubled(stock: Place) -> None:
    report = stock.publish(
        stock.write("today.csv", "id,qty,price\n2,5,12.50\n3,1,1\n"), table="stock", merge=True
    )
    assert report.tables[0].merged == (1, 1, 0, 0)
    assert stock.ask("SELECT id, qty FROM stock ORDER BY id") == [(1, 300), (2, 5), (3, 1)]


def test_an_append_without_its_header_is_refused_with_the_hint(stock: Place) -> None:
    with pytest.raises(PublishError) as caught:
        stock.publish(stock.write("more.csv", "x,y,z\n7,7,7\n"), table="stock", append=True)
    assert "header" in caught.value.hint
    assert stock.one("SELECT count(*) FROM stock") == 2


def test_a_table_that_somebody_dropped_by_hand_is_shown_as_gone(stock: Place) -> None:
    before = stock.installation.describe("stock", stock.database)["notes"]
    stock.ask("DROP TABLE stock")
    *notes, gone = stock.installation.describe("stock", stock.database)["notes"]
    assert (notes, gone[:24]) == (before, "it is not there any more")
    stock.publish(stock.folder / "stock.csv")
    assert stock.installation.describe("stock", stock.database)["notes"] == before


def test_a_renamed_table_is_published_again_and_keeps_its_versions(stock: Place) -> None:
    stock.installation.rename("stock", "wares", stock.database)
    report = stock.publish(stock.folder / "stock.csv", table="wares")
    assert report.tables[0].action == "replaced"
    stock.installation.undo("wares", 1, stock.database)
    assert stock.one("SELECT count(*) FROM wares") == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,fee\n1,9.50\n2,8\n3,none\n", "--null none makes that null"),
        ('id,fee\n1,"3,735"\n2,"12,500"\n', "--decimal . or , decides"),
        ("id,fee\n1,9.50\n2,8\nSumme,17.50\n", "the first 'Summe' in line 4"),
    ],
    ids=["a lone culprit", "a comma in doubt", "a last row of sums"],
)
def test_why_a_column_is_text_says_what_can_be_done(place: Place, text: str, said: str) -> None:
    report = place.publish(place.write("fees.csv", text))
    assert said in " ".join(column.why for column in report.tables[0].table.columns)


def test_what_was_said_of_a_file_is_said_once(place: Place) -> None:
    path = place.write("fees.csv", "a title\nid,fee\n1,9.50\n2,n/a\n")
    place.publish(
        path, read=ReadOptions(skip=1, nulls=("n/a",)), types={"fee": "numeric"}, keys={"": ("id",)}
    )
    path.write_text("a title\nid,fee\n1,n/a\n3,1\n")
    report = place.publish(path)
    assert report.tables[0].used == "--key id --type fee=numeric --null n/a --skip 1"
    assert place.ask("SELECT * FROM fees ORDER BY id") == [(1, None), (3, 1)]
