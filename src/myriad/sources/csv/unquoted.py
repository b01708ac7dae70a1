"""Tells files in which a quote is a character like any other: `"A" is for Alibi`, between tabs.

Programs that write tabs or bars between fields often quote nothing.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from myriad.sources.csv.dump import NO_QUOTE, lines_of

DELIMITERS = "\t|"  # a comma within a field must be quoted somehow; these hardly ever are in one

_FEWEST = 2  # fields: one alone may be damaged


def is_unquoted(path: Path, delimiter: str) -> bool:
    """Say whether a UTF-8 file is a table only if its quotes are none.

    Then there is text behind a closing quote, more fields begin with a quote than are quoted
    as they should be, and all lines have equally many fields.
    """
    if delimiter not in DELIMITERS:
        return False
    mark = re.escape(delimiter.encode())
    begins = rb"(?:^|(?<=%s))" % mark
    broken = re.compile(rb'%s"[^"%s\r\n]*"[^"%s\r\n]' % (begins, mark, mark), re.MULTILINE)
    opens = re.compile(rb'%s"' % begins, re.MULTILINE)
    both = re.compile(
        rb'%s"(?:[^"%s\r\n]|"")*"(?=%s|\r|\n|\Z)' % (begins, mark, mark), re.MULTILINE
    )
    if not any(broken.search(chunk) for chunk in lines_of(path)):
        return False
    whole = _count(path, both)
    lone = _count(path, opens) - whole
    return lone >= _FEWEST and lone > whole and _is_even(lines_of(path), delimiter.encode())


def _count(path: Path, pattern: re.Pattern[bytes]) -> int:
    return sum(sum(1 for _ in pattern.finditer(chunk)) for chunk in lines_of(path))


def _is_even(chunks: Iterable[bytes], mark: bytes) -> bool:
    """Say whether all lines have equally many fields, and more than one."""
    width = 0
    for chunk in chunks:
        if NO_QUOTE.encode() in chunk:
            return False
        for line in chunk.splitlines():
            width = width or line.count(mark)
            if line and line.count(mark) != width:
                return False
    return width > 0
