"""Split a CSV file into records with their line numbers: the careful path.

DuckDB reads well-formed files fast but cannot say on which line a value stands, and reads some
broken ones in ways of its own. When something is wrong, every record is judged here, and those
that are sound are copied once, written so that there is one way to read them.
"""

import csv
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, NamedTuple

from myriad.errors import SourceError
from myriad.model import Reject
from myriad.sources.base import misfit_column
from myriad.sources.csv.dialect import Dialect
from myriad.sources.csv.fields import Fields
from myriad.sources.places.files import CHUNK
from myriad.wording import number_of

MAX_FAULTS = 1_000_000
SHOWN = 1 << 20
BOM = b"\xef\xbb\xbf"


class Record(NamedTuple):
    """One record, or one line of what is none.

    Attributes:
        line: 1-based, where it begins.
        raw: as it stands in the file, without its newline.
        fault: why it is no record; empty if it is sound.
        lost: it is one of many lines that a broken quoted field takes along.
    """

    line: int
    raw: bytes
    fault: str = ""
    lost: bool = False


@dataclass
class Numbered:
    """A copy of a CSV file with line numbers, and what could not go into it.

    Attributes:
        faults: what is wrong with the records that are not in the copy, by line.
        longest: bytes of the longest record in the copy.
        records: how many records the copy has.
        squares: the sum of the squares of their line numbers.
        notes: what a person should know of how the file was read.
    """

    path: Path
    faults: dict[int, str] = field(default_factory=dict)
    longest: int = 0
    records: int = 0
    squares: int = 0
    notes: list[str] = field(default_factory=list)


def number(path: Path, target: Path, dialect: Dialect, origin: str, longest: int) -> Numbered:
    """Copy `path` to `target` with line numbers as first fields; the header is left out.

    Raises SourceError for a header that cannot be made out, or for too many broken records.
    """
    result, fields = Numbered(target), Fields(dialect)
    found = records(path, dialect, longest)
    if dialect.header:
        _check_header(next(found, None), fields, result, origin)
    trailing: bool | None = None
    with target.open("wb") as output:
        for record in found:
            width = 0 if record.fault else fields.count(record.raw)
            if trailing is None and not record.fault:
                trailing = fields.trail(record.raw, width)
            fault = record.fault or fields.misfit(record.raw, width, trailing=bool(trailing))
            if fault:
                _note(result.faults, record.line, fault, origin)
                continue
            raw = fields.written(record.raw[:-1] if trailing else record.raw)
            written = b"%d%s%s\n" % (record.line, fields.delimiter, raw)
            result.longest = max(result.longest, len(written))
            result.records += 1
            result.squares += record.line * record.line
            output.write(written)
    if trailing:
        result.notes.append("each record ends with a delimiter: no column is made for it")
    return result


def _check_header(header: Record | None, fields: Fields, result: Numbered, origin: str) -> None:
    """Raise SourceError if the first record cannot be what the names were taken from."""
    if header is None:
        return
    if header.fault and not header.lost:
        result.notes.append(f"the header is broken ({header.fault}): see the columns' names")
    elif header.lost or not _named(header, fields, result):
        raise SourceError(
            f"{origin}, line {header.line}: the names of the columns cannot be made out:"
            f" {header.fault or 'their quotes are broken'}",
            hint=f"Mend the header, or say --no-header: {shown(header.raw)[:200]}",
        )


def _named(header: Record, fields: Fields, result: Numbered) -> bool:
    """Say whether a sound header has a name for each column."""
    count = fields.count(header.raw)
    if fields.trail(header.raw, count):
        result.notes.append("the header alone ends with a delimiter: no column is made for it")
        return True
    return count == fields.width


def _note(faults: dict[int, str], line: int, fault: str, origin: str) -> None:
    faults[line] = fault
    if len(faults) > MAX_FAULTS:
        line, fault = next(iter(faults.items()))
        raise SourceError(
            f"{origin} has more than {MAX_FAULTS:,} broken records; the first, in line {line}:"
            f" {fault}",
            hint="Mend the file, or name its --delimiter, --quote or --encoding.",
        )


def shown(raw: bytes) -> str:
    """Return a record as text: bytes that are no UTF-8 and NUL as escapes, cut at 1 MB."""
    text = raw[:SHOWN].decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    return text if len(raw) <= SHOWN else f"{text}… ({len(raw)} bytes)"


