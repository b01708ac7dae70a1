"""What a person names: files that are there, globs, and what their tables would be called."""

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

from myriad.errors import SourceError
from myriad.sources.places import addresses
from myriad.wording import readable

STDIN = "-"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,2}")  # a path has lost one of its slashes
COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
ARCHIVES = (".zip", ".tar", ".tgz", ".tbz2", ".txz")


def expand(name: str | Path) -> Iterator[str | Path]:
    """Yield the files that a name stands for, or addresses; raises SourceError for none."""
    if addresses.is_cloud(name):
        from myriad.sources.places import cloud  # noqa: PLC0415 - with the first such address

        yield from cloud.expand(str(name))
        return
    if addresses.is_address(name):
        addresses.refuse_wrong(name)
        yield name
        return
    path = Path(name)
    if str(name) == STDIN or os.path.lexists(path):
        yield path
        return
    if within(path) is not None:
        yield path
        return
    found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - it may be absolute
    if not found:
        addresses.refuse_wrong(name)
        raise _missing(path)
    yield from (Path(entry) for entry in found)


def within(name: str | Path) -> tuple[Path, str] | None:
    """Return the archive that a name leads into, and what comes behind; None if it is none."""
    path = Path(name)
    for above in path.parents:
        if above.is_file():
            return above, str(path.relative_to(above))
    return None


def called(name: str | Path) -> Iterator[str]:
    """Yield what the tables of a source are called, as far as names of files say; reads none."""
    try:
        paths = list(expand(name))
    except SourceError:
        paths = [Path(name)]
    for each in paths:
        path = Path(addresses.file_name(str(each))) if addresses.is_address(each) else Path(each)
        yield "stdin" if str(path) == STDIN else table_of(path)


def check_there(name: str | Path) -> None:
    """Raise SourceError for a file that is missing or not to be read."""
    path = Path(name)
    if not addresses.is_address(name) and str(path) != STDIN and within(path) is None:
        refuse_unreadable(path, readable(str(path)))


def refuse_unreadable(path: Path, origin: str) -> None:
    """Raise SourceError for what is missing, neither file nor folder, or not to be read."""
    if not path.exists():
        raise _missing(path)
    if not path.is_file() and not path.is_dir():
        raise SourceError(
            f"{origin} is not a regular file", hint="Pipe it in: `… | myriad publish -`."
        )
    if not os.access(path, os.R_OK):
        raise SourceError(f"{origin}: not allowed to read it", hint="Check the file's permissions.")


def uncompressed(path: Path) -> Path:
    """Return the path without the endings that say how it is compressed."""
    while path.suffix.lower() in COMPRESSED:
        path = path.with_suffix("")
    return path


def is_packed(path: Path) -> bool:
    """Say whether a file is called like an archive of others."""
    return path.suffix.lower() in ARCHIVES or uncompressed(path).suffix.lower() in ARCHIVES


def table_of(path: Path) -> str:
    """Return what the one table of a file or an archive is called: `bank` for `bank.csv.zip`."""
    plain = path
    while plain.suffix.lower() in (*COMPRESSED, *ARCHIVES):
        plain = plain.with_suffix("")
    packed = plain != uncompressed(path) and not plain.suffix[1:].isalpha()
    return readable(plain.name if packed else plain.stem)


def _missing(path: Path) -> SourceError:
    name = readable(str(path))
    if scheme := _SCHEME.match(name):
        return addresses.not_read(scheme[1])
    return SourceError(f"{name}: no such file", hint="Check the path; globs are expanded too.")
