"""The command line: a thin layer over the Python API, one file per group of commands."""

import difflib
import importlib

import click

# Command → the module that defines it; loaded on first use so that `myriad --help` is instant.
COMMANDS = {
    "up": "engine",
    "down": "engine",
    "status": "engine",
    "doctor": "doctor",
    "logs": "engine",
    "cassandra": "cassandra",
    "settings": "settings",
    "publish": "publish",
    "list": "tables",
    "show": "tables",
    "history": "history",
    "undo": "history",
    "diff": "history",
    "unpublish": "tables",
    "rename": "tables",
    "describe": "tables",
    "recipe": "recipes",
    "person": "people",
    "people": "activity",
    "group": "groups",
    "grant": "groups",
    "revoke": "groups",
    "who": "who",
    "connect": "connect",
    "certificate": "connect",
    "sql": "sql",
    "demo": "demo",
    "service": "service",
    "completion": "service",
    "help": "help",
    "version": "help",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            close = difflib.get_close_matches(cmd_name, COMMANDS, n=2)
            meant = f" Did you mean {' or '.join(close)}?" if close else " See `myriad --help`."
            raise click.UsageError(f"There is no command {cmd_name!r}.{meant}", ctx)
        module = importlib.import_module(f"myriad.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="myriad-db", prog_name="myriad")
def main() -> None:
    """Publish an organisation's data once; ten thousand people reach it."""
