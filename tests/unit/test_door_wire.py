"""Messages of the protocol, made and read."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pglast import parser

from myriad.pgwire import wire
from myriad.pgwire.faults import Fault
from myriad.pgwire.wire import ProtocolViolation

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@given(st.characters(min_codepoint=33, max_codepoint=126), st.binary(max_size=300))
def test_a_message_has_its_kind_and_its_size(kind: str, body: bytes) -> None:
    made = wire.message(kind.encode(), body)
    assert wire.header(made, 0) == (ord(kind), len(made) - 1)
    assert made[wire.HEADER_BYTES :] == body


def test_the_fixed_messages_are_what_would_be_made() -> None:
    assert wire.message(b"S", b"") == wire.SYNC
    assert wire.message(b"H", b"") == wire.FLUSH
    assert wire.message(b"X", b"") == wire.TERMINATE
    assert wire.message(b"1", b"") == wire.PARSE_COMPLETE
    assert wire.authentication(0) == wire.AUTHENTICATION_OK
    assert {wire.message(b"Z", bytes([status])) for status in b"ITE"} == set(wire.READY.values())


@given(TEXT, TEXT)
def test_strings_are_cut_where_they_end(first: str, second: str) -> None:
    data = wire.text(first) + wire.text(second)
    found, position = wire.cut(data)
    assert found.decode() == first
    assert wire.cut(data, position) == (second.encode(), len(data))


@pytest.mark.parametrize(("start", "stop"), [(0, 3), (4, 5), (4, None), (9, None)])
def test_a_string_that_does_not_end_in_its_message_is_a_violation(
    start: int, stop: int | None
) -> None:
    with pytest.raises(ProtocolViolation, match="does not end"):
        wire.cut(b"abc\0d", start, stop)


def test_a_nul_in_a_string_cannot_end_it_early() -> None:
    assert wire.text("a\0b") == b"ab\0"
    assert wire.query("a\0b") == b"Q\0\0\0\x07ab\0"


# Errors


@given(TEXT, TEXT)
def test_an_error_is_read_as_it_was_made(message: str, hint: str) -> None:
    made = Fault("42501", message, hint).encode()
    fields = wire.error_fields(made[wire.HEADER_BYTES :])
    assert (fields["S"], fields["V"], fields["C"]) == ("ERROR", "ERROR", "42501")
    assert (fields["M"], fields.get("H", "")) == (message, hint)


def test_what_ends_a_connection_says_fatal() -> None:
    fields = wire.error_fields(Fault("57P01", "over").encode("FATAL")[wire.HEADER_BYTES :])
    assert (fields["S"], fields["V"]) == ("FATAL", "FATAL")
    assert "H" not in fields


# Rows


@given(st.lists(st.none() | TEXT, max_size=8))
def test_a_row_is_read(values: list[str | None]) -> None:
    body = struct.pack("!H", len(values))
    for value in values:
        encoded = None if value is None else value.encode()
        body += struct.pack("!i", -1 if encoded is None else len(encoded)) + (encoded or b"")
    assert wire.row(body) == values


# The start


@given(st.dictionaries(TEXT.filter(bool), TEXT, max_size=6))
def test_startup_parameters_are_read_as_they_were_made(parameters: dict[str, str]) -> None:
    made = wire.startup(parameters)
    assert wire.integer(made) == len(made)
    assert wire.integer(made, 4) == wire.PROTOCOL_3_0
    assert wire.pairs(made[8:]) == parameters


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"user",
        b"user\0",
        b"user\0me",
        b"user\0me\0",
        b"\0\0",
        b"user\0me\0\0x",
        b"a\0\xff\0\0",
    ],
)
def test_startup_parameters_that_do_not_end_are_a_violation(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        wire.pairs(data)


@given(st.binary(max_size=60))
def test_whatever_comes_is_read_or_a_violation(data: bytes) -> None:
    try:
        found = wire.pairs(data)
    except ProtocolViolation:
        return
    assert all(isinstance(value, str) for value in found.values())


def test_a_request_to_cancel_has_its_key() -> None:
    made = wire.cancel(7, b"x" * 32)
    assert made == struct.pack("!III", 44, 80877102, 7) + b"x" * 32


def test_the_newest_version_and_unknown_options_are_told() -> None:
    assert wire.negotiate(2, ["_pq_.a"]) == wire.message(
        b"v", struct.pack("!II", wire.PROTOCOL_3_2, 1) + b"_pq_.a\0"
    )


# SQL


@given(TEXT)
def test_a_literal_is_the_same_text_for_postgresql(value: str) -> None:
    tree = parser.parse_sql_json(f"SELECT {wire.literal(value)}")
    (statement,) = parser_values(tree)
    assert statement == value


def parser_values(tree: str) -> list[str]:
    select = json.loads(tree)["stmts"][0]["stmt"]["SelectStmt"]
    return [
        target["ResTarget"]["val"]["A_Const"].get("sval", {}).get("sval", "")
        for target in select["targetList"]
    ]
