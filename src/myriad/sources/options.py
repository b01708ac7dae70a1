"""What a person may say about how a source is written."""

from dataclasses import dataclass

from myriad.errors import UsageError

NESTED = ("json", "columns", "tables")
MARKS = (",", ".")  # before decimals
MOST_DELIMITER = 4  # characters
ORDERS = ("dmy", "mdy", "ymd")
# What is said of how a file is written, and how it is typed.
WRITTEN = {
    **{name: f"--{name}" for name in ("delimiter", "quote", "encoding", "header", "skip")},
    **{name: f"--{name}" for name in ("decimal", "dates", "sheet", "records", "nested")},
    "nulls": "--null",
    "null_words": "--no-null",
}


@dataclass(frozen=True)
class Said:
    """What a person says of how values are written; None: work it out.

    Attributes:
        decimal: the mark before decimals, where `.` and `,` fit equally well.
        dates: the order of day, month and year; it also permits years of two digits.
        nulls: words such as `NA` are null where all else is a number, a date or a flag.
    """

    decimal: str | None = None
    dates: str | None = None
    nulls: bool = True


@dataclass(frozen=True)
class ReadOptions:
    """What a person may say about a source's format; None: work it out.

    Attributes:
        nulls: what stands for null, besides nothing.
        skip: lines before the header.
        decimal, dates, null_words: see `Said`.
        sheet: the one of a workbook that is read.
        records: what leads to the records of a document.
        nested: what becomes of nested values: `json`, `columns` or `tables`.
        allow_private: an address may lead on to one of this machine or network.
        key, table: of the table, and its name, as far as they are said: tables of what is nested
            in it are called after both.
    """

    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    header: bool | None = None
    nulls: tuple[str, ...] = ()
    skip: int = 0
    decimal: str | None = None
    dates: str | None = None
    null_words: bool = True
    sheet: str | None = None
    records: str | None = None
    nested: str | None = None
    allow_private: bool = False
    key: tuple[str, ...] = ()
    table: str = ""

    @property
    def given(self) -> list[str]:
        """Which of `WRITTEN` were said."""
        return [name for name in WRITTEN if getattr(self, name) != getattr(ReadOptions, name)]

    @property
    def said(self) -> Said:
        """How values are written, as far as a person says so."""
        return Said(self.decimal, self.dates, self.null_words)

    def __post_init__(self) -> None:
        """Refuse what no file can be written with; raises UsageError."""
        check_said(self.decimal, self.dates)
        for what, mark in (("delimiter", self.delimiter), ("quote", self.quote)):
            if mark is not None and not is_mark(mark, MOST_DELIMITER if what == "delimiter" else 1):
                raise UsageError(f"{mark!r} is no {what}", hint="ASCII characters are needed.")
        if self.nested not in (None, *NESTED):
            raise UsageError(
                f"nested values cannot become {self.nested!r}", hint=f"One of {', '.join(NESTED)}."
            )
        if self.delimiter is not None and self.delimiter == (self.quote or '"'):
            raise UsageError(
                f"{self.delimiter!r} cannot be the delimiter and the quote",
                hint="Name another --quote, such as one that the file does not have.",
            )


def is_mark(text: str, most: int) -> bool:
    """Say whether a text may be a mark of at most so many characters."""
    return 0 < len(text) <= most and text.isascii() and not set(text) & set("\r\n\0")


def check_said(decimal: str | None, dates: str | None) -> None:
    """Raise UsageError for a decimal mark or an order of dates that there is none."""
    if decimal not in (None, *MARKS):
        raise UsageError(f"{decimal!r} is no decimal mark", hint="--decimal . or --decimal ,")
    if dates not in (None, *ORDERS):
        raise UsageError(f"{dates!r} is no order of dates", hint=f"One of {', '.join(ORDERS)}.")
