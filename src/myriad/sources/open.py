"""Find the format of what a person named and open it as tables."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from myriad.errors import SourceEmpty, SourceError
from myriad.sources import formats
from myriad.sources.base import TableSource, Watch, Workspace
from myriad.sources.options import ReadOptions
from myriad.sources.places import files
from myriad.sources.places.names import STDIN, expand, refuse_unreadable, uncompressed
from myriad.wording import readable

STANDARD_INPUT = "standard input"

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


def _open(
    path: Path, options: OptionsFor, workspace: Workspace, empty: Instead | None
) -> list[TableSource]:
    origin = readable(str(path))
    if origin == STDIN:
        if sys.stdin is None or sys.stdin.closed:
            raise SourceError("standard input is closed", hint="Pipe a file in, or name one.")
        origin, path = STANDARD_INPUT, files.spooled(sys.stdin.buffer, workspace.folder)
    refuse_unreadable(path, origin)
    watch = Watch(path, origin)
    plain = files.decompressed(path, workspace.folder)
    start, end = files.head(plain), files.tail(plain)
    if origin == STANDARD_INPUT:
        name, chosen = "stdin", formats.Chosen(formats.of_stream(start, end))
    else:
        path = uncompressed(path)
        name = readable(path.stem)
        chosen = formats.of_file(path.suffix.lower(), start, end, origin)
    try:
        opened = chosen.format.open(plain, origin, options(name), workspace, name)
    except SourceEmpty as error:
        if empty is None:
            raise
        opened = [empty(name, origin, error)]
    for source in opened:
        _check_names(source)
        source.watch = source.watch if source.guarded else watch
        source.notes = (chosen.note,) if chosen.note else ()
    return opened


def _check_names(source: TableSource) -> None:
    for column in source.table.columns:
        if "\0" in column.name:
            raise SourceError(
                f"{source.origin}: the name {column.name!r} of a column holds a NUL character",
                hint="No engine takes that. Name the column otherwise.",
            )
