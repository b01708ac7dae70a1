"""Work out how a CSV file is written from its beginning: delimiter, quote, header, names."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from myriad.sources.csv import dump as dumps
from myriad.sources.csv.unquoted import is_unquoted
from myriad.sources.options import ReadOptions
from myriad.sources.places import files

DELIMITERS = ",;\t|"
SAMPLE_RECORDS = 300

_VALUE = re.compile(
    r"[-+]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?|true|false"
    r"|[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([ T].*)?|[0-9a-f]{8}-[0-9a-f-]{27}",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(1[5-9]|2[01])[0-9]{2}")


@dataclass(frozen=True)
class Dialect:
    r"""How a CSV file is written.

    Attributes:
        quote: what quotes fields; `dump.NO_QUOTE` if nothing does.
        names: the header's fields as they stand, or `column_1`… where there is none.
        newline: what ends a record; files of `\r` alone exist.
        blank: how many blank lines come before the first record.
        dump: as databases write: no quotes, \N for null, a backslash before what would end a field.
    """

    delimiter: str
    quote: str
    header: bool
    names: tuple[str, ...]
    newline: bytes
    blank: int = 0
    dump: bool = False

    @property
    def words(self) -> str:
        """How the file is written, for people."""
        header = "first record taken as names" if self.header else "no header"
        quote = "" if self.quote == '"' else f"quote {self.quote}, "
        if self.quote == dumps.NO_QUOTE:
            quote = "no quotes: they are part of what they stand in, "
        if self.dump:
            quote = r"no quotes, \N and backslashes as in dumps of databases, "
        return f"delimiter {self.delimiter!r}, {quote}{header}"


def detect(
    start: bytes,
    options: ReadOptions,
    *,
    tabs: bool,
    over: Sequence[str] = (),
    path: Path | None = None,
) -> Dialect:
    """Return the dialect of a UTF-8 file that begins with `start`; all of it is at `path`.

    What `options` says is taken as it is; `tabs` says that the file's name promises tabs. `over` is
    the upper of two header rows.
    """
    text = start.decode("utf-8-sig", "replace")
    newline = b"\r" if "\r" in text and "\n" not in text else b"\n"
    quote = options.quote or quote_of(text, path)
    delimiter = options.delimiter or ("\t" if tabs else delimiter_of(text, quote))
    dump = options.quote is None and _is_dump(start, path, delimiter)
    if dump or (options.quote is None and _is_unquoted(start, path, delimiter)):
        quote = dumps.NO_QUOTE
    records = records_of(text, delimiter, quote)
    first = records[0] if records else []
    header = options.header if options.header is not None else _is_header(records)
    width = len(first)
    if header:
        first = _both(over, _untrailed(first, records[1:]))
        names = tuple(name or f"column_{number}" for number, name in enumerate(first, 1))
    else:
        width = max(
            Counter(map(len, records)).items(), key=lambda item: item[1], default=(width, 0)
        )[0]
        names = tuple(f"column_{number}" for number in range(1, width + 1))
    blank = text[: len(text) - len(text.lstrip("\r\n"))].count(newline.decode())
    return Dialect(delimiter, quote, header, names, newline, blank, dump)


def _is_dump(start: bytes, path: Path | None, delimiter: str) -> bool:
    """Say whether a database wrote a file; its beginning alone would not tell."""
    if path is None or (delimiter != "\t" and rb"\N" not in start):
        return dumps.is_dump([start], delimiter)
    return files.holds(path, rb"\N") and dumps.is_dump(dumps.lines_of(path), delimiter)


def _is_unquoted(start: bytes, path: Path | None, delimiter: str) -> bool:
    """Say whether quotes are characters like any other; between bars the beginning tells."""
    if path is None or (delimiter != "\t" and b'"' not in start):
        return False
    return files.holds(path, b'"') and is_unquoted(path, delimiter)


def _both(over: Sequence[str], names: list[str]) -> list[str]:
    if len(over) != len(names):
        return names
    pairs = zip(over, names, strict=True)
    return [
        upper if upper == name.strip() else f"{upper} {name.strip()}".strip()
        for upper, name in pairs
    ]


def _untrailed(names: list[str], records: list[list[str]]) -> list[str]:
    """Return the names without an empty one behind a delimiter that no record has."""
    widths = Counter(map(len, records))
    trails = len(names) > 2 and not names[-1] and widths  # noqa: PLR2004 - two that are named
    return names[:-1] if trails and widths.most_common(1)[0][0] == len(names) - 1 else names


def is_value(field: str) -> bool:
    """Say whether a field is a number, a date or a flag, and so no name."""
    return _VALUE.fullmatch(field.strip()) is not None


def is_name(field: str) -> bool:
    """Say whether a field may be a name: a year may."""
    return not is_value(field) or _YEAR.fullmatch(field.strip()) is not None


def records_of(text: str, delimiter: str, quote: str) -> list[list[str]]:
    """Return the first records of a text, without blank lines."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, quotechar=quote)
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    return list(islice(filter(None, reader), SAMPLE_RECORDS))


def quote_of(text: str, path: Path | None = None) -> str:
    """Return the mark that quotes fields: `'` only where the whole file at `path` has no `"`."""
    single = re.search(r"(?:^|[,;\t|])'[^'\n]*'(?=[,;\t|\r\n]|$)", text, re.MULTILINE)
    if not single or '"' in text or (path and files.holds(path, b'"')):
        return '"'
    return "'"


def delimiter_of(text: str, quote: str) -> str:
    """Return the mark by which most records get equally many fields."""

    def score(delimiter: str) -> tuple[float, int]:
        # The last record of the sample may be cut.
        widths = Counter(
            map(len, records_of(text, delimiter, quote)[:-1] or records_of(text, delimiter, quote))
        )
        width, count = max(widths.items(), key=lambda item: item[1], default=(1, 0))
        return (count / widths.total() if width > 1 else 0.0, width)

    return max(DELIMITERS, key=score)


def _is_header(records: list[list[str]]) -> bool:
    # A table of years has numbers for names, unless years stand below them too; any other
    # number, date or flag is a value.
    first = records[0] if records else []
    values = [field for field in first if _VALUE.fullmatch(field.strip())]
    at = [place for place, field in enumerate(first) if _YEAR.fullmatch(field)]
    if not values:
        return True
    if not len(values) == len(at) == len({first[place] for place in at}) or len(at) == len(first):
        return False
    below = [row[place] for row in records[1:] for place in at if place < len(row)]
    return not below or not all(map(_YEAR.fullmatch, below))
