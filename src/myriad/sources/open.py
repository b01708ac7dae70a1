"""Find the format of what a person named and open it as tables."""

import glob
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from myriad.errors import SourceEmpty, SourceError
from myriad.sources import spool
from myriad.sources.base import ReadOptions, TableSource, Watch, Workspace, missing

STDIN = "-"
COMPRESSED = (".gz", ".zst")
# Ending → module of this package, loaded when the first such file comes.
FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
}


OptionsFor = Callable[[str], ReadOptions]
# What stands for a source that is empty, by its table's name and its origin; raises the error.
Instead = Callable[[str, str, SourceEmpty], TableSource]


def open_sources(
    names: Sequence[str | Path],
    options: OptionsFor,
    workspace: Workspace,
    empty: Instead | None = None,
) -> list[TableSource]:
    """Open all that `names` name: files, globs, `-` for standard input.

    `options` says how to read the file from which a table of that name comes, `empty` what stands
    for a file without content.

    Raises SourceError for the first that is missing, a folder, or of no known format.
    """
    opened: list[TableSource] = []
    try:
        for name in names:
            for path in expand(name):
                opened += _open(path, options, workspace, empty)
    except BaseException:
        for source in opened:
            source.close()
        raise
    return opened


def check(names: Sequence[str | Path]) -> None:
    """Raise SourceError for the first that is missing, a folder or not to be read."""
    for name in names:
        for path in expand(name):
            if str(path) != STDIN:
                _check(path, _readable(str(path)))


def expand(name: str | Path) -> Iterator[Path]:
    """Yield the files that a name stands for; raises SourceError if there is none."""
    path = Path(name)
    if str(name) == STDIN or os.path.lexists(path):
        yield path
        return
    found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - it may be absolute
    if not found:
        raise missing(path)
    yield from (Path(entry) for entry in found)


def called(name: str | Path) -> Iterator[str]:
    """Yield what the tables of a source are called, as far as names of files say; reads none."""
    try:
        paths = list(expand(name))
    except SourceError:
        paths = [Path(name)]
    for path in paths:
        yield "stdin" if str(path) == STDIN else _readable(_uncompressed(path).stem)


def _open(
    path: Path, options: OptionsFor, workspace: Workspace, empty: Instead | None
) -> list[TableSource]:
    origin = _readable(str(path))
    if origin == STDIN:
        if sys.stdin is None or sys.stdin.closed:
            raise SourceError("standard input is closed", hint="Pipe a file in, or name one.")
        origin, path = "standard input", spool.spooled(sys.stdin.buffer, workspace.folder)
    _check(path, origin)
    watch = Watch(path, origin)
    plain = spool.decompressed(path, workspace.folder)
    name, ending = _name_and_ending(path, plain, origin)
    if ending not in FORMATS:
        what = f"the ending {ending} is not known" if ending else "the name has no ending"
        raise SourceError(
            f"{origin}: {what}",
            hint=f"Known: {', '.join(FORMATS)}. Save a workbook as CSV; rename what is text.",
        )
    kind = FORMATS[ending]
    open_format = getattr(importlib.import_module(f"myriad.sources.{kind}"), f"open_{kind}")
    opened: list[TableSource]
    try:
        opened = open_format(plain, origin, options(name), workspace, name=name)
    except SourceEmpty as error:
        if empty is None:
            raise
        opened = [empty(name, origin, error)]
    for source in opened:
        _check_names(source)
        source.watch = source.watch if source.guarded else watch
    return opened


def _check_names(source: TableSource) -> None:
    for column in source.table.columns:
        if "\0" in column.name:
            raise SourceError(
                f"{source.origin}: the name {column.name!r} of a column holds a NUL character",
                hint="No engine takes that. Name the column otherwise.",
            )


def _check(path: Path, origin: str) -> None:
    if path.is_dir():
        raise SourceError(f"{origin} is a folder", hint=f"Name the files in it: '{origin}/*.csv'.")
    if not path.exists():
        raise missing(path)
    if not path.is_file():
        raise SourceError(
            f"{origin} is not a regular file", hint="Pipe it in: `… | myriad publish -`."
        )
    if not os.access(path, os.R_OK):
        raise SourceError(f"{origin}: not allowed to read it", hint="Check the file's permissions.")


def _name_and_ending(path: Path, plain: Path, origin: str) -> tuple[str, str]:
    """Return the table's name and the format's ending; standard input is told by its content."""
    if origin == "standard input":
        start = spool.head(plain)
        if start.startswith(b"SQLite format 3\0"):
            return "stdin", ".sqlite"
        if start.startswith(b"PAR1"):
            return "stdin", ".parquet"
        return "stdin", ".jsonl" if start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(
            b"{"
        ) else ".csv"
    path = _uncompressed(path)
    return _readable(path.stem), path.suffix.lower()


def _uncompressed(path: Path) -> Path:
    """Return the path without the endings that say how it is compressed."""
    while path.suffix.lower() in COMPRESSED:
        path = path.with_suffix("")
    return path


def _readable(name: str) -> str:
    """Return a file's name as text: bytes that are no UTF-8, and what moves a terminal, escaped."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
