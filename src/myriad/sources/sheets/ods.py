"""OpenDocument sheets that calamine does not take as they are.

ODF 1.3, part 3, section 6.1: `text:tab` and `text:line-break` stand for these characters, which it
passes by. Part 2, section 3.3: a file *should* say its media type; it takes none that does not.
Section 4.8: what is encrypted has `encryption-data` in the manifest.
"""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from myriad.sources.apart.writing import Folder, Refused
from myriad.sources.sheets import package

CHUNK = 1 << 20
_CONTENT, _MANIFEST, _MEDIA = "content.xml", "META-INF/manifest.xml", "mimetype"
_KIND = b"application/vnd.oasis.opendocument.spreadsheet"
_LONGEST = 200  # bytes of such an element
_MARK = re.compile(rb"<text:(tab|line-break)(?:\s[^<>]*)?/>")
_STANDS_FOR = {b"tab": b"&#9;", b"line-break": b"&#10;"}


def plain(path: Path, folder: Folder) -> Path:
    """Return the file, or a copy with those characters and its media type in their places."""
    with zipfile.ZipFile(path) as archive:
        parts = set(archive.namelist())
        if _CONTENT not in parts:
            return path
        if _MANIFEST in parts and b"encryption-data" in archive.read(_MANIFEST):
            raise Refused(*package.LOCKED)
        _check(archive)
        if _MEDIA in parts and not _marked(archive):
            return path
        made = folder.path / "plain.ods"
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as copy:
            copy.writestr(_MEDIA, archive.read(_MEDIA) if _MEDIA in parts else _KIND)
            if _MANIFEST in parts:
                copy.writestr(_MANIFEST, archive.read(_MANIFEST))
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
        raise Refused(f"this is no workbook that can be read: {error}", package.DAMAGED) from None


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
