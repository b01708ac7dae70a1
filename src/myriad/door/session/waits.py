"""What a session waits for: its client is held back until that lets it go on."""

import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from myriad.door.server.asking import Lost
from myriad.door.session.refusals import CANCELLED, refuse_waiting
from myriad.pgwire.faults import Fault, Refused

if TYPE_CHECKING:
    from myriad.door.server.backend import Backend
    from myriad.door.session.session import Session

_OURS = Fault("XX000", "terminating connection: the door has failed", "See `myriad logs --door`.")

log = logging.getLogger("myriad.door")


async def guarded(
    session: "Session", backend: "Backend | None", work: Coroutine[Any, Any, None]
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
            refuse_waiting(session, session.reason or CANCELLED)
        elif backend is not None:
            backend.abort(error.fault)
    except Exception:
        log.exception("in what a session waits for")
        session.end(_OURS)


async def study(session: "Session", text: bytes) -> None:
    """Have a long text looked at, then go on with it."""
    try:
        await session.pool.verdicts.study(text, session.account.name)
    except Refused as refused:
        session.study = None
        refuse_waiting(session, refused.fault)
        return
    session.study = None
    session.resume()
