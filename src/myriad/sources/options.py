"""What a person may say about how a source is written."""

from dataclasses import dataclass

from myriad.errors import UsageError


@dataclass(frozen=True)
class ReadOptions:
    """What a person may say about a source's format; None: work it out.

    Attributes:
        nulls: what stands for null, besides nothing.
        skip: lines before the header.
    """

    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    header: bool | None = None
    nulls: tuple[str, ...] = ()
    skip: int = 0

    def __post_init__(self) -> None:
        """Refuse what no file can be written with; raises UsageError."""
        for what, mark in (("delimiter", self.delimiter), ("quote", self.quote)):
            if mark is not None and (len(mark) != 1 or not mark.isascii() or mark in "\r\n\0"):
                raise UsageError(f"{mark!r} is no {what}", hint="One ASCII character is needed.")
        if self.delimiter is not None and self.delimiter == (self.quote or '"'):
            raise UsageError(
                f"{self.delimiter!r} cannot be the delimiter and the quote",
                hint="Name another --quote, such as one that the file does not have.",
            )
