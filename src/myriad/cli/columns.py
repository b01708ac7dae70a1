"""Text for a terminal: what anybody wrote is shown and not obeyed; aligned columns."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from myriad.wording import OBEYED, harmless

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


def echo(text: str, *, err: bool = False) -> None:
    """Print text, in which anybody's may be, on standard output or error."""
    click.echo(harmless(text), err=err)


def echo_json(data: object, *, err: bool = False) -> None:
    """Print data as JSON, which keeps every character."""
    text = json.dumps(data, default=str, ensure_ascii=False)
    click.echo(text.translate({mark: f"\\u{mark:04x}" for mark in OBEYED}), err=err)


def cell(text: str) -> "Text":
    """Return what stands in a table; never markup: names and files are anybody's."""
    from rich.text import Text  # noqa: PLC0415 - most commands print no table

    return Text(harmless(text))


def grid(*heads: str, pad_edge: bool = True) -> "Table":
    """Return a table without rows, for a terminal."""
    from rich.table import Table  # noqa: PLC0415 - most commands print none

    return Table(*heads, box=None, pad_edge=pad_edge)


def print_columns(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns; nothing is cut or wrapped, so that a password stays whole."""
    lines = [titles, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        echo("  ".join(cells).rstrip())


def plain(text: str, most: int) -> str:
    """Return text of anybody's as one line that a terminal shows and does not obey, cut."""
    line = " ".join(text.split())
    shown = "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in line)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
