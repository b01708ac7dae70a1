"""What stands around a table in its file: a title, comments, a second header row, footnotes.

Lines are taken out only where the others agree on how many fields a record has. Whatever is cut
short or broken stays a record, which is refused as such.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from myriad.sources.csv import dialect as dialects
from myriad.sources.options import ReadOptions
from myriad.sources.places import files, text_files
from myriad.sources.typing.words import NULLS, is_total, whole_total

MOST = 30  # lines above or below a table
SHOWN, SHOWN_TEXT = 5, 60  # lines in the report, and characters of each
SURE = 0.7  # of the records that have several fields must have equally many
_LOOKED_AT = 64 << 10
_SEPARATOR = re.compile(r"sep=(.)", re.IGNORECASE)
_COMMENT = re.compile(r"\s*(#|//)")
_DIGIT = re.compile(r"\d")
_LETTERS = re.compile(r"[^\W\d_]")
_NAMED = re.compile(r":(\s|$)")
_ENDS = re.compile(r"[.)!]\W*$")


class Line(NamedTuple):
    """A line that is no record: its number (1-based), what it says, and why it is none."""

    number: int
    text: str
    why: str


@dataclass(frozen=True)
class Layout:
    """What is no record of a table.

    Attributes:
        above, below: those before the names of columns, and behind the last record.
        blank: so many first lines are to be left out: `above`, and all blank ones between.
        end: bytes of the file up to what is `below`; None: all.
        over: the upper of two header rows, its empty fields filled from the left.
        delimiter: what the file itself says.
        last: a note on the last record.
    """

    above: tuple[Line, ...] = ()
    below: tuple[Line, ...] = ()
    blank: int = 0
    end: int | None = None
    over: tuple[str, ...] = ()
    delimiter: str | None = None
    last: str = ""

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines that are no records."""
        return (*self.above, *self.below)

    @property
    def notes(self) -> list[str]:
        """What a person should know of it."""
        found = [
            f"line {line.number} is no data, {line.why}: {_short(line.text)!r}"
            for line in self.lines[:SHOWN]
        ]
        more = len(self.lines) - SHOWN
        found += [f"{more} more lines are no data: see the rejects"] if more > 0 else []
        found += ["two header rows: the names are of both"] if self.over else []
        return [*found, *filter(None, [self.last])]


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_TEXT else f"{text[:SHOWN_TEXT]}…"


@dataclass
class _Form:
    """How the records around are written.

    Attributes:
        width: fields of a record.
    """

    delimiter: str
    quote: str
    width: int
    records: list[list[str]] = field(default_factory=list)

    @cached_property
    def headed(self) -> bool:
        """Whether the first record names columns of numbers: a word above it is a title."""
        whole = [record for record in self.records if len(record) == self.width]
        names = next((record for record in whole if _is_record(record, self.width)), [])
        below = whole[whole.index(names) + 1 :] if names else []
        numbers = [all(map(_DIGIT.search, column)) for column in zip(*below, strict=True)]
        named = len(below) > 1 and all(
            name.strip() and dialects.is_name(name) and name.strip() not in NULLS for name in names
        )
        return named and any(
            number and not _DIGIT.search(name) for number, name in zip(numbers, names, strict=False)
        )

    def fields(self, line: str) -> list[str]:
        try:
            return next(csv.reader([line], delimiter=self.delimiter, quotechar=self.quote), [])
        except csv.Error:  # a line end of another kind within it
            return []


def find(path: Path, options: ReadOptions, *, tabs: bool) -> Layout:
    """Return what stands around the table in a UTF-8 file."""
    start = files.head(path, _LOOKED_AT)
    text = start.decode("utf-8-sig", "replace")
    newline = "\r" if "\r" in text and "\n" not in text else "\n"
    lines = [line.rstrip("\r") for line in text.split(newline)]
    said = _SEPARATOR.fullmatch(lines[0]) if lines and not options.skip else None
    delimiter = options.delimiter or (said[1] if said else None)
    first = int(said is not None)
    above = [Line(1, lines[0], "it says what separates fields")] if said else []
    quote = options.quote or dialects.quote_of(text, path)
    form = _form(newline.join(lines[first:]), delimiter, quote, tabs=tabs)
    result = Layout(tuple(above), blank=first, delimiter=said[1] if said else None)
    if form is None:
        return result
    if not options.skip and options.header is None:
        result = _above(lines, first, form, result)
    below, end = _below(path, newline.encode(), form, result.blank)
    last = "" if end is not None else _last(path, newline.encode(), form)
    return Layout(result.above, below, result.blank, end, result.over, result.delimiter, last)


