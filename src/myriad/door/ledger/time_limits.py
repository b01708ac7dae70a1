"""What is done on time: limits are enforced, connections tended, audit and measures written."""

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from myriad.door.control import databases, defaults, expiry, strays
from myriad.door.control.expiry import Expiry
from myriad.door.control.strays import Strays
from myriad.door.door import Door
from myriad.door.ledger import audit, measures, statistics
from myriad.door.ledger.audit import Audit
from myriad.door.ledger.measures import Measures
from myriad.door.ledger.memory import Memory
from myriad.door.login.login import Logins
from myriad.door.server import peers
from myriad.door.server.backend import Backend
from myriad.door.session import holding
from myriad.door.session.session import Session
from myriad.pgwire.faults import Fault

LOOK_SECONDS = 0.1
HANG_UP_SECONDS = 0.5  # the second look ends who has hung up
MAINTAIN_SECONDS = 1.0
PARTS = 10  # of all connections, one of which is asked each time how long it has been silent
# A statement that was cancelled and goes on loses its connection, and so ends in the server.
PATIENCE_SECONDS = 5.0

_IDLE = Fault("57P05", "terminating connection due to idle-session timeout", "Connect again.")
_OVERDUE = Fault("57P01", "the server does not answer", "Run it again.")
_HALF = Fault(
    "08P01",
    "terminating connection: COPY data was begun and does not go on",
    "Send it without a pause.",
)

log = logging.getLogger("myriad.door")


@dataclass(frozen=True, slots=True)
class Watch:
    """What is looked after."""

    door: Door
    logins: Logins
    audit: Audit
    memory: Memory
    strays: Strays
    expiry: Expiry
    measures: Measures


def start(watched: Watch) -> None:
    """Begin to look, each thing in a task of its own."""
    door, seconds = watched.door, itertools.count()

    async def look() -> None:
        door.siblings.beat()
        enforce(door)
        enforce_idle(door)
        door.pools.let_go_on()

    async def end_hung_up() -> None:
        for client in door.hang_ups.gone():
            client.transport.abort()

    async def maintain() -> None:
        enforce_queue(door)
        held = holding.enforce(door.sessions.values(), door.room.most_of_all)
        end_silent(door, next(seconds))
        door.pools.maintain(time.monotonic())
        watched.memory.look(len(door.sessions) + len(watched.logins.under_way), held)

    async def write() -> None:
        watched.measures.write()

    async def look_at_expiry() -> None:
        if await watched.expiry.passed():
            door.rights.have_changed()

    for pause, work in (
        (LOOK_SECONDS, look),
        (HANG_UP_SECONDS, end_hung_up),
        (MAINTAIN_SECONDS, maintain),
        (audit.FLUSH_SECONDS, watched.audit.flush),
        (statistics.WRITE_SECONDS, watched.audit.statistics.write),
        (databases.LOOK_SECONDS, door.rights.look_at_databases),
        (defaults.LOOK_SECONDS, door.look_at_defaults),
        (expiry.LOOK_SECONDS, look_at_expiry),
        (measures.WRITE_SECONDS, write),
        (strays.LOOK_SECONDS, watched.strays.look),
    ):
        door.spawn(_every(pause, work))


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception:
            log.exception("in what is done every %g seconds", seconds)


def enforce(door: Door) -> None:
    """End what is over a limit of time."""
    now = time.monotonic()
    for pool in door.pools.working:
        for backend in list(pool.backends):
            session = backend.session
            if isinstance(session, Session) and backend.is_held_up(now, PATIENCE_SECONDS):
                session.end(_HALF)
            elif backend.is_overdue(now):
                backend.abort(_OVERDUE)
            elif isinstance(session, Session):
                _enforce(door, session, backend, now)


def enforce_idle(door: Door) -> None:
    """End sessions that do nothing for longer than they said themselves."""
    now = time.monotonic()
    for session, seconds in list(door.may_be_idle.items()):
        works = session.busy or session.in_transaction or session.paused
        if not works and now - max(session.changed_at, session.unit.began) > seconds:
            session.end(_IDLE)


def enforce_queue(door: Door) -> None:
    """Answer those who have waited too long for a server connection."""
    for pool in door.pools:
        for waiter in pool.too_late(time.monotonic()):
            waiter.queued_too_long()


def end_silent(door: Door, second: int) -> None:
    """End connections whose other side answers no more, of a part of all that there are."""
    part = second % PARTS
    for session in list(door.sessions.values()):
        if session.number % PARTS == part and peers.is_silent(session.transport):
            session.transport.abort()
    for pool in door.pools.working if not door.dial.address.is_socket and not part else ():
        for backend in list(pool.backends):
            if peers.is_silent(backend.transport):
                backend.abort()


def _enforce(door: Door, session: Session, backend: Backend, now: float) -> None:
    limits = session.account.limits
    if session.busy:  # without Sync too: nobody but the client knows whether more is to come
        took = now - session.unit.began
        limit = limits.statement_seconds
        if limit and took > limit and session.unit.reason is None:
            session.unit.explain(_too_long(limit))
            door.stop(session)
        elif limit and took > limit + PATIENCE_SECONDS:
            backend.abort(session.unit.reason)
    elif session.in_transaction:
        limit = limits.idle_seconds
        idle = now - max(session.changed_at, session.unit.began)
        if limit and idle > limit:
            session.end(_idle(limit))
        elif session.full:  # for its client, which does not read, the statement is not over
            limit = limits.statement_seconds
            if limit and idle > limit + PATIENCE_SECONDS:
                backend.abort(_too_long(limit))
    elif session.passing and now - session.unit.began > PATIENCE_SECONDS:
        session.end(_HALF)


def _too_long(limit: float) -> Fault:
    return Fault(
        "57014",
        f"canceling statement: it took longer than {limit:g} seconds",
        "Ask for less, or have the limit raised: myriad person limit.",
    )


def _idle(limit: float) -> Fault:
    return Fault(
        "25P03",
        f"terminating connection: it did nothing in a transaction for {limit:g} seconds",
        "End transactions soon, or have the limit raised: myriad person limit.",
    )
