"""What a transaction may return: rows and bytes."""

from typing import TYPE_CHECKING

from myriad.door.server.backend import ROWS
from myriad.pgwire.faults import Fault
from myriad.pgwire.kinds import COMMAND_COMPLETE, READY
from myriad.pgwire.wire import HEADER_BYTES, header

if TYPE_CHECKING:
    from myriad.door.session.session import Session

SMALL_BYTES = 4096  # an answer without rows, such as that of ROLLBACK, is never too much
ENDS = frozenset((COMMAND_COMPLETE, READY))


def within_limits(session: "Session", data: bytes, rows: int, begin: int) -> bytes:
    """Return what of an answer may still be passed on; if that is not all, end the statement.

    A row that was begun is passed on to its end.
    """
    if begin >= len(data) or not (rows or len(data) > SMALL_BYTES):
        return data
    session.reason = too_much(session)
    _mute(session, muted=True)
    account = session.account
    most = account.most_rows - (session.rows - rows) if session.rows > account.most_rows else 0
    session.rows = min(session.rows, account.limits.rows or session.rows)
    session.door.stop(session)
    return first_rows(data, begin, most)


def ended(session: "Session") -> bytes:
    """Return the error about a limit, now that the server has ended what was over it."""
    _mute(session, muted=False)
    fault = session.reason or too_much(session)
    session.errors = fault.code
    return fault.encode()


def _mute(session: "Session", *, muted: bool) -> None:
    """Pass no answers on, but read them, whether the client reads or not."""
    session.muted = muted
    if session.backend is not None:
        session.backend.regulate()


def first_rows(data: bytes, position: int, rows: float) -> bytes:
    """Return the part of an answer that has no more than that many rows, and not its end."""
    while len(data) - position >= HEADER_BYTES:
        kind, size = header(data, position)
        if kind in ROWS:
            rows -= 1
        if rows < 0 or kind in ENDS or position + size + 1 > len(data):
            break
        position += size + 1
    return data[:position]


def queued(session: "Session") -> Fault:
    """Return the error about a statement that nobody could serve in time."""
    limit = session.account.limits.queue_seconds
    return Fault(
        "53300",
        f"the statement waited longer than {limit:g} seconds for its turn",
        "All server connections are busy, or yours are: run less at once, or later.",
    )


def too_much(session: "Session") -> Fault:
    """Return the error about a result that is over a limit."""
    account = session.account
    if session.rows > account.most_rows:
        what = f"more than {account.limits.rows:,} rows"
    else:
        what = f"more than {account.limits.megabytes:g} MB"
    return Fault(
        "54000",
        f"the result has {what}, which is the limit in one transaction",
        "Ask for less (WHERE, LIMIT, count), or have the limit raised: myriad person limit.",
    )
