"""Where in a grid of cells the table is: behind titles, below a header, above footnotes."""

import datetime as dt
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from myriad.sources.typing.words import is_total, whole_total

Row = Sequence[Any]
HEAD = 200  # rows among which the header is
TAIL = 30  # last rows among which totals are
CHUNK = 4096
MOST_SAID = 1000  # characters of a row that is no record
_YEARS = range(1900, 2101)
# Where a merged cell begins and ends: row and column, from 0, within the grid.
Merged = tuple[int, int, int, int]


class Other(NamedTuple):
    """Rows among the records that are none, and why."""

    rows: range
    why: str


@dataclass
class Grid:
    """The table that was found; rows and columns count from 0.

    Attributes:
        names: of all columns of the grid; None for those that hold nothing.
        first, end: the rows of records.
        mixed: columns with dates, some of which have a time.
        notes: what a person should know of it.
        counts: cells with something in them, by row.
        titled: columns with a name in the header.
        totals: where they begin below the records.
        aside: rows that are none of its: number from 1, what they say, why.
        others: rows among the records that are none.
    """

    names: list[str | None] = field(default_factory=list)
    first: int = 0
    end: int = 0
    mixed: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    classes: list[set[type]] = field(default_factory=list)
    aside: list[tuple[int, str, str]] = field(default_factory=list)
    others: list[Other] = field(default_factory=list)
    titled: set[int] = field(default_factory=set)
    totals: int = 0

    @property
    def records(self) -> int:
        """How many rows hold something."""
        return sum(1 for count in self.counts[self.first : self.end] if count)

    def holds(self, at: int) -> bool:
        """Say whether a row holds a record."""
        within = self.first <= at < self.end and bool(self.counts[at])
        return within and not any(at in other.rows for other in self.others)


def found(rows: Iterable[Row], merged: Sequence[Merged]) -> Grid:
    """Return where the table is among all rows of a sheet."""
    grid, head, tail = Grid(), list[Row](), deque[tuple[int, Row]](maxlen=TAIL)
    for chunk in _chunks(rows):
        head += chunk[: HEAD - len(head)]
        begin = len(grid.counts)
        grid.counts += [len(row) - row.count("") for row in chunk]
        tail += _filled_last(chunk, grid.counts, begin)
        columns = [set(map(type, column)) for column in _turned(chunk)]
        grid.classes += [set() for _ in range(len(columns) - len(grid.classes))]
        for known, new in zip(grid.classes, columns, strict=False):
            known.update(new)
    if not any(grid.counts):
        return grid
    both = {dt.date, dt.datetime}
    grid.mixed = {at for at, kinds in enumerate(grid.classes) if kinds >= both}
    top = _top(grid.counts, head)
    _name(grid, head, top, merged)
    _leave_out(grid, top)
    _leave_out_totals(grid, tail)
    return grid


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    source = iter(rows)
    while chunk := list(islice(source, CHUNK)):
        yield chunk


def _turned(rows: Sequence[Row]) -> Iterator[Row]:
    return zip(*rows, strict=True)


def _top(counts: Sequence[int], head: Sequence[Row]) -> int:
    """Return the first row that is as wide as the table: those before are titles."""
    width = max(counts[: len(head)])
    return next(at for at, count in enumerate(counts[: len(head)]) if 2 * count > width)


def _name(grid: Grid, head: Sequence[Row], top: int, merged: Sequence[Merged]) -> None:
    """Take the names from the header, in one row or two; without one make them."""
    groups = None
    if top and any(row == top - 1 and right > left for row, left, _, right in merged):
        whole = [m for m in merged if m[0] == top - 1 and m[3] - m[1] + 1 >= len(head[top])]
        groups = None if whole else top - 1
    if groups is None and is_header(head[top]) and _spans(top, merged) and len(head) > top + 1:
        below = head[top + 1]
        if is_header(below):
            groups, top = top, top + 1
    used = [bool(kinds - {str}) or _texts(kinds, head, at) for at, kinds in enumerate(grid.classes)]
    if is_header(head[top]) and any(grid.counts[top + 1 :]):
        grid.first = top + 1
        texts = [text(cell) for cell in head[top]]
        if groups is not None:
            texts = _joined(_filled(head[groups], groups, merged), texts)
    else:
        grid.first, texts = top, ["" for _ in head[top]]
        grid.notes.append("no row of names was found above the records")
    grid.titled = {at for at, text in enumerate(texts) if text}
    made = [text or (f"column_{at + 1}" if used[at] else None) for at, text in enumerate(texts)]
    grid.names = _unique(made)
    grid.end = len(grid.counts)
    last = groups if groups is not None else top
    for at in range(last if grid.first > top else top):
        if grid.counts[at]:
            grid.aside.append((at + 1, said(head[at]), "a title"))


