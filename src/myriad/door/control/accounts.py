"""Who logs in: looked up in the server's own catalog each time, many at once in one question."""

import asyncio
import json
import math
import time
from dataclasses import asdict, dataclass
from typing import Any

from myriad.door.control.control import SQL, Control
from myriad.door.control.own_passwords import Passwords
from myriad.door.siblings.counters import HELD, PINNED, SESSIONS, Counters, Place
from myriad.limits import Limits
from myriad.pgwire import scram
from myriad.pgwire.faults import Fault, Refused
from myriad.settings import Settings

# Nobody logs in as one of ours, or as a role that PostgreSQL keeps for itself.
OURS = ("myriad", "pg_")
SHUT = Fault(
    "57P01",
    "terminating connection: this account may not log in any more",
    "Ask whoever runs this server: it was disabled or removed, or its time is over.",
)
_WHICH = (
    "Without one a client asks for one of the person's own name. Say which, such as main: psql -d"
    " main, or dbname=main."
)


class Account:
    """A person, as all their sessions share it.

    Attributes:
        limits: what they may use; `most_...` are the same, with infinity for none.
        oid: of the role.
        place: where that is counted which they have in all processes of the door.
        sessions: how many they have here.
        running: how many server connections they have here.
        pinned: how many of these stay with a session.
        held: bytes of long messages that are held for them here.
    """

    __slots__ = (
        "held",
        "limits",
        "most_bytes",
        "most_rows",
        "most_running",
        "most_sessions",
        "name",
        "oid",
        "pinned",
        "place",
        "running",
        "sessions",
    )

    def __init__(self, name: str, oid: int, limits: Limits, place: Place) -> None:
        self.name, self.oid, self.place = name, oid, place
        self.sessions = self.running = self.pinned = self.held = 0
        self.limit(limits)

    def limit(self, limits: Limits) -> None:
        """Set new limits; they hold from the next statement on."""
        self.limits = limits
        self.most_rows = limits.rows or math.inf
        self.most_bytes = limits.megabytes * 1_000_000 or math.inf
        self.most_running = limits.concurrent or math.inf
        self.most_sessions = limits.connections or math.inf

    def enter(self) -> None:
        """Count one more session."""
        self.sessions += 1
        self.place.write(SESSIONS, self.sessions)

    def leave(self) -> None:
        """Count one session less."""
        self.sessions -= 1
        if not self.sessions:  # the place may be somebody else's then
            self.place.wait_no_more()
        self.place.write(SESSIONS, self.sessions)

    @property
    def all_sessions(self) -> int:
        """How many they have in all processes."""
        return self.sessions + self.place.elsewhere(SESSIONS)

    def begin(self, most_here: float) -> bool:
        """Count one more server connection, if they may have one more here, and in all."""
        number = self.running + 1
        if number > most_here or number > self.most_running:
            return False
        if not (self.place.alone or self.place.begin(number, self.most_running)):
            return False
        self.running = number
        return True

    def end(self) -> None:
        """Count one server connection less."""
        self.running -= 1
        if not self.place.alone:
            self.place.end(self.running)

    def hold(self, more: int) -> int:
        """Count so many bytes more, or less, that are held; return those in all processes."""
        self.held += more
        self.place.write(HELD, self.held)
        return self.held + self.held_elsewhere

    @property
    def held_elsewhere(self) -> int:
        """How many bytes of long messages other processes hold for them."""
        return self.place.elsewhere(HELD)

    def pin(self, more: int) -> None:
        """Count so many more, or less, of those that stay with a session."""
        self.pinned += more
        self.place.write(PINNED, self.pinned)

    def may_pin(self, most_here: float) -> bool:
        """Say whether one more may stay: one of those that they may have is left for the others."""
        in_all = self.pinned + self.place.elsewhere(PINNED)
        return self.pinned < max(1, most_here - 1) and in_all < max(1, self.most_running - 1)


def check_room(account: Account) -> None:
    """Raise Refused if somebody has more sessions than they may."""
    if account.all_sessions > account.most_sessions:
        raise Refused(
            Fault(
                "53300",
                f'too many connections for role "{account.name}": the limit is'
                f" {account.limits.connections}",
                "Close some, or have the limit raised: myriad person limit.",
            )
        )


