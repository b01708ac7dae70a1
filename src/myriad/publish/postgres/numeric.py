"""Numbers of any length as PostgreSQL's wire has them.

Source: `numeric_recv` in PostgreSQL's src/backend/utils/adt/numeric.c: how many digits of base
10,000 there are, the weight of the first, the sign, how many decimal places are shown, the digits.
"""

import struct

_BASE_DIGITS = 4  # decimal digits in one of base 10,000
_POSITIVE, _NEGATIVE = 0x0000, 0x4000


def wire(text: str) -> bytes:
    """Return a plain decimal, such as `-12.340`, in wire form; it is shown with those places."""
    whole, _, places = text.lstrip("-").partition(".")
    whole = whole.rjust(-(-len(whole) // _BASE_DIGITS) * _BASE_DIGITS, "0")
    figures = whole + places.ljust(-(-len(places) // _BASE_DIGITS) * _BASE_DIGITS, "0")
    digits = [int(figures[at : at + _BASE_DIGITS]) for at in range(0, len(figures), _BASE_DIGITS)]
    weight = len(whole) // _BASE_DIGITS - 1
    first = next((at for at, digit in enumerate(digits) if digit), len(digits))
    digits, weight = digits[first:], weight - first
    while digits and not digits[-1]:
        digits.pop()
    sign = _NEGATIVE if digits and text.startswith("-") else _POSITIVE
    head = (len(digits), weight if digits else 0, sign, len(places))
    return struct.pack(f">hhHh{len(digits)}h", *head, *digits)
