"""Write something else into some places of a text."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes `start` to `end` of a text's UTF-8 form, and what SQL shall stand there, of ASCII."""

    start: int
    end: int
    sql: str


def write(text: str, places: Iterable[Place]) -> str:
    """Return the text with other SQL in these places, which do not overlap.

    What is written is ASCII, so the text may have been decoded from any encoding.
    """
    source, pieces, position = text.encode(), [], 0
    for place in sorted(places, key=lambda place: place.start):
        pieces += [source[position : place.start], b" ", place.sql.encode(), b" "]
        position = place.end
    return b"".join((*pieces, source[position:])).decode()


def quote(text: str) -> str:
    """Return a string literal for PostgreSQL, of ASCII only, whatever the session's settings."""
    return "E'" + "".join(_escape(letter) for letter in text) + "'"


def _escape(letter: str) -> str:
    if letter in "'\\":
        return letter * 2
    if " " <= letter <= "~":
        return letter
    code = ord(letter)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 (UTF-16's end)
