"""`up` where something is up already: it does what is asked for, is made to, or cannot."""

from collections.abc import Callable

from myriad.engines.cassandra import announcement
from myriad.engines.postgres import attachment
from myriad.engines.postgres.base import Server
from myriad.errors import HomeLocked, NotRunning
from myriad.home.home import Home, Running
from myriad.machine import addresses
from myriad.running import background, ports
from myriad.settings import Settings
from myriad.wording import number_of

Tell = Callable[[str], None]
OWN = "a PostgreSQL of its own"


def join(
    home: Home, settings: Settings, postgres_at: str | None, tell: Tell | None = None
) -> Server | None:
    """Return what is up, with a Cassandra beside it if one is asked for; None if nothing is up.

    Raises HomeLocked where it runs otherwise than asked for, NotRunning where it does not answer,
    and what a start of Cassandra raises.
    """
    running = home.running()
    if running is None:
        return None
    silent = addresses.silent(running.host, running.port)
    if silent:
        raise NotRunning(
            f"{home.folder} is up as process {running.pid}, but there is {silent}",
            hint=f"See `myriad status{home.option}` and `myriad logs --door{home.option}`;"
            f" `myriad down{home.option}` stops it.",
        )
    _check_port(home, settings, running)
    _check_server(home, postgres_at, running)
    if settings.cassandra or settings.cassandra_at:
        _join_cassandra(home, settings, running, tell)
    return Server.of(running)


def _check_port(home: Home, settings: Settings, running: Running) -> None:
    if ports.by_hand(settings) and settings.port != running.port:
        raise _other(home, running, f"on port {running.port}, not {settings.port}")


def _check_server(home: Home, postgres_at: str | None, running: Running) -> None:
    if not postgres_at:
        return
    asked = attachment.chosen(home, postgres_at)
    now = attachment.remembered(home) if running.engine == "attached" else None
    has, wanted = (attachment.place(dsn) if dsn else OWN for dsn in (now, asked))
    if has != wanted:
        raise _other(home, running, f"with {has}, not {wanted}")


def _join_cassandra(home: Home, settings: Settings, running: Running, tell: Tell | None) -> None:
    said = announcement.read(home)
    if said is None:
        background.add_cassandra(home, settings, running.pid, tell)
        return
    wanted = settings.cassandra
    if wanted and said.kind == "embedded" and len(said.nodes) != wanted:
        have = number_of(len(said.nodes), "Cassandra node")
        raise _other(home, running, f"with {have}, not {wanted}")
    if (said.kind == "attached") != bool(settings.cassandra_at):
        raise _other(home, running, "with another Cassandra")


def _other(home: Home, running: Running, how: str) -> HomeLocked:
    return HomeLocked(
        f"{home.folder} is up as process {running.pid}, {how}",
        hint=f"Stop it first with `myriad down{home.option}`.",
    )