def check_database(database: str, entry: "Entry") -> None:
    """Raise Refused if there is no such database, or if somebody may not use it."""
    if not entry.database:
        raise Refused(Fault("3D000", f'database "{database}" does not exist', _WHICH))
    if not entry.may_connect:
        raise Refused(
            Fault(
                "42501",
                f'permission denied for database "{database}"',
                "A group of yours must be granted something in it: myriad grant.",
            )
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """What the catalog says of a name and a database.

    Attributes:
        oid: of the role.
        personal: has rights of an own, so must have server connections of an own.
        groups: sorted.
        looks: their search_path, or the database's, was set by ALTER ROLE or ALTER DATABASE.
        database: its oid, 0 if there is no such database; `may_connect`: and they may use it.
        asked_at: by time.monotonic(); what has changed since then is not in it.
    """

    name: str
    oid: int
    may_log_in: bool
    valid: bool
    verifier: scram.Verifier | None
    personal: bool
    groups: tuple[str, ...]
    whole_sessions: bool
    limits: Limits
    looks: bool
    database: int
    may_connect: bool
    asked_at: float

    @property
    def may_come(self) -> bool:
        """Whether they may log in, now."""
        return self.may_log_in and self.valid

    def stands(self, found: "Entry") -> bool:
        """Say whether who has proven to be that person is the one that was found since."""
        same = (found.oid, found.verifier) == (self.oid, self.verifier)
        return same and found.may_come


class Accounts:
    """Everybody who is logged in, and the way to look people up.

    Attributes:
        passwords: changes one's own.
    """

    def __init__(
        self,
        control: Control,
        settings: Settings,
        counters: Counters,
        passwords: Passwords,
        *,
        superuser: bool,
    ) -> None:
        self.passwords = passwords
        self._control, self._counters = control, counters
        self._settings = asdict(settings)
        roles, verifier = (
            ("pg_authid", "a.rolpassword") if superuser else ("pg_roles", "p.verifier")
        )
        self._sql = SQL["logins"].format(roles=roles, verifier=verifier)
        self._changed_at = 0.0
        self._known: dict[str, Account] = {}
        self._asked: list[tuple[str, str, asyncio.Future[Entry | None]]] = []
        self._asking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._known)

    async def look_up(self, name: str, database: str) -> Entry | None:
        """Return what is known of a name, None if nobody has it; it takes the same time for all."""
        answer: asyncio.Future[Entry | None] = asyncio.get_running_loop().create_future()
        self._asked.append((name, database, answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._ask())
        entry = await answer
        return None if name.lower().startswith(OURS) else entry

    async def _ask(self) -> None:
        """Ask for all who came while the question before was under way."""
        while self._asked:
            asked, self._asked = self._asked, []
            try:
                found = await self._find([(name, database) for name, database, _ in asked])
            except Exception as error:  # noqa: BLE001 - who asked hears of it
                for _, _, answer in asked:
                    if not answer.done():
                        answer.set_exception(error)
                continue  # those who came meanwhile are to be answered, too
            for number, (_, _, answer) in enumerate(asked):
                if not answer.done():
                    answer.set_result(found.get(number))

    async def _find(self, asked: list[tuple[str, str]]) -> dict[int, Entry]:
        asked_at = time.monotonic()
        rows = await self._control.fetch(
            self._sql,
            list(range(len(asked))),
            [name.replace("\0", "") for name, _ in asked],
            [database.replace("\0", "") for _, database in asked],
        )
        return {row["number"]: self._entry(row, asked_at) for row in rows}

    def _entry(self, row: Any, asked_at: float) -> Entry:  # noqa: ANN401 - asyncpg's Record
        limits = json.loads(row["group_limits"] or "{}") | json.loads(row["limits"] or "{}")
        return Entry(
            row["rolname"],
            row["oid"],
            row["rolcanlogin"],
            row["valid"],
            scram.read_verifier(row["verifier"]),
            row["personal"],
            tuple(row["groups"]),
            row["whole_sessions"],
            Limits.of(self._settings, limits),
            row["looks"],
            row["database"],
            row["may_connect"],
            asked_at,
        )

    def have_changed(self, _payload: str = "") -> None:
        """Hear that what was looked up until now may be otherwise."""
        self._changed_at = time.monotonic()

    def is_old(self, entry: Entry) -> bool:
        """Say whether something may have changed since somebody was looked up."""
        return entry.asked_at <= self._changed_at

    def enter(self, entry: Entry) -> Account:
        """Count one more session of a person, and return the account that all theirs share.

        Raises TimeoutError if another process of the door hangs.
        """
        account = self._known.get(entry.name)
        if account is None:
            place = self._counters.enter(entry.oid)
            account = self._known[entry.name] = Account(entry.name, entry.oid, entry.limits, place)
        account.limit(entry.limits)
        account.enter()
        return account

    def leave(self, account: Account) -> None:
        """Count one session less."""
        account.leave()
        if not account.sessions:
            self._known.pop(account.name, None)

    def first_here(self) -> int:
        """Return how many people are here who are in no process with a lower number."""
        process = self._counters.process
        return sum(each.place.is_first_here(process) for each in self._known.values())

    def known(self, name: str) -> Account | None:
        """Return the account of somebody who is here."""
        return self._known.get(name)
