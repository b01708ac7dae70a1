"""From a file that should hold a table of text to UTF-8 that does, or a word on what it is."""

from pathlib import Path

from myriad.sources import no_table, spool
from myriad.sources.base import ReadOptions


def text(path: Path, origin: str, options: ReadOptions, folder: Path) -> Path:
    """Return the file, or a copy in `folder`, in UTF-8, the lines to skip blank.

    Raises SourceError if it is no table of text.
    """
    spool.refuse_binary(path, origin)
    encoding = options.encoding or spool.wide_encoding(spool.head(path))
    if encoding and encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        path = spool.transcoded(path, encoding, folder, origin)
    if options.skip:
        path = spool.blanked(path, options.skip, folder)
    no_table.refuse(spool.head(path), origin, options)
    return path