def _form(text: str, delimiter: str | None, quote: str, *, tabs: bool) -> _Form | None:
    chosen = delimiter or ("\t" if tabs else dialects.delimiter_of(text, quote))
    if len(chosen) != 1:
        return None
    records = dialects.records_of(text, chosen, quote)
    widths = Counter(len(record) for record in records if len(record) > 1)
    width, count = max(widths.items(), key=lambda item: item[1], default=(1, 0))
    sure = width > 1 and count > 1 and count >= SURE * widths.total()
    return _Form(chosen, quote, width, records) if sure else None


def _above(lines: Sequence[str], first: int, form: _Form, said: Layout) -> Layout:
    above = list(said.above)
    for number, line in enumerate(lines[first : first + MOST], first):
        if not line.strip():
            continue
        fields = form.fields(line)
        if _is_record(fields, form.width):
            over = _over(lines[number : number + 2], form)
            above = above if len(above) > len(said.above) or first else list(said.above)
            blank = number + 1 if over else (number if above else 0)
            return Layout(tuple(above), (), blank, None, over, said.delimiter)
        after = lines[number + 1].strip() if number + 1 < len(lines) else ""
        why = _title(line, fields, form, alone=not after)
        if not why:
            break
        above.append(Line(number + 1, line, why))
    return said


def _is_record(fields: Sequence[str], width: int) -> bool:
    some = sum(bool(value.strip()) for value in fields)
    trailing = len(fields) == width + 1 and not fields[-1].strip()
    return (len(fields) == width or trailing) and some > 1 and 2 * some >= width


def _title(line: str, fields: Sequence[str], form: _Form, *, alone: bool) -> str:
    """Say why a line above the table is none of it; empty if it may be."""
    some = sum(bool(value.strip()) for value in fields)
    if form.quote in line:
        return ""
    if _COMMENT.match(line) and len(fields) != form.width:
        return "a comment"
    if not _LETTERS.search(line):
        return ""
    sure = some == 1 and (alone or " " in line.strip() or form.headed)
    if len(fields) == form.width:
        padded = form.width > 2 or form.headed  # noqa: PLR2004 - one of three
        return "a title" if sure and padded else ""
    if sure:
        return "a title"
    named = fields[0].rstrip().endswith(":") and len(fields) < form.width
    return "a title" if named or (2 * some <= form.width and _NAMED.search(line)) else ""


def _over(lines: Sequence[str], form: _Form) -> tuple[str, ...]:
    """Return the upper of two header rows, its empty fields filled from the left; none for one."""
    if len(lines) < 2 or any(form.quote in line for line in lines):  # noqa: PLR2004 - two rows
        return ()
    upper, lower = map(form.fields, lines)
    begin = next((at for at, record in enumerate(form.records) if record == lower), 0)
    below = [record for record in form.records[begin + 1 :] if len(record) == form.width]
    if not (len(upper) == len(lower) == form.width and len(below) > 1 and begin):
        return ()
    values = [
        at for at in range(form.width) if all(dialects.is_value(record[at]) for record in below)
    ]
    told = [lower[at].strip() for at in values if lower[at].strip()]
    names = all(map(dialects.is_name, upper)) and all(
        not dialects.is_value(each) and each not in NULLS for each in told
    )
    if not names or len(told) < 2 or 2 * len(told) < len(values):  # noqa: PLR2004 - one may be odd
        return ()
    return _filled(upper)


def _filled(fields: Sequence[str]) -> tuple[str, ...]:
    filled: list[str] = []
    for value in fields:
        filled.append(value.strip() or (filled[-1] if filled else ""))
    return tuple(filled)


