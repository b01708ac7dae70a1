"""From a file that should hold a table of text to UTF-8 that does, or a word on what it is."""

from pathlib import Path

from myriad.sources.csv import no_table
from myriad.sources.options import ReadOptions
from myriad.sources.places import files, text_files


def text(path: Path, origin: str, options: ReadOptions, folder: Path) -> Path:
    """Return the file, or a copy in `folder`, in UTF-8, the lines to skip blank.

    Raises SourceError if it is no table of text.
    """
    text_files.refuse_binary(path, origin)
    encoding = options.encoding or text_files.wide_encoding(files.head(path))
    if encoding and encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        path = text_files.transcoded(path, encoding, folder, origin)
    if options.skip:
        path = text_files.blanked(path, options.skip, folder)
    no_table.refuse(files.head(path), origin, options)
    return path
