"""The comment of a published table, as both engines show it."""

from collections.abc import Mapping
from datetime import UTC
from pathlib import PurePath
from typing import Any

from myriad.errors import UsageError
from myriad.model import Column
from myriad.wording import as_written, number_of, obeyed

MOST_SOURCE = 200  # characters of a source's name


def check(text: str) -> None:
    """Raise UsageError for a description that a terminal would obey; lines and tabs are fine."""
    mark = obeyed(text)
    if mark:
        raise UsageError(
            f"a description cannot have the control character {mark}",
            hint="It is shown on terminals, which would obey that. Leave it out; lines and tabs are"
            " fine.",
        )


def of_column(column: Column) -> str | None:
    """Return what is said of a column whose source has another name, or a form, for it."""
    form = column.type.format
    if column.name == column.original and not form:
        return None
    name = column.original.replace("\0", "")
    return f"{name}; written {as_written(form)}" if form else name


def comment(facts: Mapping[str, Any]) -> str:
    """Return what is said of a table: its `description`, `source`, `rows`, and when `finished`."""
    names = [PurePath(part).name for part in str(facts["source"]).split(", ")]
    source = ", ".join(names)
    if len(source) > MOST_SOURCE:
        source = source[:MOST_SOURCE] + "…"
    when = f"{facts['finished'].astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    fresh = f"Published {when} from {source}: {number_of(facts['rows'], 'row')}."
    return f"{facts['description']}\n{fresh}" if facts["description"] else fresh
