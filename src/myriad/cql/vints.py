"""Numbers of variable length: durations are made of them, and lengths in SSTables are written so.

Source: Cassandra's `doc/native_protocol_v4.spec`, section 3 (`[unsigned vint]`, `[vint]`).
"""

from myriad.cql.frames import Reader

MOST_MORE = 8  # bytes behind the first one
ALL_BITS = (1 << 64) - 1


def signed(number: int) -> bytes:
    """Return a signed number: zigzag, so that small ones are short whatever their sign."""
    return unsigned(((number << 1) ^ (number >> 63)) & ALL_BITS)


def read_signed(reader: Reader) -> int:
    """Read a signed number; raises Malformed."""
    found = read_unsigned(reader)
    return (found >> 1) ^ -(found & 1)


def unsigned(number: int) -> bytes:
    """Return a number that is not negative."""
    # Each byte behind the first is announced by a bit at the first one's head.
    more = next((size for size in range(MOST_MORE) if number < 1 << (7 * size + 7)), MOST_MORE)
    first = 0xFF << (8 - more) & 0xFF | number >> (8 * more)
    return bytes([first]) + (number & ((1 << (8 * more)) - 1)).to_bytes(more, "big")


def read_unsigned(reader: Reader) -> int:
    """Read a number that is not negative; raises Malformed."""
    first = reader.byte()
    more = 8 - (first ^ 0xFF).bit_length()
    head = first & (0xFF >> more)
    return head << (8 * more) | int.from_bytes(reader.take(more), "big")
