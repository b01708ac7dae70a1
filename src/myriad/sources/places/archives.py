"""Archives: zip and tar; each member that is a table becomes a plain file, under a name of ours."""

import errno
import fnmatch
import lzma
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeVar, cast

from myriad.errors import SourceError
from myriad.sources.base import UNPACKING, Tell, nobody
from myriad.sources.places.files import (
    CHUNK,
    MOST_ENTRIES,
    MOST_TIMES,
    SAFE_BYTES,
    entries,
    head,
    trap,
)
from myriad.wording import readable

T = TypeVar("T")
MOST_MEMBERS = 10_000
MOST_HEADER = 16 << 20  # bytes of one that is read whole
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TAR, _TAR_AT = b"ustar", 257  # POSIX.1-2024, pax: the header's field `magic`
_FULL_NAME = 4096
_BROKEN = (
    NotImplementedError,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
)
# What archivers, file managers and Office leave beside the files.
_SIDE = (
    *("__MACOSX", ".*", "Thumbs.db", "desktop.ini"),
    "~$*",  # beside each workbook or document that Office has open
    *("*.metadata.json", "_SUCCESS", "_metadata", "_common_metadata"),
    *("_committed_*", "_started_*"),
)


@dataclass(frozen=True)
class Member:
    """A file of an archive: what it is called there, and where it was put."""

    name: str
    path: Path


@dataclass
class Archive:
    """Members of one archive, and of those within it, on their way to plain files.

    Attributes:
        within: a pattern for the names of members; empty: all.
        left: members that were not read, each with the reason.
        tell: takes how far it is.
    """

    path: Path
    origin: str
    folder: Path
    within: str = ""
    left: list[str] = field(default_factory=list)
    tell: Tell = nobody

    def members(self) -> Iterator[Member]:
        """Yield the members one after the other; raises SourceError for what cannot be read."""
        size = self.path.stat().st_size
        self._room = self._most = max(SAFE_BYTES, size * MOST_TIMES)
        self._whole = size
        found = self._explained(self._zip() if is_zip(self.path) else self._tar())
        for number, (name, file) in enumerate(found):
            if number >= MOST_MEMBERS:
                raise SourceError(
                    f"{self.origin}: it has more than {MOST_MEMBERS:,} files",
                    hint="Name those that you want: ARCHIVE/*.csv.",
                )
            yield Member(name, self._put(file))

    def _explained(self, found: Iterator[T]) -> Iterator[T]:
        """Yield what is found; whatever its libraries raise becomes SourceError.

        What is raised by those who take it, such as `tell`, is nothing of the archive's.
        """
        try:
            yield from found
        except _BROKEN as error:
            raise self._broken(error) from error
        except OSError as error:
            if error.errno not in (None, errno.EINVAL):
                raise
            raise self._broken(error) from error  # a place before the file; what bz2 cannot unpack

    def _broken(self, error: Exception) -> SourceError:
        return SourceError(
            f"{self.origin}: the archive is cut short or broken ({error})",
            hint="Fetch or make it again; nothing was loaded.",
        )

    def _zip(self) -> Iterator[tuple[str, BinaryIO]]:
        said = entries(self.path)
        if said > MOST_ENTRIES:
            raise SourceError(
                f"{self.origin}: it has more than {MOST_ENTRIES:,} files",
                hint="Unpack it first, and name those that you want.",
            )
        if said < 0:  # zipfile begins in the middle of a damaged list, and keeps one without end
            raise zipfile.BadZipFile("its list is not whole")
        with zipfile.ZipFile(self.path) as archive:
            self._whole = sum(info.file_size for info in archive.infolist())
            for info in archive.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                if not info.filename:  # what zipfile cannot ask for its last letter
                    raise zipfile.BadZipFile("a file in it has no name")
                if info.is_dir() or not self._wanted(info.filename, kind in (0, stat.S_IFREG)):
                    continue
                if info.flag_bits & 1:
                    raise SourceError(
                        f"{self.origin}: {readable(info.filename)} has a password",
                        hint="Unpack it first.",
                    )
                with archive.open(info) as file:
                    yield readable(info.filename), file  # type: ignore[misc]  # it has `read`

    def _tar(self) -> Iterator[tuple[str, BinaryIO]]:
        with self.path.open("rb") as file:
            short = cast("BinaryIO", _Short(file))
            with tarfile.open(fileobj=short, mode="r:") as archive:
                for info in archive:
                    if info.isdir() or not self._wanted(info.name, info.isreg()):
                        continue
                    member = archive.extractfile(info)
                    if member is not None:
                        yield readable(info.name), cast("BinaryIO", member)

    def _wanted(self, name: str, regular: bool) -> bool:  # noqa: FBT001 - what it is
        if is_side(name):
            return False
        if self.within and not fnmatch.fnmatchcase(name, self.within):
            self.left.append(readable(name[:_FULL_NAME]))
            return False
        if not regular:
            self.left.append(f"{readable(name[:_FULL_NAME])} (a link, or no file)")
        return regular

    def _put(self, file: BinaryIO) -> Path:
        """Copy a member to a file whose name is ours."""
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix="member-", delete=False) as target:
            for data in self._explained(iter(partial(file.read, CHUNK), b"")):
                self._room -= target.write(data)
                self.tell(UNPACKING, self.origin, self._most - self._room, self._whole)
                if self._room < 0:
                    size = self.path.stat().st_size
                    hint = "If it is none that means harm, unpack it first."
                    raise trap(self.origin, size, self._most, hint)
        return Path(target.name)


class _Short:
    """A file of which only pieces are read: a tar's header may say that its name has gigabytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tell, self.seek = file.tell, file.seek

    def read(self, size: int) -> bytes:
        """Return that many bytes; raises ValueError for too many."""
        if size > MOST_HEADER:
            raise ValueError("a name in it is too long")
        return self._file.read(size)


def is_zip(path: Path) -> bool:
    """Say whether a file is a zip archive, or what is built on one, such as a workbook."""
    return head(path, 4) in _ZIP


def is_tar(path: Path) -> bool:
    """Say whether a file is a tar archive."""
    return head(path, len(_TAR), _TAR_AT) == _TAR


def is_side(name: str) -> bool:
    """Say whether archivers or file managers put a file there, not people."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part.strip(".")]
    return any(fnmatch.fnmatchcase(part, side) for part in parts for side in _SIDE)
