"""A systemd unit that keeps one home up.

How one is written: https://www.freedesktop.org/software/systemd/man/latest/systemd.unit.html
"""

import os
import pwd
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from myriad.errors import HomeError, UsageError
from myriad.home.home import Home
from myriad.running.background import longest_stop
from myriad.settings import Settings

SYSTEM = Path("/etc/systemd/system")
WITHIN = 30  # seconds for systemctl
FILES_BESIDE = 2048  # those of a process besides people's connections
AFTER_STOP = 30  # seconds more than all needs to end, before systemd kills it


@dataclass(frozen=True)
class Service:
    """The unit of one home, of the machine's systemd or of a user's own."""

    home: Home
    settings: Settings
    system: bool

    @property
    def name(self) -> str:
        """The folder's name, behind `myriad-` unless it begins so."""
        word = re.sub(r"[^A-Za-z0-9]+", "-", self.home.folder.name).strip("-")
        return f"{word if word.startswith('myriad') else f'myriad-{word}'}.service"

    @property
    def path(self) -> Path:
        """Where systemd looks for it."""
        if self.system:
            return SYSTEM / self.name
        base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        return Path(base) / "systemd" / "user" / self.name

    def text(self) -> str:
        """Return the unit."""
        program = [sys.executable, "-P", "-m", "myriad", "up", "--home", str(self.home.folder)]
        return f"""\
[Unit]
Description={self._description()}
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart={" ".join(map(_quoted, program))}
{self._user()}Restart=on-failure
RestartSec=5
# `up` ends PostgreSQL, the door and Cassandra itself, in order.
KillMode=mixed
TimeoutStopSec={round(longest_stop(self.settings)) + AFTER_STOP}
LimitNOFILE={self.settings.max_clients + FILES_BESIDE}

[Install]
WantedBy={"multi-user.target" if self.system else "default.target"}
"""

    def _user(self) -> str:
        """Return whose home it is, for a unit of the machine's that another user installs."""
        folder = self.home.folder
        owner = folder.stat().st_uid if folder.exists() else os.geteuid()
        return f"User={pwd.getpwuid(owner).pw_name}\n" if self.system and owner else ""

    def install(self) -> list[str]:
        """Write it, and let systemd start it with the machine; return what is left to do by hand.

        Raises UsageError where that needs root, HomeError for a unit that is another's.
        """
        if not self.home.is_one():  # one of another user's must not get folders of ours
            self.home.create()
        self._check_place()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.text(), "utf-8")
        return self._left_to_do([["daemon-reload"], ["enable", self.name]])

    def doubts(self) -> str:
        """Return what systemd-analyze says against the unit that was written, if it is there."""
        return doubts(self.path, system=self.system)

    def remove(self) -> list[str]:
        """Stop it, and take it away; return what is left to do by hand. The home stays.

        Raises HomeError where there is none, or another's.
        """
        if not self.path.exists():
            raise HomeError(
                f"there is no {self.path}",
                hint="`myriad service install` makes it; --system and --user choose whose.",
            )
        self._check_place()
        left = self._left_to_do([["disable", "--now", self.name]])
        self.path.unlink()
        return left + self._left_to_do([["daemon-reload"]])

    def _check_place(self) -> None:
        if self.system and os.geteuid() != 0:
            raise UsageError(
                f"only root may write {self.path}",
                hint="Use sudo; or --user: then it is up while you are logged in, or always after"
                " `loginctl enable-linger`.",
            )
        if self.path.exists() and f"Description={self._description()}" not in _lines(self.path):
            raise HomeError(
                f"{self.path} is the unit of something else",
                hint="Look at it; rename it, or the folder of the home.",
            )

    def _description(self) -> str:
        return f"Myriad, home {_specifiers(str(self.home.folder))}"

    def _left_to_do(self, commands: list[list[str]]) -> list[str]:
        """Run `systemctl`; return the commands that did not work."""
        systemctl = ["systemctl", *([] if self.system else ["--user"])]
        return [
            " ".join([*systemctl, *command])
            for command in commands
            if not _works([*systemctl, *command])
        ]


def doubts(path: Path, *, system: bool) -> str:
    """Return what systemd-analyze says against a unit; nothing where it is good, or is not asked.

    Raises OSError, subprocess.TimeoutExpired.
    """
    program = shutil.which("systemd-analyze")
    if program is None:
        return ""
    command = [program, "verify", "--system" if system else "--user", "--man=no", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)
    return done.stderr.strip() if done.returncode else ""


def _works(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=WITHIN, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8", errors="replace").splitlines()


def _specifiers(text: str) -> str:
    """Return text in which systemd replaces nothing, in one line (systemd.unit(5))."""
    return text.replace("%", "%%").replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(word: str) -> str:
    """Return a word of a command (systemd.service(5), "Command lines")."""
    escaped = _specifiers(word).replace('"', '\\"').replace("$", "$$")
    return escaped if re.fullmatch(r"[\w./=:@%-]+", escaped) else f'"{escaped}"'
