"""Sources whose columns differ do not go into one table; the error says how else they come."""

from myriad.errors import PublishError
from myriad.publish import together
from myriad.sources.nothing import Nothing


def refused(one: Nothing, two: Nothing) -> PublishError:
    try:
        together.order(one, two)
    except PublishError as error:
        return error
    raise AssertionError("they go together")


def test_the_error_on_other_columns_names_them_and_says_how_newer_files_come() -> None:
    error = refused(Nothing("a", "1.csv", ["a", "b"]), Nothing("b", "2.csv", ["b", "c"]))
    assert error.message == "2.csv has other columns than 1.csv: it lacks a and has c"
    assert "--append --allow columns" in error.hint
    twice = refused(Nothing("a", "1.csv", ["a", "a", "b"]), Nothing("b", "2.csv", ["a", "b", "b"]))
    assert twice.message == "2.csv has other columns than 1.csv"


def test_tables_of_one_file_are_not_said_to_differ_from_the_file_itself() -> None:
    error = refused(Nothing("item", "shop.db", ["a"]), Nothing("sale", "shop.db", ["b"]))
    assert error.message == "shop.db has several tables, and sale has other columns than item"
    assert "`myriad unpublish`" in error.hint
