"""How records stand in a JSON file: one a line, in an array, within a document, in a row."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from myriad.errors import SourceError
from myriad.sources.base import OPENING, Tell, nobody
from myriad.sources.counting.aside import Stopped
from myriad.sources.jsonl import count, records, window
from myriad.sources.jsonl.records import Chunk
from myriad.sources.jsonl.window import Window
from myriad.sources.places.files import Told

WHOLE = "."  # as `--records`: the document itself is the record
FIRST = 64 << 10  # bytes that tell whether there is a record a line
MOST_PLACES = 1000  # of lists in a document, of which one must be named
SHOWN = 10  # places or keys in a message


class Form(Enum):
    """What the records are to each other."""

    LINES = "one a line"
    ARRAY = "in an array"
    STREAM = "one after the other"


@dataclass(frozen=True)
class Layout:
    """Where the records of a file are.

    Attributes:
        begin: the byte at which their array begins.
        line: the line of that.
        path: the keys that lead there.
        names: of the values of records that are arrays; empty: they are objects.
        headed: the first record is those names.
    """

    form: Form = Form.LINES
    begin: int = 0
    line: int = 1
    path: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    headed: bool = False
    note: str = ""

    def chunks(self, path: Path, origin: str, rows: int, longest: int) -> Iterator[Chunk]:
        """Yield the records; lines over `longest` bytes are broken.

        Raises SourceError where the rest cannot be made out: an array that breaks off.
        """
        with path.open("rb") as file:
            records.first_byte(file)
            if self.form is Form.LINES:
                found = records.line_chunks(file, rows, longest, self.names)
            else:
                if self.begin:
                    file.seek(self.begin)
                view = Window(file, origin, longest, self.line)
                array = self.form is Form.ARRAY
                elements = view.array(alone=not self.path) if array else view.stream()
                found = window.chunks(view, elements, rows, self.names)
            yield from self._without_header(found) if self.headed else found

    @staticmethod
    def _without_header(found: Iterator[Chunk]) -> Iterator[Chunk]:
        first = next(found)
        for each in (first.records, first.lines, first.raws):
            del each[:1]
        yield first
        yield from found

    def count(self, path: Path, stopped: Stopped) -> int:
        """Return how many records there are, as found without parsing them."""
        if self.form is Form.LINES:
            return count.lines(path, stopped) - self.headed
        if self.form is Form.STREAM:
            return count.values(path, stopped)
        return count.elements(path, stopped, self.begin) - self.headed


def found(
    path: Path,
    origin: str,
    longest: int,
    asked: str | None,
    *,
    whole: bool = False,
    tell: Tell = nobody,
) -> Layout:
    """Return how the records of a file stand; `asked`: what leads to them, as `--records` has it.

    `whole`: a document with several lists is one record. `tell` takes how much was looked at.
    Raises SourceError.
    """
    with path.open("rb") as file:
        start = records.first_byte(file)
        head = _first(file, longest)
    if start == b"[":
        layout = _arrays(Layout(Form.ARRAY), path, origin, longest)
        layout = _lines_of_arrays(head) or layout
    elif asked is None and _is_lines(head):
        return Layout()
    else:
        with path.open("rb") as file:
            records.first_byte(file)
            view = Window(cast("BinaryIO", Told(file, OPENING, origin, tell)), origin, longest)
            return _document(view, origin, asked, whole=whole)
    if asked not in (None, WHOLE):
        raise SourceError(
            f"{origin}: the file is a list already: there is no {asked!r} to look for",
            hint="Publish it without --records.",
        )
    return layout


def is_array(path: Path) -> bool:
    """Say whether a file begins as an array does."""
    with path.open("rb") as file:
        return records.first_byte(file) == b"["


def _first(file: BinaryIO, longest: int) -> bytes:
    """Return the first lines of a file, or the whole of a long one and what comes next."""
    begin, head = file.tell(), file.read(FIRST)
    if b"\n" in head.lstrip(records.BLANK) or len(head) < FIRST:
        return head
    file.seek(begin + len(head) - len(head.lstrip(records.BLANK)))
    return file.readline(longest + 1) + file.read(FIRST)


def _is_lines(head: bytes) -> bool:
    """Say whether a file that begins so has a record a line."""
    *whole, rest = head.lstrip(records.BLANK).split(b"\n")
    lines = [line for line in whole if line.strip(records.BLANK)][:20]
    if not lines:
        return False  # a line without an end
    if len(lines) == 1 and _ends(lines[0]) and not rest.strip(records.BLANK):
        return False  # one object: a document of a line
    sound = sum(_ends(line) for line in lines)
    if _ends(lines[0]):
        return sound == len(lines) or not _goes_over(whole)
    return 2 * sound > len(lines) or not (_opens(lines[0]) or _goes_on(lines[0]))


def _ends(line: bytes) -> bool:
    """Say whether a line is one JSON value."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _goes_over(lines: Sequence[bytes]) -> bool:
    """Say whether the first line that is no value is the beginning of one that ends on another."""
    filled = [line for line in lines if line.strip(records.BLANK)]
    begin = next((number for number, line in enumerate(filled) if not _ends(line)), len(filled))
    text = b"\n".join(filled[begin:]).decode(errors="replace")
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return "\n" in text[:end]


