"""What is up on a home, as one look."""

import re
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg

from myriad import named_sql
from myriad.engines.cassandra import status as cassandra
from myriad.engines.cassandra.status import ClusterStatus
from myriad.engines.postgres import attachment, processes
from myriad.engines.postgres.base import Server
from myriad.errors import MyriadError
from myriad.home.home import Home, Running
from myriad.machine import addresses
from myriad.running import door

_SQL = named_sql.load("myriad.running", "status.sql")

_CLIENTS = re.compile(r"^myriad_door_sessions ([0-9.e+]+)", re.MULTILINE)
_MEMORY = re.compile(
    r'^myriad_door_memory_(bytes|most_bytes)\{part="(\w+)"\} ([0-9.e+]+)', re.MULTILINE
)
FRESH = 60.0  # seconds; the door writes its measures more often

UP = "up"
DOWN = "down"
ABSENT = "absent"
STARTING = "starting"
BROKEN = "broken"
ABANDONED = "abandoned"


@dataclass(frozen=True)
class Database:
    """One database: its name, and its size in bytes, None where we may not know it."""

    name: str
    size: int | None


@dataclass(frozen=True)
class DoorMeasures:
    """What the door last wrote down of itself.

    Attributes:
        clients: people's connections to it, None where it does not say.
        memory: of its caches and buffers, by name: `bytes` now, and `most_bytes`.
    """

    clients: int | None = None
    memory: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """The state of one home.

    Attributes:
        state: `up`; `down`; `absent`: the folder is no home; `starting`, for the first time or
            again; `broken`: announced, but it does not answer; `abandoned`: PostgreSQL runs, but
            what started it was killed.
        problem: why, where it is broken.
        attached: where the PostgreSQL is that somebody else runs; empty: it is our own.
        pid: of the process that is `up`.
        door: its first process's number, 0 if it does not run; `doors`: those of all.
        clients, door_memory: see `DoorMeasures`.
        uptime: seconds since PostgreSQL started.
        size: bytes of all databases that we may look at.
        connections: PostgreSQL's now, of `max_connections`.
        cassandra: how it is, None where there is none.
    """

    state: str
    home: Path
    problem: str = ""
    attached: str = ""
    engine: str = ""
    about: str = ""
    version: str = ""
    host: str = ""
    port: int = 0
    pid: int = 0
    door: int = 0
    doors: list[int] = field(default_factory=list)
    clients: int | None = None
    door_memory: dict[str, dict[str, int]] = field(default_factory=dict)
    uptime: float = 0.0
    size: int = 0
    connections: int = 0
    max_connections: int = 0
    databases: list[Database] = field(default_factory=list)
    cassandra: ClusterStatus | None = None


def look(home: Home) -> Status:
    """Return the state of a home; never raises because of it."""
    try:
        dsn = attachment.remembered(home)
        attached = attachment.place(dsn) if dsn else ""
    except MyriadError as error:
        attached = f"unknown: {error.message}"
    return replace(_look(home), attached=attached)


def _look(home: Home) -> Status:
    running = home.running()
    if running:
        return _answered(home, running)
    holder = home.holder()
    if holder:
        return Status(STARTING, home.folder, pid=holder)
    left = processes.running(home.postgres)
    if left:
        problem = f"PostgreSQL runs as process {left.pid}, but the `myriad up` of it was killed"
        return Status(ABANDONED, home.folder, problem=problem)
    return Status(DOWN if home.is_one() else ABSENT, home.folder)


def _answered(home: Home, running: Running) -> Status:
    doors = [each.pid for each in door.all_running(home)]
    measures = _measures(home) if doors else DoorMeasures()
    known: dict[str, object] = {
        "cassandra": cassandra.look(home),
        "door": doors[0] if doors else 0,
        "doors": doors,
        "clients": measures.clients,
        "door_memory": measures.memory,
        "engine": running.engine,
        "about": running.about,
        "host": running.host,
        "port": running.port,
        "pid": running.pid,
    }
    silent = addresses.silent(running.host, running.port)
    if silent:
        problem = f"the door is down: {silent}" if not doors else f"the door hangs: {silent}"
        return Status(BROKEN, home.folder, problem=problem, **known)  # type: ignore[arg-type]
    server = Server.of(running)
    try:
        with closing(server.connect(autocommit=True)) as connection:
            return _asked(home, known, connection)
    except psycopg.Error as error:
        return Status(BROKEN, home.folder, problem=str(error), **known)  # type: ignore[arg-type]


def _measures(home: Home) -> DoorMeasures:
    path = home.folder / "metrics.prom"
    try:
        if time.time() - path.stat().st_mtime > FRESH:
            return DoorMeasures()
        text = path.read_text("utf-8")
    except (OSError, ValueError):
        return DoorMeasures()
    clients = _CLIENTS.search(text)
    memory: dict[str, dict[str, int]] = {}
    for which, part, number in _MEMORY.findall(text):
        memory.setdefault(part, {})[which] = int(float(number))
    return DoorMeasures(int(float(clients[1])) if clients else None, memory)


def _asked(home: Home, known: dict[str, object], connection: psycopg.Connection) -> Status:
    started, connections, limit = connection.execute(_SQL["server"]).fetchall()[0]
    databases = [Database(*row) for row in connection.execute(_SQL["databases"]).fetchall()]
    return Status(
        UP,
        home.folder,
        version=str(connection.info.parameter_status("server_version")),
        uptime=round(time.time() - started, 1),
        size=sum(database.size or 0 for database in databases),
        connections=connections,
        max_connections=limit,
        databases=databases,
        **known,  # type: ignore[arg-type]
    )
