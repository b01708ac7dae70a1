"""The home: the directory that holds one installation, its lock, its state and its secrets."""

import hashlib
import os
import re
import shlex
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import filelock
import platformdirs
import psutil

from myriad.errors import HomeError, HomeLocked, TooNew
from myriad.home import notes
from myriad.home.files import write_private

# A Unix socket's path may have 107 bytes (unix(7)); PostgreSQL adds "/.s.PGSQL.65535".
SOCKET_FOLDER_BYTES = 90
# What a home holds besides its data and lock, which mark it as one.
OWN_NAMES = {
    *("logs", "tmp", "rejects", "secrets", "run", "programs", "demo", "myriad.toml"),
    *("cassandra", "cassandra.json", "format", "port"),
}
# What makes a home of the next format out of one of the format before: the first makes 2 out of 1.
# Interrupted, a step runs again.
STEPS: tuple[Callable[["Home"], None], ...] = ()


def default_folder() -> Path:
    """Return `/var/lib/myriad` for root, else the platform's user data directory."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/myriad")
    return Path(platformdirs.user_data_dir("myriad"))


def demo_folder() -> Path:
    """Return the home of the demo: its people have no place in anybody's real installation."""
    return default_folder().with_name("myriad-demo")


@dataclass(frozen=True)
class Running:
    """What the process that is `up` on a home says of itself.

    Attributes:
        pid: its number.
        engine: `embedded` or `attached`.
        host, port: where people connect.
        dsn: how Myriad itself connects as administrator, without a database name.
        about: which program it is and as whom it runs, for people.
        version: of the server, as `server_version_num` has it.
    """

    pid: int
    engine: str
    host: str
    port: int
    dsn: str = field(repr=False)  # an attached one may hold a password
    about: str = ""
    version: int = 0


