"""Files that should be text: whether they are, in which encoding, and a copy in UTF-8."""

import codecs
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from myriad.errors import SourceError
from myriad.sources.base import DECODING, OPENING, Tell, nobody
from myriad.sources.places.files import CHUNK, chunks, head

BOM = codecs.BOM_UTF8
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARIES = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word document"),
    (b"\x7fELF", "a program"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
)
_CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
# Text has next to no control bytes, other files have a tenth and more.
_BINARY_SHARE, _BINARY_LEAST = 0.05, 16


def first_line(path: Path) -> tuple[int, Counter[int]]:
    """Return where the first line begins that is not blank, and how often each byte ends those."""
    begin, ends = 0, Counter[int]()
    with path.open("rb") as file:
        data = file.read(CHUNK).removeprefix(BOM)
        begin = file.tell() - len(data)
        while data:
            blank = data[: len(data) - len(data.lstrip(b"\r\n"))]
            ends[ord("\r")] += blank.count(b"\r")
            ends[ord("\n")] += blank.count(b"\n")
            begin += len(blank)
            if len(blank) < len(data):
                break
            data = file.read(CHUNK)
    return begin, ends


def blanked(path: Path, lines: int, folder: Path) -> Path:
    """Return a copy in `folder` whose first lines are blank: the others keep their numbers."""
    start = head(path, CHUNK)
    newline = b"\r" if b"\r" in start and b"\n" not in start else b"\n"
    with path.open("rb") as file, tempfile.NamedTemporaryFile(dir=folder, delete=False) as target:
        left, rest = lines, b""
        while left and (rest := file.read(CHUNK)):
            parts = rest.split(newline, left)
            left, rest = left - len(parts) + 1, parts[-1]
        # Lines that end in two ways are no plain CSV.
        end = b"\r\n" if newline == b"\n" and b"\r\n" in start else newline
        target.write(end * (lines - left) + (b"" if left else rest))
        shutil.copyfileobj(file, target, CHUNK)
    return Path(target.name)


def refuse_binary(path: Path, origin: str) -> None:
    """Raise SourceError, saying what it is, if a file that should be text is not."""
    start = head(path)
    for magic, name in _BINARIES:
        if start.startswith(magic):
            raise SourceError(
                f"{origin}: this is {name}, not text", hint="Publish a table of text."
            )
    if wide_encoding(start):
        return
    control = len(start) - len(start.translate(None, _CONTROL))
    if control > max(_BINARY_LEAST, _BINARY_SHARE * len(start)):
        raise SourceError(
            f"{origin}: this is not text ({control} control bytes in the first {len(start)})",
            hint="CSV, TSV and JSON are text. What other formats are is seen by their content.",
        )


def wide_encoding(start: bytes) -> str | None:
    """Return the encoding that a byte order mark or zero bytes give away, None if none does."""
    for mark, name in _BOMS:
        if start.startswith(mark):
            return None if name == "utf-8" else name
    even, odd = start[0::2].count(0), start[1::2].count(0)
    half = len(start) // 2
    if half and odd > half * 0.4 and even < half * 0.1:
        return "utf-16-le"
    if half and even > half * 0.4 and odd < half * 0.1:
        return "utf-16-be"
    return None


def is_utf8(path: Path, origin: str = "", tell: Tell = nobody) -> bool:
    """Say whether a whole file is valid UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            for data in chunks(file, OPENING, origin, tell):
                if not data.isascii() or decoder.getstate()[0]:  # ten times faster where it is
                    decoder.decode(data)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def legacy_encoding(path: Path, origin: str = "", tell: Tell = nobody) -> str | None:
    """Return the one-byte encoding of a file that is not valid UTF-8; None if it is.

    None too if UTF-8's longer sequences are no rarer than broken bytes: then it is UTF-8 with
    broken records. Bytes that Windows-1252 leaves open make it Latin-1.
    """
    if is_utf8(path, origin, tell):
        return None
    undefined, whole, broken = False, 0, 0
    with path.open("rb") as file:
        for data in chunks(file, OPENING, origin, tell):
            # A sequence cut by the chunk's end counts as broken: one of very many.
            text = data.decode("utf-8", "surrogateescape")
            valid = len(text.encode("utf-8", "ignore").decode("utf-8"))
            broken += len(text) - valid
            whole += valid - len(text.encode("ascii", "ignore"))
            undefined = undefined or any(byte in data for byte in b"\x81\x8d\x8f\x90\x9d")
    if whole >= broken:
        return None
    return "latin-1" if undefined else "windows-1252"


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
        if isinstance(decoder.decode(b"", final=True), str):  # rot13 and the like make no text
            return decoder
    except (LookupError, TypeError, ValueError):
        pass
    raise SourceError(
        f"there is no encoding {encoding!r}", hint="Try utf-8, utf-16, latin-1, windows-1252."
    )


def transcoded(path: Path, encoding: str, folder: Path, origin: str, tell: Tell = nobody) -> Path:
    """Return a copy of `path` in UTF-8; raises SourceError if it is not in `encoding`."""
    decoder = _decoder(encoding)
    with (
        path.open("rb") as source,
        tempfile.NamedTemporaryFile(dir=folder, prefix="utf8-", delete=False) as target,
    ):
        try:
            for data in chunks(source, DECODING, origin, tell):
                target.write(decoder.decode(data).encode("utf-8"))
            target.write(decoder.decode(b"", final=True).encode("utf-8"))
        except UnicodeError as error:
            raise SourceError(
                f"{origin}: this is not {encoding} ({error})", hint="Name another --encoding."
            ) from error
    return Path(target.name)
