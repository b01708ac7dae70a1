"""Values of CQL: what is encoded comes back, and the wire form is the one the driver makes."""

import math
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest
from cassandra import cqltypes
from hypothesis import given
from hypothesis import strategies as st

from myriad.cql.frames import Malformed
from myriad.cql.names import check, qualified, quoted
from myriad.cql.types import SIMPLE, CqlType
from myriad.cql.values import Duration, decode, encode
from myriad.errors import UsageError

INT, TEXT = CqlType("int"), CqlType("text")
ADDRESS = CqlType("udt", (TEXT, INT), ("street", "number"), "k", 'odd "name"')

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "ascii": st.text(st.characters(max_codepoint=127)),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "blob": st.binary(),
    "boolean": st.booleans(),
    "date": st.dates(),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False, places=6),
    "double": st.floats(allow_nan=False),
    "float": st.floats(width=32, allow_nan=False),
    "inet": st.ip_addresses(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "text": st.text(),
    "time": st.times(),
    "timestamp": st.datetimes().map(
        lambda when: when.replace(microsecond=when.microsecond // 1000 * 1000, tzinfo=UTC)
    ),
    "tinyint": st.integers(-128, 127),
    "uuid": st.uuids(),
    "varint": st.integers(-(10**60), 10**60),
}
DURATION = st.builds(
    lambda sign, *parts: Duration(*(sign * part for part in parts)),
    st.sampled_from([1, -1]),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**63 - 1),
)


@given(st.data())
@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back(name: str, data: st.DataObject) -> None:
    value = data.draw(VALUES[name])
    assert decode(CqlType(name), encode(CqlType(name), value)) == value


@given(st.data())
@pytest.mark.parametrize("name", sorted(VALUES.keys() - {"time", "date", "inet"}))
def test_the_wire_form_is_the_drivers(name: str, data: st.DataObject) -> None:
    value = data.draw(VALUES[name])
    theirs = cqltypes._cqltypes[name]  # noqa: SLF001 - the peer
    assert encode(CqlType(name), value) == theirs.serialize(value, 4)


@given(DURATION)
def test_a_duration_is_the_drivers(value: Duration) -> None:
    data = encode(CqlType("duration"), value)
    assert decode(CqlType("duration"), data) == value
    theirs = cqltypes.DurationType.deserialize(data, 4)
    assert (theirs.months, theirs.days, theirs.nanoseconds) == value


@given(
    st.dictionaries(st.text(), st.lists(st.integers(0, 9))),
    st.sets(st.integers(0, 99)),
    st.tuples(st.text(), st.none() | st.integers(0, 9)),
)
def test_nested_values_come_back(
    mapping: dict[str, list[int]], members: set[int], pair: tuple[str, int | None]
) -> None:
    kinds = (
        (CqlType("map", (TEXT, CqlType("list", (INT,)))), mapping),
        (CqlType("set", (INT,)), members),
        (CqlType("tuple", (TEXT, INT)), pair),
        (ADDRESS, {"street": pair[0], "number": pair[1]}),
    )
    for kind, value in kinds:
        assert decode(kind, encode(kind, value)) == value


def test_a_field_added_later_is_null_in_older_values() -> None:
    older = encode(CqlType("tuple", (TEXT,)), ("Ada",))
    assert decode(ADDRESS, older) == {"street": "Ada", "number": None}


def test_sets_of_collections_can_be_read() -> None:
    kind = CqlType("set", (CqlType("list", (INT,), frozen=True),))
    assert decode(kind, encode(kind, [[1, 2], [3]])) == {(1, 2), (3,)}


def test_what_python_cannot_hold_comes_as_its_number() -> None:
    assert decode(CqlType("timestamp"), (2**62).to_bytes(8, "big")) == 2**62
    assert decode(CqlType("date"), bytes(4)) == -(2**31)
    assert decode(CqlType("time"), (1).to_bytes(8, "big")) == 1


@given(st.binary(max_size=40))
@pytest.mark.parametrize(
    "kind",
    [
        *(CqlType(name) for name in SIMPLE.values()),
        CqlType("duration"),
        CqlType("list", (CqlType("decimal"),)),
        CqlType("map", (CqlType("set", (INT,)), TEXT)),
        ADDRESS,
    ],
    ids=str,
)
def test_hostile_bytes_are_a_value_or_a_clear_error(kind: CqlType, data: bytes) -> None:
    with suppress(Malformed):
        decode(kind, data)


@pytest.mark.parametrize(
    ("name", "value"),
    [("int", 2**31), ("ascii", "é"), ("blob", 5), ("decimal", Decimal("NaN")), ("inet", "1.2.3")],
)
def test_a_value_that_does_not_fit_is_refused(name: str, value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        encode(CqlType(name), value)


def test_known_values_have_their_wire_form() -> None:
    assert encode(CqlType("date"), date(1970, 1, 1)) == b"\x80\0\0\0"
    assert encode(CqlType("time"), time(0, 0, 1)) == (10**9).to_bytes(8, "big")
    assert encode(CqlType("timestamp"), datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))[-2:] == b"\3\xe8"  # type: ignore[index]
    assert encode(CqlType("varint"), -129) == b"\xff\x7f"
    assert encode(CqlType("inet"), ip_address("::1")) == bytes(15) + b"\1"
    assert encode(CqlType("uuid"), UUID(int=1)) == bytes(15) + b"\1"
    assert math.isnan(decode(CqlType("double"), encode(CqlType("double"), math.nan)))  # type: ignore[arg-type]


def test_types_have_their_text() -> None:
    assert str(CqlType("map", (TEXT, CqlType("list", (INT,), frozen=True)))) == (
        "map<text, frozen<list<int>>>"
    )
    assert str(ADDRESS) == '"k"."odd ""name"""'


def test_names_are_quoted() -> None:
    assert quoted('a"; DROP TABLE t; --') == '"a""; DROP TABLE t; --"'
    assert qualified("k", "Select") == '"k"."Select"'


@pytest.mark.parametrize("name", ["", "a" * 49, "a-b", "ä", 'a"', "a\n"])
def test_names_that_cassandra_refuses_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="keyspace"):
        check("keyspace", name)