class Home:
    """Paths, lock, state and secrets of the installation in `folder`."""

    def __init__(self, folder: Path | str | None = None) -> None:
        chosen = folder or os.environ.get("MYRIAD_HOME") or default_folder()
        self.folder = Path(chosen).expanduser().absolute()
        self.postgres = self.folder / "postgres"
        self.cassandra = self.folder / "cassandra"
        self.logs = self.folder / "logs"
        self.temporary = self.folder / "tmp"
        self.rejects = self.folder / "rejects"
        self.secrets = self.folder / "secrets"
        self._format = self.folder / "format"
        self._state = self.folder / "running.json"
        self._lock = self.folder / "lock"
        self._holder_file = self.folder / "lock.holder"

    @classmethod
    def that_runs(cls) -> "Home":
        """Return the home that a command means which names none: the usual one, or the demo's.

        The demo's only where it is up and the usual one is not.
        """
        usual, demo = cls(), cls(demo_folder())
        named = "MYRIAD_HOME" in os.environ
        return demo if not named and usual.running() is None and demo.running() else usual

    @property
    def option(self) -> str:
        """How a command names this home, with a space before; empty where it would find it."""
        usual = self.folder == Home().folder
        return "" if usual else f" --home {shlex.quote(str(self.folder))}"

    def create(self) -> None:
        """Make the folders that are missing, closed to others.

        Raises HomeError if that is impossible, TooNew if a newer Myriad wrote the home.
        """
        self.format()
        self._refuse_foreign()
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # As root the engine runs as another user, who must pass through but not look.
            self.folder.chmod(0o711 if _is_root() else 0o700)
            for path in (self.logs, self.temporary, self.rejects, self.secrets):
                path.mkdir(mode=0o700, exist_ok=True)
                path.chmod(0o700)
            if not self.is_one():
                self._set_format(len(STEPS) + 1)
        except OSError as error:
            raise HomeError(
                f"cannot use {self.folder} as home: {error.strerror}",
                hint="Give another folder with --home or MYRIAD_HOME.",
            ) from error

    def _refuse_foreign(self) -> None:
        """Raise HomeError for a folder with other things in it: its rights would be changed."""
        if self._is_one() or not self.folder.is_dir():
            return
        names = {path.name for path in self.folder.iterdir()} - OWN_NAMES
        # A first start that was killed leaves a half-made data folder.
        foreign = sorted(name for name in names if not name.startswith(".postgres-"))
        if foreign:
            raise HomeError(
                f"{self.folder} is no home of Myriad and not empty: it has {foreign[0]}",
                hint="Give an empty or new folder with --home or MYRIAD_HOME.",
            )

    def is_one(self) -> bool:
        """Say whether the folder is a home: something was started there."""
        return self._is_one() or self._format.exists()

    def _is_one(self) -> bool:
        return self._lock.exists() or self.postgres.exists()

    def has_served(self) -> bool:
        """Say whether a door of it was ever up."""
        return (self.logs / "door.log").exists()

    def format(self) -> int:
        """Return the format of what is there; before homes had a number, it was 1.

        Raises TooNew if a newer Myriad wrote it, HomeError if it cannot be read.
        """
        try:
            written = self._format.read_text()
        except (FileNotFoundError, NotADirectoryError):
            return 1
        except (OSError, UnicodeError) as error:
            raise HomeError(
                f"{self._format} cannot be read: {error}",
                hint="Run this as the user whose home it is.",
            ) from error
        if not re.fullmatch(r"[1-9]\d{0,8}\n?", written):
            raise HomeError(
                f"{self._format} does not hold the number of a format",
                hint=f"Restore it; this Myriad writes {len(STEPS) + 1} there.",
            )
        number = int(written)
        if number > len(STEPS) + 1:
            raise TooNew(
                f"{self.folder} was written by a newer Myriad (format {number}); this one knows"
                f" format {len(STEPS) + 1}",
                hint="Use the newer Myriad, or another folder with --home.",
            )
        return number

    def _set_format(self, number: int) -> None:
        write_private(self._format, f"{number}\n")

    def _bring_up_to_date(self) -> None:
        number = self.format()
        for step in STEPS[number - 1 :]:
            step(self)
            number += 1
            self._set_format(number)
        if not self._format.exists():
            self._set_format(number)

    def socket_folder(self) -> Path:
        """Return a folder for Unix sockets, in the home unless its path is too long for one."""
        inside = self.folder / "run"
        # libpq reads a comma as the end of one host and the begin of the next.
        if len(os.fsencode(inside)) <= SOCKET_FOLDER_BYTES and "," not in str(inside):
            return inside
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"myriad-{os.getuid()}-{digest}"

    def make_socket_folder(self, *owners: int) -> Path:
        """Return the folder for sockets, made where it is missing and closed to others.

        Raises HomeError where somebody else has it than us and those users.
        """
        folder = self.socket_folder()
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid not in {os.geteuid(), *owners}:
            raise HomeError(
                f"{folder} belongs to somebody else", hint="Remove it, or use a shorter --home."
            )
        folder.chmod(0o700)
        return folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home for one `up`, brought up to date; raises HomeLocked that says who has it.

        The lock is the kernel's (flock): a crash or a power cut frees it, only its text stays.
        """
        self.create()
        lock = filelock.FileLock(self._lock, mode=0o600)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise HomeLocked(
                f"{self.folder} is in use by {self._holder_text()}",
                hint="Stop it with `myriad down`, or give another folder with --home.",
            ) from None
        try:
            notes.write(self._holder_file)
            self._bring_up_to_date()
            yield
        finally:
            self._holder_file.unlink(missing_ok=True)
            lock.release()

    def holder(self) -> int | None:
        """Return the process that holds the home, None if there is none."""
        note = notes.read(self._holder_file)
        return int(note["pid"]) if note else None

    def _holder_text(self) -> str:
        pid = self.holder()
        if pid is None:
            return "another process"
        try:  # not its command line: that may hold a password
            return f"process {pid} of user {psutil.Process(pid).username()}"
        except psutil.Error:
            return f"process {pid}"

    def announce(self, running: Running) -> None:
        """Write down how the engine of this home is reached."""
        notes.write(self._state, **asdict(running))

    def withdraw(self) -> None:
        """Forget what `announce` wrote."""
        self._state.unlink(missing_ok=True)

    def running(self) -> Running | None:
        """Return what is up on this home, None if nothing is (a stale file counts as nothing)."""
        note = notes.read(self._state)
        if note is None:
            return None
        del note["started"]
        try:
            return Running(**note)
        except TypeError:
            return None


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
