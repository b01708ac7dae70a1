"""Turn whatever a person names into a plain file: standard input, what is compressed.

Formats then deal with one thing only, a file they may read more than once.
"""

import bz2
import lzma
import os
import stat
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

import pyarrow as pa

from myriad.errors import SourceError
from myriad.sources.base import FETCHING, UNPACKING, Tell, nobody
from myriad.sources.places.pieces import Pieces

if TYPE_CHECKING:
    from io import IOBase

CHUNK = 1 << 20
HEAD = 64 << 10
# Tables of text become 3 to 30 times larger, a log of equal lines 1,000 times; zeros 30,000 times.
MOST_TIMES = 2_000
SAFE_BYTES = 1 << 30

MOST_ENTRIES = 100_000  # of a zip's directory, which is read whole
_END_OF_ZIP = struct.Struct("<4s4H2LH")  # APPNOTE.TXT, 4.3.16
_ZIP64, _ZIP64_PLACE = b"PK\x06\x07", 20  # 4.3.15, right before
_END_OF_ZIP64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14, before that
_ENTRY = struct.Struct("<28x3H12x")  # 4.3.12: how long its name, extra field and comment are
MOST_XZ = 128 << 20  # bytes; `xz -9` takes 65 MB


def spooled(stream: BinaryIO, origin: str, folder: Path, tell: Tell = nobody) -> Path:
    """Copy a stream such as standard input into a file in `folder`."""
    came, whole = 0, _size(stream)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="stdin-", delete=False) as target:
        while data := stream.read(CHUNK):
            came += target.write(data)
            tell(FETCHING, origin, came, whole)
    return Path(target.name)


