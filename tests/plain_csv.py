"""A plain reader of CSV, character by character: the truth that Myriad's readings are held to."""

from dataclasses import dataclass, field

Values = tuple[str | None, ...]
Fields = list[tuple[str, bool]]  # each with whether it stands in quotes


@dataclass
class Record:
    """A record on its first line; or lines that are none, of which `broken` says why not.

    Attributes:
        lines: those of a broken one that are not blank; `blank` are the others.
    """

    line: int
    fields: Fields = field(default_factory=list)
    broken: str = ""
    lines: list[int] = field(default_factory=list)
    blank: list[int] = field(default_factory=list)

    @property
    def is_blank(self) -> bool:
        return not self.broken and self.fields == [("", False)]


@dataclass
class Reading:
    """What a text holds.

    Attributes:
        header: the first record, where it is one of names.
        records: all others, without blank lines that are none.
        rows: the values of those that fit, None for a field that is empty and not in quotes.
        broken: the lines of those that do not.
    """

    header: Record | None
    records: list[Record]
    rows: list[Values] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)


def read(text: str, delimiter: str, quote: str, *, width: int, header: bool) -> Reading:
    """Read `text` as a table of `width` columns."""
    newline = "\r" if "\r" in text and "\n" not in text else "\n"
    records = list(_Text(text.removeprefix("\ufeff"), delimiter, quote, newline).records())
    while records and records[0].is_blank:
        del records[0]
    first = records.pop(0) if header else None
    if width > 1:
        records = [record for record in records if not record.is_blank]
    found = Reading(first, records)
    trailing: bool | None = None
    for record in records:
        fields = record.fields
        if record.broken:
            found.broken += record.lines + (record.blank if width == 1 else [])
            continue
        ends = width > 1 and len(fields) == width + 1 and fields[-1] == ("", False)
        trailing = ends if trailing is None else trailing
        wrong = not ends if trailing else len(fields) != width
        if wrong or any("\0" in value for value, _ in fields):
            found.broken.append(record.line)
        else:
            values = ((value if value or quoted else None) for value, quoted in fields[:width])
            found.rows.append(tuple(values))
    return found


@dataclass
class _Text:
    text: str
    delimiter: str
    quote: str
    newline: str
    at: int = 0

    def records(self) -> "list[Record]":
        found, line = [], 1
        while self.at < len(self.text):
            begin = self.at
            record = Record(line)
            record.broken = self._fill(record.fields)
            if record.broken:  # with the rest of the line where it broke
                stop = self.text.find(self.newline, self.at)
                self.at = len(self.text) if stop < 0 else stop + 1
                taken = self.text[begin : self.at].removesuffix(self.newline)
                for number, part in enumerate(taken.split(self.newline), line):
                    (record.lines if part.strip("\r\n") else record.blank).append(number)
            line += self.text.count(self.newline, begin, self.at)
            found.append(record)
        return found

    def _here(self) -> str:
        return self.text[self.at : self.at + 1]

    def _fill(self, fields: Fields) -> str:
        """Read one record into `fields`; return what is wrong with it."""
        while True:
            begin = self.at
            self._skip_blanks()
            quoted = self._here() == self.quote
            if quoted:
                value = self._quoted()
                if value is None:
                    return "never ends"
                self._skip_blanks()
            else:
                self.at = begin
                while self._here() not in (self.delimiter, "\r", "\n", ""):
                    self.at += 1
                value = self.text[begin : self.at]
            fields.append((value, quoted))
            if self._here() != self.delimiter:
                return self._end()
            self.at += 1

    def _skip_blanks(self) -> None:
        while self._here() == " " and self.delimiter != " ":
            self.at += 1

    def _quoted(self) -> str | None:
        value = ""
        while True:
            self.at += 1
            if self._here() == "":
                return None
            if self._here() == self.quote:
                self.at += 1
                if self._here() != self.quote:
                    return value
            value += self._here()

    def _end(self) -> str:
        end = self.at
        while self.newline == "\n" and self.text[end : end + 1] == "\r":
            end += 1
        if self.text[end : end + 1] not in (self.newline, ""):
            return "text behind a closing quote, or a line end of another kind"
        self.at = end + 1 if end < len(self.text) else end
        return ""
