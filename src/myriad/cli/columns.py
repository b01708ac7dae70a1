"""Aligned columns of text."""

from collections.abc import Sequence

import click


def print_columns(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns; nothing is cut or wrapped, so that a password stays whole."""
    lines = [titles, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def plain(text: str, most: int) -> str:
    """Return text of anybody's as one line that a terminal shows and does not obey, cut."""
    line = " ".join(text.split())
    shown = "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in line)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