def _opens(line: bytes) -> bool:
    """Say whether a line is the beginning of a value that ends on another."""
    text = line.decode(errors="replace").rstrip()
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.pos >= len(text) or error.msg.startswith("Unterminated")
    except (ValueError, RecursionError):
        return True
    return False


def _goes_on(line: bytes) -> bool:
    """Say whether one object follows another on a line."""
    try:
        _, end = json.JSONDecoder().raw_decode(line.decode(errors="replace").lstrip())
    except (ValueError, RecursionError):
        return False
    return line.decode(errors="replace").lstrip()[end:].lstrip().startswith("{")


def _document(view: Window, origin: str, asked: str | None, *, whole: bool) -> Layout:
    if view.next() != "{":
        return Layout()  # whoever reads it says what is wrong
    places = list(islice(window.lists(view), MOST_PLACES))
    more = view.next() if len(places) < MOST_PLACES else ""
    if asked == WHOLE or (more and asked is None):
        return Layout(Form.STREAM)
    if more:
        raise SourceError(
            f"{origin}: objects stand one after the other: there is no one {asked!r}",
            hint="Publish it without --records: each is a record.",
        )
    if asked is not None:
        return _asked(places, asked, origin)
    if not places or (whole and len(places) > 1):
        return Layout(Form.STREAM)
    if len(places) > 1:
        named = [_written(keys) for keys, _, _ in places[:SHOWN]]
        raise SourceError(
            f"{origin}: it has several lists of records: {', '.join(named)}",
            hint=f"Say which: --records {named[0]}; or each becomes a table: --nested tables;"
            f" or all is one record: --records {WHOLE}",
        )
    (keys, begin, line), *_ = places
    note = (
        f"the records are those of {_written(keys)}; what else the document says is left out"
        f" (--records {WHOLE} makes one record of all)"
    )
    return Layout(Form.ARRAY, begin, line, keys, note=note)


def _asked(places: Sequence[tuple[tuple[str, ...], int, int]], asked: str, origin: str) -> Layout:
    for keys, begin, line in places:
        if asked in (_written(keys), "/" + "/".join(map(_escaped, keys))):
            others = [_written(other) for other, _, _ in places[: SHOWN + 1] if other != keys]
            note = f"not read: {', '.join(others)}" if others else ""
            return Layout(Form.ARRAY, begin, line, keys, note=note)
    known = ", ".join(_written(keys) for keys, _, _ in places[:SHOWN])
    raise SourceError(
        f"{origin}: there is no list of objects at {asked!r}",
        hint=f"There is: {known}." if known else "There is none in it: publish without --records.",
    )


def _written(keys: Sequence[str]) -> str:
    """Return keys as `--records` takes them: joined by dots, or else as a JSON pointer."""
    if any("." in key or "/" in key or not key for key in keys):
        return "/" + "/".join(map(_escaped, keys))
    return ".".join(keys)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")  # RFC 6901, section 3


def _lines_of_arrays(head: bytes) -> Layout | None:
    """Return the layout of a file with an array a line, None if it is none."""
    lines = [line for line in head.split(b"\n")[:3] if line.strip(records.BLANK)]
    if len(lines) < 2 or not all(_ends(line) for line in lines[:2]):  # noqa: PLR2004 - two lines
        return None
    one, two = (json.loads(line) for line in lines[:2])
    if not (isinstance(one, list) and isinstance(two, list)):
        return None
    return _named(Layout(Form.LINES), one, two)


def _arrays(layout: Layout, path: Path, origin: str, longest: int) -> Layout:
    """Name the values of an array's elements, if these are arrays themselves."""
    with path.open("rb") as file:
        records.first_byte(file)
        try:
            elements = islice(Window(file, origin, longest).array(alone=False), 2)
            first = [found for _, _, found in elements]
        except SourceError:
            return layout  # whoever reads it says what is wrong
    if not first or not all(isinstance(each, list) for each in first):
        return layout
    return _named(layout, first[0], first[-1])


def _named(layout: Layout, one: list[Any], two: list[Any]) -> Layout:
    """Take names from the first array, if it holds texts only and the second does not."""
    texts = all(isinstance(value, str) and value for value in one)
    if texts and len(set(one)) == len(one) and not all(isinstance(v, str) for v in two):
        return replace(layout, names=tuple(one), headed=True)
    names = tuple(f"column_{number}" for number in range(1, len(one) + 1))
    return replace(layout, names=names, note="the records are arrays: their values have no names")
