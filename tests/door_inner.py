"""The inner socket, as a program of ours uses it."""

import socket
from dataclasses import dataclass, field

from myriad import Myriad
from myriad.door.login.inner import OURS
from myriad.running import inner
from tests.door_script import PATIENCE, Wire

HERE = {"address": "203.0.113.7", "way": "http", "id": "token-1", "scope": "all"}


@dataclass(frozen=True)
class Inner:
    """Where programs of ours connect."""

    installation: Myriad = field(repr=False)

    def stream(self) -> socket.socket:
        """Connect, and no more."""
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(PATIENCE)
        stream.connect(str(inner.path(self.installation.home)))
        return stream

    def log_in(self, startup: dict[str, str]) -> Wire:
        """Send this startup message; raises Ended with the error if it is refused."""
        found = Wire(self.stream())
        try:
            found.log_in(startup, "")
        except BaseException:
            found.stream.close()
            raise
        return found

    def enter(
        self, person: str, database: str, settings: dict[str, str] | None = None, /, **told: str
    ) -> Wire:
        """Begin a session for a person; `told` replaces what is in HERE."""
        return self.log_in(startup(person, database, settings, **told))


def startup(
    person: str, database: str, settings: dict[str, str] | None = None, /, **told: str
) -> dict[str, str]:
    """Return the startup message for a person."""
    ours = {f"{OURS}{name}": value for name, value in {**HERE, **told}.items()}
    return {"user": person, "database": database, **ours, **(settings or {})}
