"""People of a door of two processes, who change their own passwords there."""

import secrets
import subprocess
from contextlib import closing
from pathlib import Path

import psutil
import psycopg
import pytest

from myriad.engines.postgres import programs
from tests.door_script import Ended, Place, Wire, add_own_database

DATABASE, READERS = "open", "readers"
LOGINS = 6  # so many reach both processes of the door
STATE = """
    SELECT rolname, rolpassword, verifier, cassandra
    FROM pg_authid JOIN public.person ON name = rolname"""


def _programs() -> Path:
    return programs.find("", Path("/nonexistent"), None).folder


class People:
    """Adds people to a door of two processes, and logs them in."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def reader(self) -> str:
        """Add somebody who shares server connections with all others."""
        name = f"rose_{secrets.token_hex(4)}"
        self.place.passwords.update(self.place.installation.people.add_people([name], [READERS]))
        return name

    def owner(self) -> str:
        """Add somebody with server connections of their own, in their own database."""
        name = f"olga_{secrets.token_hex(4)}"
        people = self.place.installation.people
        self.place.passwords.update(people.add_people([name], [READERS], owner=True))
        add_own_database(self.place, name, name)
        return name

    def wire(self, name: str) -> Wire:
        return self.place.door(name, name if name.startswith("olga") else DATABASE)

    def connect(self, name: str) -> psycopg.Connection:
        server = self.place.server
        return psycopg.connect(
            host=server.host,
            port=server.port,
            user=name,
            password=self.place.passwords[name],
            dbname=DATABASE,
            autocommit=True,
        )

    def state(self) -> dict[str, tuple[object, ...]]:
        """Return what is stored of everybody's passwords."""
        with closing(self.place.admin("myriad")) as admin:
            rows = admin.execute(STATE).fetchall()
        return {name: tuple(stored) for name, *stored in rows}

    def has(self, name: str, password: str, *, but: str = "") -> None:
        """Fail unless that one logs in everywhere, and another one nowhere."""
        self.place.passwords[name] = password
        for _ in range(LOGINS):
            self.wire(name).close()
        if but:
            self.place.passwords[name] = but
            with pytest.raises(Ended, match="password authentication failed"):
                self.wire(name)
        self.place.passwords[name] = password

    def waits_for_lock(self) -> list[int]:
        """Return who waits for a table."""
        with closing(self.place.admin("myriad")) as admin:
            rows = admin.execute(
                "SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
            ).fetchall()
        return [pid for (pid,) in rows]

    def doors(self) -> list[int]:
        """Return the processes of the door."""
        home = str(self.place.installation.home.folder)
        [up] = [
            each
            for each in psutil.process_iter(["cmdline"])
            if home in (each.info["cmdline"] or []) and "up" in each.info["cmdline"]
        ]
        return [each.pid for each in up.children() if "myriad.door" in " ".join(each.cmdline())]

    def logs_in(self, name: str) -> bool:
        """Say whether somebody can log in."""
        try:
            self.wire(name).close()
        except (Ended, OSError):
            return False
        return True

    def changes(self, name: str) -> list[object]:
        """Return what the audit has of their changes."""
        entries = self.place.installation.people.audit(name, last=10_000)
        return [each for each in entries if each.statement == "changed own password"]

    def psql(self, name: str, script: str) -> str:
        """Run psql without a terminal, so that it asks on standard input; return all it says."""
        server = self.place.server
        done = subprocess.run(
            [_programs() / "psql", "-X", "-d", DATABASE, "-h", server.host, "-p", str(server.port)],
            input=script,
            env={"PGUSER": name, "PGPASSWORD": self.place.passwords[name]},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            start_new_session=True,
        )
        return done.stdout + done.stderr
