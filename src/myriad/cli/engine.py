"""`myriad up`, `down`, `status`, `logs`: the engines of one home."""

import logging
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from myriad.api import Myriad
from myriad.cli.common import EXIT_DOWN, Session, common
from myriad.engines.cassandra.nodes import node
from myriad.engines.cassandra.status import ClusterStatus, NodeStatus
from myriad.engines.postgres import attachment, embedded
from myriad.engines.postgres.base import Server
from myriad.errors import EngineError
from myriad.machine import logs
from myriad.running import background, door, status
from myriad.running.names import POSTGRES_AT

MB = 1024 * 1024
LINES = 50


@click.command("up")
@click.option("--detach", is_flag=True, help="Return when it is ready; it stays up.")
@click.option(
    "--postgres-at",
    metavar="DSN",
    envvar=POSTGRES_AT,
    help="Use this PostgreSQL, from now on, instead of one of our own; `own`: our own again. A DSN"
    f" with a password is better given in the environment variable {POSTGRES_AT}: others can read"
    " command lines.",
)
@click.option("--port", type=int, help="Port that people connect to.")
@click.option(
    "--cassandra",
    type=click.Choice(["1", "3"]),
    help="Run so many Cassandra nodes too; a home that has some runs them anyway.",
)
@click.option(
    "--cassandra-at", metavar="HOST,...", help="Use the Cassandra with these contact points."
)
@common
def up_command(
    session: Session,
    *,
    detach: bool,
    postgres_at: str | None,
    **given: Any,  # noqa: ANN401 - settings
) -> None:
    """Start the engines and keep them up, until Ctrl-C or `myriad down`.

    Where they are up already, say so; --cassandra starts its nodes beside what runs.
    """
    installation = session.open(**given)
    if detach:
        background.await_other(installation.home, session.say)
    if server := installation.join(postgres_at=postgres_at, tell=session.say):
        _ready(session, installation, server, "already up: ")
        return
    if detach:
        server = installation.up_detached(postgres_at=postgres_at, tell=session.say)
        _ready(session, installation, server)
        return
    from myriad.running import supervisor  # noqa: PLC0415 - only who stays up needs it

    supervisor.log.addHandler(_Tells(session))
    installation.up(postgres_at=postgres_at)


def _ready(session: Session, installation: Myriad, server: Server, first: str = "") -> None:
    running = installation.home.running()
    about = f": {running.about}" if running else ""
    where = {"engine": server.kind, "host": server.host, "port": server.port}
    session.done(where, f"{first}ready on {server.host} port {server.port}{about}")


