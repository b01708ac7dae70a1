"""What a second night brings, as people meet it who publish and read: no table is lost."""

import pytest

from myriad.errors import ContractRefused, PublishError, SourceError
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


@pytest.mark.parametrize(
    "text",
    [
        "id,qty,price\n",
        "",
        "<!DOCTYPE html>\n<html><head><title>503 Service Unavailable</title></head></html>\n",
        STOCK.replace("id,", "number,"),
        STOCK + "2,9,9\n",
        STOCK.replace("12.50", "n/a"),
        "id,qty,price\n1,300,\n2,2,\n",
    ],
    ids=["header only", "empty", "HTML", "other key", "duplicate", "n/a", "all null"],
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
