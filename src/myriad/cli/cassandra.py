"""`myriad cassandra`: restart our nodes, and make one anew."""

import click

from myriad.cli.common import Session, common
from myriad.engines.cassandra.keep import rolling as nodes


@click.group("cassandra")
def cassandra_command() -> None:
    """Look after Cassandra nodes of our own."""


@cassandra_command.command("restart")
@click.option("--rolling", is_flag=True, help="One by one: whoever asks a majority is answered.")
@common
def restart_command(session: Session, *, rolling: bool) -> None:
    """Restart all nodes; return when they are ready again."""
    installation = session.open()
    nodes.restart(installation.home, installation.settings, rolling=rolling, tell=session.say)
    session.done({"restarted": True}, "restarted")


@cassandra_command.command("replace")
@click.argument("number", type=int)
@common
def replace_command(session: Session, *, number: int) -> None:
    """Make node NUMBER, whose data is gone, anew from the others; return when it is ready."""
    installation = session.open()
    nodes.replace(installation.home, installation.settings, number, tell=session.say)
    session.done({"replaced": number}, f"node {number} is ready")
