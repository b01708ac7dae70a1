"""What tells whether something that was named is what it was: before it is read, and after."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from myriad.errors import SourceError
from myriad.sources.places import addresses, folders
from myriad.sources.places.names import STDIN, within
from myriad.wording import readable

if TYPE_CHECKING:
    from myriad.sources.places.cloud import Object

_CHUNK = 1 << 18  # bytes that are read at once


def version(named: str | Path, *, private: bool) -> str:
    """Return what tells now whether it changed; "" if nothing does. Raises SourceError."""
    if addresses.is_cloud(named):
        from myriad.sources.places import cloud  # noqa: PLC0415 - with the first such address

        one = cloud.one(str(named))
        return of_objects([one] if one else cloud.below(str(named)))
    if addresses.is_address(named):
        from myriad.sources.places import web  # noqa: PLC0415

        return of_web(str(named), web.version(str(named), private=private))
    return "" if str(named) == STDIN else _of_files(Path(named))


def of_web(address: str, said: str) -> str:
    """Return the version of an address whose server said this.

    What stands behind its question mark makes it another one. It may be a secret, so that only two
    bytes tell of it: enough to see a change, too few to guess it.
    """
    query = urlsplit(address).query
    return f"{said} {_digest([query.encode()], size=2)}" if said and query else said


def of_objects(objects: "Iterable[Object]") -> str:
    """Return the version of objects in a cloud."""
    told = sorted(f"{each.address} {each.version}" for each in objects)
    return _digest(line.encode() + b"\n" for line in told)


def content(files: Iterable[tuple[str, Path]]) -> str:
    """Return the fingerprint of files, by their names within what was named."""

    def pieces() -> Iterator[bytes]:
        for name, path in files:
            yield f"{name}\0{path.stat().st_size}\0".encode("utf-8", "surrogateescape")
            with path.open("rb") as file:
                while data := file.read(_CHUNK):
                    yield data

    return _digest(pieces())


def _of_files(path: Path) -> str:
    try:
        inside = None if path.exists() else within(path)
        path = inside[0] if inside else path
        files = folders.below(path) if path.is_dir() else [path]
        states = ((each, _state(each)) for each in files)
        told = [f"{each} {state.st_size} {state.st_mtime_ns}\n" for each, state in states]
    except OSError as error:
        raise SourceError(
            f"{readable(str(path))}: it cannot be looked at: {error.strerror}",
            hint="Is somebody writing there at this moment? Try again.",
        ) from error
    return _digest(line.encode("utf-8", "surrogateescape") for line in told)


def _state(path: Path) -> os.stat_result:
    """Return the state of what a link leads to; of the link, where it leads nowhere."""
    try:
        return path.stat()
    except OSError:
        return path.lstat()


def _digest(pieces: Iterable[bytes], size: int = 16) -> str:
    found = hashlib.blake2b(digest_size=size)
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()
