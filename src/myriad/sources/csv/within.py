"""What stands between the records of a table: another table behind an empty line, names again.

Looked for only where something is odd: an empty line, a record that does not fit. Lines are taken
out where several columns say that they are none of the table's; else they stay records.
"""

import csv
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from myriad.errors import SourceError
from myriad.sources.csv.dialect import Dialect, is_name, is_value
from myriad.sources.csv.dump import NO_QUOTE
from myriad.sources.csv.layout import Line
from myriad.sources.places.files import CHUNK
from myriad.sources.places.pieces import Pieces
from myriad.sources.typing.words import NULLS
from myriad.wording import number_of

MOST_BLOCKS = 1000  # behind empty lines; with more, those mean nothing
MOST_LINES = 10_000  # that are set aside
MOST_BYTES = 16 << 20  # of them
MOST_TITLES = 5  # lines above the names of another table
_LOOKED_AT = 64 << 10  # bytes of a block
_AGAIN = "the names again"
_FEWEST = 2  # columns that tell another table from more records


@dataclass
class Within:
    """What is none of the table: lines, the bytes that they are, and what a person is told."""

    lines: list[Line] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find(path: Path, dialect: Dialect, origin: str) -> Within:
    """Return what is none of the table in a UTF-8 file.

    Raises SourceError if that is more than the table.
    """
    found = Within()
    if path.stat().st_size and len(dialect.names) > 1:
        with path.open("rb") as file:
            _Finding(Pieces(file), dialect, found).look(origin)
    return found


