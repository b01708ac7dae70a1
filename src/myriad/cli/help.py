"""`myriad help` and `version`: the words that people try first."""

from importlib.metadata import version

import click

from myriad.cli import main
from myriad.cli.columns import echo
from myriad.cli.common import Session, common


@click.command("help")
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def help_command(context: click.Context, *, words: tuple[str, ...]) -> None:
    """Show what commands there are, or what one does: `myriad help person add`."""
    command: click.Command = main
    at = context.parent or context
    for word in words:
        found = command.get_command(at, word) if isinstance(command, click.Group) else None
        if found is None:
            raise click.UsageError(f"{at.command_path} has no command {word!r}.", at)
        command, at = found, click.Context(found, at, word, **found.context_settings)
    echo(command.get_help(at))


@click.command("version")
@common
def version_command(session: Session) -> None:
    """Show which Myriad this is."""
    number = version("myriad-db")
    session.result({"version": number}, f"myriad {number}")
