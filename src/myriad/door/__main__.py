"""The door's process: `myriad up` starts it and writes its configuration to standard input.

Here its parts are made and handed to each other; nowhere else is anything made that all share.
"""

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from myriad.door.control.accounts import Accounts
from myriad.door.control.audit_tables import Rotation
from myriad.door.control.capacity import KNOWN_VERSION, Capacity, TooFew, capacity
from myriad.door.control.control import Administrator, Control
from myriad.door.control.databases import Databases
from myriad.door.control.defaults import Defaults
from myriad.door.control.expiry import Expiry
from myriad.door.control.own_passwords import CHANNEL, Passwords
from myriad.door.control.requests import Requests
from myriad.door.control.roles import PoolRoles
from myriad.door.control.strays import Strays
from myriad.door.door import Door, Parts
from myriad.door.ledger import time_limits
from myriad.door.ledger.audit import Audit
from myriad.door.ledger.background import Background
from myriad.door.ledger.measures import Measures
from myriad.door.ledger.memory import Memory
from myriad.door.ledger.statistics import Statistics
from myriad.door.ledger.time_limits import Watch
from myriad.door.ledger.troubles import Troubles
from myriad.door.login.gate import Gate
from myriad.door.login.inner import InnerLogin
from myriad.door.login.login import ALPN, Login, Logins, Tls
from myriad.door.login.throttle import Throttle
from myriad.door.pool.all_pools import Pools
from myriad.door.pool.chooser import Chooser
from myriad.door.server.address import Address
from myriad.door.server.dial import Dial
from myriad.door.siblings.accepting import Accepting
from myriad.door.siblings.counters import PRESENT, Counters
from myriad.door.siblings.post import Handler, Post
from myriad.door.siblings.siblings import CANCEL, SIGNAL, Siblings
from myriad.settings import Settings

BACKLOG = 8192
CHANGES = "changes"  # what processes tell each other of people who change their passwords
WAKE = "wake"  # what a process says to one that waits for what a person did there
_FEWER = "Lower the setting `door_processes`, or let the server have more: max_connections."
START_SECONDS = 30.0
LAST_WRITE_SECONDS = 3.0  # at its end, for a server that may be gone as well

log = logging.getLogger("myriad.door")


@dataclass(frozen=True, slots=True)
class Placed:
    """Which of the door's processes one is, and what it shares with the others.

    Attributes:
        process: from 0, of `processes`.
        counters: the file descriptor of what all count together.
        reading, writing: those of the sockets where it hears from others, and tells each.
    """

    process: int
    processes: int
    counters: int
    reading: int
    writing: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that a door is told at its start.

    Attributes:
        home: the installation's folder.
        listening: the file descriptor of the socket that clients connect to.
        local: that of the Unix socket for clients on this machine that may enter the home.
        inner: that of the one where programs of ours do; `user`: as whom they run.
        address, administrator: where the server is, and who the door is there.
        ours: it is our own: we may kill its processes.
        tls: None: nothing is encrypted.
        secrets: by name.
        placed: which one of the door's processes this is.
    """

    home: Path
    listening: int
    local: int
    inner: int
    user: int
    address: Address
    administrator: Administrator
    ours: bool
    tls: Tls | None
    settings: Settings
    secrets: dict[str, bytes]
    placed: Placed


def main() -> None:
    """Run until SIGTERM, or until whoever started it is gone."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        uvloop.run(serve(_read(sys.stdin.readline())))
    except TooFew as error:
        _tell({"error": str(error), "hint": _FEWER})
        sys.exit(1)
    except (OSError, TimeoutError, ssl.SSLError) as error:
        _tell({"error": f"the door cannot start: {error}", "hint": "See `myriad logs --door`."})
        sys.exit(1)


