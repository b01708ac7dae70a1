"""Find the line of a CSV file in which a column has a value for the first time."""

import csv
from contextlib import suppress
from pathlib import Path

from myriad.sources.csv.dialect import Dialect
from myriad.sources.places.pieces import PIECE, Pieces

MOST_TRIES = 10_000  # lines with a short value in another column: 20 ms


def line_of(path: Path, dialect: Dialect, column: int, value: str) -> int | None:
    """Return the first line whose field number `column` is `value`; None if that cannot be told.

    The file is UTF-8. Records of several lines are not looked at.
    """
    sought, newline, begin = value.encode(), dialect.newline, 0
    with path.open("rb") as file:
        data = Pieces(file)
        for _ in range(MOST_TRIES):
            at = data.find(sought, begin)
            if at < 0:
                return None
            start, end = data.rfind(newline, 0, at) + 1, data.find(newline, at)
            start, begin = start and start - 1 + len(newline), (end if end >= 0 else len(data))
            if begin - start <= PIECE and _has(data[start:begin], dialect, column, value):
                return 1 + sum(
                    data[place : min(place + PIECE, start)].count(newline[-1:])
                    for place in range(0, start, PIECE)
                )
    return None


def _has(line: bytes, dialect: Dialect, column: int, value: str) -> bool:
    text = line.decode("utf-8", "replace").removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    with suppress(csv.Error, StopIteration):
        reader = csv.reader([text], delimiter=dialect.delimiter, quotechar=dialect.quote)
        fields = next(reader)
        header = dialect.header and fields == list(dialect.names)
        return not header and len(fields) == len(dialect.names) and fields[column] == value
    return False
