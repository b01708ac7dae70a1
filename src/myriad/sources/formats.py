"""All formats of files that can be read, in one table; a new one is a room and a line here."""

import json
import re
from codecs import BOM_UTF8, BOM_UTF16_LE
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from myriad.errors import SourceError
from myriad.sources.base import TableSource, Workspace
from myriad.sources.options import WRITTEN, ReadOptions
from myriad.sources.places import archives, files

if TYPE_CHECKING:
    from myriad.sources.apart.process import Reader

Opener = Callable[..., list[TableSource]]
_SPACE = b"\xef\xbb\xbf \r\n\t"
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\v"))
# An object with a key, or an array that begins with one: no table of text looks so.
_JSON = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\[\s*)?\{\s*"(?:[^"\\]|\\.)*"\s*:')
# What is in every package of Microsoft's or OpenDocument's: such a zip is none of people's files.
_PACKAGES = (b"\n[Content_Types].xml\n", b"\nmimetype\nMETA-INF/")
# As programs of the web export tables under the name of a workbook, in any encoding.
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|table|meta)\b", re.IGNORECASE)
_TAG = re.compile(rb"<([A-Za-z_][\w.:-]*)")
# XML may leave its declaration out. A line of names such as `<DATE>,<TIME>` is none, nor a page.
_ROOT = re.compile(rb"\s*<(?!html\b)[a-z_][\w.:-]*(?:\s[^<>]*)?>(?: *[\r\n]\s*)?<", re.IGNORECASE)


def _csv() -> Opener:
    from myriad.sources.csv.source import open_csv  # noqa: PLC0415 - with the first such file

    return open_csv


def _jsonl() -> Opener:
    from myriad.sources.jsonl.source import open_jsonl  # noqa: PLC0415

    return open_jsonl


def _sheets() -> Opener:
    from myriad.sources.sheets.source import open_workbook  # noqa: PLC0415

    return open_workbook


def _parquet() -> Opener:
    from myriad.sources.parquet.source import open_parquet  # noqa: PLC0415

    return open_parquet


def _ipc() -> Opener:
    from myriad.sources.arrow.source import open_ipc  # noqa: PLC0415

    return open_ipc


def _orc() -> Opener:
    from myriad.sources.arrow.source import open_orc  # noqa: PLC0415

    return open_orc


def _avro() -> Opener:
    from myriad.sources.arrow.source import open_avro  # noqa: PLC0415

    return open_avro


def _xml() -> Opener:
    from myriad.sources.xml.source import open_xml  # noqa: PLC0415

    return open_xml


def _bson() -> Opener:
    from myriad.sources.bson.source import open_bson  # noqa: PLC0415

    return open_bson


def _read_avro() -> "Reader":
    from myriad.sources.arrow.source import AVRO  # noqa: PLC0415

    return AVRO


def _read_xml() -> "Reader":
    from myriad.sources.xml.source import READER  # noqa: PLC0415

    return READER


def _read_bson() -> "Reader":
    from myriad.sources.bson.source import READER  # noqa: PLC0415

    return READER


