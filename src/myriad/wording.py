"""Words for people."""

import difflib
import os
import re
from collections.abc import Iterable

# What a terminal obeys: control characters, but for tab and newline, and those that turn the
# direction of what follows.
OBEYED = {*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F)}
OBEYED |= {0x061C, 0x200E, 0x200F, *range(0x2066, 0x206A)}
LIKE = 0.7  # of the letters, in order: `nie` is not like `one`, and `slaes` is like `sales`
_SIGNS = {"%d": "DD", "%m": "MM", "%B": "month", "%Y": "YYYY", "%y": "YY"}
_SIGNS |= {"%H": "hh", "%I": "hh", "%M": "mm", "%S": "ss", "%p": "AM"}
_CODE = re.compile("%[dmBYyHIMSp]")
_SHOWN = {mark: ascii(chr(mark))[1:-1] for mark in OBEYED}


def harmless(text: str) -> str:
    """Return text, in which anybody's may be, as a terminal shows it and does not obey it."""
    return text.translate(_SHOWN)


def obeyed(text: str) -> str:
    """Return the first mark in `text` that a terminal would obey, as `harmless` shows it."""
    return next((_SHOWN[ord(mark)] for mark in text if ord(mark) in _SHOWN), "")


def readable(name: str) -> str:
    """Return a file's name as one line of text: bytes that are no UTF-8, and marks, escaped."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def number_of(number: int, noun: str) -> str:
    """Return so many of a thing: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def average_of(average: float, noun: str) -> str:
    """Return so many of a thing on average: `1 row`, `1.5 rows`."""
    text = f"{average:,.1f}".removesuffix(".0")
    return f"{text} {noun}" if text == "1" else f"{text} {noun}s"


def meant(name: str, names: Iterable[str], otherwise: str) -> str:
    """Return a hint at the one of `names` that was meant by `name`; `otherwise` if none is near."""
    near = nearest(name, names)
    return otherwise if near is None else f"Is {near} meant?"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that is most like `name`, None if none is like it."""
    near = difflib.get_close_matches(name, sorted(set(names)), n=1, cutoff=LIKE)
    return near[0] if near else None


def as_written(form: str) -> str:
    """Return a form of values, as strptime has those of dates, in the signs that people use."""
    return _CODE.sub(lambda code: _SIGNS[code[0]], form)


def changed(line: str) -> str:
    """Return a line of a difference, such as `+ price numeric`, in words."""
    sign, _, what = line.partition(" ")
    words = {"+": "new", "-": "gone", "~": "changed"}
    return f"{words[sign]}: {what}" if sign in words else f"changed: {line}"