def _size(stream: BinaryIO) -> int:
    """Return how many bytes a stream has that is a file, 0 for all others."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


class Told:
    """A file that tells how far it is whenever it is read."""

    def __init__(self, file: BinaryIO, doing: str, origin: str, tell: Tell) -> None:
        self._file, self._told = file, partial(tell, doing, origin)
        self._whole, self.tell = _size(file), file.tell

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        data = self._file.read(size)
        self._told(self._file.tell(), self._whole)
        return data


def chunks(file: BinaryIO, doing: str, origin: str, tell: Tell) -> Iterator[bytes]:
    """Yield the rest of a file, and tell how far that is."""
    whole = _size(file)
    while data := file.read(CHUNK):
        yield data
        tell(doing, origin, file.tell(), whole)


def decompressed(path: Path, folder: Path, origin: str = "", tell: Tell = nobody) -> Path:
    """Return `path`, or a decompressed copy in `folder` if it is compressed.

    `tell` takes how far that is, of the file that `origin` names.

    Raises SourceError if it is cut short or broken, or a trap: tiny, and huge within.
    """
    opener = _opener(path)
    if opener is None:
        return path
    size, written = path.stat().st_size, 0
    most = max(SAFE_BYTES, size * MOST_TIMES)
    with (
        path.open("rb") as file,
        tempfile.NamedTemporaryFile(dir=folder, prefix="plain-", delete=False) as target,
    ):
        try:
            for data in opener(file):
                written += target.write(data)
                tell(UNPACKING, origin, file.tell(), size)
                if written > most:
                    raise trap(path, size, written, "If it is one, unpack it first.")
        except (OSError, EOFError, lzma.LZMAError) as error:
            if getattr(error, "errno", None) is not None:  # of the disk, not of what was read
                raise
            raise SourceError(
                f"{path}: the compressed file is cut short or broken ({error})",
                hint="Fetch or make it again; nothing was loaded.",
            ) from error
    return Path(target.name)


def _arrow(kind: Literal["gzip", "zstd"]) -> Callable[[BinaryIO], Iterator[bytes]]:
    def pieces(file: BinaryIO) -> Iterator[bytes]:
        # Reads several members one after the other, and knows when the last one has no end.
        with pa.CompressedInputStream(pa.PythonFile(cast("IOBase", file), "r"), kind) as source:
            while data := source.read(CHUNK):
                yield data

    return pieces


def _bz2(file: BinaryIO) -> Iterator[bytes]:
    with bz2.BZ2File(file) as source:
        while data := source.read(CHUNK):
            yield data


def _xz(file: BinaryIO) -> Iterator[bytes]:
    """Yield what is in one .xz stream after the other; a dictionary may take MOST_XZ bytes."""
    data = file.read(CHUNK)
    while data.strip(b"\0"):  # padding between streams
        one = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_XZ)
        data = data.lstrip(b"\0")
        while not one.eof:
            if one.needs_input and not data:
                raise EOFError("it ends within a stream")
            yield one.decompress(data, CHUNK)
            data = file.read(CHUNK) if one.needs_input else b""
        data = one.unused_data or file.read(CHUNK)


_COMPRESSIONS: tuple[tuple[bytes, Callable[[BinaryIO], Iterator[bytes]]], ...] = (
    (b"\x1f\x8b", _arrow("gzip")),
    (b"\x28\xb5\x2f\xfd", _arrow("zstd")),
    (b"BZh", _bz2),
    (b"\xfd7zXZ\0", _xz),
)


def _opener(path: Path) -> Callable[[BinaryIO], Iterator[bytes]] | None:
    start = head(path, 6)
    return next((opener for magic, opener in _COMPRESSIONS if start.startswith(magic)), None)


def trap(origin: str | Path, size: int, within: int, hint: str) -> SourceError:
    """Return the error for a file of `size` bytes that holds `within`, and means harm."""
    return SourceError(
        f"{origin}: {size:,} bytes become {within:,} and more: no table is so alike",
        hint=hint,
    )


def head(path: Path, size: int = HEAD, begin: int = 0) -> bytes:
    """Return the first `size` bytes of a file, or those from `begin` on."""
    with path.open("rb") as file:
        file.seek(begin)
        return file.read(size)


def holds(path: Path, mark: bytes) -> bool:
    """Say whether some bytes stand anywhere in a file."""
    with path.open("rb") as file:
        data = Pieces(file)
        first = data.find(mark[:1])  # ten times as fast where there is none
        return first >= 0 and data.find(mark, first) >= 0


def tail(path: Path, size: int = 4 * HEAD) -> bytes:
    """Return the last `size` bytes of a file; of a zip archive a line for each file in it."""
    end = head(path, size, max(0, path.stat().st_size - size))
    if head(path, 4) != b"PK\x03\x04" or not 0 <= entries(path) <= MOST_ENTRIES:
        return end
    try:
        with zipfile.ZipFile(path) as archive:
            # Some programs of Windows write the names with its separators.
            names = [name.replace("\\", "/") for name in archive.namelist()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeError, OSError):
        return end
    return "\n".join(("", *names, "")).encode("utf-8", "replace")


def entries(path: Path) -> int:
    """Return how many files the list of a zip archive has, counted up to one more than allowed.

    -1 if the list is not what the archive says of it. Of each, zipfile keeps 600 bytes.
    """
    before = max(0, path.stat().st_size - HEAD)
    end = head(path, HEAD, before)
    place = end.rfind(b"PK\5\6")
    if place < 0 or len(end) - place < _END_OF_ZIP.size:
        return -1
    said, size = _END_OF_ZIP.unpack_from(end, place)[4:6]
    large = place - _ZIP64_PLACE - _END_OF_ZIP64.size
    if end.startswith(_ZIP64, max(0, place - _ZIP64_PLACE)):  # more than 65,535 files, or 4 GB
        if large < 0 or not end.startswith(b"PK\6\6", large):
            return -1
        place, (said, size) = large, _END_OF_ZIP64.unpack_from(end, large)[7:9]
    found = _listed(path, before + place - size, size)
    return found if found > MOST_ENTRIES or said in (found, found % 65_536) else -1


def _listed(path: Path, begin: int, size: int) -> int:
    """Count the entries in a zip archive's list as zipfile does; -1 if it is broken."""
    found = 0
    with path.open("rb") as file:
        file.seek(max(begin, 0))
        while size > 0 and found <= MOST_ENTRIES:
            entry = file.read(_ENTRY.size)
            if len(entry) < _ENTRY.size or not entry.startswith(b"PK\1\2"):
                return -1
            more = sum(_ENTRY.unpack(entry))
            file.seek(more, os.SEEK_CUR)
            found, size = found + 1, size - len(entry) - more
    return found
