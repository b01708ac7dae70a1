"""COPY's text format: https://www.postgresql.org/docs/18/sql-copy.html#id-1.9.3.55.9.2."""

import re

_PLAIN = re.compile(rb"[^\\\t\n\r\0]*")
_ESCAPES = ((b"\0", b""), (b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"), (b"\r", b"\\r"))


def fields(*texts: str) -> bytes:
    """Return columns that stand side by side."""
    return b"\t".join(escaped(text.encode()) for text in texts)


def escaped(text: bytes) -> bytes:
    """Return a text as a column has it; what is no UTF-8 is replaced."""
    if not text.isascii():
        text = text.decode(errors="replace").encode()
    if _PLAIN.fullmatch(text):
        return text
    for plain, short in _ESCAPES:
        text = text.replace(plain, short)
    return text
