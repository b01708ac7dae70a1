"""Whether the parts of a workbook in a zip file are all there: calamine goes on without some.

Without its styles dates are numbers. ECMA-376, part 2: `[Content_Types].xml` names parts, and
relations lead from one to others; names are the same whatever their case.
"""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from posixpath import join, normpath
from urllib.parse import unquote

from myriad.sources.apart.writing import Refused
from myriad.sources.sheets.xlsx import MOST, attribute, unescaped

TYPES = "[Content_Types].xml"
CHUNK = 1 << 20
LARGE = 1 << 30  # a part that memory does not hold: calamine keeps all that it reads
DAMAGED = "It is damaged or cut off. Open it in its program and save it anew."
LOCKED = ("the workbook has a password", "Save it without one.")
_RELATIONS = re.compile(r"xl/_rels/workbook\.(?:xml|bin)\.rels", re.IGNORECASE)
_TAG = re.compile(rb"<(?:\w+:)?(?:Override|Relationship)\s[^<>]*>")
# Of all parts those that say which values there are: a theme or properties may be missing.
_NEEDED = re.compile(rb".*(?:\.main|[./]worksheet|[./]styles|[./]sharedStrings)(?:\+xml)?")


def check(path: Path) -> None:
    """Raise Refused, or zipfile's errors, if a part is missing or is not what the list says."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.flag_bits & 1:
                raise Refused(*LOCKED)
            with archive.open(entry):
                pass  # the name before the entry itself must be that of the list
        names = {_same(entry.filename): entry for entry in archive.infolist()}
        needed = set(_named(archive))
        missing = sorted(needed - names.keys())
        for part in needed & names.keys():
            _check_sum(archive, names[part])
        if "xl/workbook.xml" in names and _same(TYPES) not in names:
            missing.insert(0, TYPES)
    if missing:
        raise Refused(f"this is no workbook that can be read: it has no {missing[0]}", DAMAGED)


def _check_sum(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Read a part whole, as calamine may not: zipfile compares the sum. Raises BadZipFile.

    Sheets in XML are read whole in any case, to count their rows.
    """
    is_xml_sheet = "worksheets/" in entry.filename and entry.filename.endswith(".xml")
    if entry.file_size > LARGE or is_xml_sheet:
        return
    with archive.open(entry) as file:
        while file.read(CHUNK):
            pass


def _named(archive: zipfile.ZipFile) -> Iterator[str]:
    """Yield the parts that values depend on, as the workbook itself names them."""
    for part in archive.namelist():
        if part != TYPES and not _RELATIONS.fullmatch(part):
            continue
        with archive.open(part) as file:
            tags = _TAG.findall(file.read(MOST))
        for tag in tags:
            kind = attribute(tag, b"ContentType" if part == TYPES else b"Type")
            target = attribute(tag, b"PartName" if part == TYPES else b"Target")
            needed = _NEEDED.fullmatch(kind)
            if needed and target and attribute(tag, b"TargetMode") != b"External":
                yield _same(unquote(join("/xl", unescaped(target).decode(errors="replace"))))


def _same(name: str) -> str:
    return normpath(name.replace("\\", "/")).lstrip("/").lower()
