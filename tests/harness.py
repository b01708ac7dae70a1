"""What tests share: bounded waiting, and the real `myriad` command."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import make_conninfo

import myriad
from myriad import cli
from myriad.engines.cassandra.nodes import node
from myriad.engines.postgres import processes
from myriad.engines.postgres.base import CONTROL_DATABASE, Server
from myriad.home.home import Home
from myriad.machine import process
from myriad.running import door
from tests.leftovers import run_folder

POLL = 0.01
MOST_POLL = 0.3  # seconds: who asks what takes long leaves others the processor
READ_AGAIN = 0.01  # seconds, for who reads all the time: what is read comes to its turn, too
COMMAND = (sys.executable, "-m", "myriad")
SERVING = ("up", "demo", "sql")  # `sql` becomes psql


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """Give a temporary folder that the engine's user can reach."""
    path = Path(tempfile.mkdtemp(dir=run_folder()))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """Mount a file system of `size` bytes on `folder`; skip the test where that is forbidden."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    options = f"size={size},mode={folder.stat().st_mode & 0o777:o}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting a small file system is not possible here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def wait_until(condition: Callable[[], object], timeout: float = 30.0) -> None:
    """Return when `condition` is true; fail the test if it is not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        asked = time.monotonic()
        if condition():
            return
        now = time.monotonic()
        assert now < deadline, f"not so within {timeout} seconds: {condition}"
        time.sleep(max(POLL, min(2 * (now - asked), MOST_POLL)))


def run(
    home: Home,
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    given: str | bytes = "",
    folder: Path | None = None,
    timeout: float = 150,
) -> subprocess.CompletedProcess[str]:
    """Run `myriad` with these arguments on `home`, to its end.

    In this process, which saves the time of its imports, unless the command itself serves and
    handles signals, or another thread has standard output; only then there is a `timeout`, in
    seconds.
    The rest is what a process would get: `given` as standard input, the `folder` it works in.
    """
    command = [*map(str, arguments), "--home", str(home.folder)]
    serves = command[0] in SERVING and "--detach" not in command
    if serves or threading.current_thread() is not threading.main_thread():
        return run_process(
            *command, environment=environment, given=given, folder=folder, timeout=timeout
        )
    with chdir(folder or Path.cwd()):
        done = CliRunner(env=dict(environment or {})).invoke(cli.main, command, given)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(command, done.exit_code, done.stdout, done.stderr)


def run_process(
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    given: str | bytes = "",
    folder: Path | None = None,
    timeout: float = 150,
) -> subprocess.CompletedProcess[str]:
    """Run `myriad` as people do, in a process of its own."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=given.encode() if isinstance(given, str) else given,
        capture_output=True,
        timeout=timeout,
        check=False,
        cwd=folder,
        env={**os.environ, **(environment or {})},
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def as_admin(
    server: Server, database: str = CONTROL_DATABASE, *, autocommit: bool = False
) -> psycopg.Connection:
    """Connect as an administrator does with psql: names are looked up in `public` too."""
    return psycopg.connect(make_conninfo(server.dsn, dbname=database), autocommit=autocommit)


class Up:
    """A `myriad up` in the foreground."""

    def __init__(self, home: Home, *arguments: str, **environment: str) -> None:
        self.home = home
        self._output = home.folder.parent / "up.out"
        with self._output.open("wb") as file:
            self.process = subprocess.Popen(
                [*COMMAND, "up", *arguments, "--home", str(home.folder)],
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
            )

    def said(self) -> str:
        """Return what it printed so far."""
        return self._output.read_text()

    def wait_ready(self, timeout: float = 120) -> None:
        """Return when it is announced; fail if it ends before."""
        wait_until(lambda: self.home.running() or self.process.poll() is not None, timeout)
        assert self.home.running(), self.said()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def up(home: Home, *arguments: str, **environment: str) -> Iterator[Up]:
    """Run `myriad up` in the foreground; ended at the end, with all that it left."""
    started = Up(home, *arguments, **environment)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
            started.process.wait()
        door.clear(home)
        processes.clear(home.postgres, grace=5)
        for place in home.cassandra.glob("node?"):
            node.clear(place)


def postmaster(home: Home) -> psutil.Process:
    """Return the PostgreSQL that runs on `home`."""
    found = processes.running(home.postgres)
    assert found is not None
    return found


def unprivileged_python() -> tuple[str, dict[str, str]]:
    """Return an interpreter that a user without rights can run, and its environment.

    Where a folder above our own interpreter is closed to others, it is the system's, if that is
    of the same version. Raises LookupError that says why there is none.
    """
    nobody = process.EngineUser("nobody", 65534, 65534)
    source = Path(myriad.__file__).parents[1]
    closed = process.closed_to(nobody, source)
    if closed:
        raise LookupError(f"{closed} is closed to user nobody")
    mine = Path(sys.executable).resolve()
    if not process.closed_to(nobody, mine.parent):
        return sys.executable, {}
    wanted = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    other = shutil.which(wanted, path="/usr/bin:/usr/local/bin:/bin")
    if not other:
        raise LookupError(f"{mine} is closed to user nobody, and the system has no {wanted}")
    packages = Path(psutil.__file__).parents[1]
    return other, {"PYTHONPATH": f"{source}{os.pathsep}{packages}"}
