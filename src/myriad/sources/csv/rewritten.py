"""Files in ways of writing that are none of RFC 4180, as copies that are: line for line.

Backslashes before quotes, and delimiters of several characters. Both are taken only where the plain
reading breaks, or where a person says so.
"""

import csv
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from myriad.sources.options import ReadOptions
from myriad.sources.places import files

# Two of a kind may be an empty field, but for marks that separate nothing by themselves.
LONG_DELIMITERS = ("||", ", ", "; ", "::", "~~")
_LOOKED_AT = 256 << 10
_FEWEST = 2  # records that a reading must have to be believed
_SUBSTITUTE = (
    "\N{INFORMATION SEPARATOR ONE}"  # where the delimiter's own character stands in fields
)


@dataclass(frozen=True)
class Rewritten:
    """A copy, the delimiter that it has, and what a person should know of it.

    `long` is what stands for that delimiter in the file, if anything else does.
    """

    path: Path
    delimiter: str | None
    long: str = ""
    notes: tuple[str, ...] = ()


def plain(path: Path, options: ReadOptions, folder: Path, longest: int) -> Rewritten:
    """Return a UTF-8 file, or a copy of it in `folder` in the plain way of writing.

    Lines of more than `longest` bytes, which are no records, may come otherwise.
    """
    notes: tuple[str, ...] = ()
    text = _sample(path)
    quote = options.quote or '"'
    if _escapes(text, quote, options):
        path = _copied(path, folder, quote, lambda line: _unescaped(line, quote), longest)
        notes = ("backslashes stand before quotes",)
        text = _sample(path)
    nowhere = _nowhere(options.delimiter, text, path)
    notes += nowhere
    long = options.delimiter if options.delimiter and len(options.delimiter) > 1 else None
    if long is None and options.delimiter is None:
        long = _long(text, quote)
    if long is None:
        return Rewritten(path, options.delimiter, notes=notes)
    one = _SUBSTITUTE if _alone(path, quote, long, longest) else long[0]
    path = _copied(path, folder, quote, lambda line: _replaced(line, quote, long, one), longest)
    told = f"fields are separated by {long!r}; --delimiter says otherwise"
    return Rewritten(path, one, long, notes if nowhere else (*notes, told))


def _nowhere(said: str | None, text: str, path: Path) -> tuple[str, ...]:
    """Return the note on a delimiter that somebody said and that a file does not have."""
    if said is None or said in text or files.holds(path, said.encode()):
        return ()
    tab = r"; a tab is \t" if said.casefold() in ("tab", "t", "/t") else ""
    return (f"the delimiter {said!r} occurs nowhere: one column{tab}",)


def _sample(path: Path) -> str:
    text = files.head(path, _LOOKED_AT).decode("utf-8-sig", "replace")
    return text if path.stat().st_size <= _LOOKED_AT else text[: text.rfind("\n") + 1]


def _widths(text: str, delimiter: str, quote: str) -> Counter[int] | None:
    """Return how many records have how many fields; None if a quote stands where none may."""
    reader = csv.reader(
        text.splitlines(keepends=True), delimiter=delimiter, quotechar=quote, strict=True
    )
    try:
        return Counter(len(record) for record in reader if record)
    except csv.Error:
        return None


def _escapes(text: str, quote: str, options: ReadOptions) -> bool:
    """Say whether a backslash before a quote means it: only so is the file a table."""
    mark = re.escape(quote)
    if not re.search(rf"\\{mark}(?![,;\t|\r\n{mark}]|$)", text):
        return False
    said = options.delimiter if options.delimiter and len(options.delimiter) == 1 else None
    changed = "".join(_each(text.splitlines(keepends=True), quote, lambda x: _unescaped(x, quote)))
    for delimiter in (said,) if said else (",", ";", "\t", "|"):
        widths = _widths(changed, delimiter, quote)
        if widths and len(widths) == 1 and min(widths) > 1 and widths.total() >= _FEWEST:
            before = _widths(text, delimiter, quote)
            return before is None or len(before) > 1
    return False


def _unescaped(line: str, quote: str) -> str:
    mark = re.escape(quote)
    return re.sub(rf"\\([\\{mark},;\t|])", lambda found: _meant(found[1], quote), line)


def _meant(mark: str, quote: str) -> str:
    return quote * 2 if mark == quote else mark


def _long(text: str, quote: str) -> str | None:
    """Return the delimiter of several characters that all delimiters of a text are."""
    for long in LONG_DELIMITERS:
        one = long[0]
        if one not in text or text.count(long) < _FEWEST:
            continue
        outside = re.sub(rf"{re.escape(quote)}[^{re.escape(quote)}]*{re.escape(quote)}", "", text)
        rest = outside.replace(long, "")
        if one in rest:
            continue
        lines = [line for line in outside.splitlines() if line.strip()]
        counts = {line.count(long) for line in lines}
        if len(counts) == 1 and counts.pop() and len(lines) >= _FEWEST:
            return long
    return None


def _replaced(line: str, quote: str, long: str, one: str) -> str:
    if quote not in line:
        return line.replace(long, one)
    mark = re.escape(quote)
    pattern = rf"({mark}(?:[^{mark}]|{mark}{mark})*(?:{mark}|$))|{re.escape(long)}"
    return re.sub(pattern, lambda found: found[1] or one, line)


def _alone(path: Path, quote: str, long: str, longest: int) -> bool:
    """Say whether the delimiter's first character stands anywhere for itself, outside of quotes."""
    mark = re.escape(quote)
    quoted = rf"({mark}(?:[^{mark}]|{mark}{mark})*(?:({mark})|$))|{re.escape(long)}"

    def bare(line: str) -> str:
        if quote not in line:
            return line.replace(long, "")
        return re.sub(quoted, lambda found: quote * (bool(found[1]) + bool(found[2])), line)

    with _text(path) as source:
        return any(long[0] in line for line in _each(_lines(source, longest), quote, bare))


def _text(path: Path) -> TextIO:
    return path.open("r", encoding="utf-8-sig", errors="surrogateescape", newline="\n")


def _lines(source: TextIO, longest: int) -> Iterator[str]:
    """Yield lines, too long ones in pieces: nothing says that a file has any line end."""
    while line := source.readline(longest):
        yield line


def _copied(
    path: Path, folder: Path, quote: str, change: Callable[[str], str], longest: int
) -> Path:
    with (
        _text(path) as source,
        tempfile.NamedTemporaryFile(
            "w",
            encoding="utf-8",
            errors="surrogateescape",
            newline="",
            dir=folder,
            prefix="plain-",
            delete=False,
        ) as target,
    ):
        target.writelines(_each(_lines(source, longest), quote, change))
    return Path(target.name)


def _each(lines: Iterable[str], quote: str, change: Callable[[str], str]) -> Iterator[str]:
    """Yield all lines, changed; those that begin within a quoted field are so behind its end."""
    inside = False
    for line in lines:
        changed = change(line) if not inside else _behind(line, quote, change)
        inside ^= changed.count(quote) % 2 == 1
        yield changed


def _behind(line: str, quote: str, change: Callable[[str], str]) -> str:
    # As if the quote that is open began here.
    return change(quote + line)[len(quote) :]
