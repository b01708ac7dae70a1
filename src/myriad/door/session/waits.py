"""What a session waits for: its client is held back until that lets it go on."""

import logging
from collections.abc import Coroutine
from typing import Any

from myriad.door.server.asking import Lost
from myriad.door.server.backend import Backend
from myriad.door.session import pin
from myriad.door.session.refusals import CANCELLED, MOST_TRIES, refuse_waiting
from myriad.door.session.state import SessionState
from myriad.pgwire.faults import Fault, Refused

_OURS = Fault("XX000", "terminating connection: the door has failed", "See `myriad logs --door`.")

log = logging.getLogger("myriad.door")


async def guarded(
    session: SessionState, backend: Backend | None, work: Coroutine[Any, Any, None]
) -> None:
    """Do something; the session would wait for ever if that failed, so it ends then.

    Lost: the session was told. Refused: `backend` is not as the session needs it, and ends; but a
    request to cancel that has hit a query of ours fails the transaction, as it would have without.
    """
    try:
        await work
    except Lost:
        return
    except Refused as error:
        cancelled = error.fault.code == CANCELLED.code and session.backend is backend
        if cancelled and session.in_transaction and not session.awaiting:
            refuse_waiting(session, session.unit.reason or CANCELLED)
        elif backend is not None:
            backend.abort(error.fault)
    except Exception:
        log.exception("in what a session waits for")
        session.end(_OURS)


async def study(session: SessionState, text: bytes) -> None:
    """Have a long text looked at, then go on with it."""
    try:
        await session.pool.verdicts.study(text, session.account.name)
    except Refused as refused:
        session.study = None
        refuse_waiting(session, refused.fault)
        return
    session.study = None
    session.resume()


async def apply_settings(session: SessionState, backend: Backend) -> None:
    """Give a server connection the session's settings, then go on with its statement."""
    values = session.parameters.values
    if values.custom and not session.pin.reason and not _keep_custom(session, values.custom):
        return
    try:
        await backend.apply(values)
    except Refused as error:
        if error.fault.code != CANCELLED.code:  # not a limit of who was here before
            session.tries = MOST_TRIES
        raise
    if session.backend is backend:
        session.resume()


def _keep_custom(session: SessionState, name: str) -> bool:
    """Keep a server connection for custom settings from the login, as SET would; say whether."""
    pins = f"custom setting {name}"
    if session.pool.may_pin(session.account):
        session.pin.keep(session.account, session.pool, pins)
        return True
    session.copied()
    refuse_waiting(session, pin.too_many(pins))
    return False
