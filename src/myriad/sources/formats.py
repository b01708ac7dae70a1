"""All formats of files that can be read, in one table; a new one is a room and a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from myriad.errors import SourceError
from myriad.sources.base import TableSource, Workspace
from myriad.sources.options import ReadOptions

Opener = Callable[..., list[TableSource]]
_SPACE = b"\xef\xbb\xbf \r\n\t"


def _csv() -> Opener:
    from myriad.sources.csv.source import open_csv  # noqa: PLC0415 - with the first such file

    return open_csv


def _jsonl() -> Opener:
    from myriad.sources.jsonl.source import open_jsonl  # noqa: PLC0415

    return open_jsonl


def _parquet() -> Opener:
    from myriad.sources.parquet.source import open_parquet  # noqa: PLC0415

    return open_parquet


def _sqlite() -> Opener:
    from myriad.sources.sqlite.source import open_sqlite  # noqa: PLC0415

    return open_sqlite


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes:
        name: what people call such a file.
        endings: of its name; the first is the one to recommend.
        magic: with which bytes every such file begins; text may have space before them.
        opener: returns what opens one: given path, origin, workspace and `name`, and `options` if
            it has any.
        text: it is text.
        options: a person may say how it is written.
    """

    name: str
    endings: tuple[str, ...]
    magic: bytes
    opener: Callable[[], Opener]
    text: bool = False
    options: bool = False

    def begins(self, start: bytes) -> bool:
        """Say whether a file that begins so may be one."""
        return (start.lstrip(_SPACE) if self.text else start).startswith(self.magic)

    def open(
        self, path: Path, origin: str, options: ReadOptions, workspace: Workspace, name: str
    ) -> list[TableSource]:
        """Open a plain file; `name` is its table's, where it has one. Raises SourceError."""
        said = {"options": options} if self.options else {}
        return self.opener()(path, origin, workspace, name=name, **said)


# In the order in which people are told of them; anything that is none of the others may be CSV.
FORMATS = (
    Format("a CSV file", (".csv", ".tsv", ".txt"), b"", _csv, text=True, options=True),
    Format("JSON Lines", (".jsonl", ".ndjson", ".json"), b"{", _jsonl, text=True),
    Format("a Parquet file", (".parquet",), b"PAR1", _parquet),
    Format("a SQLite database", (".sqlite", ".sqlite3", ".db"), b"SQLite format 3\0", _sqlite),
)


def of_content(start: bytes) -> Format:
    """Return the format of a file without a name, by its first bytes."""
    return next(each for each in reversed(FORMATS) if each.begins(start))


def of_ending(ending: str, origin: str) -> Format:
    """Return the format of a file by its name's ending; raises SourceError if none has it."""
    for each in FORMATS:
        if ending in each.endings:
            return each
    what = f"the ending {ending} is not known" if ending else "the name has no ending"
    known = ", ".join(known for each in FORMATS for known in each.endings)
    raise SourceError(
        f"{origin}: {what}",
        hint=f"Known: {known}. Save a workbook as CSV; rename what is text.",
    )


def refuse_other(chosen: Format, start: bytes, origin: str) -> None:
    """Raise SourceError if a file that should be text begins as one of another format."""
    for each in FORMATS:
        if chosen.text and not each.text and each.begins(start):
            raise SourceError(
                f"{origin}: this is {each.name} (name it {each.endings[0]}), not text",
                hint="Publish a table of text.",
            )
