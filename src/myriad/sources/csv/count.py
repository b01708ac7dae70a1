"""Count the records and delimiters of a CSV file without reading its values.

What DuckDB read is believed only if this count agrees. It is the plain reading of RFC 4180. Where
a file is not plain it says so, and the careful path decides record by record.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from myriad.sources.counting.aside import Stopped
from myriad.sources.counting.bits import ALL, NONE, WORD, Bits, behind, bits, last, ones, within
from myriad.sources.csv.dialect import Dialect

CHUNK = 1 << 20  # with less the calls cost more than the work
BOM = b"\xef\xbb\xbf"
_LF, _CR = ord("\n"), ord("\r")


@dataclass
class Count:
    """What the plain reading finds.

    Attributes:
        lines: ends of line outside of quotes; the last line has one, whatever the file says.
        blank: how many of them end an empty line.
        delimiters: how many stand outside of quotes.
        plain: quotes enclose whole fields, and what ends a line does nothing else outside of them.
    """

    lines: int = 0
    blank: int = 0
    delimiters: int = 0
    plain: bool = True


def count(path: Path, dialect: Dialect, stopped: Stopped = lambda: False) -> Count:
    """Count `path`; ends early, as not plain, where it is not so or `stopped` says so."""
    counter = _Counter(dialect)
    buffer = bytearray(CHUNK + WORD)
    newline, end = dialect.newline[0], 0
    with path.open("rb") as file:
        if file.read(len(BOM)) != BOM:
            file.seek(0)
        while counter.found.plain:
            size = file.readinto(memoryview(buffer)[:CHUNK])
            ended = size < CHUNK
            end = buffer[size - 1] if size else end
            if ended and end != newline:
                buffer[size] = newline
                size += 1
            padded = -(-size // WORD) * WORD
            buffer[size:padded] = bytes(padded - size)
            if size:
                counter.add(buffer, padded)
            if ended:
                break
            counter.found.plain &= not stopped()
    counter.found.plain &= not counter.inside
    return counter.found


class _Counter:
    """Counts chunk by chunk: each shift of bits carries on from the chunk before.

    Attributes:
        inside: ALL within quotes, else NONE.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._quote, self._delimiter = ord(dialect.quote), ord(dialect.delimiter)
        self._newline = dialect.newline[0]
        self._other = _CR if self._newline == _LF else _LF
        self.found = Count()
        self.inside = NONE
        begins = np.uint64(1)
        self._carried = dict.fromkeys(("closed", "other", "blank"), NONE)
        self._carried |= dict.fromkeys(("end", "newline"), begins)

    def add(self, buffer: bytearray, size: int) -> None:
        """Count the first `size` bytes, a multiple of WORD."""
        data = np.frombuffer(buffer, np.uint8, size)
        newlines, delimiters = bits(data == self._newline), bits(data == self._delimiter)
        others = None
        if self._carried["other"] or buffer.find(self._other, 0, size) >= 0:
            others = bits(data == self._other)
        if self.inside or self._carried["closed"] or buffer.find(self._quote, 0, size) >= 0:
            quotes = bits(data == self._quote)
            quoted = within(quotes, self.inside)
            self.inside = ALL if last(quoted) else NONE
            newlines &= ~quoted
            delimiters &= ~quoted
            if others is not None:
                others &= ~quoted
            ends = newlines | delimiters
            self._check_quotes(quotes & quoted, quotes & ~quoted, ends, others)
        else:
            self._carried["end"] = last(newlines | delimiters)
        self._count(newlines, delimiters, others)

    def _check_quotes(self, opened: Bits, closed: Bits, ends: Bits, others: Bits | None) -> None:
        wrong = opened & ~self._behind("end", ends | closed)
        follow = ends | opened if others is None else ends | opened | others
        wrong |= self._behind("closed", closed) & ~follow
        self.found.plain &= not wrong.any()

    def _count(self, newlines: Bits, delimiters: Bits, others: Bits | None) -> None:
        self.found.lines += ones(newlines)
        self.found.delimiters += ones(delimiters)
        begins = self._behind("newline", newlines)
        if others is not None:
            behind_others = self._behind("other", others)
            wrong = behind_others & ~newlines if self._newline == _LF else others
            self.found.plain &= not wrong.any()
            begins |= self._behind("blank", others & begins)
        self.found.blank += ones(newlines & begins)

    def _behind(self, what: str, packed: Bits) -> Bits:
        """Return the bytes behind those in `packed`; `what` names what the next chunk needs."""
        found = behind(packed, self._carried[what])
        self._carried[what] = last(packed)
        return found
