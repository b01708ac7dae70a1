"""Keys as people write them, for PostgreSQL and for Cassandra."""

import pytest

from myriad.errors import UsageError
from myriad.model import Key, Order
from myriad.publish.keys import hint, parse, parse_keys
from myriad.publish.options import Options

FLIGHTS = Key(("carrier", "month"), (("time_hour", Order.DESC), ("flight", Order.ASC)))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a", Key(("a",))),
        ("a, b", Key(("a", "b"))),
        ("carrier,month/time_hour:desc,flight", FLIGHTS),
        ("carrier , month / time_hour:DESC , flight:asc", FLIGHTS),
        ('"x,/:desc=",b/"say ""hi""":desc', Key(("x,/:desc=", "b"), (('say "hi"', Order.DESC),))),
        ("Id No", Key(("Id No",))),
        ("a:b", Key(("a:b",))),
        ("a,b/", Key(("a", "b"))),
        ("a / ", Key(("a",))),
    ],
)
def test_a_key_is_partition_columns_a_slash_and_ordered_columns(text: str, key: Key) -> None:
    assert parse(text) == key


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names no column"),
        ("a,", "names no column"),
        ("a,,b", "names no column"),
        ("/a", "names no column"),
        ('""', "names no column"),
        ("/", "names no column"),
        ("a//b", "names no column"),
        ("a/b/", "separates nothing"),
        ("a/b/c", "separates nothing"),
        ("a,b/a", "names a twice"),
        ("a:desc/b", "partitions have no order"),
    ],
)
def test_what_is_no_key_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as refused:
        parse(text)
    assert refused.value.hint


@pytest.mark.parametrize(
    "key", [FLIGHTS, Key(("a b", 'c"'), (("d/e", Order.DESC),)), Key(("a:b",))]
)
def test_a_key_is_written_as_it_is_read(key: Key) -> None:
    assert parse(str(key)) == key


def test_a_key_may_name_its_table() -> None:
    assert parse_keys(["t=a", "my table=a/b", 'u="x=y"', "c"]) == {
        "t": Key(("a",)),
        "my table": Key(("a",), (("b", Order.ASC),)),
        "u": Key(("x=y",)),
        "": Key(("c",)),
    }


def test_columns_alone_are_a_key_too() -> None:
    options = Options(keys={"t": ("a", "b")})
    assert options.key_for("t") == Key(("a", "b"))
    assert options.key_for("u") is None
    with pytest.raises(UsageError, match="twice"):
        Options(keys={"t": ("a", "a")}).key_for("t")


def test_an_engine_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="oracle"):
        Options(to="oracle")


def test_an_order_that_there_is_not_is_told_what_is_meant() -> None:
    assert hint("b:up", ["a", "b"]) == "'up' is no order: is b:asc or b:desc meant?"
    assert hint("price:up", ["a"]) == "Its columns: a."
    assert hint("carier", ["carrier", "month"]) == "Is carrier meant?"
