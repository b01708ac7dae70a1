"""The door's process: `myriad up` starts it and writes its configuration to standard input."""

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import uvloop

from myriad.door.control.capacity import capacity
from myriad.door.control.control import Control
from myriad.door.door import Door, secret_of
from myriad.door.ledger import watch
from myriad.door.ledger.measures import Measures
from myriad.door.login.login import Login
from myriad.door.server.dial import Address, Dial

BACKLOG = 8192
START_SECONDS = 30.0

log = logging.getLogger("myriad.door")


def main() -> None:
    """Run until SIGTERM, or until whoever started it is gone."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    configuration = json.loads(sys.stdin.readline())
    try:
        uvloop.run(serve(configuration))
    except (OSError, TimeoutError, ssl.SSLError) as error:
        _tell({"error": f"the door cannot start: {error}", "hint": "See `myriad logs --door`."})
        sys.exit(1)


async def serve(configuration: dict[str, Any]) -> None:
    """Serve the clients of one listening socket; raises OSError, TimeoutError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    _watch_parent(loop, stop)
    settings = configuration["settings"]
    door = await _make(configuration)
    home = Path(configuration["home"])
    door.mock_secret = secret_of(home / "secrets")
    _encrypt(door, configuration["tls"])
    measures = Measures(door, home / "metrics.prom")
    watch.start(door, measures)
    listener = socket.socket(fileno=configuration["fd"])
    listening = await loop.create_server(lambda: Login(door), sock=listener, backlog=BACKLOG)
    # What is there now stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    _tell({"ready": True})
    log.info("ready: process %d", os.getpid())
    await stop.wait()
    log.info("stopping")
    listening.close()
    await door.drain(settings["drain_timeout"])
    door.databases.reader.stop()
    await door.audit.flush()
    log.info("stopped")


async def _make(configuration: dict[str, Any]) -> Door:
    given = configuration["server"]
    address = Address(
        given["host"], int(given["port"]), given.get("sslmode") or "prefer",
        given.get("sslrootcert") or "",
    )  # fmt: skip
    control = Control(address, given)
    keeping = asyncio.get_running_loop().create_task(control.keep())
    async with asyncio.timeout(START_SECONDS):
        await control.ready()
        room = await capacity(control, configuration["settings"], os.cpu_count() or 1)
    room["ours"] = given["kind"] == "embedded"
    door = Door(configuration["settings"], Dial(address), control, capacity=room)
    door.keep(keeping)
    await control.listen(
        {"myriad_people": door.people_changed, "myriad_door": door.requests.heard},
        after_gap=door.people_changed,
    )
    return door


def _encrypt(door: Door, tls: dict[str, str]) -> None:
    if tls["mode"] == "off":
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls["certificate"], tls["key"])
    door.tls = context
    door.binding = bytes.fromhex(tls["binding"])


def _tell(answer: dict[str, object]) -> None:
    """Tell whoever started us."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _watch_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Stop when standard input ends: whoever started the door is gone."""

    def look() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            stop.set()

    os.set_blocking(0, False)
    loop.add_reader(0, look)


if __name__ == "__main__":
    main()
