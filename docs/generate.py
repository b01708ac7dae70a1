"""Write the pages of `docs/` that the program itself knows: its commands and its settings.

Run by `make docs`; a test fails when the pages differ from the program.
"""

from collections.abc import Iterator
from pathlib import Path

import click

from myriad import settings
from myriad.cli import main as myriad_command

FOLDER = Path(__file__).resolve().parent
MADE = "<!-- Written by `make docs` from the program: change it there. -->"
WIDTH = 100  # of help texts, whatever the terminal


def commands() -> str:
    """Return the page with every command's help."""
    lines = ["# Commands", "", MADE, ""]
    for context in _walk(_context(myriad_command, "myriad", None)):
        help_text = context.command.get_help(context)
        lines += [f"## {context.command_path}", "", "```text", help_text, "```", ""]
    return "\n".join(lines)


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(command, parent, name, terminal_width=WIDTH, **command.context_settings)


def _walk(context: click.Context) -> Iterator[click.Context]:
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            if child := context.command.get_command(context, name):
                yield from _walk(_context(child, name, context))


def settings_page() -> str:
    """Return the page with every setting."""
    lines = ["# Settings", "", MADE, ""]
    lines += [
        "A setting comes from a command's flag, else from the environment variable, else from",
        f"`{settings.FILE}` in the home, else it has its default.",
        "`myriad settings` shows the values and where each came from.",
        "",
        "| setting | environment variable | default | meaning |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{entry.name}` | `MYRIAD_{entry.name.upper()}` | {_default(entry.default)}"
        f" | {entry.metadata['help']} |"
        for entry in settings.TABLE
    ]
    return "\n".join([*lines, ""])


def _default(value: object) -> str:
    return "(empty)" if value == "" else f"`{value}`"


PAGES = {"commands.md": commands, "settings.md": settings_page}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
