"""Workbooks: the table of each sheet, as another process turned it into records."""

from pathlib import Path
from typing import Any

from myriad.errors import SourceEmpty, SourceError
from myriad.model import Kind, Type
from myriad.sources.apart.process import Reader
from myriad.sources.base import TableSource, Workspace, too_wide
from myriad.sources.jsonl.source import Given, open_given
from myriad.sources.jsonl.types import FORMS
from myriad.sources.options import ReadOptions

SHOWN = 20  # sheets in a note
MAX_COLUMNS = 1600
_READER = Reader("myriad.sources.sheets.reader", "a workbook")


def open_workbook(
    path: Path, origin: str, workspace: Workspace, *, name: str, options: ReadOptions
) -> list[TableSource]:
    """Open a workbook; `name` is the table's if it has one sheet. Raises SourceError."""
    if path.stat().st_size == 0:
        raise SourceEmpty(origin)
    answer, folder = _READER.read(path, origin, workspace, {"sheet": options.sheet})
    tables = answer["tables"]
    if not tables:
        raise SourceError(
            f"{origin}: no sheet has a table in it{_left(answer['left'])}",
            hint="Say which sheet: --sheet NAME.",
        )
    alone = len(tables) == 1
    made: list[TableSource] = []
    try:
        for number, table in enumerate(tables):
            called = name if alone else f"{name}_{table['sheet']}"
            left = [] if number else answer["left"]
            given = _given(folder, origin, called, table, left)
            made += open_given(given, ReadOptions(), workspace)
    except BaseException:
        for source in made:
            source.close()
        raise
    return made


def _given(folder: Path, origin: str, name: str, table: dict[str, Any], left: list[str]) -> Given:
    columns, sheet = tuple(table["columns"]), table["sheet"]
    if len(columns) > MAX_COLUMNS:
        raise too_wide(f"{origin}, sheet {sheet}", len(columns))
    notes = [f"of sheet {sheet}", *table["notes"]]
    return Given(
        folder / table["file"],
        origin,
        name,
        columns=columns,
        unit=f"sheet {sheet}, row",
        forms=(Type(Kind.TIME), *FORMS),
        notes=(*notes, f"not read{_left(left)}") if left else tuple(notes),
    )


def _left(sheets: list[str]) -> str:
    more = f" and {len(sheets) - SHOWN} more" if len(sheets) > SHOWN else ""
    return f": {', '.join(sheets[:SHOWN])}{more}" if sheets else ""
