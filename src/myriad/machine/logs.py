"""Log files: their last lines, and a bound on their size."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

LIMIT = 16 * 1024 * 1024  # bytes; with the one old file twice that is kept
TAIL = 256 * 1024  # bytes read from the end to find the last lines


def tail(path: Path, lines: int) -> list[str]:
    """Return the last lines of a log, none if there is no log yet."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = file.seek(max(0, size - max(TAIL, lines * 200)))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    found = text.splitlines()
    if start:
        found = found[1:]  # cut in the middle
    return found[-lines:] if lines > 0 else []


def since(path: Path, begin: int) -> list[str]:
    """Return the lines written after byte `begin`."""
    with path.open("rb") as file:
        file.seek(begin)
        return file.read().decode(errors="replace").splitlines()


class Unread:
    """Gives the lines that came into a log since they were last asked for; begins at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = path.stat().st_size if path.exists() else 0

    def __call__(self) -> list[str]:
        """Return the new whole lines."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            if file.seek(0, os.SEEK_END) < self._at:  # it was emptied, or another began
                self._at = 0
            file.seek(self._at)
            whole = file.read().rpartition(b"\n")[0]
        self._at += len(whole) + bool(whole)
        return whole.decode(errors="replace").splitlines()


def follow(path: Path, pause: float = 0.2) -> Iterator[str]:
    """Yield lines as they are written, for ever; begins at the end."""
    place = path.stat().st_size if path.exists() else 0
    rest = b""
    while True:
        size = path.stat().st_size if path.exists() else 0
        if size < place:  # `bound` emptied it
            place = 0
        if size > place:
            with path.open("rb") as file:
                file.seek(place)
                *lines, rest = (rest + file.read()).split(b"\n")
                place = file.tell()
            yield from (line.decode(errors="replace") for line in lines)
        time.sleep(pause)


def bound(path: Path, limit: int = LIMIT) -> None:
    """Move a log's content to `<name>.1` once it is too big; whoever appends to it just goes on."""
    if not path.exists() or path.stat().st_size < limit:
        return
    old = path.with_name(path.name + ".1")
    try:
        shutil.copyfile(path, old)
        old.chmod(0o600)
    except OSError:  # a full disk needs the space more than the old lines
        old.unlink(missing_ok=True)
    with path.open("r+b") as file:
        file.truncate(0)