async def serve(told: Configuration) -> None:
    """Serve the clients of one listening socket; raises OSError, TimeoutError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    _watch_parent(loop, stop, lambda line: _change(logins, line))
    siblings = _siblings(told)
    watched, logins = await _make(told, siblings)
    door = watched.door
    time_limits.start(watched)
    stop_listening = await _listen(told, siblings, watched, logins)
    # What is there now stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    _tell({"ready": True})
    log.info("ready: process %d", os.getpid())
    await stop.wait()
    log.info("stopping")
    stop_listening()
    await door.drain(told.settings.drain_timeout)
    door.databases.reader.stop()
    try:
        async with asyncio.timeout(LAST_WRITE_SECONDS):
            await watched.audit.flush()
            await watched.audit.statistics.write()
    except TimeoutError:
        log.warning("the last statements are not in the audit: PostgreSQL does not answer")
    log.info("stopped")


async def _listen(
    told: Configuration, siblings: Siblings, watched: Watch, logins: Logins
) -> Callable[[], None]:
    """Let clients come; return what ends that."""
    siblings.counters.note(PRESENT, 1)
    ends = [
        await _take(told, siblings, watched, file, protocol)
        for file, protocol in (
            (told.listening, lambda: Login(logins)),
            (told.local, lambda: Login(logins)),
            (told.inner, lambda: InnerLogin(logins, told.user)),
        )
    ]

    def stop() -> None:
        for end in ends:
            end()

    return stop


async def _take(
    told: Configuration,
    siblings: Siblings,
    watched: Watch,
    file: int,
    protocol: Callable[[], asyncio.Protocol],
) -> Callable[[], None]:
    """Take clients from one socket; return what ends that."""
    listening, loop = socket.socket(fileno=file), asyncio.get_running_loop()
    if told.placed.processes == 1:
        make = loop.create_unix_server if listening.family == socket.AF_UNIX else loop.create_server
        return (await make(protocol, sock=listening, backlog=BACKLOG)).close
    listening.listen(BACKLOG)
    accepting = Accepting(listening, protocol, watched.door.spawn, siblings.counters.shares)
    accepting.begin()
    return accepting.end


async def _make(told: Configuration, siblings: Siblings) -> tuple[Watch, Logins]:
    """Make a door that hears of changes, and what its logins share; raises TimeoutError."""
    settings, background = told.settings, Background()
    control = Control(told.address, told.administrator, told.placed.process)
    background.spawn(control.keep())
    room = await _room(told, control)
    memory, strays = Memory(), Strays(control, ours=told.ours)
    parts = _parts(told, siblings, control, room, background, strays)
    rotation = Rotation(control, siblings.counters, settings.audit_rows)
    audit = Audit(control, rotation, Statistics(control), on=settings.audit == "on")
    door = Door(
        parts,
        audit,
        Troubles(),
        memory,
        most_clients=settings.max_clients,
        newer_grammar=room.version > KNOWN_VERSION,
    )
    requests = Requests(door, control)

    def catch_up() -> None:
        door.rights.have_changed()
        requests.catch_up()

    await control.listen(
        {
            "myriad_people": door.rights.have_changed,
            "myriad_door": requests.notified,
            CHANNEL: parts.accounts.have_changed,
        },
        after_gap=catch_up,
    )
    requests.catch_up()
    throttle = Throttle(_places(told), siblings.post.tell)
    gate = Gate(parts.accounts, throttle, parts.dial, told.secrets["mock"])
    logins = Logins(door, gate, settings, told.tls, told.placed.processes)
    _hear(siblings, door, throttle)
    measures = Measures(door, logins, audit, throttle, told.home / "metrics.prom")
    return Watch(door, logins, audit, memory, strays, Expiry(control), measures), logins


async def _room(told: Configuration, control: Control) -> Capacity:
    async with asyncio.timeout(START_SECONDS):
        await control.ready()
        cores, placed = os.cpu_count() or 1, told.placed
        return await capacity(control, told.settings, cores, placed.process, placed.processes)


def _places(told: Configuration) -> int:
    return told.settings.max_clients // told.placed.processes


def _hear(siblings: Siblings, door: Door, throttle: Throttle) -> None:
    """Do what the other processes ask for."""
    post = siblings.post
    siblings.counters.wake = lambda process: post.send(process, WAKE)
    wake = door.pools.let_go_on
    handlers: dict[str, Handler] = {CANCEL: door.cancel_here, SIGNAL: door.signal_here, WAKE: wake}
    changes = door.accounts.passwords.attempts.heard
    handlers[CHANGES] = lambda word, *others: changes[word](*others)
    post.begin(handlers | throttle.heard)


def _parts(
    told: Configuration,
    siblings: Siblings,
    control: Control,
    room: Capacity,
    background: Background,
    strays: Strays,
) -> Parts:
    dial, databases = Dial(told.address), Databases(control)
    roles = PoolRoles(control, dial, told.secrets["pools"])
    changes = Throttle(_places(told), partial(siblings.post.tell, CHANGES))
    passwords = Passwords(control, changes, superuser=room.superuser)
    pools = Pools(
        dial,
        background.spawn,
        databases.is_still,
        strays.left,
        most_in_one=room.in_one,
        most=room.in_all,
    )
    return Parts(
        spawn=background.spawn,
        control=control,
        dial=dial,
        accounts=Accounts(
            control, told.settings, siblings.counters, passwords, superuser=room.superuser
        ),
        databases=databases,
        defaults=Defaults(control),
        roles=roles,
        pools=pools,
        chooser=Chooser(
            databases,
            roles,
            pools,
            dataset=told.settings.dataset,
            wants_passwords=dial.wants_passwords,
        ),
        siblings=siblings,
    )


def _siblings(told: Configuration) -> Siblings:
    placed, clients = told.placed, told.settings.max_clients
    counters = Counters(placed.counters, placed.processes, clients, placed.process)
    reading, *writing = (socket.socket(fileno=each) for each in (placed.reading, *placed.writing))
    return Siblings(counters, Post(placed.process, reading, writing))


def _read(line: str) -> Configuration:
    """Return what a line says, as `running.door` writes it; raises OSError, ssl.SSLError."""
    given = json.loads(line)
    server = given["server"]
    return Configuration(
        Path(given["home"]),
        given["fd"],
        given["local"],
        given["inner"]["fd"],
        given["inner"]["user"],
        _address(server),
        Administrator(server["user"], server["password"], server["database"], server["version"]),
        server["kind"] == "embedded",
        _tls(given["tls"]),
        Settings(**given["settings"]),
        {name: bytes.fromhex(secret) for name, secret in given["secrets"].items()},
        _placed(given["placed"]),
    )


def _placed(placed: dict[str, Any]) -> Placed:
    return Placed(**{**placed, "writing": tuple(placed["writing"])})


def _address(server: dict[str, Any]) -> Address:
    mode, roots = server.get("sslmode") or "prefer", server.get("sslrootcert") or ""
    return Address(server["host"], int(server["port"]), mode, roots)


def _tls(tls: dict[str, str]) -> Tls | None:
    if tls["mode"] == "off":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([ALPN])
    context.load_cert_chain(tls["certificate"], tls["key"])
    return Tls(context, bytes.fromhex(tls["binding"]))


def _tell(answer: dict[str, object]) -> None:
    """Tell whoever started us."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _change(logins: Logins, line: bytes) -> None:
    """Encrypt with another certificate from now on, as whoever started the door says."""
    try:
        logins.tls = _tls(json.loads(line)["tls"])
    except (OSError, ValueError) as error:  # ssl's are among them
        log.warning("the certificate stays as it was: %s", error)
    else:
        log.info("a new certificate is shown from now on")


def _watch_parent(
    loop: asyncio.AbstractEventLoop, stop: asyncio.Event, heard: Callable[[bytes], None]
) -> None:
    """Hear what comes by standard input; stop when it ends: whoever started the door is gone."""
    begun = b""

    def look() -> None:
        nonlocal begun
        data = os.read(0, 4096)
        if not data:
            loop.remove_reader(0)
            stop.set()
        *lines, begun = (begun + data).split(b"\n")
        for line in lines:
            heard(line)

    os.set_blocking(0, False)
    loop.add_reader(0, look)


if __name__ == "__main__":
    main()
