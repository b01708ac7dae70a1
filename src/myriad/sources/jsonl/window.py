"""JSON over many lines, value by value: a window slides over the file, which may be of any size."""

import codecs
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from myriad.errors import SourceError
from myriad.sources.jsonl.records import (
    CHUNK,
    MAX_DEPTH,
    NOT_BLANK,
    UNCLOSED,
    Broken,
    Chunk,
    check,
    fault,
    heaviest,
    is_heavy,
    parse,
    scan,
    skip,
    too_heavy,
)

COMMA = re.compile(r"[ \t\r\n]*,[ \t\r\n]*")
# An object; not one by which MongoDB writes a value.
_RECORD = re.compile(
    r'\{(?!\s*"\$(?:oid|date|number[A-Z][a-z]+|binary|timestamp|uuid|regularExpression)")'
)
_FORMS = "A .json file is an array of objects, objects one after the other, or one object."
_ENCODED = "JSON is UTF-8. Turn it: iconv -f windows-1252 -t utf-8 OLD.json > NEW.json."
_CUT = "It may be cut off: fetch it, or write it, again."
Element = tuple[int, str, Any]  # line, text, and what it is; None if it is broken inside


class Window:
    """Reads values as text and as what they are, from where a file stands."""

    def __init__(self, file: BinaryIO, origin: str, longest: int, line: int = 1) -> None:
        self._file, self._origin, self._longest = file, origin, longest
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text, self._at, self.line = "", 0, line
        self._behind = file.tell()
        self.position = file.tell()

    @property
    def offset(self) -> int:
        """Where in the file, in bytes, the next character is."""
        return self._behind + len(self._text[: self._at].encode())

    def array(self, *, alone: bool) -> Iterator[Element]:
        """Yield the elements of the array that begins here; `alone`: nothing may come after it."""
        self.expect("[")
        if self.next() == "]":
            self._advance(self._at + 1)
        else:
            while True:
                yield from self._whole()
                yield self.element()
                if self.expect(",]") == "]":
                    break
        if alone and self.next():
            raise self.broken("there is more after the array")

    def _whole(self) -> Iterator[Element]:
        """Yield the elements that the window holds together with what comes next: most of them."""
        if is_heavy(self._text, heaviest(self._longest), self._at):
            return
        self.next()
        text = self._text
        with suppress(Broken, StopIteration, ValueError, RecursionError):
            while True:
                record, end = scan(text, self._at)
                comma = COMMA.match(text, end)
                if comma is None or comma.end() == len(text):
                    return
                yield self.line, text[self._at : end], record
                self._advance(comma.end())

    def stream(self) -> Iterator[Element]:
        """Yield values that stand one after the other, to the end of the file."""
        while self.next():
            yield self.element()

    def pairs(self) -> Iterator[str]:
        """Yield the keys of the object that begins here; who takes one reads its value."""
        self.expect("{")
        if self.next() == "}":
            self._advance(self._at + 1)
            return
        while True:
            _, text, _ = self.element()
            if not text.startswith('"'):
                raise self.broken("expected a key")
            self.expect(":")
            self.next()
            yield json.loads(text)
            if self.expect(",}") == "}":
                return

    def element(self) -> Element:
        """Return the value that begins here."""
        self.next()
        while True:
            if is_heavy(self._text, heaviest(self._longest), self._at):
                raise self.broken(too_heavy(self._longest))
            record, end, reason = self._scanned()
            # A number at the window's end may go on; an object or a string knows its end.
            if end and end < len(self._text):
                break
            if len(self._text) - self._at > self._longest:
                raise self.broken(f"a value is longer than {self._longest:,} bytes")
            if not self._more(max(CHUNK, len(self._text) - self._at)):
                if end:
                    break
                hint = _CUT if reason == UNCLOSED else _FORMS
                raise self.broken(f"not valid JSON: {reason}", hint)
        found = self.line, self._text[self._at : end], record
        self._advance(end)
        return found

    def _scanned(self) -> tuple[Any, int, str]:
        """Return the value in the window, where it ends (0: not here), and what is wrong."""
        try:
            record, end = scan(self._text, self._at)
        except Broken:
            record = None  # the text is whole JSON, perhaps: find its end
        except (StopIteration, ValueError, RecursionError) as error:
            return None, 0, fault(error)
        else:
            return record, end, ""
        try:
            return None, skip(self._text, self._at)[1], ""
        except (StopIteration, ValueError, RecursionError) as error:
            return None, 0, fault(error)

    def expect(self, marks: str) -> str:
        """Pass by one of `marks` and return it."""
        mark = self.next()
        if not mark or mark not in marks:
            wanted = " or ".join(repr(one) for one in marks)
            found = repr(mark) if mark else "the end of the file"
            raise self.broken(f"expected {wanted}, found {found}", _FORMS if mark else _CUT)
        self._advance(self._at + 1)
        return mark

    def next(self) -> str:
        """Move to the next character that is not blank and return it; empty at the end."""
        while True:
            found = NOT_BLANK.search(self._text, self._at)
            if found:
                self._advance(found.start())
                return found[0]
            self._advance(len(self._text))
            if not self._more(CHUNK):
                return ""

    def _advance(self, to: int) -> None:
        self.line += self._text.count("\n", self._at, to)
        self._at = to

    def _more(self, size: int) -> bool:
        data = self._file.read(size)
        self.position += len(data)
        try:
            more = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise self.broken("not valid UTF-8", _ENCODED) from error
        self._behind += len(self._text[: self._at].encode())
        self._text, self._at = self._text[self._at :] + more, 0
        return bool(data)

    def broken(self, reason: str, hint: str = _FORMS) -> SourceError:
        """Return the error for what stands here."""
        return SourceError(f"{self._origin}, line {self.line}: {reason}", hint=hint)


def chunks(
    window: Window, elements: Iterator[Element], rows: int, names: tuple[str, ...]
) -> Iterator[Chunk]:
    """Yield elements as records; `names` are those of the values of arrays."""
    chunk = Chunk()
    for number, text, found in elements:
        try:
            record = parse(text, names) if found is None else check(found, text, names)
            chunk.add(number, text, record)
        except Broken as error:
            chunk.broken.append((number, text, str(error)))
        if chunk.full(rows):
            chunk.position = window.position
            yield chunk
            chunk = Chunk()
    chunk.position = window.position
    yield chunk


def lists(window: Window, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Yield where in the value that begins here arrays of objects are: keys, byte, line.

    Only those that are reached through objects. The whole value is read: one that breaks off is
    an error.
    """
    mark = window.next()
    if mark == "{" and len(path) <= MAX_DEPTH:
        for key in window.pairs():
            yield from lists(window, (*path, key))
    elif mark == "[":
        place, first = (path, window.offset, window.line), True
        for _, text, _ in window.array(alone=False):
            if first and _RECORD.match(text):
                yield place
            first = False
    else:
        window.element()
