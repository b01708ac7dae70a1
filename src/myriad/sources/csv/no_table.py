"""What comes in the place of a table of text: an HTML page, JSON, the words of an error."""

import json
import re

from myriad.errors import NoTable
from myriad.sources.options import ReadOptions

_SPACE = b"\xef\xbb\xbf \t\r\n"
_MARKUP = re.compile(rb"<(!doctype\s+html|html|head|body|table|meta|\?xml|!--)", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)
_MARKS = re.compile(r"[,;\t|]")
_PAGE = (
    "Was an error or a login saved in its place? If a browser shows a table, open the file in a"
    " spreadsheet program and save it as .xlsx or CSV. If it is one itself, say its --delimiter."
)
_ELSE = "Was an error saved in its place? If it is a table, say its --delimiter."
SHOWN = 80  # characters of it


def refuse(start: bytes, origin: str, options: ReadOptions) -> None:
    """Raise NoTable, saying what it is, if a file that begins with `start` is no table.

    Not where the person said what separates its fields, or whether it has a header.
    """
    if options.delimiter is not None or options.header is not None:
        return
    what = _what(start.lstrip(_SPACE))
    if what:
        raise NoTable(
            f"{origin}: this is {what}, and no table",
            hint=_PAGE if "HTML" in what else _ELSE,
        )


def _what(start: bytes) -> str:
    markup = _MARKUP.match(start)
    if markup:
        title = _TITLE.search(start)
        named = f", {title[1].decode(errors='replace').strip()!r}" if title else ""
        return f"{'XML' if markup[1] == b'?xml' else 'an HTML page'}{named}"
    if start[:1] in (b"{", b"["):
        return _json(start)
    lines = start.decode(errors="replace").splitlines()
    if len(lines) == 1 and " " in lines[0].strip() and not _MARKS.search(lines[0]):
        return f"one line of text, {lines[0][:SHOWN]!r}"
    return ""


def _json(start: bytes) -> str:
    try:
        found, _ = json.JSONDecoder().raw_decode(start.decode(errors="replace"))
    except (ValueError, RecursionError):
        return ""
    return "JSON (name it .json)" if isinstance(found, (dict, list)) else ""
