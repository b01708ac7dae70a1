"""OpenDocument sheets whose texts have tabs and line breaks, which calamine passes by.

ODF 1.3, part 3, section 6.1: `text:tab` and `text:line-break` stand for these characters.
"""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from myriad.sources.apart.writing import Folder, Refused
from myriad.sources.sheets.package import DAMAGED

CHUNK = 1 << 20
_CONTENT = "content.xml"
_LONGEST = 200  # bytes of such an element
_MARK = re.compile(rb"<text:(tab|line-break)(?:\s[^<>]*)?/>")
_STANDS_FOR = {b"tab": b"&#9;", b"line-break": b"&#10;"}


def plain(path: Path, folder: Folder) -> Path:
    """Return the file, or a copy with those characters in their place."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if _CONTENT not in names or "mimetype" not in names:
            return path
        _check(archive)
        if not _marked(archive):
            return path
        made = folder.path / "plain.ods"
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as copy:
            for name in {"mimetype", "META-INF/manifest.xml"} & set(names):
                copy.writestr(name, archive.read(name))
            with copy.open(_CONTENT, "w", force_zip64=True) as target:
                for data in _pieces(archive):
                    folder.count(len(data))
                    target.write(_MARK.sub(lambda found: _STANDS_FOR[found[1]], data))
    return made


def _check(archive: zipfile.ZipFile) -> None:
    """Raise Refused for what is no XML: calamine never ends where a cell does not."""
    parser = expat.ParserCreate()
    try:
        for data in _pieces(archive):
            parser.Parse(data, False)  # noqa: FBT003 - C's own
        parser.Parse(b"", True)  # noqa: FBT003
    except expat.ExpatError as error:
        raise Refused(f"this is no workbook that can be read: {error}", DAMAGED) from None


def _marked(archive: zipfile.ZipFile) -> bool:
    return any(_MARK.search(data) for data in _pieces(archive))


def _pieces(archive: zipfile.ZipFile) -> Iterator[bytes]:
    """Yield the sheets' XML in pieces that end between two elements."""
    rest = b""
    with archive.open(_CONTENT) as file:
        while data := file.read(CHUNK):
            data = rest + data
            end = data.rfind(b"<", max(0, len(data) - _LONGEST))
            rest = data[end:] if end > 0 else b""
            yield data[: len(data) - len(rest)]
    yield rest
