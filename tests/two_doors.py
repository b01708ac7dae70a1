"""Sessions in both processes of a door that has two, and what they run for long."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
from psycopg.conninfo import make_conninfo

from myriad.pgwire.numbers import process_of
from tests.crowd import LONG, PASSWORD, Installation, Place

SOON = 20.0  # seconds, on a busy machine


class Sessions:
    """Some of one person, by the process that has them; closed at the end."""

    def __init__(self, place: Place, name: str, stack: ExitStack, database: str = "main") -> None:
        self._place, self._name, self._stack, self._database = place, name, stack, database

    def one(self, sslmode: str = "disable") -> psycopg.Connection:
        """Log in."""
        dsn = make_conninfo(
            host=self._place.host,
            port=self._place.port,
            user=self._name,
            password=PASSWORD,
            dbname=self._database,
            sslmode=sslmode,
        )
        return self._stack.enter_context(
            psycopg.connect(dsn, autocommit=True, prepare_threshold=None)
        )

    def may_enter(self) -> bool:
        """Log in, if there are not too many sessions of that person."""
        try:
            self.one()
        except psycopg.OperationalError as error:
            if "too many connections for role" not in str(error):
                raise
            return False
        return True

    def in_each(self) -> list[psycopg.Connection]:
        """Log in until each process has one: who has more clients leaves the next to the other."""
        found: dict[int, psycopg.Connection] = {}
        for _ in range(20):
            session = self.one()
            found.setdefault(where(session), session)
            if len(found) == 2:
                return [found[0], found[1]]
        raise AssertionError(f"all come to process {list(found)}")


def where(session: psycopg.Connection) -> int:
    """Return which process of the door has a session."""
    return process_of(session.info.backend_pid)


@contextmanager
def running(*some: psycopg.Connection) -> Iterator[list[str]]:
    """Let each run what takes minutes; give the SQLSTATEs that they end with, as they come."""
    ended: list[str] = []

    def run(session: psycopg.Connection) -> None:
        try:
            session.execute(LONG)
        except psycopg.Error as error:
            ended.append(error.sqlstate or "lost")

    threads = [threading.Thread(target=run, args=(each,)) for each in some]
    for thread in threads:
        thread.start()
    try:
        yield ended
    finally:
        end = time.monotonic() + SOON
        while any(thread.is_alive() for thread in threads):
            assert time.monotonic() < end, "not cancelled"
            for session, thread in zip(some, threads, strict=True):
                if thread.is_alive():  # a cancel that comes just before its statement is nothing
                    session.cancel()


def works(up: Installation, name: str) -> int:
    """Return how many statements of somebody's are at work in the server."""
    found = up.myriad.people.activity([name])
    return sum(each.state == "active" for each in found)
