"""Native protocol frames: what is read is bounded by what is there, whatever is announced."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myriad.cql import frames, messages, types
from myriad.cql.frames import Malformed, Reader
from myriad.errors import CqlError


def test_a_header_says_whose_answer_it_is() -> None:
    head = frames.header(struct.pack("!BBhBi", 0x84, 0, 7, frames.RESULT, 12))
    assert (head.stream, head.opcode, head.length) == (7, frames.RESULT, 12)


@pytest.mark.parametrize(
    "head",
    [
        (0x83, 0, 0, 8, 0),  # another version
        (0x04, 0, 0, 8, 0),  # a request
        (0x84, 1, 0, 8, 0),  # compressed
        (0x84, 0, 0, 8, -1),
        (0x84, 0, 0, 8, (256 << 20) + 1),
    ],
)
def test_a_header_that_was_not_agreed_is_refused(head: tuple[int, ...]) -> None:
    with pytest.raises(Malformed):
        frames.header(struct.pack("!BBhBi", *head))


def test_what_the_flags_announce_is_skipped() -> None:
    warnings = frames.pack_short(1) + frames.string("slow")
    payload = frames.pack_short(1) + frames.string("name") + frames.value(b"data")
    flags = frames.TRACED | frames.WARNED | frames.PAYLOAD
    assert frames.body(flags, bytes(16) + warnings + payload + b"\x2a").byte() == 42


@given(st.binary(max_size=200), st.sampled_from([frames.ERROR, frames.RESULT, 0x7F]))
def test_hostile_answers_end_in_a_clear_error(data: bytes, opcode: int) -> None:
    with suppress(Malformed, CqlError):
        messages.result(opcode, Reader(data))


@given(st.binary(max_size=60), st.integers(0, 0x0F))
def test_hostile_rows_end_in_a_clear_error(data: bytes, flags: int) -> None:
    head = frames.pack_int(messages.ROWS) + frames.pack_int(flags)
    with suppress(Malformed):
        messages.result(frames.RESULT, Reader(head + data))


def test_two_thousand_million_rows_without_columns_are_refused() -> None:
    data = b"".join(map(frames.pack_int, (messages.ROWS, messages.NO_METADATA, 0, 2**31 - 1)))
    with pytest.raises(Malformed, match="without columns"):
        messages.result(frames.RESULT, Reader(data))


def test_a_type_nested_without_end_is_refused() -> None:
    with pytest.raises(Malformed, match="too deep"):
        types.read(Reader(frames.pack_short(0x0020) * 100_000))


def test_what_an_error_says_does_not_reach_the_terminal_raw() -> None:
    data = frames.pack_int(0x2200) + frames.string("bad \x1b[31mred\r\n")
    error = messages.error(Reader(data))
    assert str(error) == "bad  [31mred  "
    assert error.code == CqlError.INVALID
    assert not error.retryable
