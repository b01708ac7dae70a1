"""The files of a folder, as many as are read at all."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from myriad.errors import SourceError
from myriad.sources.places import archives
from myriad.wording import readable

MOST_FILES = 10_000


def below(folder: Path, left: list[str] | None = None) -> list[Path]:
    """Return the files below a folder, in order; `left` takes what is neither file nor folder.

    Raises SourceError for too many.
    """
    found = sorted(islice(_walk(folder, [] if left is None else left), MOST_FILES + 1))
    if len(found) > MOST_FILES:
        raise too_many(readable(str(folder)))
    return found


def too_many(origin: str) -> SourceError:
    """Return the error for a folder with more files than are read."""
    return SourceError(
        f"{origin}: it has more than {MOST_FILES:,} files",
        hint=f"Name those that you want: '{origin}/*.csv'.",
    )


def _walk(folder: Path, left: list[str]) -> Iterator[Path]:
    """Yield the files below a folder; links to folders are not followed."""
    for entry in folder.iterdir():
        if archives.is_side(entry.name):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry, left)
        elif entry.is_file():
            yield entry
        else:
            left.append(f"{readable(str(entry))} ({_why(entry)})")


def _why(entry: Path) -> str:
    """Say why an entry of a folder is not read."""
    if not entry.exists():
        return "a link that leads nowhere"
    return "a link to a folder" if entry.is_dir() else "no file"
