r"""Tells files as databases dump them: no quotes, `\N` for null, backslashes that escape.

PostgreSQL's text format of COPY, and MySQL's SELECT … INTO OUTFILE.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from myriad.sources.places.files import CHUNK

NO_QUOTE = "\x02"  # stands for the quote of files that have none
_OTHER = re.compile(rb"\\[^\\tnrbfvN]")


def is_dump(chunks: Iterable[bytes], delimiter: str) -> bool:
    r"""Say whether a database wrote these lines: `\N` is a field, and all other marks fit."""
    mark, found = delimiter.encode(), False
    around = rb"(?:^|%s)" % re.escape(mark)
    null = re.compile(rb"%s\\N(?=[%s\r\n]|$)" % (around, re.escape(mark)), re.MULTILINE)
    for chunk in chunks:
        if NO_QUOTE.encode() in chunk or chunk.startswith(b'"'):
            return False
        if any(end + b'"' in chunk for end in (b"\n", b"\r", mark)):
            return False
        if b"\\" in chunk:
            found = found or null.search(chunk) is not None
            if _OTHER.search(chunk.replace(b"\\\\", b"")):
                return False
    return found


def lines_of(path: Path) -> Iterator[bytes]:
    """Yield a file in pieces of whole lines."""
    rest = b""
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            whole, end, last = (rest + data).rpartition(b"\n")
            yield whole + end
            rest = last if len(last) < CHUNK else b""
    yield rest
