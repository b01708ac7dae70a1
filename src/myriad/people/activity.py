"""What people do now, as the door tells it, and what they ran, as it wrote it down."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from myriad.control import asking
from myriad.control.connection import control_database
from myriad.door.ledger import buckets
from myriad.engines.postgres.base import Server
from myriad.people import actions
from myriad.people.tables import SQL


@dataclass(frozen=True)
class Activity:
    """What one session of a person does now.

    Attributes:
        way: how they came in: `postgres`, or the word of a program of ours that speaks for them.
        state: `active`, `waiting` (for its turn), `idle in transaction` or `idle`.
        seconds: in that state.
        statement: the last one, cut.
        pool: the role of the server connections it shares.
        rows, bytes: returned in this transaction.
    """

    person: str
    database: str
    address: str
    way: str
    state: str
    seconds: float
    statement: str
    application: str
    pool: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Ran:
    """A statement that somebody ran; `outcome` is its SQLSTATE, 00000 when it went well.

    `way` is how they came in, as in `Activity`; `command`: it is a command of Myriad's that changed
    people, groups, grants or limits, and `person` the account of the machine that ran it.
    """

    at: datetime
    person: str
    database: str
    address: str
    way: str
    seconds: float
    rows: int
    bytes: int
    outcome: str
    statement: str


@dataclass(frozen=True)
class Statements:
    """What all statements of one shape have cost: a text with `?` for each value.

    Attributes:
        statement: the text, cut.
        calls: how often; `errors`: how often it failed.
        seconds: all together; `p50`, `p99`: within which half, or all but a hundredth, were done.
        people: how many ran it; of more than 127 about.
    """

    statement: str
    calls: int
    errors: int
    rows: int
    seconds: float
    p50: float
    p99: float
    people: int


def now(server: Server, names: Sequence[str]) -> list[Activity]:
    """Return what people do now, everybody without names; see `asking.ask` for what it raises."""
    known = [entry.name for entry in fields(Activity)]
    found = [
        Activity(**{name: session[name] for name in known})
        for session in asking.ask(server, "activity", names)
    ]
    return sorted(found, key=lambda session: (session.person, -session.seconds))


def stop(server: Server, names: Sequence[str]) -> int:
    """Cancel what people run now; return how many statements that were."""
    return int(asking.ask(server, "stop", names)["stopped"])


def disconnect(server: Server, names: Sequence[str]) -> int:
    """End their sessions, with what they hold; return how many, when they have ended."""
    return int(asking.ask(server, "disconnect", names)["ended"])


def ran(server: Server, name: str | None, last: int, since: datetime | None) -> list[Ran]:
    """Return what somebody ran and what was changed of them, or of all: the newest first."""
    with control_database(server) as connection:
        given = {"name": name, "since": since, "last": last, "command": actions.WAY}
        return [Ran(*row) for row in connection.execute(SQL["audit"], given)]


def statements(server: Server, last: int, since: datetime | None) -> list[Statements]:
    """Return what statements have cost since that day: what cost most first."""
    with control_database(server) as connection:
        given = {"since": since.astimezone(UTC).date() if since else None, "last": last}
        return [_cost(row) for row in connection.execute(SQL["statements"], given)]


def _cost(row: tuple[Any, ...]) -> Statements:
    text, calls, errors, rows, seconds, times, people = row
    p50, p99 = (buckets.quantile(times, share) for share in (0.5, 0.99))
    return Statements(text, calls, errors, int(rows), seconds, p50, p99, buckets.people(people))
