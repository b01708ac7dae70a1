"""What calamine does not tell of an .xlsx file: formats that show zeros, errors, rows.

ECMA-376, part 1, section 18: `c/@s` names an entry of `cellXfs`, whose `numFmtId` names a format.
"""

import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import join, normpath
from typing import IO

from myriad.sources.apart.writing import Refused

CHUNK = 1 << 20
MOST = 32 << 20  # bytes of a part that is read whole
_SHEET = re.compile(rb"<(?:\w+:)?sheet\s[^<>]*>")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\s[^<>]*>")
_FORMAT = re.compile(rb"<(?:\w+:)?numFmt\s[^<>]*>")
_XFS = re.compile(rb"<(?:\w+:)?cellXfs[\s>]")
_XFS_END = re.compile(rb"</(?:\w+:)?cellXfs>")
_XF = re.compile(rb"<(?:\w+:)?xf\s[^<>]*>")
_CELL = re.compile(rb"<c\s([^<>]*)>")
_ZEROS = re.compile(r'0{2,}|"?(?:0+)"?')
_NUMBER = re.compile(rb"<c(?![^<>]*\st=)[^<>/]*><v>")

_FORMULA = re.compile(rb"<f[\s/>]")
_VALUE = re.compile(rb"<v(?:\s[^<>]*)?>[^<]|<is>")
# What a reference to such a cell has, quick to look for.
_FAR = re.compile(rb"r=[\"'](?:[A-Z]{4}|[X-Z][A-Z]{2}|[A-Z]*\d{8})")
# A column behind XFD or a row of eight digits: there is none, and all before it would be counted.
_BEYOND = re.compile(
    rb"<(?:c|row)\s(?:[^<>]*?\s)?r=[\"'](?:[A-Z]{4}|[YZ][A-Z]{2}|X[G-Z][A-Z]|XF[E-Z]|[A-Z]*\d{8})"
)


@dataclass
class Look:
    """What the XML of a sheet says by itself.

    Attributes:
        least, most: how many rows have a cell with a number, and with anything.
        errors: cells that hold one, such as #N/A.
        unsaved: formulas whose value was not saved with them.
        zeros: column, from 0, → how many digits all of its numbers are shown with.
    """

    least: int = 0
    most: int = 0
    errors: int = 0
    unsaved: int = 0
    zeros: dict[int, int] = field(default_factory=dict)


def look(path: Path, sheet: str) -> Look | None:
    """Look at a sheet of a workbook; None where its XML is written in another way.

    Raises Refused for a cell where no workbook has one.
    """
    with zipfile.ZipFile(path) as archive:
        part = _part(archive, sheet)
        if part is None:
            return None
        widths = _widths(archive)
        found, numbers, wide = Look(), Counter[int](), Counter[tuple[int, int]]()
        with archive.open(part) as file:
            for xml in _whole_rows(file):
                if _FAR.search(xml) and _BEYOND.search(xml):
                    raise Refused(f"sheet {sheet}: a cell is beyond column XFD or the last row", "")
                rows = xml.split(b"<row")
                found.most += sum(b"<v>" in row or b"<is>" in row or b"<v " in row for row in rows)
                found.errors += xml.count(b't="e"')
                if _NUMBER.search(xml):
                    found.least += sum(_NUMBER.search(row) is not None for row in rows)
                if _FORMULA.search(xml):
                    found.unsaved += sum(map(_unsaved, rows))
                if widths:
                    _count(xml, widths, numbers, wide)
        if not found.most:
            return None
        for (column, width), count in wide.items():
            if width and count == numbers[column]:
                found.zeros[column] = width
        return found


def _whole_rows(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the XML in pieces that end where a row does."""
    rest = b""
    while data := file.read(CHUNK):
        data = rest + data
        end = max(data.rfind(b"<row"), 0)
        yield data[:end]
        rest = data[end:]
        if len(rest) > MOST:
            raise MemoryError
    yield rest


def _unsaved(row: bytes) -> int:
    """Return how many formulas of a row have no value; an empty text (`t="str"`) is one."""
    found = 0
    for cell in row.split(b"</c>")[:-1] if _FORMULA.search(row) else ():
        said, _, inner = cell[cell.rfind(b"<c") :].partition(b">")
        if _FORMULA.search(inner) and not _VALUE.search(inner):
            found += not (b"<v" in inner and attribute(said, b"t") == b"str")
    return found


def _count(
    xml: bytes, widths: dict[bytes, int], numbers: Counter[int], wide: Counter[tuple[int, int]]
) -> None:
    for cell in _CELL.finditer(xml):
        said = cell[1]
        kind = attribute(said, b"t")
        if kind in (b"", b"n") and not said.endswith(b"/"):
            column = _column(attribute(said, b"r"))
            numbers[column] += 1
            wide[column, widths.get(attribute(said, b"s"), 0)] += 1


def _part(archive: zipfile.ZipFile, sheet: str) -> str | None:
    names = set(archive.namelist())
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
        return None
    wanted = sheet.encode()
    relation = b""
    for tag in _SHEET.findall(_whole(archive, "xl/workbook.xml")):
        if unescaped(attribute(tag, b"name")) == wanted:
            relation = attribute(tag, rb"\w+:id")
    for tag in _RELATION.findall(_whole(archive, "xl/_rels/workbook.xml.rels")):
        if relation and attribute(tag, b"Id") == relation:
            target = attribute(tag, b"Target").decode(errors="replace")
            part = normpath(join("xl", target)).lstrip("/")
            return part if part in names else None
    return None


def _widths(archive: zipfile.ZipFile) -> dict[bytes, int]:
    """Return the styles that show a number with leading zeros, and how many digits."""
    if "xl/styles.xml" not in archive.namelist():
        return {}
    styles = _whole(archive, "xl/styles.xml")
    formats: dict[bytes, int] = {}
    for tag in _FORMAT.findall(styles):
        code = unescaped(attribute(tag, b"formatCode")).decode(errors="replace")
        if re.fullmatch(r"0{2,}", code):
            formats[attribute(tag, b"numFmtId")] = len(code)
    begin = _XFS.search(styles)
    end = _XFS_END.search(styles, begin.end()) if begin else None
    cells = _XF.findall(styles, begin.end(), end.start()) if begin and end else []
    pairs = ((at, formats.get(attribute(tag, b"numFmtId"))) for at, tag in enumerate(cells))
    return {str(at).encode(): width for at, width in pairs if width}


def _whole(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        return file.read(MOST)


def attribute(tag: bytes, name: bytes) -> bytes:
    """Return the value of an attribute in a tag, as it is written; empty without."""
    found = re.search(rb"(?:^|\s)" + name + rb"=[\"']([^\"']*)[\"']", tag)
    return found[1] if found else b""


def unescaped(text: bytes) -> bytes:
    """Return what a text in XML stands for."""
    for entity, mark in ((b"lt", b"<"), (b"gt", b">"), (b"quot", b'"'), (b"apos", b"'")):
        text = text.replace(b"&" + entity + b";", mark)
    return text.replace(b"&amp;", b"&")


def _column(reference: bytes) -> int:
    number = 0
    for letter in reference:
        if not ord("A") <= letter <= ord("Z"):
            break
        number = number * 26 + letter - ord("A") + 1
    return number - 1
