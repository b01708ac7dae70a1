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

# What is refused: its SQLSTATE, part of what is said, the text.
REFUSED = r"""
25001 not changed in a transaction | BEGIN; {own} 'x'
25001 or beside other statements | {own} 'x'; SELECT 1
25001 or beside other statements | {own} 'x'; {own} 'y'
42501 cannot be taken away | {own} NULL
42501 no other option | {own} 'x' VALID UNTIL 'infinity'
42501 no other option | ALTER ROLE CURRENT_USER VALID UNTIL 'infinity' PASSWORD 'x'
42501 no other option | ALTER ROLE CURRENT_USER SUPERUSER PASSWORD 'x'
42501 ALTER ROLE is not available | ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'
42501 ALTER ROLE is not available | ALTER ROLE {other} PASSWORD 'x'
42501 ALTER ROLE is not available | ALTER ROLE "{me}"" " PASSWORD 'x'
42501 ALTER ROLE is not available | ALTER ROLE U&"{other}" PASSWORD 'x' --"{me}"
42501 ALTER ROLE is not available | ALTER ROLE {other} PASSWORD 'x' /* {me} */
42501 ALTER ROLE is not available | ALTER ROLE "current_user" PASSWORD 'x'
42501 ALTER ROLE is not available | ALTER ROLE "{me} " PASSWORD 'x'
42501 ALTER ROLE is not available | ALTER ROLE "{ME}" PASSWORD 'x'
42501 ALTER ROLE is not available | ALTER ROLE PUBLIC PASSWORD 'x'
42501 ALTER ROLE is not available | ALTER GROUP readers ADD USER {me}
25001 or beside other statements | SET ROLE readers; {own} 'x'
42501 | SET SESSION AUTHORIZATION {other}
22023 must not be empty | {own} ''
22023 8 characters at least | {own} 'seven c'
22023 8 characters at least | {own} 'пароль'
22023 not as MD5 | {own} 'md5{md5}'
22023 more than 1,000 characters | {own} '{long}'
22023 no verifier | {own} 'SCRAM-SHA-256$'
22023 no verifier | {own} 'SCRAM-SHA-256$4096:{salt}${key}:{key} '
22023 no verifier | {own} 'SCRAM-SHA-256$04096:{salt}${key}:{key}'
22023 no verifier | {own} 'SCRAM-SHA-256$99999999999:{salt}${key}:{key}'
22023 no verifier | {own} 'SCRAM-SHA-256$4096:****${key}:{key}'
22023 no verifier | {own} 'SCRAM-SHA-256$4096:{salt}$AAAA:{key}'
22023 no verifier | {own} 'SCRAM-SHA-256$4096:{salt}${key}:{key}:{key}'
22023 no verifier | {own} 'SCRAM-SHA-256$4096:{salt}''; DROP ROLE {other}; --${key}:{key}'
22023 100,000 iterations | {own} 'SCRAM-SHA-256$4095:{salt}${key}:{key}'
22023 100,000 iterations | {own} 'SCRAM-SHA-256$100001:{salt}${key}:{key}'
22023 100,000 iterations | {own} 'SCRAM-SHA-256$2147483648:{salt}${key}:{key}'
22023 8 to 64 bytes | {own} 'SCRAM-SHA-256$4096:AAAA${key}:{key}'
22023 8 to 64 bytes | {own} 'SCRAM-SHA-256$4096:AAAAAAAAAAA==${key}:{key}'
22023 8 to 64 bytes | {own} 'SCRAM-SHA-256$4096:{huge}${key}:{key}'
22023 must not be empty | {own} '{empty}'
""".strip().splitlines()


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
