"""XML: its records, as another process turned them into JSON."""

import re
from pathlib import Path
from typing import Any

from myriad.errors import SourceEmpty
from myriad.sources.apart.process import Reader
from myriad.sources.base import TableSource, Workspace
from myriad.sources.jsonl.nested import Nested
from myriad.sources.jsonl.records import Number
from myriad.sources.jsonl.source import Given, open_given
from myriad.sources.options import ReadOptions

LONGEST = 38  # digits that a number type carries
READER = Reader("myriad.sources.xml.reader", "XML", "lxml", "xml")
# A text that a number writes back as it is: one with an exponent is none without doubt.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_ZERO = re.compile(r"-0(?:\.0+)?")


def open_xml(
    path: Path, origin: str, workspace: Workspace, *, name: str, options: ReadOptions
) -> list[TableSource]:
    """Open an XML file; `name` is the table's. Raises SourceError."""
    if path.stat().st_size == 0:
        raise SourceEmpty(origin)
    answer, folder = READER.read(path, origin, workspace, {"records": options.records})
    given = Given(
        folder / answer["file"],
        origin,
        name,
        unit="record",
        plain=_plain,
        nested=Nested.COLUMNS,
        notes=(answer["note"],) if answer["note"] else (),
    )
    return open_given(given, options, workspace)


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a text that is a number or a flag as such; its text can be had back."""
    if type(value) is not str or len(value) > LONGEST:
        return value
    if value in ("true", "false"):
        return value == "true"
    if not _NUMBER.fullmatch(value) or _ZERO.fullmatch(value):
        return value
    return Number(value) if "." in value else int(value)