class _Tells(logging.Handler):
    """Tells a person what happens; errors are told by whoever ends the command."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.addFilter(lambda record: record.levelno < logging.ERROR)

    def emit(self, record: logging.LogRecord) -> None:
        self._session.say(record.getMessage())


@click.command("down")
@common
def down_command(session: Session) -> None:
    """Stop the engines of this home."""
    stopped = session.open().down()
    session.done({"stopped": stopped}, "stopped" if stopped else "nothing was up")


@click.command("status")
@common
def status_command(session: Session) -> None:
    """Show what is up on this home.

    Exit code 0 if it is up, so that people can connect; 3 if it is down, still starting, or the
    folder is no home; 1 if something is wrong. Cassandra's nodes are told one by one, and change
    nothing of that.
    """
    home = session.open().home
    now = status.look(home)
    session.result(asdict(now), _status_text(now, home.option))
    if now.state in (status.DOWN, status.ABSENT, status.STARTING):
        sys.exit(EXIT_DOWN)
    if now.state in (status.BROKEN, status.ABANDONED):
        sys.exit(EngineError.exit_code)


def _status_text(now: status.Status, option: str) -> str:
    if now.state == status.ABSENT:
        begin = f"`myriad up --detach{option}` makes one"
        return f"no home of Myriad in {now.home}\nhint: name it with --home or MYRIAD_HOME; {begin}"
    first = f"{now.state} ({now.home})"
    if now.attached:
        first += f", attached: {now.attached}"
    if now.state == status.DOWN:
        return f"{first}\nhint: start it with `myriad up --detach{option}`"
    if now.state == status.STARTING:
        return (
            f"{first}, process {now.pid}\nhint: `myriad up --detach{option}` waits until it is up"
        )
    if now.state == status.ABANDONED:
        return (
            f"{first}: {now.problem}\nhint: `myriad up{option}` starts it again; see `myriad logs`"
        )
    if now.state == status.BROKEN:
        return (
            f"{first}: {now.problem}\nhint: `myriad up` still runs and starts again what ended;"
            " see `myriad logs` and `myriad logs --door`"
        )
    rows = [
        ("engine", now.about),
        ("address", f"{now.host} port {now.port}"),
        ("door", _door_text(now)),
        ("up since", f"{timedelta(seconds=round(now.uptime))} (process {now.pid})"),
        ("connections", f"{now.connections} of {now.max_connections} to PostgreSQL"),
        ("size", f"{now.size / MB:,.1f} MB"),
        *(("database", f"{entry.name} {_size_text(entry.size)}") for entry in now.databases),
        *(_cassandra_rows(now.cassandra) if now.cassandra else ()),
    ]
    return "\n".join([first, *(f"  {name:<12} {value}" for name, value in rows)])


def _door_text(now: status.Status) -> str:
    people = "" if now.clients is None else f", {now.clients} connections of people"
    return f"process {now.door}{people}"


def _cassandra_rows(now: ClusterStatus) -> Iterator[tuple[str, str]]:
    where = f"{', '.join(now.hosts)} port {now.port}"
    yield "cassandra", f"{now.version}, {now.kind}, login {now.login}: {where}"
    for entry in now.nodes:
        yield f"node {entry.number}", _node_text(entry)


def _node_text(entry: NodeStatus) -> str:
    if entry.problem or not entry.version:
        return f"{entry.address} {entry.state}: {entry.problem}"
    return (
        f"{entry.address} {entry.state}, process {entry.pid}, {entry.version},"
        f" owns {entry.owns:.1%}, {entry.size / MB:,.1f} MB of tables"
        f" ({entry.free / MB:,.0f} MB free), {entry.hints} hint files waiting"
    )


def _size_text(size: int | None) -> str:
    return "" if size is None else f"({size / MB:,.1f} MB)"


@click.command("logs")
@click.option(
    "-n", "lines", type=click.IntRange(min=0), default=LINES, show_default=True, help="Lines."
)
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option("--door", "of_door", is_flag=True, help="The door's log instead of PostgreSQL's.")
@click.option(
    "--cassandra", "of_node", metavar="N", type=click.IntRange(1, 3), help="Cassandra node N's log."
)
@common
def logs_command(
    session: Session, *, lines: int, follow: bool, of_door: bool, of_node: int | None
) -> None:
    """Show the last lines of PostgreSQL's log, the door's, or a Cassandra node's."""
    installation = session.open()
    path = (door if of_door else embedded).log_path(installation.home)
    if of_node:
        path = node.log_path(installation.home, of_node)
    if (of_door or of_node) and not path.exists() and not follow:
        what = f"Cassandra node {of_node}" if of_node else "the door"
        raise EngineError(
            f"{what} has no log in {installation.home.folder}",
            hint=f"It was not started there yet: `myriad status{installation.home.option}`.",
        )
    found = logs.tail(path, lines) if of_door or of_node else _engine_log(installation, lines)
    session.result(found, "\n".join(found))
    if not follow:
        return
    for line in logs.follow(path):
        session.result(line, line)


def _engine_log(installation: Myriad, lines: int) -> list[str]:
    from myriad.running import supervisor  # noqa: PLC0415 - most commands start no engine

    running = installation.home.running()
    if running:
        dsn = running.dsn if running.engine == "attached" else None
    else:
        dsn = attachment.remembered(installation.home)
    engine = supervisor.engine_for(installation.home, installation.settings, dsn)
    return engine.log_tail(lines)
