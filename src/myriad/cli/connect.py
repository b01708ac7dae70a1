"""`myriad connect` and `certificate`: what people need to come in."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import click

from myriad.api import Myriad
from myriad.cli.common import Session, common
from myriad.connect import CLIENTS, CQL_CLIENTS, SYSTEM, Contact, Target, Trust, reachable
from myriad.engines.cassandra.base import Cluster
from myriad.errors import NotRunning

FILE = "myriad.crt"  # as people may call the certificate


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

    Where a password belongs they say PASSWORD: Myriad does not know it. Where connections must be
    encrypted they name the file myriad.crt: see `myriad certificate`.
    """
    installation = session.open_running()
    target = _target(installation, name, database)
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
    first = _certificate_line(installation, target)
    if client:
        for line in first:
            session.say(line)
        session.result(answer, CLIENTS[client].lines(target))
        return
    shown = [(each.title, each.lines(target)) for each in CLIENTS.values()]
    with suppress(NotRunning):
        contact = _contact(installation.cluster(), target.user)
        shown += [(each.title, each.lines(contact)) for each in CQL_CLIENTS.values()]
        answer["cassandra"] = _contact_data(contact)
    parts = [*first, *(f"# {title}\n{lines}" for title, lines in shown)]
    session.result(answer, "\n\n".join(parts))


def _target(installation: Myriad, name: str | None, database: str | None) -> Target:
    """Return where and as whom one connects; raises PeopleError where nobody can."""
    server = installation.server()
    place = database or installation.settings.database
    installation.people.check_login(name, place)
    host = reachable(server.host)
    return Target(host, server.port, place, name or "NAME", trust=_trust(installation, host))


def _trust(installation: Myriad, host: str) -> Trust | None:
    """Return how people make sure whom they speak to, None where they need not encrypt."""
    if installation.settings.tls != "require":
        return None
    from myriad.running import tls  # noqa: PLC0415 - cryptography

    shown = tls.show(installation.home, installation.settings)
    mode = "verify-full" if tls.covers(shown, host) else "verify-ca"
    return Trust(mode, FILE if shown.own else SYSTEM)


def _certificate_line(installation: Myriad, target: Target) -> Sequence[str]:
    if target.trust is None or target.trust.ca == SYSTEM:
        return ()
    command = f"myriad certificate{installation.home.option} > {FILE}"
    return (f"# The certificate; whoever connects needs a copy of this file:\n# {command}",)


@click.command("certificate")
@common
def certificate_command(session: Session) -> None:
    """Print the certificate with which people make sure that they speak to this server.

    It is no secret: give it to everybody.
    """
    from myriad.running import tls  # noqa: PLC0415 - cryptography

    installation = session.open_running()
    shown = tls.show(installation.home, installation.settings)
    session.say(
        f"Valid until {shown.until:%Y-%m-%d} for {', '.join(shown.names) or 'no name'};"
        f" SHA-256 {shown.fingerprint}."
    )
    session.result(asdict(shown), shown.pem.rstrip("\n"))


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