def _sqlite() -> Opener:
    from myriad.sources.sqlite.source import open_sqlite  # noqa: PLC0415

    return open_sqlite


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes:
        name: what people call such a file.
        endings: of its name; the first is the one to recommend.
        magic: with which bytes such files begin: one of these; text may have space before them.
        opener: returns what opens one: given path, origin, workspace and `name`, and `options` if
            it has any.
        text: it is text.
        options: of `ReadOptions`, which a person may say of it.
        within: one of these is near its end, or among the names in a zip archive.
        reader: returns what needs a library that is not always there, if anything does.
    """

    name: str
    endings: tuple[str, ...]
    magic: tuple[bytes, ...]
    opener: Callable[[], Opener]
    text: bool = False
    options: frozenset[str] = frozenset()
    within: tuple[bytes, ...] = ()
    reader: "Callable[[], Reader] | None" = None

    def begins(self, start: bytes, end: bytes) -> bool:
        """Say whether a file that begins and ends so may be one."""
        begins = (start.lstrip(_SPACE) if self.text else start).startswith(self.magic)
        return begins and (not self.within or any(mark in end for mark in self.within))

    def check(self, origin: str) -> None:
        """Raise SourceError, saying what to install, if it needs a library that is not there."""
        if self.reader is not None:
            self.reader().check(origin)

    def without(self, said: ReadOptions) -> list[str]:
        """Return a note on each option that was said, now or before, and is none of this format."""
        return [
            f"{WRITTEN[name]} is for {next(kind for names, kind in _KINDS if name in names)}:"
            f" it does nothing for {self.name}"
            for name in said.given
            if name not in self.options
        ]

    def open(
        self, path: Path, origin: str, options: ReadOptions, workspace: Workspace, name: str
    ) -> list[TableSource]:
        """Open a plain file; `name` is its table's, where it has one. Raises SourceError."""
        said = {"options": options} if self.options else {}
        return self.opener()(path, origin, workspace, name=name, **said)


_OF_SHEETS, _OF_TREES = frozenset({"sheet"}), frozenset({"records", "nested"})
_OF_TEXT = frozenset(WRITTEN) - _OF_SHEETS - _OF_TREES
_KINDS = ((_OF_SHEETS, "workbooks"), (_OF_TREES, "documents"), (_OF_TEXT, "CSV"))
_ARROW = (b"ARROW1\0\0", b"\xff\xff\xff\xff")  # a file; a stream, whose length comes next
CSV = Format("a CSV file", (".csv", ".tsv", ".txt"), (b"",), _csv, text=True, options=_OF_TEXT)
JSON = Format("JSON", (".json", ".jsonl", ".ndjson"), (b"{",), _jsonl, text=True, options=_OF_TREES)
XML = Format("XML", (".xml",), (b"<?xml",), _xml, text=True, options=_OF_TREES, reader=_read_xml)
# In the order in which people are told of them; anything that is none of the others may be CSV.
FORMATS = (
    CSV,
    JSON,
    XML,
    Format("a Parquet file", (".parquet",), (b"PAR1",), _parquet),
    Format("a SQLite database", (".sqlite", ".sqlite3", ".db"), (b"SQLite format 3\0",), _sqlite),
    Format(
        "an Excel workbook",
        (".xlsx", ".xlsm", ".xlsb"),
        (b"PK\x03\x04",),
        _sheets,
        options=_OF_SHEETS,
        within=(b"\nxl/workbook.xml\n", b"\nxl/workbook.bin\n", b"\nworkbook.xml\n"),
    ),
    Format("an old Excel workbook", (".xls",), (b"\xd0\xcf\x11\xe0",), _sheets, options=_OF_SHEETS),
    Format(
        "an OpenDocument spreadsheet",
        (".ods",),
        (b"PK\x03\x04",),
        _sheets,
        options=_OF_SHEETS,
        within=(b"\nMETA-INF/manifest.xml\n",),
    ),
    Format("an Arrow file", (".arrow", ".feather", ".ipc", ".arrows"), _ARROW, _ipc),
    Format("an ORC file", (".orc",), (b"ORC",), _orc, within=(b"ORC",)),
    Format("an Avro file", (".avro",), (b"Obj\x01",), _avro, reader=_read_avro),
    Format(
        "BSON",
        (".bson", ".archive"),
        (b"\x6d\xe2\x99\x81",),
        _bson,
        options=frozenset({"nested"}),
        reader=_read_bson,
    ),
)


BSON = FORMATS[-1]
_ELEMENTS = frozenset(bytes([kind]) for kind in range(1, 20))  # BSON's types


@dataclass(frozen=True)
class Chosen:
    """The format of a file, and what a person should know of the choice."""

    format: Format
    note: str = ""


def of_content(start: bytes, end: bytes) -> Format | None:
    """Return the format that the bytes of a file give away; None if it may be any text."""
    found = (each for each in FORMATS if not each.text and each.begins(start, end))
    chosen = next(found, None)
    if chosen is None and _JSON.match(start):
        return JSON
    if chosen is None and XML.begins(start, end):
        return XML
    return chosen or (BSON if _is_document(start) else None)


