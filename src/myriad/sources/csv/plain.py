"""From a file that should hold a table of text to UTF-8 that does, or a word on what it is."""

from dataclasses import dataclass, replace
from pathlib import Path

from myriad.sources.base import Tell, Workspace
from myriad.sources.csv import layout, no_table, rewritten
from myriad.sources.csv.layout import Layout
from myriad.sources.options import ReadOptions
from myriad.sources.places import encodings, files, text_files


@dataclass(frozen=True)
class Plain:
    """A table of text in UTF-8.

    Attributes:
        path: the file, or a copy, in which lines are blank that are no records.
        tabs: its name promises them.
        delimiter: what separates its fields, where that is known.
        long: what does in the file, if that is something else.
        notes: what a person should know of how it is written; its encoding first.
    """

    path: Path
    layout: Layout
    tabs: bool
    delimiter: str | None = None
    long: str = ""
    notes: tuple[str, ...] = ()


def text(path: Path, origin: str, options: ReadOptions, workspace: Workspace) -> Plain:
    """Return a file, or what copies make of it; raises SourceError if it is no text."""
    folder, tell = workspace.folder, workspace.tell
    text_files.refuse_binary(path, origin)
    encoding, encoded = _encoding(path, origin, options, tell)
    if encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        path = text_files.transcoded(path, encoding, folder, origin, tell)
    if options.skip:
        path = text_files.blanked(path, options.skip, folder)
    no_table.refuse(files.head(path), origin, options)
    tabs = origin.lower().removesuffix(".gz").removesuffix(".zst").endswith(".tsv")
    made = rewritten.plain(path, options, folder, workspace.longest)
    options = replace(options, delimiter=made.delimiter)
    found = layout.find(made.path, options, tabs=tabs)
    path, delimiter = layout.without(made.path, found, folder), made.delimiter or found.delimiter
    return Plain(
        path,
        found,
        tabs,
        delimiter,
        made.long,
        (*filter(None, [encoded]), *made.notes, *found.notes),
    )


def _encoding(path: Path, origin: str, options: ReadOptions, tell: Tell) -> tuple[str, str]:
    """Return a file's encoding, and a note on it where a person may know better.

    All that is looked for in a text depends on it, so it is decided first, by the whole file.
    Raises SourceError if several are likely.
    """
    said = options.encoding or text_files.wide_encoding(files.head(path))
    legacy = None if said else text_files.legacy_encoding(path, origin, tell)
    if legacy is None:
        return said or "utf-8", ""
    named = f"not UTF-8: read as {legacy}; --encoding says otherwise"
    return encodings.chosen(path, origin) or (legacy, named)
