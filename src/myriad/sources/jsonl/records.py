"""JSON records with their lines, one a line or in one top-level array; broken ones are named.

Numbers with a point or an exponent stay text (`Number`): nothing goes through floating point.
"""

import codecs
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from myriad.errors import SourceError

BATCH_BYTES = 4 << 20
CHUNK = 1 << 20
SHOWN = 10_000  # bytes kept of a line that is too long to parse
MAX_DEPTH = 200  # what writes values again goes two calls deeper with each level
MANY_BLANK = 100  # one by one, millions of blank lines take minutes
LONGEST_NUMBER = 10_000  # digits; PostgreSQL's numeric ends at 16,383 behind the point
BOM = codecs.BOM_UTF8
BLANK = b" \t\r\n"
_NOT_BLANK = re.compile(r"[^ \t\r\n]")


class Number(str):
    """A number with a point or an exponent, as it was written."""

    __slots__ = ()


class Broken(Exception):
    """A record that is no JSON object, or one that PostgreSQL cannot hold."""


@dataclass
class Chunk:
    """Records of one batch; the lists go together.

    Attributes:
        broken: line, raw text and reason of records that cannot be loaded.
        position: bytes of the file read when the chunk was full.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    raws: list[str] = field(default_factory=list)
    broken: list[tuple[int, str, str]] = field(default_factory=list)
    size: int = 0
    position: int = 0

    def add(self, line: int, raw: str, record: dict[str, Any]) -> None:
        """Append a sound record."""
        self.records.append(record)
        self.lines.append(line)
        self.raws.append(raw)
        self.size += len(raw)

    def full(self, rows: int) -> bool:
        """Say whether it is time to pass it on."""
        return len(self.records) + len(self.broken) >= rows or self.size >= BATCH_BYTES


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = next(name for name, times in counted.items() if times > 1)
        raise Broken(f"the key {twice!r} stands twice in one object")
    return made


def _constant(name: str) -> None:
    raise Broken(f"{name} is not JSON")


def _number(token: str) -> Number:
    _, _, exponent = token.lower().partition("e")
    if len(token) > LONGEST_NUMBER or (exponent and abs(int(exponent)) > LONGEST_NUMBER):
        raise Broken("holds a number with more digits than PostgreSQL can keep")
    return Number(token)


# The scanner takes less than half the time of `json.loads`, which looks for blanks around.
_scan = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_constant=_constant
).scan_once  # type: ignore[attr-defined]  # the stubs leave it out
_skip = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # finds the end of a record that `_scan` refused


def parse(text: str) -> dict[str, Any]:
    """Return the one object that `text` is, without blanks around; raises Broken."""
    try:
        record, end = _scan(text, 0)
    except StopIteration as stop:
        raise Broken(f"not valid JSON at character {stop.value + 1}") from None
    except json.JSONDecodeError as error:
        raise Broken(f"not valid JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise Broken("nested too deeply") from None
    except ValueError as error:
        raise Broken(str(error)) from None  # a number of more than 4,300 digits
    if end != len(text):
        raise Broken(f"not valid JSON: more text after character {end}")
    _check(record, text)
    return record  # type: ignore[no-any-return]  # _check saw that it is an object


def _check(record: object, text: str) -> None:
    if not isinstance(record, dict):
        raise Broken("not an object")
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(record) > MAX_DEPTH:
        raise Broken(f"nested more than {MAX_DEPTH} levels deep")
    if "\\u" in text:
        for string in _strings(record):
            if "\0" in string:
                raise Broken("holds \\u0000, which Myriad takes into neither engine")
            if not string.isascii() and any("\ud800" <= c <= "\udfff" for c in string):
                raise Broken("holds half of a surrogate pair, which is no character")


def _depth(record: object) -> int:
    depth, level = 0, list[Any]([record])
    while level:
        depth += 1
        inner: list[Iterable[Any]] = [v.values() if isinstance(v, dict) else v for v in level]
        level = [value for values in inner for value in values if isinstance(value, (dict, list))]
    return depth


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def chunks(path: Path, origin: str, rows: int, longest: int) -> Iterator[Chunk]:
    """Yield the file's records; lines over `longest` bytes are broken.

    Raises SourceError where the rest cannot be made out: an array that breaks off.
    """
    with path.open("rb") as file:
        start = _first_byte(file)
        yield from (
            _array_chunks(file, origin, rows, longest)
            if start == b"["
            else _line_chunks(file, rows, longest)
        )


def is_array(path: Path) -> bool:
    """Say whether the file is one array, not a record a line."""
    with path.open("rb") as file:
        return _first_byte(file) == b"["


def _first_byte(file: BinaryIO) -> bytes:
    """Return the first byte that is not blank, and leave the file behind its BOM."""
    begin = len(BOM) if file.read(len(BOM)) == BOM else 0
    file.seek(begin)
    found = b""
    while not found and (data := file.read(CHUNK)):
        found = data.lstrip(BLANK)[:1]
    file.seek(begin)
    return found


def _line_chunks(file: BinaryIO, rows: int, longest: int) -> Iterator[Chunk]:
    chunk, number = Chunk(), _skip_blank_lines(file)
    position = file.tell()
    blank = 0
    while line := file.readline(longest + 1):
        number += 1
        position += len(line)
        blank = 0 if line.strip(BLANK) else blank + 1
        if blank == MANY_BLANK:
            number += _skip_blank_lines(file)
            position, blank = file.tell(), 0
            continue
        if len(line) > longest:
            position += _skip_line(file, line)
            reason = f"the line is longer than {longest:,} bytes"
            chunk.broken.append((number, _shown(line[:SHOWN]), reason))
        else:
            _add_line(chunk, number, line)
        if chunk.full(rows):
            chunk.position = position
            yield chunk
            chunk = Chunk()
    chunk.position = position
    yield chunk


def _skip_blank_lines(file: BinaryIO) -> int:
    """Go to the first byte that is not blank; return how many lines ended before it."""
    lines = 0
    while data := file.read(CHUNK):
        rest = data.lstrip(BLANK)
        lines += data.count(b"\n", 0, len(data) - len(rest))
        if rest:
            file.seek(-len(rest), os.SEEK_CUR)
            break
    return lines


def parsed(lines: Iterable[bytes]) -> Chunk:
    """Return whole lines from somewhere in a file as one chunk, numbered from 1."""
    chunk = Chunk()
    for number, line in enumerate(lines, 1):
        _add_line(chunk, number, line)
    return chunk


def _skip_line(file: BinaryIO, line: bytes) -> int:
    skipped = 0
    while line and not line.endswith(b"\n"):
        line = file.readline(CHUNK)
        skipped += len(line)
    return skipped


def _add_line(chunk: Chunk, number: int, line: bytes) -> None:
    line = line.strip(BLANK)
    if not line:
        return
    try:
        text = line.decode()
        chunk.add(number, text, parse(text))
    except UnicodeDecodeError as error:
        reason = f"not valid UTF-8 at byte {error.start + 1}"
        chunk.broken.append((number, _shown(line), reason))
    except Broken as error:
        chunk.broken.append((number, text, str(error)))


def _shown(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace")


def _array_chunks(file: BinaryIO, origin: str, rows: int, longest: int) -> Iterator[Chunk]:
    elements = _Array(file, origin, longest)
    chunk = Chunk()
    for number, text, record in elements:
        try:
            if record is None:
                chunk.add(number, text, parse(text))
            else:
                _check(record, text)
                chunk.add(number, text, record)
        except Broken as error:
            chunk.broken.append((number, text, str(error)))
        if chunk.full(rows):
            chunk.position = elements.position
            yield chunk
            chunk = Chunk()
    chunk.position = elements.position
    yield chunk


class _Array:
    """The elements of a top-level array as text, read with a window that slides over the file."""

    def __init__(self, file: BinaryIO, origin: str, longest: int) -> None:
        self._file, self._origin, self._longest = file, origin, longest
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text, self._at, self._line = "", 0, 1
        self.position = 0

    def __iter__(self) -> Iterator[tuple[int, str, Any]]:
        self._expect("[")
        if self._next() == "]":
            self._advance(self._at + 1)
        else:
            while True:
                yield self._element()
                if self._expect(",]") == "]":
                    break
        if self._next():
            raise self._broken("there is more after the array")

    def _element(self) -> tuple[int, str, Any]:
        """Return an element's line, its text, and what it is; None if it is broken inside."""
        self._next()
        while True:
            record, end, reason = self._scanned()
            # A number at the window's end may go on; an object or a string knows its end.
            if end and end < len(self._text):
                break
            if len(self._text) - self._at > self._longest:
                raise self._broken(f"a value is longer than {self._longest:,} bytes")
            if not self._more(max(CHUNK, len(self._text) - self._at)):
                if end:
                    break
                raise self._broken(f"not valid JSON: {reason}")
        found = self._line, self._text[self._at : end], record
        self._advance(end)
        return found

    def _scanned(self) -> tuple[Any, int, str]:
        """Return the value in the window, where it ends (0: not here), and what is wrong."""
        try:
            record, end = _scan(self._text, self._at)
        except Broken:
            record = None  # the text is whole JSON, perhaps: find its end
        except (StopIteration, ValueError, RecursionError) as error:
            return None, 0, getattr(error, "msg", "no value begins here")
        else:
            return record, end, ""
        try:
            return None, _skip(self._text, self._at)[1], ""
        except (StopIteration, ValueError, RecursionError) as error:
            return None, 0, getattr(error, "msg", "no value begins here")

    def _expect(self, marks: str) -> str:
        mark = self._next()
        if not mark or mark not in marks:
            wanted = " or ".join(repr(one) for one in marks)
            raise self._broken(
                f"expected {wanted}, found {repr(mark) if mark else 'the end of the file'}"
            )
        self._advance(self._at + 1)
        return mark

    def _next(self) -> str:
        """Move to the next character that is not blank and return it; empty at the end."""
        while True:
            found = _NOT_BLANK.search(self._text, self._at)
            if found:
                self._advance(found.start())
                return found[0]
            self._advance(len(self._text))
            if not self._more(CHUNK):
                return ""

    def _advance(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _more(self, size: int) -> bool:
        data = self._file.read(size)
        self.position += len(data)
        try:
            more = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise self._broken("not valid UTF-8") from error
        self._text, self._at = self._text[self._at :] + more, 0
        return bool(data)

    def _broken(self, reason: str) -> SourceError:
        return SourceError(
            f"{self._origin}, line {self._line}: {reason}",
            hint="A .json file must be one array of objects, or one object a line.",
        )
