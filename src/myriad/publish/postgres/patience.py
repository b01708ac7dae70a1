"""Wait for whoever holds a table: briefly and often, and not without a word."""

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

import psycopg

from myriad.control import asking
from myriad.engines.postgres.base import Server
from myriad.errors import SwapBlocked
from myriad.named_sql import Row
from myriad.publish.options import Progress, Step
from myriad.publish.postgres.existing import query

# Readers who come while we wait for the lock queue behind us: so we wait briefly, and often.
LOCK_WAIT_MS = 250
PAUSE = 0.25
TELL_AFTER = 2.0  # seconds: shorter waits are nothing to read about
WAITED = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
# An autovacuum gives way to whoever waited this long, and never to those who give up before.
GIVE_WAY_MS = 100
# Locks of those who are not in the way of somebody who only locks out writers, or other definers:
# https://www.postgresql.org/docs/18/explicit-locking.html#LOCKING-TABLES
READERS = ("AccessShareLock", "RowShareLock")
WRITERS = (*READERS, "RowExclusiveLock")
# ... or who only reads: all but those who lock it entirely.
SHARERS = (
    *WRITERS,
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Patience:
    """How long is waited for those who hold a table, and who hears of it.

    Attributes:
        timeout: seconds.
        people: says who uses which process of the server.
        tell: hears for whom is waited, again only when that is somebody else.
    """

    timeout: float
    people: Callable[[], Mapping[int, str]]
    tell: Callable[[str], None]

    @classmethod
    def of(cls, server: Server, timeout: float, progress: Progress) -> "Patience":
        """Return what tells it by `progress`."""
        return cls(
            timeout,
            partial(asking.by_process, server),
            lambda said: progress(Step("", "waiting", notice=said)),
        )

    def until(
        self,
        connection: psycopg.Connection,
        attempt: Callable[[int], Result],
        old: Sequence[int],
        beside: Sequence[str] = (),
    ) -> Result:
        """Return what `attempt` does that waits for locks: tried again, with the number of tries.

        Locks `beside` it are in nobody's way. Raises SwapBlocked after `timeout` seconds that names
        who holds the relations `old`.
        """
        wait = _Wait(self, connection, old, beside)
        turn = 0
        while True:
            try:
                with connection.transaction():
                    briefly(connection)
                    # Readers who join tables lock them in an order of their own: try each in turn.
                    done = attempt(turn)
                    connection.execute("SET LOCAL lock_timeout = 0")
            except WAITED as error:
                wait.goes_on(error)
                turn += 1
                time.sleep(PAUSE / (1 + turn % 3))
            else:
                return done

    def look(self, connection: psycopg.Connection, oid: int, ask: Callable[[], Result]) -> Result:
        """Return what is asked of a relation, which waits for whoever locks it entirely.

        Raises SwapBlocked.
        """
        return self.until(connection, lambda _: ask(), [oid], SHARERS)


def briefly(connection: psycopg.Connection) -> None:
    """Let no statement of this transaction wait for long."""
    connection.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")
    connection.execute(  # only a superuser may
        f"SELECT set_config('deadlock_timeout', '{GIVE_WAY_MS}ms', true)"
        " FROM pg_roles WHERE rolname = session_user AND rolsuper"
    )


@dataclass
class _Wait:
    """One wait for those who hold relations."""

    patience: Patience
    connection: psycopg.Connection
    old: Sequence[int]
    beside: Sequence[str]
    began: float = field(default_factory=time.monotonic)
    look_at: float = TELL_AFTER
    told: set[int | None] = field(default_factory=set)

    def goes_on(self, error: psycopg.Error) -> None:
        """Tell whom we wait for; raises SwapBlocked if that takes too long."""
        waited, timeout = time.monotonic() - self.began, self.patience.timeout
        if waited > timeout:
            holders = self._holders()
            raise SwapBlocked(
                f"the old table was held for {timeout:g} s by {self._named(holders)}; it stays",
                hint="Try again when their transactions have ended: `myriad people activity` shows"
                f" them{self._ending(holders)}.",
            ) from error
        if waited >= self.look_at:
            self.look_at = waited + TELL_AFTER
            self._tell(timeout - waited)

    def _tell(self, left: float) -> None:
        """Name those who hold it; those who come and go quickly only once."""
        holders = self._holders()
        stay = timedelta(seconds=TELL_AFTER)
        new = {row["pid"] for row in holders if not self.told or row["since"] >= stay}
        if new <= self.told and self.told:
            return
        self.told |= new or {None}
        self.patience.tell(
            f"waiting for those who hold the old table, {left:.0f} s at most:"
            f" {self._named(holders)}\n"
            "hint: It goes on when their transactions end: COMMIT, or close the program. `myriad"
            " people activity` shows them; the limit `idle-seconds` ends those who do nothing"
            f"{self._ending(holders)}."
        )

    def _holders(self) -> list[Row]:
        """Return who is in the way; nobody where the catalog that says it is locked, too."""
        with suppress(*WAITED), self.connection.transaction(force_rollback=True):
            briefly(self.connection)
            return self._found()
        return []

    def _found(self) -> list[Row]:
        views = [view["oid"] for view in query(self.connection, "views", oids=list(self.old))]
        found = self._holding([*self.old, *views])
        if not found:  # a foreign key goes only when nobody is at the other table, either
            joined = query(self.connection, "joined", oids=list(self.old))
            found = self._holding([row["oid"] for row in joined])
        if not found:  # a view's definition is read
            beneath = query(self.connection, "beneath", oids=views)
            found = self._holding([row["oid"] for row in beneath], SHARERS)
        return found

    def _holding(self, oids: Sequence[int], beside: Sequence[str] = ()) -> list[Row]:
        harmless = list(beside or self.beside)
        return query(self.connection, "blockers", oids=list(oids), beside=harmless)

    def _ending(self, holders: Sequence[Row]) -> str:
        """Return the lines that end their sessions at once."""
        people = self.patience.people() if holders else {}
        names = sorted({people[row["pid"]] for row in holders if row["pid"] in people})
        others = [row["pid"] for row in holders if row["pid"] not in people]
        words = ["--", *names] if any(name.startswith("-") for name in names) else names
        ends = [f"`myriad people stop --disconnect {shlex.join(words)}`"] if names else []
        ends += [f'`myriad sql -c "SELECT pg_terminate_backend({pid})"`' for pid in others]
        return f"; to end them at once: {', '.join(ends)}" if ends else ""

    def _named(self, holders: Sequence[Row]) -> str:
        people = self.patience.people() if holders else {}
        named = (
            f"{people.get(row['pid'], row['holder'])} (pid {row['pid']}, for {_since(row)})"
            for row in holders
        )
        return ", ".join(named) or "unknown"


def _since(row: Row) -> str:
    return str(timedelta(seconds=int(row["since"].total_seconds())))