def _texts(kinds: set[type], head: Sequence[Row], at: int) -> bool:
    return str in kinds and (len(head) == HEAD or any(row[at] for row in head))


def _spans(row: int, merged: Sequence[Merged]) -> bool:
    return any(top == row and right > left for top, left, _, right in merged)


def is_header(row: Row) -> bool:
    """Say whether a row holds names: texts, or years beside a text."""
    cells = [cell for cell in row if cell != ""]
    texts = sum(isinstance(cell, str) for cell in cells)
    years = sum(type(cell) in (int, float) and cell in _YEARS for cell in cells)
    return bool(texts) and texts + years == len(cells)


def _filled(row: Row, at: int, merged: Sequence[Merged]) -> list[str]:
    """Return the texts of a row, those of merged cells over all that they span."""
    texts = [text(cell) for cell in row]
    for top, left, _, right in merged:
        if top == at:
            for column in range(left, min(right + 1, len(texts))):
                texts[column] = texts[left]
    return texts


def _joined(above: Sequence[str], below: Sequence[str]) -> list[str]:
    pairs = zip(above, below, strict=True)
    return [one if one == two else f"{one} {two}".strip() for one, two in pairs]


def text(cell: object) -> str:
    """Return what a cell says, as a name."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return " ".join(str(cell).split())


def _unique(names: Sequence[str | None]) -> list[str | None]:
    taken: set[str] = {name for name in names if name}
    seen: set[str] = set()
    made: list[str | None] = []
    for name in names:
        chosen, number = name, 1
        while chosen is not None and chosen in seen:
            number += 1
            chosen = f"{name}_{number}"
            if chosen in taken:
                continue
        if chosen is not None:
            seen.add(chosen)
        made.append(chosen)
    return made


def _leave_out(grid: Grid, top: int) -> None:
    """Leave out what stands below the table, behind an empty row, in one cell a row."""
    width = max(grid.counts[top : top + HEAD])
    end = len(grid.counts)
    while end > grid.first and grid.counts[end - 1] <= 1:
        end -= 1
    behind = grid.counts[end:]
    empty = next((at for at, count in enumerate(behind) if not count), None)
    if width > 1 and empty is not None and any(behind[empty:]):
        grid.end = end + empty


def _filled_last(chunk: Sequence[Row], counts: Sequence[int], begin: int) -> list[tuple[int, Row]]:
    """Return the last rows of a chunk that hold something, with their numbers."""
    filled = [at for at, count in enumerate(counts[begin:]) if count]
    return [(begin + at, chunk[at]) for at in filled[-TAIL:]]


def _leave_out_totals(grid: Grid, tail: Iterable[tuple[int, Row]]) -> None:
    """Leave out the totals that end the table, if anything else is in it."""
    width = len(grid.names) - grid.names.count(None)
    end = grid.end
    for at, row in sorted(tail, reverse=True):
        if at < grid.first or at >= grid.end:
            continue
        said = [text(cell) for cell in row if cell != ""]
        if not is_total(said, width):
            if end == grid.end and len(said) == width and is_total(said, width + 1):
                grid.notes.append(whole_total(said[0]))
            break
        end = at
    else:
        return  # there is nothing else
    grid.end, grid.totals = end, grid.end


def said(row: Row) -> str:
    """Return what a row says, for people."""
    return " ".join(text(cell) for cell in row if cell != "")[:MOST_SAID]
