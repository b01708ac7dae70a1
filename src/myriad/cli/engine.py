"""`myriad up`, `down`, `status`, `logs`: the engines of one home."""

import logging

import click

from myriad.cli.common import Session, common
from myriad.engines import supervisor


@click.command("up")
@click.option("--detach", is_flag=True, help="Return when it is ready; it stays up.")
@click.option(
    "--postgres-at",
    metavar="DSN",
    envvar=supervisor.POSTGRES_AT,
    help="Use this PostgreSQL instead of one of our own. With a password in it, better give it in"
    f" the environment variable {supervisor.POSTGRES_AT}.",
)
@click.option("--port", type=int, help="Port that people connect to.")
@common
def up_command(
    session: Session, *, detach: bool, postgres_at: str | None, port: int | None
) -> None:
    """Start the engines and keep them up."""
    myriad = session.open(port=port)
    if detach:
        server = myriad.up_detached(postgres_at=postgres_at)
        where = {"engine": server.kind, "host": server.host, "port": server.port}
        session.result(where, f"ready on {server.host} port {server.port}")
        return
    _show_states(session)
    myriad.up(postgres_at=postgres_at)


class _Says(logging.Handler):
    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def emit(self, record: logging.LogRecord) -> None:
        self._session.say(record.getMessage())


def _show_states(session: Session) -> None:
    supervisor.log.addHandler(_Says(session))


@click.command("down")
@common
def down_command(session: Session) -> None:
    """Stop the engines of this home."""
    stopped = session.open().down()
    session.result({"stopped": stopped}, "stopped" if stopped else "nothing was up")
