"""JSON records with their lines, one a line or in one top-level array; broken ones are named.

Numbers with a point or an exponent stay text (`Number`): nothing goes through floating point.
"""

import codecs
import gc
import json
import os
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from myriad.wording import number_of

BATCH_BYTES = 4 << 20
CHUNK = 1 << 20
SHOWN = 10_000  # bytes kept of a line that is too long to parse
MAX_DEPTH = 200  # what writes values again goes two calls deeper with each level
BLOCK = 256 << 10  # bytes that are cut into lines at once
SOME = 128  # lines that are passed on at once
LIGHT = 1 << 20  # characters of a record that are parsed whatever is in it
# Bytes that parsed JSON takes, and what is made of it on the way, measured for a million of each.
_WEIGHTS = {":": 420, "{": 150, "[": 100, ",": 100}
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
CONSTANTS = frozenset({"NaN", "Infinity", "-Infinity"})  # no JSON, and written all the same
SHORT = 20
LONGEST_NUMBER = 10_000  # digits; PostgreSQL's numeric ends at 16,383 behind the point
BOM = codecs.BOM_UTF8
BLANK = b" \t\r\n"
NOT_BLANK = re.compile(r"[^ \t\r\n]")


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


def is_heavy(text: str, most: int, begin: int = 0) -> bool:
    """Say whether what a text holds from `begin` on would take more than `most` bytes, parsed.

    Twelve bytes of a key and its value take thirty times as many.
    """
    if len(text) - begin <= LIGHT:
        return False
    text = text[begin:]
    return _weight(text) > most and _weight(_STRING.sub('""', text)) > most


def heaviest(longest: int) -> int:
    """Return how many bytes a record may take when it is parsed, if it may have `longest`."""
    return 8 * longest


def too_heavy(longest: int) -> str:
    """Return the reason for which a record is not even parsed."""
    return f"it holds so many values that they would take more than {heaviest(longest) >> 20:,} MB"


def _weight(text: str) -> int:
    return len(text) + sum(text.count(mark) * size for mark, size in _WEIGHTS.items())


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = next(name for name, times in counted.items() if times > 1)
        raise Broken(f"the key {twice!r} stands twice in one object")
    return made


def _constant(name: str) -> Number:
    return Number(name)


def _number(token: str) -> Number:
    if len(token) < SHORT and "e" not in token and "E" not in token:
        return Number(token)
    _, _, exponent = token.lower().partition("e")
    if len(token) > LONGEST_NUMBER or (exponent and abs(int(exponent)) > LONGEST_NUMBER):
        raise Broken("holds a number with more digits than PostgreSQL can keep")
    return Number(token)


# The scanner takes less than half the time of `json.loads`, which looks for blanks around.
scan = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_constant=_constant
).scan_once  # type: ignore[attr-defined]  # the stubs leave it out
skip = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # finds the end of a record that `scan` refused


UNCLOSED = "a text that is not closed"


def fault(error: Exception) -> str:
    """Return what is wrong with a text that is no JSON, for people."""
    said: str = getattr(error, "msg", "no value begins here")
    return UNCLOSED if said.startswith("Unterminated") else said


def parse(text: str, names: Sequence[str] = ()) -> dict[str, Any]:
    """Return the one object that `text` is, without blanks around; raises Broken.

    `names` are those of the values where records are arrays.
    """
    try:
        record, end = scan(text, 0)
    except StopIteration as stop:
        raise Broken(f"not valid JSON at character {stop.value + 1}") from None
    except json.JSONDecodeError as error:
        raise Broken(f"not valid JSON: {fault(error)} at character {error.pos + 1}") from None
    except RecursionError:
        raise Broken("nested too deeply") from None
    except ValueError as error:
        raise Broken(str(error)) from None  # a number of more than 4,300 digits
    if end != len(text):
        raise Broken(f"not valid JSON: more text after character {end}")
    return check(record, text, names)


def check(record: object, text: str, names: Sequence[str] = ()) -> dict[str, Any]:
    """Return a parsed record as an object; raises Broken if it is none, or cannot be kept."""
    if names and isinstance(record, list):
        if len(record) != len(names):
            raise Broken(
                f"has {number_of(len(record), 'value')} for {number_of(len(names), 'column')}"
            )
        record = dict(zip(names, record, strict=True))
    if names and not isinstance(record, dict):
        raise Broken("not an array")
    if not isinstance(record, dict):
        raise Broken("not an object")
    if _may_be_deep(text) and _depth(record) > MAX_DEPTH:
        raise Broken(f"nested more than {MAX_DEPTH} levels deep")
    if "\\u" in text:
        for string in _strings(record):
            if "\0" in string:
                raise Broken("holds \\u0000, which Myriad takes into neither engine")
            if not string.isascii() and any("\ud800" <= c <= "\udfff" for c in string):
                raise Broken("holds half of a surrogate pair, which is no character")
    return record


def _may_be_deep(text: str, others: int = 0) -> bool:
    return text.count("[") + text.count("{") - others > MAX_DEPTH


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


def first_byte(file: BinaryIO) -> bytes:
    """Return the first byte that is not blank, and leave the file behind its BOM."""
    begin = len(BOM) if file.read(len(BOM)) == BOM else 0
    file.seek(begin)
    found = b""
    while not found and (data := file.read(CHUNK)):
        found = data.lstrip(BLANK)[:1]
    file.seek(begin)
    return found


