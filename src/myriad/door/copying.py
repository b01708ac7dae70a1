"""COPY FROM STDIN by the extended protocol: a Sync that came ahead of its data is swallowed.

libpq sends Sync behind Execute, before it knows that the statement is a COPY. The server passes
over it and wants another one behind the data.
"""

from typing import TYPE_CHECKING

from myriad.door.pool import CLOSE

if TYPE_CHECKING:
    from myriad.door.session import Session

PASSED_OVER = frozenset(b"SH")  # Sync, Flush


def passes_over(session: "Session", kind: int) -> bool:
    """Say whether the server passes over such a message: it waits for the data of a COPY."""
    return kind in PASSED_OVER and _within(session)


def begins(session: "Session") -> None:
    """Hear that the server wants data; a client may have sent all of it and its end already."""
    session.copying = session.ended_early is not False
    if session.ended_early:
        over(session)
    session.ended_early = None
    if session.unread and not session.paused:
        session.resume()


def ends(session: "Session", message: bytes) -> bool:
    """Pass on CopyDone or CopyFail; outside of COPY the server passes over it, and so do we."""
    if session.backend is not None and session.copies():
        session.backend.transport.write(message)
        if not session.copying:  # it comes before we know that there is a COPY
            session.ended_early = session.awaiting
        over(session)
    return True


def over(session: "Session") -> None:
    """Expect one more Sync if one came before the end of the data."""
    within, session.copying = _within(session), False
    if within and session.awaiting and session.backend is not None:
        session.awaiting, session.unit = False, True
        # Was it swallowed for sure? Nobody else is to get an answer that comes too late.
        session.backend.dirt = CLOSE


def _within(session: "Session") -> bool:
    return session.copying and session.extended is not None and session.extended.in_unit
