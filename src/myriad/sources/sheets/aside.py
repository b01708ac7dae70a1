"""Rows of a sheet that are none of its table: below it, or another table behind an empty row."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, islice

from myriad.sources.apart.writing import Refused
from myriad.sources.sheets.grid import Grid, Other, Row, is_header, said, text

MOST_BLOCKS = 1000  # behind empty rows; with more, those mean nothing
MOST_ROWS = 10_000  # of other tables that are left out
_LOOKED_AT = 200  # records, to know the kinds of their values
_BLOCK = 8  # first rows of what is behind an empty row
_TITLES = 3
_FEWEST = 2  # columns that tell another table from more records
_AGAIN, _OTHER = "the names again", "of another table"


def set_aside(grid: Grid, rows: Callable[[], Iterable[Row]], sheet: str) -> None:
    """Find what is none of the table among all rows of a sheet; raises Refused if it is more."""
    starts = _starts(grid)
    if starts:
        _judge(grid, starts, rows(), sheet)
    if not starts and not any(grid.counts[grid.end :]):
        return
    used = set[int]()
    for at, row in enumerate(islice(rows(), grid.first, None), grid.first):
        if grid.holds(at):
            used |= {column for column, cell in enumerate(row) if cell != ""} - grid.titled
        elif grid.counts[at] and len(grid.aside) < MOST_ROWS:
            grid.aside.append((at + 1, said(row), _why(grid, at)))
    for column in range(len(grid.names)):
        if column not in grid.titled and column not in used:
            grid.names[column] = None
    for other in grid.others:
        for at in other.rows:
            grid.counts[at] = 0  # so that they are no records


def _why(grid: Grid, at: int) -> str:
    other = next((other.why for other in grid.others if at in other.rows), None)
    return other or ("a total" if at < grid.totals else "a footnote")


def _starts(grid: Grid) -> list[int]:
    """Return the rows behind empty ones, among the records."""
    counts = grid.counts
    if 0 not in counts[grid.first : grid.end]:
        return []
    found = [at for at in range(grid.first + 1, grid.end) if counts[at] and not counts[at - 1]]
    return found if len(found) <= MOST_BLOCKS else []


def _judge(grid: Grid, starts: Sequence[int], rows: Iterable[Row], sheet: str) -> None:
    wanted = {at + more: at for at in starts for more in range(_BLOCK)}
    blocks: dict[int, list[Row]] = {at: [] for at in starts}
    first, names = list[Row](), list[Row]()
    for at, row in enumerate(rows):
        if at == grid.first - 1:
            names.append(row)
        if grid.first <= at < min(starts[0], grid.first + _LOOKED_AT):
            first.append(row)
        block = wanted.get(at)
        if block is not None and all(grid.counts[block : at + 1]):
            blocks[block].append(row)
    header = [text(cell) for cell in names[0]] if names else []
    for at, found in blocks.items():
        _judge_block(grid, at, found, (header, _numbers(first)))
    _check(grid, sheet)


def _judge_block(
    grid: Grid, at: int, block: Sequence[Row], table: tuple[list[str], list[bool]]
) -> None:
    header, before = table
    above = 0
    while above < min(_TITLES, len(block)) and _cells(block[above]) == 1:
        above += 1
    if len(block) < above + 2 or not is_header(block[above]) or _cells(block[above]) < _FEWEST:
        return
    names, below = block[above], block[above + 1 :]
    if [text(cell) for cell in names] == header:
        grid.others.append(Other(range(at, at + above + 1), _AGAIN))
        return
    told = 0
    for column, (cell, was, now) in enumerate(zip(names, before, _numbers(below), strict=True)):
        if isinstance(cell, str) and cell:
            told += was + (now and not was) + (column not in grid.titled)
    if told >= _FEWEST or (above and told):
        end = next((n for n in range(at, grid.end) if not grid.counts[n]), grid.end)
        grid.others.append(Other(range(at, end), _OTHER))


def _check(grid: Grid, sheet: str) -> None:
    """Raise Refused if other tables are more than what is above them."""
    others = [other.rows for other in grid.others if other.why == _OTHER]
    if others and sum(map(len, others)) > min(MOST_ROWS, others[0].start - grid.first):
        raise Refused(
            f"sheet {sheet}: another table begins in row {others[0].start + 1}, behind an empty"
            " one; it is too large to be left out",
            "Put each table on a sheet of its own.",
        )


def _cells(row: Row) -> int:
    return sum(cell != "" for cell in row)


def _numbers(rows: Sequence[Row]) -> list[bool]:
    """Say for each column whether all that it holds are numbers, dates or flags."""
    columns = zip(*rows, strict=True)
    filled = [[cell for cell in column if cell != ""] for column in columns]
    return [bool(cells) and not any(isinstance(c, str) for c in cells) for cells in filled]


def apart(names: Sequence[str | None], first: int) -> list[str]:
    """Return a note on columns behind an empty one, which may be another table."""
    groups = [
        [at for at, _ in group]
        for named, group in groupby(enumerate(names), lambda pair: pair[1] is not None)
        if named
    ]
    wide = [group for group in groups if len(group) > 1]
    if len(wide) < 2:  # noqa: PLR2004 - two tables side by side
        return []
    begin, end = (_letters(first + at) for at in (wide[1][0], wide[1][-1]))
    return [f"columns {begin} to {end} stand behind an empty column: taken for the same table"]


def _letters(column: int) -> str:
    """Return how a workbook calls a column, counted from 0."""
    letters, left = "", column + 1
    while left:
        left, letter = divmod(left - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters
