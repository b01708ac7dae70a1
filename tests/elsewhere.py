"""A PostgreSQL that somebody else runs: plain, over TCP, with passwords."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from myriad.engines.postgres import processes, programs
from myriad.engines.postgres.base import Server
from myriad.machine import process
from tests.harness import reachable_folder, wait_until
from tests.leftovers import run_folder

OWNER = "owner"
PASSWORD = "owner's password"


@contextmanager
def elsewhere() -> Iterator[Server]:
    """Run one; what is given connects as its superuser."""
    with reachable_folder() as folder:
        data, log = folder / "data", folder / "log"
        user = process.engine_user(data)
        found = programs.find("", _made() / "programs", user)
        subprocess.run(["cp", "-a", _made() / "data", data], check=True)
        port = _free_port()
        command: list[str | Path] = [
            *(found.path("postgres"), "-D", data, "-p", str(port)),
            *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-F"),
        ]
        with log.open("wb") as output:
            child = process.spawn(command, user, output)
        try:
            dsn = make_conninfo(host="127.0.0.1", port=port, user=OWNER, password=PASSWORD)
            wait_until(lambda: child.poll() is not None or _answers(dsn), 30)
            assert child.poll() is None, log.read_text()
            yield Server("attached", dsn, "127.0.0.1", port)
        finally:
            processes.end([psutil.Process(child.pid)], grace=5)
            child.wait()


@cache
def _made() -> Path:
    """Return a folder with the data of one that never ran, to copy from; it goes with the run."""
    folder = Path(tempfile.mkdtemp(dir=run_folder()))
    data, password = folder / "data", folder / "password"
    user = process.engine_user(data)
    found = programs.find("", folder / "programs", user)
    password.write_text(PASSWORD)
    password.chmod(0o644)
    folder.chmod(0o777)
    code, said = process.run(
        [
            *(found.path("initdb"), "-D", data, "--no-sync", "--username", OWNER),
            *("--auth=scram-sha-256", "--pwfile", password, "--encoding=UTF8", "--locale=C"),
        ],
        user,
    )
    assert code == 0, said
    return folder


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn, dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True
