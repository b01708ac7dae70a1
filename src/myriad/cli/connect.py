"""`myriad connect`: lines to paste, for every client."""

from contextlib import suppress
from typing import Any

import click

from myriad.cli.common import Session, common
from myriad.connect import CLIENTS, CQL_CLIENTS, Contact, Target, reachable
from myriad.engines.cassandra.base import Cluster
from myriad.errors import NotRunning


@click.command("connect")
@click.argument("name", required=False)
@click.option(
    "--with", "client", type=click.Choice([*CLIENTS, *CQL_CLIENTS]), help="Only for this client."
)
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
    if client in CQL_CLIENTS:
        contact = _contact(installation.cluster(), target.user)
        session.result(_contact_data(contact), CQL_CLIENTS[client].lines(contact))
        return
    answer: dict[str, Any] = {
        "host": target.host,
        "port": target.port,
        "database": target.database,
        "user": target.user,
        "uri": target.uri(),
    }
    if client:
        session.result(answer, CLIENTS[client].lines(target))
        return
    shown = [(each.title, each.lines(target)) for each in CLIENTS.values()]
    with suppress(NotRunning):
        contact = _contact(installation.cluster(), target.user)
        shown += [(each.title, each.lines(contact)) for each in CQL_CLIENTS.values()]
        answer["cassandra"] = _contact_data(contact)
    session.result(answer, "\n\n".join(f"# {title}\n{lines}" for title, lines in shown))


def _contact(cluster: Cluster, user: str) -> Contact:
    to, nodes = cluster.endpoint, cluster.datacenters
    return Contact(
        tuple(map(reachable, to.hosts)),
        to.port,
        datacenter=max(nodes, key=nodes.__getitem__),
        user=user if cluster.login == "required" else "",
        ca=to.ca,
    )


def _contact_data(to: Contact) -> dict[str, Any]:
    return {"hosts": to.hosts, "port": to.port, "datacenter": to.datacenter, "user": to.user}
