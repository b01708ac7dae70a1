"""Turn whatever a person names into a plain file: standard input, what is compressed.

Formats then deal with one thing only, a file they may read more than once.
"""

import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO, Literal

import pyarrow as pa

from myriad.errors import SourceError

CHUNK = 1 << 20
HEAD = 64 << 10
# Tables of text become 3 to 30 times larger, a log of equal lines 1,000 times; zeros 30,000 times.
MOST_TIMES = 2_000
SAFE_BYTES = 1 << 30

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


def spooled(stream: BinaryIO, folder: Path) -> Path:
    """Copy a stream such as standard input into a file in `folder`."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="stdin-", delete=False) as target:
        shutil.copyfileobj(stream, target, CHUNK)
    return Path(target.name)


def decompressed(path: Path, folder: Path) -> Path:
    """Return `path`, or a decompressed copy in `folder` if it is gzip or Zstandard.

    Raises SourceError if the archive is cut short or broken, or a trap: tiny, and huge within.
    """
    compression = _compression(path)
    if compression is None:
        return path
    written, most = 0, max(SAFE_BYTES, path.stat().st_size * MOST_TIMES)
    with (
        path.open("rb") as file,
        tempfile.NamedTemporaryFile(dir=folder, prefix="plain-", delete=False) as target,
    ):
        try:
            # Reads several members one after the other, and knows when the last one has no end.
            with pa.CompressedInputStream(pa.PythonFile(file, "r"), compression) as source:
                while data := source.read(CHUNK):
                    written += target.write(data)
                    if written > most:
                        raise trap(
                            path, path.stat().st_size, written, "If it is one, unpack it first."
                        )
        except OSError as error:
            if error.errno is not None:  # of the disk, not of what was read
                raise
            raise SourceError(
                f"{path}: the compressed file is cut short or broken ({error})",
                hint="Fetch or make it again; nothing was loaded.",
            ) from error
    return Path(target.name)


def _compression(path: Path) -> Literal["gzip", "zstd"] | None:
    magic = head(path, 4)
    if magic.startswith(_GZIP):
        return "gzip"
    return "zstd" if magic == _ZSTD else None


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


def tail(path: Path, size: int = 4 * HEAD) -> bytes:
    """Return the last `size` bytes of a file."""
    return head(path, size, max(0, path.stat().st_size - size))