def _is_document(start: bytes) -> bool:
    """Say whether a file begins with BSON: how long its document is, a type, a name.

    https://bsonspec.org/spec.html
    """
    size = int.from_bytes(start[:4], "little")
    name = start[5:].partition(b"\0")[0]
    known = start[4:5] in _ELEMENTS and len(name) < len(start) - 6
    if start.startswith(BOM_UTF16_LE) and not name:  # a text whose second character is a line end
        return False
    return 12 <= size <= 1 << 25 and known and (size > len(start) or start[size - 1] == 0)  # noqa: PLR2004


def of_stream(start: bytes, end: bytes) -> Format:
    """Return the format of a file without a name."""
    fitting = (each for each in reversed(FORMATS) if each.begins(start, end))
    given = of_content(start, end)
    if given is None and _ROOT.match(start.removeprefix(BOM_UTF8)):
        return XML
    return given or next(fitting)


def of_file(ending: str, start: bytes, end: bytes, origin: str, options: ReadOptions) -> Chosen:
    """Return the format of a file: its content decides over its name's ending.

    Not what a person says, and not a message that was saved in the place of a table of text: its
    reader says what that is. Raises SourceError if neither tells.
    """
    named = next((each for each in FORMATS if ending in each.endings), None)
    given = of_content(start, end)
    if named is CSV and given is not None and given.text and options.records is None:
        said = options.delimiter is not None or options.header is not None
        given = named if said or _is_message(start) else given
    readable = _is_text(start) or _PAGE.match(start) is not None
    if given is None and named is not None and not named.text and readable:
        given = CSV
    if given is None or given is named:
        return Chosen(named or _unknown(ending, origin))
    if named is not None and named.text and given.text and named is not CSV:
        return Chosen(named)
    return Chosen(given, f"its name ends in {ending}; it is {given.name}, and was read as one")


def check(path: Path, ending: str, origin: str) -> None:
    """Raise SourceError if what reads a file is not installed, as far as its beginning tells.

    Text may be read otherwise than it looks, where its name, or a person, says so.
    """
    named = next((each for each in FORMATS if ending in each.endings), None)
    given = of_content(files.head(path), files.tail(path)) or named
    if given is not None and (given is named or not given.text):
        given.check(origin)


def is_archive(path: Path) -> bool:
    """Say whether a file is an archive, and none that is a table itself, such as a workbook."""
    if archives.is_tar(path):
        return True
    if not archives.is_zip(path):
        return False
    tail = files.tail(path)
    return of_content(files.head(path), tail) is None and not any(p in tail for p in _PACKAGES)


def is_known(ending: str, path: Path) -> bool:
    """Say whether a file has an ending or a content that tells its format."""
    if any(ending in each.endings for each in FORMATS):
        return True
    return of_content(files.head(path), files.tail(path)) is not None


def _is_message(start: bytes) -> bool:
    """Say whether a document is one answer, as servers give: no table, nothing in it twice."""
    if len(start) >= files.HEAD:
        return False
    tags = _TAG.findall(start)
    if tags:
        return len(set(tags)) == len(tags)
    try:
        found = json.loads(start)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and not any(isinstance(v, list) for v in found.values())


def _is_text(start: bytes) -> bool:
    """Say whether a file that begins so is text without doubt: more than a few letters."""
    if not re.search(rb"[\r\n]", start):
        return False
    control = start.translate(None, bytes(set(range(256)) - set(_CONTROL)))
    try:
        start[: len(start) - 4].decode()
    except UnicodeDecodeError:
        return False
    return not control


def _unknown(ending: str, origin: str) -> Format:
    what = f"the ending {ending} is not known" if ending else "the name has no ending"
    known = ", ".join(known for each in FORMATS for known in each.endings)
    raise SourceError(f"{origin}: {what}", hint=f"Known: {known}. Rename what is text.")
