"""Bytes of a chunk as bits, 64 to a word: to ask of a whole chunk at once what stands in quotes.

The way of Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (2019), on whole arrays.
"""

from typing import Any, TypeAlias

import numpy as np

WORD = 64
Flags: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
Bits: TypeAlias = np.ndarray[Any, np.dtype[np.uint64]]
NONE, ALL = np.uint64(0), np.uint64(2**64 - 1)
_ONE, _LAST = np.uint64(1), np.uint64(WORD - 1)
_STEPS = tuple(np.uint64(step) for step in (1, 2, 4, 8, 16, 32))


def bits(flags: Flags) -> Bits:
    """Return a multiple of WORD flags as bits, the first as the lowest."""
    return np.packbits(flags, bitorder="little").view("<u8")


def flags(packed: Bits) -> Flags:
    """Return what `bits` was made of."""
    return np.unpackbits(packed.view(np.uint8), bitorder="little").view(np.bool_)


def ones(packed: Bits) -> int:
    """Return how many are set."""
    return int(np.bitwise_count(packed).sum())


def last(packed: Bits) -> np.uint64:
    """Return the last bit, as the lowest of a word."""
    found: np.uint64 = packed[-1] >> _LAST
    return found


def within(quotes: Bits, inside: np.uint64) -> Bits:
    """Return which bytes stand in quotes, with the opening ones and without the closing.

    `inside` is ALL if the first byte stands in quotes, else NONE. (A prefix XOR.)
    """
    found = quotes.copy()
    for step in _STEPS:
        found ^= found << step
    flips = np.bitwise_xor.accumulate(found >> _LAST)
    found[1:] ^= NONE - flips[:-1]
    found ^= inside
    return found


def behind(packed: Bits, before: np.uint64) -> Bits:
    """Return the bytes behind those that are set; `before` says so of the byte before all."""
    found = packed << _ONE
    found[1:] |= packed[:-1] >> _LAST
    found[0] |= before
    return found
