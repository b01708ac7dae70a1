"""PgBouncer for a benchmark: started in front of a PostgreSQL's Unix socket, ended afterwards."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myriad.machine.process import EngineUser

HOST = "127.0.0.1"
READY_WITHIN = 10.0  # seconds
POLL = 0.02
FOLDERS = "/usr/sbin:/usr/local/sbin"  # not in everybody's PATH

# What is not given is PgBouncer's default. No line of log for each login: in its favour.
CONFIGURATION = """\
[databases]
{database} = host={sockets} port={port} dbname={database}

[pgbouncer]
listen_addr = {host}
listen_port = {listen_port}
listen_backlog = 4096
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/userlist.txt
pool_mode = transaction
default_pool_size = 20
max_db_connections = {servers}
max_client_conn = 20000
logfile = {folder}/pgbouncer.log
log_connections = 0
log_disconnections = 0
log_stats = 0
"""


@dataclass(frozen=True)
class Server:
    """The PostgreSQL behind it: how many connections it may take, and as whom PgBouncer runs."""

    sockets: Path
    port: int
    database: str
    servers: int
    user: EngineUser | None


def program() -> str:
    """Return the path of PgBouncer; ends with advice if there is none."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:{FOLDERS}")
    if not found:
        sys.exit("there is no pgbouncer here.\nhint: apt-get install pgbouncer, or the like.")
    return found


def version() -> str:
    """Return PgBouncer's version."""
    said = subprocess.run([program(), "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"\d[\d.]*", said.stdout)
    return found[0] if found else "unknown"


@contextmanager
def running(server: Server, verifiers: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """Run one that lets these people in; give its port and its PID."""
    folder = Path(tempfile.mkdtemp(prefix="myriad-pgbouncer-"))
    port = _free_port()
    try:
        _write(folder, server, port, verifiers)
        with _spawn(folder, server.user) as process:
            try:
                _wait(process, port, folder / "pgbouncer.log")
                yield port, process.pid
            finally:
                process.terminate()  # at once; SIGINT would wait for its clients
                process.wait(READY_WITHIN)
    finally:
        shutil.rmtree(folder)


def _write(folder: Path, server: Server, port: int, verifiers: Mapping[str, str]) -> None:
    people = "".join(f'"{name}" "{verifier}"\n' for name, verifier in verifiers.items())
    (folder / "userlist.txt").write_text(people)
    text = CONFIGURATION.format(
        database=server.database,
        sockets=server.sockets,
        port=server.port,
        host=HOST,
        listen_port=port,
        folder=folder,
        servers=server.servers,
    )
    (folder / "pgbouncer.ini").write_text(text)
    if server.user:
        for path in (folder, *folder.iterdir()):
            os.chown(path, server.user.uid, server.user.gid)


def _spawn(folder: Path, user: EngineUser | None) -> subprocess.Popen[bytes]:
    """Start it, as another user if we are root: it refuses to run as root."""
    identity: Mapping[str, Any] = (
        {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    )
    return subprocess.Popen(
        [program(), "--quiet", str(folder / "pgbouncer.ini")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        **identity,
    )


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), closing(socket.create_connection((HOST, port), 1)):
            return
        time.sleep(POLL)
    said = log.read_text() if log.exists() else "(no log)"
    sys.exit(f"pgbouncer does not serve:\n{said}")


def _free_port() -> int:
    with closing(socket.socket()) as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])
