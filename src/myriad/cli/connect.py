"""`myriad connect`: lines to paste, for every client."""

import click

from myriad.cli.common import Session, common
from myriad.connect import CLIENTS, Target, reachable


@click.command("connect")
@click.argument("name", required=False)
@click.option("--with", "client", type=click.Choice(list(CLIENTS)), help="Only for this client.")
@click.option("--database", metavar="D", help="Database to connect to (default: `main`).")
@common
def connect_command(
    session: Session, *, name: str | None, client: str | None, database: str | None
) -> None:
    """Print lines with which NAME connects, ready to paste.

    Where a password belongs they say PASSWORD: Myriad does not know it.
    """
    installation = session.open()
    server = installation.server()
    place = database or installation.settings.database
    installation.people.check_login(name, place)
    target = Target(reachable(server.host), server.port, place, name or "NAME")
    answer = {
        "host": target.host,
        "port": target.port,
        "database": target.database,
        "user": target.user,
        "uri": target.uri(),
    }
    session.result(answer, CLIENTS[client].lines(target) if client else _all(target))


def _all(target: Target) -> str:
    return "\n\n".join(f"# {entry.title}\n{entry.lines(target)}" for entry in CLIENTS.values())