class _Finding:
    """Looks through one file."""

    def __init__(self, data: Pieces, dialect: Dialect, found: Within) -> None:
        self._data, self._dialect, self._found = data, dialect, found
        self._newline = dialect.newline
        self._unsure = 0  # where what may be another table begins
        self._titles: dict[int, int] = {}  # where another table begins → lines above its names
        self._header = data.behind(self._newline[-1:], dialect.blank)
        self._begin = self._line_end(self._header) if dialect.header else self._header
        self._blocks = list(self._starts())
        first = self._records(self._begin, min((*self._blocks, len(data))))
        names = list(dialect.names)
        self._values = _values([each for each in first if each != names], len(names))

    def look(self, origin: str) -> None:
        """Fill what is found, in the order of the file."""
        if len(self._blocks) <= MOST_BLOCKS:
            for begin, end in pairwise((*self._blocks, len(self._data))):
                self._judge(begin, end)
        if self._dialect.header and any(self._values):
            self._names_again()
        self._number(origin)

    def _line_end(self, at: int) -> int:
        end = self._data.find(self._newline, at)
        return len(self._data) if end < 0 else end + len(self._newline)

    def _starts(self) -> Iterator[int]:
        """Yield where lines begin behind empty ones, outside of quotes."""
        data, odd, before, at = self._data, 0, self._begin, self._begin
        empty = self._newline * 2
        if data.find(b"\r\n", 0, _LOOKED_AT) >= 0:
            empty = b"\n\r\n"
        # The line before may end with what begins the empty one.
        at = max(0, at - 1)
        for _ in range(10 * MOST_BLOCKS):
            at = data.find(empty, at)
            if at < 0:
                return
            at += len(empty)
            while data[at : at + 1] in (b"\r", b"\n"):
                at += 1
            odd ^= self._quotes(before, at) & 1
            before = at
            if at >= len(data):
                return
            if not odd:
                yield at

    def _quotes(self, begin: int, end: int) -> int:
        quote = self._dialect.quote
        return 0 if quote == NO_QUOTE else self._count(quote.encode(), begin, end)

    def _count(self, mark: bytes, begin: int, end: int) -> int:
        pieces = range(begin, end, CHUNK)
        return sum(self._data[at : min(at + CHUNK, end)].count(mark) for at in pieces)

    def _records(self, begin: int, end: int) -> list[list[str]]:
        """Return the records that begin a block; none if they cannot be read."""
        stop = min(end, begin + _LOOKED_AT)
        text = self._data[begin:stop].decode("utf-8-sig", "replace")
        lines = text.splitlines(keepends=True)
        lines = lines[:-1] if stop < end else lines
        reader = csv.reader(lines, delimiter=self._dialect.delimiter, quotechar=self._dialect.quote)
        with suppress(csv.Error):
            return [record for record in reader if any(map(str.strip, record))]
        return []

    def _judge(self, begin: int, end: int) -> None:
        """Set a block aside if it is another table, or its first line if that has the names."""
        records = self._records(begin, end)
        above = 0
        while above < min(MOST_TITLES, len(records)) and _is_title(records[above]):
            above += 1
        names, below = records[above : above + 1], records[above + 1 :]
        if not names or not below or not _are_names(names[0]):
            return
        if tuple(names[0]) == self._dialect.names:
            return  # they are found wherever they stand
        kinds = _values(below, len(names[0]))
        told = 0
        if len(names[0]) != len(self._dialect.names):
            whole = all(len(record) == len(names[0]) for record in below)
            sure = whole and len(names[0]) > 1 and any(kinds)
        else:
            pairs = list(zip(self._values, kinds, strict=True))
            told = sum(before for before, _ in pairs) + sum(now and not was for was, now in pairs)
            sure = told >= _FEWEST or (above > 0 and told > 0)
        if sure:
            self._found.ranges.append((begin, end))
            self._titles[begin] = above
        elif len(names[0]) == len(self._dialect.names) and (told or not any(self._values)):
            self._unsure = self._unsure or begin

    def _names_again(self) -> None:
        """Set lines aside that are the names, once more."""
        names = self._data[self._header : self._line_end(self._header)].rstrip(b"\r\n")
        at, before, odd = self._begin - len(self._newline), self._begin, 0
        aside = list(self._found.ranges)
        while len(self._found.ranges) < MOST_LINES:
            at = self._data.find(self._newline + names, at)
            if at < 0:
                return
            begin = at + len(self._newline)
            at = self._line_end(begin)
            near = at - begin <= len(names) + len(b"\r\n")
            whole = near and self._data[begin:at].rstrip(b"\r\n") == names
            odd ^= self._quotes(before, begin) & 1
            before = begin
            if whole and not odd and not any(one <= begin < two for one, two in aside):
                self._found.ranges.append((begin, at))
            at -= len(self._newline)

    def _number(self, origin: str) -> None:
        """Make lines and notes of the ranges."""
        self._found.ranges.sort()
        number, counted, again = 1, 0, list[int]()
        for begin, end in self._found.ranges:
            number, counted = number + self._count(self._newline, counted, begin), begin
            size = self._count(self._newline, begin, end)
            most = min(MOST_LINES, max(number - 1, 1))
            if len(self._found.lines) + size > most or end - begin > MOST_BYTES:
                skip = number - 1 + self._titles.get(begin, 0)
                raise SourceError(
                    f"{origin}: another table begins in line {number}, behind an empty one; it is"
                    " too large to be left out",
                    hint=f"--skip {skip} reads it alone. Cut the file to publish both.",
                )
            self._take(begin, end, number)
            again += [number] if self._found.lines[-1].why == _AGAIN else []
        if again:
            many = f" and {number_of(len(again) - 1, 'more line')}" if len(again) > 1 else ""
            self._found.notes.append(f"line {again[0]}{many} left out: the names again")
        if self._unsure and not self._found.ranges:
            number = self._count(self._newline, 0, self._unsure)
            self._found.notes.append(
                f"line {number} is empty: what is behind it was taken for more records;"
                f" --skip {number} reads it alone"
            )

    def _take(self, begin: int, end: int, number: int) -> None:
        lines = self._data[begin:end].decode("utf-8", "replace").splitlines()
        again = len(lines) == 1
        self._found.lines += [
            Line(at, text, _AGAIN if again else "of another table")
            for at, text in enumerate(lines, number)
            if text.strip()
        ]
        if not again:
            self._found.notes.append(
                f"another table begins in line {number}, behind an empty one: left out;"
                f" --skip {number - 1 + self._titles[begin]} reads it"
            )


def _is_title(record: Sequence[str]) -> bool:
    return sum(bool(value.strip()) for value in record) == 1


def _are_names(record: Sequence[str]) -> bool:
    names = [value.strip() for value in record]
    return len(set(names)) == len(names) and all(
        name and is_name(name) and name not in NULLS for name in names
    )


def _values(records: Sequence[Sequence[str]], width: int) -> list[bool]:
    """Say for each column whether all that it holds are numbers, dates or flags."""
    whole = [record for record in records if len(record) == width]
    columns = zip(*whole, strict=True) if whole else ([""] for _ in range(width))
    return [
        any(column) and all(is_value(value) for value in column if value.strip())
        for column in columns
    ]


def without(path: Path, found: Within, folder: Path) -> Path:
    """Return a copy in `folder` in which those lines are empty: the others keep their numbers."""
    with (
        path.open("rb") as source,
        tempfile.NamedTemporaryFile(dir=folder, prefix="within-", delete=False) as target,
    ):
        at = 0
        for begin, end in (*found.ranges, (path.stat().st_size, path.stat().st_size)):
            while at < begin and (data := source.read(min(CHUNK, begin - at))):
                target.write(data)
                at += len(data)
            gone = source.read(end - begin)
            target.write(bytes(byte for byte in gone if byte in b"\r\n"))
            at = end
    return Path(target.name)
