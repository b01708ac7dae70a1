"""Processes of programs: as whom they run, with what, and whether they still do."""

import contextlib
import getpass
import os
import pwd
import resource
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from myriad.errors import StartFailed

POLL = 0.02  # seconds; an engine's start takes tenths of one
LAST_RESORT = 5.0  # seconds that an immediate shutdown, and then a kill, may take
JAVA_LISTENS_TO = ("JAVA_", "_JAVA", "JDK_JAVA", "CLASSPATH", "CASSANDRA_")
MANY_FILES = 1 << 30  # stands for "no limit"


@dataclass(frozen=True)
class EngineUser:
    """The user an engine runs as when that is not the one we are."""

    name: str
    uid: int
    gid: int


def engine_user(data: Path) -> EngineUser | None:
    """Return the user that the engine of `data` must run as, None if it is the one we are.

    PostgreSQL refuses to run as root: then it is the owner of the data, `postgres` or `nobody`.
    Raises StartFailed if there is no such user.
    """
    if os.geteuid() != 0:
        return None
    owner = data.stat().st_uid if data.exists() else 0
    found = _entry(pwd.getpwuid, owner) if owner else None
    found = found or _entry(pwd.getpwnam, "postgres") or _entry(pwd.getpwnam, "nobody")
    if found is None:
        raise StartFailed(
            "PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`",
            hint="Run Myriad as another user, or make one: useradd --system postgres.",
        )
    return EngineUser(found.pw_name, found.pw_uid, found.pw_gid)


def user_of(found: psutil.Process) -> EngineUser | None:
    """Return the user that a process runs as, None if it is the one we are."""
    number = found.uids().real
    if number == os.geteuid():
        return None
    entry = pwd.getpwuid(number)
    return EngineUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _entry(look_up: Callable[[Any], pwd.struct_passwd], key: str | int) -> pwd.struct_passwd | None:
    try:
        return look_up(key)
    except KeyError:
        return None


def account() -> str:
    """Return the machine's user who runs this."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return str(os.getuid())


def own_name() -> str:
    """Return the name of the user we are; raises StartFailed where the system has none."""
    found = _entry(pwd.getpwuid, os.geteuid())
    if found is None:
        raise StartFailed(
            f"the system knows no user with number {os.geteuid()}, and PostgreSQL needs a name",
            hint="Add an entry to /etc/passwd, or run as a user that has one.",
        )
    return found.pw_name


def closed_to(user: EngineUser | None, folder: Path) -> Path | None:
    """Return the first folder on the way to `folder` that `user` may not pass, None if all open."""
    if user is None:
        return None
    way = [*reversed(folder.resolve().parents), folder.resolve()]
    return next((step for step in way if step.exists() and not _may_pass(user, step)), None)


def _may_pass(user: EngineUser, folder: Path) -> bool:
    state = folder.stat()
    if state.st_uid == user.uid:
        return bool(state.st_mode & stat.S_IXUSR)
    if state.st_gid == user.gid:
        return bool(state.st_mode & stat.S_IXGRP)
    return bool(state.st_mode & stat.S_IXOTH)


def allow_files() -> int:
    """Let this process, and those it starts, open as many files as it may; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS has a lower limit than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return MANY_FILES if soft == resource.RLIM_INFINITY else soft


def environment() -> dict[str, str]:
    """Return our environment without what would change how an engine behaves or speaks."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LC_", "LANG", "MYRIAD_", *JAVA_LISTENS_TO))
    }
    return {**kept, "LC_ALL": "C"}


def spawn(
    command: Sequence[str | Path],
    user: EngineUser | None,
    output: IO[bytes] | int,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that a terminal's Ctrl-C does not reach it.

    `keep` are files of ours that it holds too. Raises OSError.
    """
    identity: Mapping[str, Any] = (
        {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    )
    return subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",  # ours may be closed to the user
        env=environment(),
        start_new_session=True,
        umask=0o077,
        pass_fds=keep,
        **identity,
    )


def run(
    command: Sequence[str | Path],
    user: EngineUser | None = None,
    *,
    timeout: float = 30.0,
    cancelled: threading.Event | None = None,
) -> tuple[int, str]:
    """Run a program to its end; return its exit code and what it said.

    Raises OSError if it cannot be run, StartFailed after `timeout` seconds or when cancelled.
    """
    deadline = time.monotonic() + timeout
    with spawn(*_by_itself(command, user), subprocess.PIPE) as process:
        while True:
            try:
                output, _ = process.communicate(timeout=0.1)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline and not (cancelled and cancelled.is_set()):
                    continue
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise StartFailed(
                    f"{command[0]} was stopped before it had finished",
                    hint="Run the same command again; where the machine is busy, later.",
                ) from None
            return process.returncode, output.decode(errors="replace").strip()


def _by_itself(
    command: Sequence[str | Path], user: EngineUser | None
) -> tuple[Sequence[str | Path], EngineUser | None]:
    """Return a command that becomes another user itself, where the system has a tool for that.

    Python copies itself to do it: with all that a publish has loaded that takes 15 ms of processor
    time, and on a busy machine tenths of a second.
    """
    tool = shutil.which("setpriv") if user else None
    if user is None or tool is None or Path(tool).resolve().name != "setpriv":  # BusyBox's cannot
        return command, user
    identity = f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"
    return [tool, *identity, "--", *command], None


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until `condition` holds; say whether it did within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def why_down(child: subprocess.Popen[bytes] | None) -> str | None:
    """Return why a program that we started does not run, None while it does."""
    if child is None:
        return "it was not started"
    code = child.poll()
    if code is None:
        return None
    return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def gone(process: psutil.Process) -> bool:
    """Say whether a process does nothing any more; one that waits for its parent does not."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
