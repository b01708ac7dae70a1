"""How values are written, said after the first publish, decides what stayed text in doubt."""

from typing import Any

import pytest

from myriad.errors import ContractRefused
from myriad.sources.options import ReadOptions
from tests.publishing import Place

DOUBT = "id;price;day;code\n1;1.234;03/04/2024;x1\n2;5.678;05/06/2024;x2\n"
COMMA = ReadOptions(decimal=",")


def publish(place: Place, text: str = DOUBT, **options: Any) -> dict[str, str]:
    place.publish(place.write("t.csv", text), **options)
    return place.columns("t")


def test_an_option_that_was_recommended_works_at_the_next_publish(place: Place) -> None:
    first = publish(place)
    assert first == {"id": "bigint", "price": "text", "day": "text", "code": "text"}
    assert publish(place, read=COMMA)["price"] == "bigint"
    assert place.ask("SELECT price FROM t ORDER BY id") == [(1234,), (5678,)]
    second = publish(place, read=ReadOptions(dates="dmy"))
    assert (second["price"], second["day"]) == ("bigint", "date")
    assert place.ask("SELECT day::text FROM t ORDER BY id") == [("2024-04-03",), ("2024-06-05",)]


def test_a_point_decides_too(place: Place) -> None:
    publish(place)
    assert publish(place, read=ReadOptions(decimal="."))["price"] == "numeric"
    assert place.ask("SELECT price::text FROM t ORDER BY id") == [("1.234",), ("5.678",)]


def test_what_was_said_before_makes_no_type_narrower(place: Place) -> None:
    words = "id;price;note\n1;1,5;abc\n2;2,5;def\n"
    assert publish(place, words, read=COMMA)["note"] == "text"
    again = publish(place, words.replace("abc", "1,5").replace("def", "2,5"), read=COMMA)
    assert again["note"] == "text"


def test_a_frozen_table_names_the_change(place: Place) -> None:
    publish(place, contract="frozen")
    with pytest.raises(ContractRefused, match="price text → bigint"):
        publish(place, read=COMMA)
    assert publish(place, read=COMMA, contract="safe")["price"] == "bigint"
