"""`myriad settings`: every setting, its value and where that came from."""

import click

from myriad import settings
from myriad.cli.columns import grid
from myriad.cli.common import Session, common, console


@click.command("settings")
@common
def settings_command(session: Session) -> None:
    """Show every setting, its value and where it came from."""
    current = session.open().settings
    rows = [
        {
            "name": entry.name,
            "value": getattr(current, entry.name),
            "default": entry.default,
            "origin": current.origins.get(entry.name, "default"),
            "help": entry.metadata["help"],
        }
        for entry in settings.TABLE
    ]
    if session.as_json:
        session.result(rows, "")
        return
    shown = grid("setting", "value", "from", "meaning", pad_edge=False)
    for row in rows:
        shown.add_row(row["name"], str(row["value"]), row["origin"], row["help"])
    console().print(shown)