def with_value(reject: Reject, dialect: Dialect) -> Reject:
    """Return a reject with the value that does not fit its column, if that is why it is one."""
    column = misfit_column(reject)
    if column is None:
        return reject
    with suppress(csv.Error, IndexError):  # it was cut
        reader = csv.reader([reject.raw], delimiter=dialect.delimiter, quotechar=dialect.quote)
        fields = next(reader)
        return replace(reject, value=fields[dialect.names.index(column)])
    return reject


def records(path: Path, dialect: Dialect, longest: int) -> Iterator[Record]:
    """Yield all records, those of more than `longest` bytes as broken; blank lines are none.

    They are one each where there is one column.

    A quoted field that is broken in a later line than it began takes all these lines along, each
    as a record of its own: what they were meant to be, nobody can tell.
    """
    fields = Fields(dialect)
    with path.open("rb") as file, path.open("rb") as again:
        begun: _Line | None = None
        for line in _lines(file, dialect, longest):
            if line.size > longest:
                yield from _lost(again, dialect, begun or line, line, _too_long(longest))
                begun = None
            elif begun is None:
                if not line.body and (fields.width > 1 or line.number <= dialect.blank):
                    continue
                if fields.quote in line.body and fields.opens(line.data):
                    begun = line
                else:
                    yield Record(line.number, line.body, fields.fault(line.body))
            elif not fields.stays(line.data):
                yield from _closed(again, dialect, fields, begun, line, longest)
                begun = None
        if begun is not None:
            why = f"a quoted field begins in line {begun.number} and never ends"
            yield from _lost(again, dialect, begun, None, why)


class _Line(NamedTuple):
    """A physical line: of one that is too long only the beginning."""

    number: int
    offset: int
    size: int
    data: bytes

    @property
    def body(self) -> bytes:
        return self.data.rstrip(b"\r\n")


def _too_long(longest: int) -> str:
    return f"the record has more than {longest:,} bytes"


def _lines(
    file: BinaryIO, dialect: Dialect, longest: int, after: tuple[int, int] = (0, 0)
) -> Iterator[_Line]:
    """Yield the lines behind `after` = (number of the line before, offset)."""
    number, offset = after
    if offset == 0 and file.read(len(BOM)) == BOM:
        offset = len(BOM)
    file.seek(offset)
    newline, rest, size = dialect.newline, bytearray(), 0
    while data := file.read(CHUNK):
        *whole, last = data.split(newline)
        for part in whole:
            number += 1
            line = bytes(rest + part) if rest else part
            size += len(part) + 1
            yield _Line(number, offset, size, line + newline)
            offset, size = offset + size, 0
            rest.clear()
        size += len(last)
        if len(rest) <= longest:
            rest += last
    if size:
        yield _Line(number + 1, offset, size, bytes(rest))


def _closed(
    file: BinaryIO, dialect: Dialect, fields: Fields, begun: _Line, line: _Line, longest: int
) -> Iterator[Record]:
    """Yield the record that began in one line and ends in another."""
    size = line.offset + line.size - begun.offset
    if not fields.closes(line.body):
        why = f"part of a quoted field that begins in line {begun.number} and does not end as one"
        yield from _lost(file, dialect, begun, line, why)
    else:
        file.seek(begun.offset)
        if size > longest:
            yield Record(begun.number, file.read(SHOWN), _too_long(longest))
        else:
            yield Record(begun.number, file.read(size).rstrip(b"\r\n"))


def _lost(
    file: BinaryIO, dialect: Dialect, begun: _Line, last: _Line | None, why: str
) -> Iterator[Record]:
    """Yield every line from `begun` to `last` as broken, to the end of the file for None."""
    for line in _lines(file, dialect, SHOWN, (begun.number - 1, begun.offset)):
        if last is not None and line.number > last.number:
            return
        if line.body or len(dialect.names) == 1:
            yield Record(line.number, line.body[: SHOWN + 1], why, lost=True)


def parted(
    origin: str, records: int, rows: int, wanted: Iterator[int], read: Iterator[int]
) -> SourceError:
    """Return the error for a copy that DuckDB read in another way than it was written.

    `wanted` and `read` are the lines of its records, in their order.
    """
    place = next((one or two for one, two in zip_longest(wanted, read) if one != two), 0)
    return SourceError(
        f"{origin}: it holds {number_of(records, 'record')}, and {rows} came;"
        f" the two part at line {place}",
        hint="Nothing was changed. Write the file anew, all of its fields in quotes.",
    )


def refuse(record: Reject) -> None:
    """Raise SourceError for a broken record that nobody takes."""
    raise SourceError(
        f"{record.source}, line {record.line}: {record.reason}",
        hint=f"The record: {record.raw[:200]}",
    )
