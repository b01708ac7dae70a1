"""What a record of CSV may look like, as regular expressions over its bytes.

A field that begins with a quote ends with one (RFC 4180); blanks around such a field are no part
of it. Elsewhere a quote is a character like any other.
"""

import re

from myriad.sources.csv.dialect import Dialect
from myriad.wording import number_of

Line = bytes | bytearray

_RETURN = "a line end outside of quotes, in the middle of the record"
_BEHIND = "text behind a closing quote"


class Fields:
    """Tells sound records from others, and writes them in the one way that all readers read."""

    def __init__(self, dialect: Dialect) -> None:
        self.quote, self.delimiter = dialect.quote.encode(), dialect.delimiter.encode()
        self.width = len(dialect.names)
        q, d = re.escape(self.quote), re.escape(self.delimiter)
        blanks = b"" if self.delimiter == b" " else b" *+"
        # Possessive: hostile lines cannot make it backtrack.
        inner = b"(?:[^%s]++|%s%s)*+" % (q, q, q)
        quoted = b"%s%s%s%s%s" % (blanks, q, inner, q, blanks)
        plain = b"(?!%s%s)[^%s\\r\\n]*+" % (blanks, q, d)
        field = b"(?:%s|%s)" % (quoted, plain)
        opening = b"(?:%s%s)*+%s%s%s" % (field, d, blanks, q, inner)
        bare = b"(?:%s%s%s|[^%s%s]*+)" % (q, inner, q, q, d)
        self._quoted = re.compile(quoted)
        self._whole = re.compile(b"%s(?:%s%s)*+" % (field, d, field))
        self._opens = re.compile(opening)
        self._stays = re.compile(b"%s(?:%s%s%s%s)?" % (inner, q, blanks, d, opening))
        self._closes = re.compile(b"%s%s%s(?:%s%s)*+" % (inner, q, blanks, d, field))
        self._each = re.compile(b"(^|%s)(?:(%s)|(%s))" % (d, quoted, plain))
        self._as_is = re.compile(b"%s(?:%s%s)*+" % (bare, d, bare))

    def fault(self, body: Line) -> str:
        """Say what is wrong with a line that is a record by itself; empty if nothing is."""
        if self.quote not in body:
            return _RETURN if b"\r" in body or b"\n" in body else ""
        if self._whole.fullmatch(body):
            return ""
        bare = self._quoted.sub(b"", body)
        return _RETURN if b"\r" in bare or b"\n" in bare else _BEHIND

    def opens(self, line: Line) -> bool:
        """Say whether a quoted field that begins in this line is open at its end."""
        return self._opens.fullmatch(line) is not None

    def stays(self, line: Line) -> bool:
        """Say whether a line that begins inside of a quoted field ends inside of one."""
        return self._stays.fullmatch(line) is not None

    def closes(self, body: Line) -> bool:
        """Say whether a line that begins inside of a quoted field ends a record."""
        return self._closes.fullmatch(body) is not None

    def count(self, raw: bytes) -> int:
        """Return how many fields a sound record has."""
        if self.quote not in raw:
            return raw.count(self.delimiter) + 1
        return sum(1 for _ in self._each.finditer(raw))

    def trail(self, raw: bytes, fields: int) -> bool:
        """Say whether a sound record has a delimiter too many behind its last field."""
        return self.width > 1 and fields == self.width + 1 and raw.endswith(self.delimiter)

    def misfit(self, raw: bytes, fields: int, *, trailing: bool) -> str:
        """Say why a sound record is none of this table; empty if it is one.

        `trailing`: each has a delimiter behind its last field.
        """
        if trailing and fields == self.width:
            return "no delimiter behind its last field, as all before have"
        if not (self.trail(raw, fields) if trailing else fields == self.width):
            return f"{number_of(fields, 'field')} where {self.width} are expected"
        if b"\0" in raw:
            return f"NUL byte at byte {raw.index(0) + 1}; Myriad takes it into neither engine"
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as error:
            return f"not UTF-8: byte 0x{raw[error.start]:02x} at byte {error.start + 1}"
        return ""

    def written(self, raw: bytes) -> bytes:
        """Return a sound record with quotes around whole fields only, without blanks around."""
        if self.quote not in raw or self._as_is.fullmatch(raw):
            return raw
        return self._each.sub(self._field, raw)

    def _field(self, found: re.Match[bytes]) -> bytes:
        before, quoted, plain = found.groups()
        if quoted is not None:
            return bytes(before) + quoted.strip(b" ")
        if self.quote not in plain:
            return found[0]
        return before + self.quote + plain.replace(self.quote, self.quote * 2) + self.quote