def line_chunks(
    file: BinaryIO, rows: int, longest: int, names: Sequence[str] = ()
) -> Iterator[Chunk]:
    """Yield the records of a file with one a line, at most `rows` at once."""
    chunk, lines, step = Chunk(), Lines(names), min(SOME, rows)
    for number, some in _some_lines(file, longest, step):
        if reason := _refused(some[0], longest):
            chunk.broken.append((number, _shown(some[0][:SHOWN]), reason))
        else:
            lines.add(number, some)
        if lines.full(rows - len(chunk.broken) - step + 1):
            lines.parsed(chunk)
            chunk.position = file.tell()
            yield chunk
            chunk, lines = Chunk(), Lines(names)
    lines.parsed(chunk)
    chunk.position = file.tell()
    yield chunk


def _some_lines(file: BinaryIO, longest: int, step: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield up to `step` lines and the first's number; a long one alone, cut if it is too long."""
    number = 1 + _skip_blank_lines(file)
    while block := file.read(min(BLOCK, longest)):
        end = block.rfind(b"\n")
        file.seek(end + 1 - len(block), os.SEEK_CUR)
        if end < 0:
            line = file.readline(longest + 1)
            yield number, [line]
            _skip_line(file, line)
            number += 1
        elif block[:end].strip(BLANK):
            lines = block[:end].split(b"\n")
            for at in range(0, len(lines), step):
                yield number + at, lines[at : at + step]
            number += len(lines)
        else:  # one by one, millions of blank lines take minutes
            number += block.count(b"\n")


def _refused(line: bytes, longest: int) -> str:
    """Return the reason for which a line is not even parsed; else nothing."""
    if len(line) > longest:
        return f"the line is longer than {longest:,} bytes"
    if len(line) > LIGHT and is_heavy(line.decode(errors="replace"), heaviest(longest)):
        return too_heavy(longest)
    return ""


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


def parsed(lines: Sequence[bytes], names: Sequence[str] = ()) -> Chunk:
    """Return whole lines from somewhere in a file as one chunk, numbered from 1."""
    chunk, found = Chunk(), Lines(names)
    found.add(1, lines)
    found.parsed(chunk)
    return chunk


def _skip_line(file: BinaryIO, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = file.readline(CHUNK)


class Lines:
    """Lines with a record each, which are parsed at once: that takes half as long as one by one."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names, self._size = names, 0
        self._numbers, self._lines = list[int](), list[bytes]()

    def add(self, first: int, lines: Sequence[bytes]) -> None:
        """Append lines that follow each other, but for blank ones; `first`: the first's number."""
        plain = [line.strip(BLANK) for line in lines]
        numbers: Sequence[int] = range(first, first + len(lines))
        if not all(plain):
            numbers = [number for number, line in zip(numbers, plain, strict=True) if line]
            plain = list(filter(None, plain))
        self._numbers += numbers
        self._lines += plain
        self._size += sum(map(len, plain))

    def full(self, rows: int) -> bool:
        """Say whether it is time to parse them."""
        return len(self._lines) >= rows or self._size >= BATCH_BYTES

    def parsed(self, chunk: Chunk) -> None:
        """Add their records to a chunk, and those that are none to its broken ones."""
        found = None if self._names else self._at_once()
        if found is None:
            for number, line in zip(self._numbers, self._lines, strict=True):
                _add_line(chunk, number, line, self._names)
            return
        chunk.records, chunk.raws = found
        chunk.lines, chunk.size = self._numbers, self._size

    def _at_once(self) -> tuple[list[dict[str, Any]], list[str]] | None:
        """Return all records and their texts, None if one of them is none.

        As one array, with a text between two lines that nobody can know: where all of these are
        every second value of the array, each line is one value.
        """
        mark = secrets.token_hex(16)
        try:
            raws = [line.decode() for line in self._lines]
            whole = f',"{mark}",'.join(raws)
            with _uncollected():
                values, end = scan(f"[{whole}]", 0)
            records = values[::2]
            if (
                end != len(whole) + 2
                or len(records) != len(raws)
                or values[1::2].count(mark) != len(raws) - 1
                or set(map(type, records)) != {dict}
            ):
                return None
            others = len(records) - 1  # each of which has a brace
            if "\\u" in whole or (_may_be_deep(whole, others) and any(map(_may_be_deep, raws))):
                for record, raw in zip(records, raws, strict=True):
                    check(record, raw)
        except (Broken, StopIteration, ValueError, RecursionError):
            return None
        return records, raws


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let Python look for no cycles meanwhile: JSON has none, and it takes a third longer."""
    was = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if was:
            gc.enable()


def _add_line(chunk: Chunk, number: int, line: bytes, names: Sequence[str]) -> None:
    try:
        text = line.decode()
        chunk.add(number, text, parse(text, names))
    except UnicodeDecodeError as error:
        reason = f"not valid UTF-8 at byte {error.start + 1}"
        chunk.broken.append((number, _shown(line), reason))
    except Broken as error:
        chunk.broken.append((number, text, str(error)))


def _shown(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace")