def _below(
    path: Path, newline: bytes, form: _Form, first: int
) -> tuple[tuple[Line, ...], int | None]:
    """Return the lines behind the last record, and where they begin."""
    found: list[tuple[int, str, str]] = []
    blank_behind = False
    for offset, line, ended in _from_end(path, newline):
        if not line.strip():
            blank_behind = True
            continue
        if found and blank_behind:
            found = [(at, text, why or "a footnote") for at, text, why in found]
        fields = form.fields(line)
        why = _footnote(line, fields, form, ended=ended)
        if why is None or len(found) >= MOST:
            break
        found.append((offset, line, why))
        blank_behind = False
    else:
        return (), None  # nothing else there: it is no table with something below
    sure = found if blank_behind or not found else found[: _first_unsure(found)]
    if not sure:
        return (), None
    end = min(offset for offset, _, _ in sure)
    before = _lines_before(path, end, newline)
    if before <= first + 1:
        return (), None
    return _numbered(sure, path, end, newline, before), end


def _last(path: Path, newline: bytes, form: _Form) -> str:
    """Return a note on a last line that may be a total, and is a record as others are."""
    lines = (line for _, line, _ in _from_end(path, newline) if line.strip())
    fields = [value.strip() for value in form.fields(next(lines, ""))]
    whole = len(fields) == form.width and all(fields)
    return whole_total(fields[0]) if whole and is_total(fields, form.width + 1) else ""


def _first_unsure(found: Sequence[tuple[int, str, str]]) -> int:
    return next((at for at, (_, _, why) in enumerate(found) if not why), len(found))


def _numbered(
    found: Sequence[tuple[int, str, str]], path: Path, end: int, newline: bytes, before: int
) -> tuple[Line, ...]:
    tail = files.head(path, path.stat().st_size - end, end)
    return tuple(
        Line(before + tail[: offset - end].count(newline) + 1, text, why or "a footnote")
        for offset, text, why in sorted(found)
    )


def _footnote(line: str, fields: Sequence[str], form: _Form, *, ended: bool) -> str | None:
    """Say why a line below a table is none of it.

    Empty where it is none if a blank line is before it; None if it may be one.
    """
    some = [value.strip() for value in fields if value.strip()]
    if not some or form.quote in line or not _LETTERS.search(line):
        return None
    if is_total(some, form.width):
        return "a total"
    if len(fields) == form.width:
        return "" if len(some) == 1 and " " in some[0] and form.width > 2 else None  # noqa: PLR2004
    if 2 * len(some) > max(form.width, 2):
        return None
    words = len(some) == 1 and " " in some[0]
    return "a footnote" if words and (ended or _ENDS.search(line)) else ""


def _from_end(path: Path, newline: bytes) -> Iterator[tuple[int, str, bool]]:
    """Yield the last lines, the last first: offset, text, whether it has an end."""
    size = path.stat().st_size
    begin = max(0, size - _LOOKED_AT)
    data = files.head(path, size - begin, begin)
    end, ended = len(data), data.endswith(newline)
    end -= len(newline) if ended else 0
    while end > 0:
        start = data.rfind(newline, 0, end) + 1
        if start == 0 and begin:
            return  # a line that is cut
        text = data[start:end].decode("utf-8-sig", "replace").rstrip("\r")
        yield begin + start, text, ended
        end, ended = start - len(newline), True


def _lines_before(path: Path, end: int, newline: bytes) -> int:
    found, left = 0, end
    with path.open("rb") as file:
        while left and (data := file.read(min(left, files.CHUNK))):
            found, left = found + data.count(newline), left - len(data)
    return found


def without(path: Path, layout: Layout, folder: Path) -> Path:
    """Return the file, or a copy in `folder` without what is no record; lines keep their place."""
    if not layout.blank and layout.end is None:
        return path
    copy = text_files.blanked(path, layout.blank, folder)
    if layout.end is not None:
        gone = path.stat().st_size - copy.stat().st_size
        with copy.open("r+b") as file:
            file.truncate(layout.end - gone)
    return copy
