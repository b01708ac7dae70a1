"""What is done on time: limits are enforced, connections tended, audit and measures written."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from myriad.door import audit, databases, measures
from myriad.door.backend import Backend
from myriad.door.session import Session
from myriad.door.wire import Fault

if TYPE_CHECKING:
    from myriad.door.server import Door

LOOK_SECONDS = 0.1
TEND_SECONDS = 1.0
# A statement that was cancelled and goes on loses its connection, and so ends in the server.
PATIENCE_SECONDS = 5.0

log = logging.getLogger("myriad.door")


def start(door: "Door", written: measures.Measures) -> None:
    """Begin to look, each thing in a task of its own."""

    async def look() -> None:
        enforce(door)

    async def tend() -> None:
        door.pools.tend(time.monotonic())

    async def write() -> None:
        written.write()

    for seconds, work in (
        (LOOK_SECONDS, look),
        (TEND_SECONDS, tend),
        (audit.FLUSH_SECONDS, door.audit.flush),
        (databases.LOOK_SECONDS, door.look_at_databases),
        (measures.WRITE_SECONDS, write),
    ):
        door.spawn(_every(seconds, work))


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception:
            log.exception("in what is done every %g seconds", seconds)


def enforce(door: "Door") -> None:
    """End what is over a limit of time."""
    now = time.monotonic()
    for pool in door.pools:
        for waiter in pool.waiting():
            limit = waiter.account.limits.queue_seconds
            if limit and now - waiter.changed_at > limit:
                waiter.queued_too_long()
        for backend in list(pool.backends):
            session = backend.session
            if isinstance(session, Session):
                _enforce(door, session, backend, now)


def _enforce(door: "Door", session: Session, backend: Backend, now: float) -> None:
    limits = session.account.limits
    if session.busy:  # without Sync too: nobody but the client knows whether more is to come
        took = now - session.began
        limit = limits.statement_seconds
        if limit and took > limit and session.reason is None:
            session.reason = Fault(
                "57014",
                f"canceling statement: it took longer than {limit:g} seconds",
                "Ask for less, or have the limit raised: myriad person limit.",
            )
            door.stop(session)
        elif limit and took > limit + PATIENCE_SECONDS:
            backend.abort(session.reason)
    elif session.in_transaction:
        limit = limits.idle_seconds
        if limit and now - max(session.changed_at, session.began) > limit:
            session.end(_idle(limit))


def _idle(limit: float) -> Fault:
    return Fault(
        "25P03",
        f"terminating connection: it did nothing in a transaction for {limit:g} seconds",
        "End transactions soon, or have the limit raised: myriad person limit.",
    )
