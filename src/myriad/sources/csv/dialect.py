"""Work out how a CSV file is written from its beginning: delimiter, quote, header, names."""

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice

from myriad.sources.options import ReadOptions

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
        names: the header's fields as they stand, or `column_1`… where there is none.
        newline: what ends a record; files of `\r` alone exist.
        blank: how many blank lines come before the first record.
    """

    delimiter: str
    quote: str
    header: bool
    names: tuple[str, ...]
    newline: bytes
    blank: int = 0


def detect(start: bytes, options: ReadOptions, *, tabs: bool) -> Dialect:
    """Return the dialect of a UTF-8 file that begins with `start`.

    What `options` says is taken as it is; `tabs` says that the file's name promises tabs.
    """
    text = start.decode("utf-8-sig", "replace")
    newline = b"\r" if "\r" in text and "\n" not in text else b"\n"
    quote = options.quote or _quote(text)
    delimiter = options.delimiter or ("\t" if tabs else _delimiter(text, quote))
    records = _records(text, delimiter, quote)
    first = records[0] if records else []
    header = options.header if options.header is not None else _is_header(records)
    width = len(first)
    if header:
        names = tuple(name or f"column_{number}" for number, name in enumerate(first, 1))
    else:
        width = max(
            Counter(map(len, records)).items(), key=lambda item: item[1], default=(width, 0)
        )[0]
        names = tuple(f"column_{number}" for number in range(1, width + 1))
    blank = text[: len(text) - len(text.lstrip("\r\n"))].count(newline.decode())
    return Dialect(delimiter, quote, header, names, newline, blank)


def _records(text: str, delimiter: str, quote: str) -> list[list[str]]:
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, quotechar=quote)
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    return [record for record in islice(reader, SAMPLE_RECORDS) if record]


def _quote(text: str) -> str:
    single = re.findall(r"(?:^|[,;\t|])'[^'\n]*'(?=[,;\t|\r\n]|$)", text, re.MULTILINE)
    return "'" if single and '"' not in text else '"'


def _delimiter(text: str, quote: str) -> str:
    def score(delimiter: str) -> tuple[float, int]:
        # The last record of the sample may be cut.
        widths = Counter(
            map(len, _records(text, delimiter, quote)[:-1] or _records(text, delimiter, quote))
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
