"""Split a CSV file into records with their line numbers: the careful path.

DuckDB reads well-formed files fast but cannot say on which line a value stands. When something
is wrong, the file is copied once with each record's line number as a first field, and records
that are no text at all are set aside.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from myriad.errors import SourceError
from myriad.sources.csv_dialect import Dialect
from myriad.sources.spool import CHUNK

MAX_RECORD = (
    256 << 20
)  # PostgreSQL refuses fields of 1 GB; the copy in flight needs several times it
MAX_SET_ASIDE = 1_000_000
SHOWN = 1 << 20


@dataclass
class Numbered:
    """A copy of a CSV file with line numbers, and what could not go into it.

    Attributes:
        set_aside: (line, raw text, reason) of records that are not UTF-8, hold a NUL byte or are
            over the size limit.
        longest: bytes of the longest record in the copy.
        records: how many records the copy has.
        last_line: the highest line number, of these too.
    """

    path: Path
    set_aside: list[tuple[int, str, str]] = field(default_factory=list)
    longest: int = 0
    records: int = 0
    last_line: int = 0


def number(path: Path, target: Path, dialect: Dialect) -> Numbered:
    """Copy `path` to `target` with line numbers as first fields; the header is left out."""
    result = Numbered(target)
    delimiter, quote = dialect.delimiter.encode(), re.escape(dialect.quote.encode())
    quoted = re.compile(b"%s(?:[^%s]|%s%s)*+%s" % (quote, quote, quote, quote, quote))
    found = records(path, dialect)
    if dialect.header:
        next(found, None)
    with target.open("wb") as output:
        for line, raw in found:
            result.last_line = line
            reason = _defect(raw, quoted)
            if reason:
                result.set_aside.append((line, shown(raw), reason))
                if len(result.set_aside) > MAX_SET_ASIDE:
                    raise SourceError(
                        f"more than {MAX_SET_ASIDE:,} broken records, first: {result.set_aside[0]}",
                        hint="Name the file's --encoding.",
                    )
                continue
            record = b"%d%s%s\n" % (line, delimiter, raw)
            result.longest = max(result.longest, len(record))
            result.records += 1
            output.write(record)
    return result


def shown(raw: bytes) -> str:
    """Return a record as text: bytes that are no UTF-8 and NUL as escapes, cut at 1 MB."""
    text = raw[:SHOWN].decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    return text if len(raw) <= SHOWN else f"{text}… ({len(raw)} bytes)"


def _defect(raw: bytes, quoted: re.Pattern[bytes]) -> str | None:
    if len(raw) > MAX_RECORD:
        return f"the record has {len(raw):,} bytes, the limit is {MAX_RECORD:,}"
    if b"\r" in raw and b"\r" in quoted.sub(b"", raw):
        return "a carriage return outside of quotes, in the middle of the record"
    if b"\0" in raw:
        return f"NUL byte at byte {raw.index(0) + 1}; Myriad takes it into neither engine"
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not UTF-8: byte 0x{raw[error.start]:02x} at byte {error.start + 1}"
    return None


def records(path: Path, dialect: Dialect) -> Iterator[tuple[int, bytes]]:
    """Yield (1-based line, record without its newline) of all records; blank lines are skipped."""
    states = _States(dialect)
    start, inside = 0, False
    parts: list[bytes] = []
    for number, line in enumerate(_lines(path, dialect.newline), 1):
        if not parts:
            if not line.strip(b"\r\n") and len(dialect.names) > 1:
                continue
            start = number
        parts.append(line)
        inside = states.open_after(line, inside=inside)
        if not inside:
            yield start, b"".join(parts).rstrip(b"\r\n")
            parts = []
    if parts:
        yield start, b"".join(parts).rstrip(b"\r\n")


class _States:
    """Says whether a quoted field is still open at a line's end (RFC 4180)."""

    def __init__(self, dialect: Dialect) -> None:
        q, d = re.escape(dialect.quote.encode()), re.escape(dialect.delimiter.encode())
        inner = b"(?:[^%s]++|%s%s)*+" % (q, q, q)
        plain = b"(?:(?!%s)[^%s\\r\\n]*+)" % (q, d)
        whole = b"(?:%s%s%s|%s)" % (q, inner, q, plain)
        # Atomic groups and possessive quantifiers: hostile lines cannot make it backtrack.
        self._opens = re.compile(b"(?>(?:%s%s)*)%s%s" % (whole, d, q, inner), re.DOTALL)
        self._stays = re.compile(
            b"%s(?:%s(?>(?:%s%s)*)%s%s)?" % (inner, q + d, whole, d, q, inner), re.DOTALL
        )

    def open_after(self, line: bytes, *, inside: bool) -> bool:
        pattern = self._stays if inside else self._opens
        return pattern.fullmatch(line) is not None


def _lines(path: Path, newline: bytes) -> Iterator[bytes]:
    with path.open("rb") as file:
        if file.read(3) != b"\xef\xbb\xbf":
            file.seek(0)
        if newline == b"\n":
            yield from file
            return
        rest = b""
        while data := file.read(CHUNK):
            *whole, rest = (rest + data).split(newline)
            yield from (line + newline for line in whole)
        if rest:
            yield rest
