"""Names of tables and columns."""

import random
import unicodedata

import pytest

from myriad.publish import naming

SNAKE = {
    "Total Price (€)": "total_price",
    "camelCase": "camel_case",
    "HTTPServer": "http_server",
    "userID": "user_id",
    "already_snake": "already_snake",
    "  spaces  ": "spaces",
    "__x__": "x",
    "a--b..c": "a_b_c",
    "2nd place": "_2nd_place",
    "2020": "_2020",
    "Größe": "größe",
    "Цена": "цена",
    "名前": "名前",
    "e\u0301tat": "état",
    "€€€": "column",
    "": "column",
    '"; DROP TABLE x; --': "drop_table_x",
    "select": "select",
    "a\nb": "a_b",
}


@pytest.mark.parametrize(("name", "expected"), SNAKE.items())
def test_names_become_lower_snake_case(name: str, expected: str) -> None:
    assert naming.snake(name) == expected
    assert naming.snake(expected) == expected


def test_equal_names_are_numbered() -> None:
    assert naming.unique(["a", "A", "a ", "b"], keep=False) == ["a", "a_2", "a_3", "b"]
    assert naming.unique(["a", "a_2", "a"], keep=False) == ["a", "a_2", "a_3"]
    assert naming.unique(["a", "a", "A"], keep=True) == ["a", "a_2", "A"]


def test_names_that_every_table_has_are_taken() -> None:
    names = ["xmin", "XMIN", "ctid", "oid"]
    taken = naming.SYSTEM_COLUMNS
    assert naming.unique(names, keep=False, taken=taken) == ["xmin_2", "xmin_3", "ctid_2", "oid"]


def test_names_that_are_kept_stay_as_they_are() -> None:
    names = ['Total "Price"', "select", " x ", "Größe", "%s", "a.b", "'; --"]
    assert naming.unique(names, keep=True) == names
    assert naming.unique(["", "a\0b"], keep=True) == ["column", "ab"]


@pytest.mark.parametrize("keep", [True, False])
def test_long_names_end_within_63_bytes_and_stay_apart(*, keep: bool) -> None:
    names = ["x" * 100, "x" * 101, "ü" * 100, "ü" * 90, "漢" * 50, "x" * 63]
    found = naming.unique(names, keep=keep)
    assert all(len(name.encode()) <= 63 for name in found)
    assert len(set(found)) == len(names)
    assert found[0] == "x" * 63
    assert found[2] == "ü" * 31


@pytest.mark.parametrize("keep", [True, False])
def test_any_names_give_unique_names_that_postgresql_holds(*, keep: bool) -> None:
    random_ = random.Random(63)
    letters = ["a", "A", "_", " ", "1", "ü", "漢", "\0", '"', "€", "\u0301", "\ud800", "İ", "ß"]
    for _ in range(300):
        names = ["".join(random_.choices(letters, k=random_.randrange(40))) for _ in range(12)]
        found = naming.unique(names, keep=keep)
        assert len(set(found)) == len(names)
        for name in found:
            assert 0 < len(name.encode()) <= 63
            assert "\0" not in name
            assert keep or name == unicodedata.normalize("NFC", name)
