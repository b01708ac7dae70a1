"""What a transaction may return: rows and bytes."""

from myriad.door.control.accounts import Account
from myriad.door.server.backend import ROWS
from myriad.pgwire.faults import Fault
from myriad.pgwire.kinds import COMMAND_COMPLETE, READY
from myriad.pgwire.wire import HEADER_BYTES, header

SMALL_BYTES = 4096  # an answer without rows, such as that of ROLLBACK, is never too much
ENDS = frozenset((COMMAND_COMPLETE, READY))


class Quota:
    """What a transaction has returned.

    Attributes:
        rows, bytes: of it.
        muted: it is over a limit, so no more is passed on until the server has ended it.
    """

    __slots__ = ("_account", "bytes", "muted", "rows")

    def __init__(self, account: Account) -> None:
        self._account = account
        self.rows = self.bytes = 0
        self.muted = False

    def count(self, rows: int, size: int) -> bool:
        """Count what is passed on; say whether it is over a limit."""
        self.rows += rows
        self.bytes += size
        account = self._account
        return self.rows > account.most_rows or self.bytes > account.most_bytes

    def renew(self) -> None:
        """Begin anew: the transaction is over."""
        self.rows = self.bytes = 0

    def cut(self, data: bytes, rows: int, begin: int) -> bytes:
        """Return what of an answer that is over a limit may still be passed on, and be mute.

        `rows` of it were counted. A row that was begun is passed on to its end, at `begin`.
        """
        self.muted = True
        account = self._account
        most = account.most_rows - (self.rows - rows) if self.rows > account.most_rows else 0
        self.rows = min(self.rows, account.limits.rows or self.rows)
        return first_rows(data, begin, most)

    def unmute(self) -> None:
        """Let answers be passed on again."""
        self.muted = False

    def too_much(self) -> Fault:
        """Return the error about a result that is over a limit."""
        account = self._account
        if self.rows > account.most_rows:
            what = f"more than {account.limits.rows:,} rows"
        else:
            what = f"more than {account.limits.megabytes:g} MB"
        return Fault(
            "54000",
            f"the result has {what}, which is the limit in one transaction",
            "Ask for less (WHERE, LIMIT, count), or have the limit raised: myriad person limit.",
        )


def counts(data: bytes, rows: int, begin: int) -> bool:
    """Say whether a limit matters for a part of an answer: it does not for its end, without rows.

    Its first message begins at `begin`.
    """
    return begin < len(data) and bool(rows or len(data) > SMALL_BYTES)


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


def queued(account: Account) -> Fault:
    """Return the error about a statement that nobody could serve in time."""
    limit = account.limits.queue_seconds
    return Fault(
        "53300",
        f"the statement waited longer than {limit:g} seconds for its turn",
        "All server connections are busy, or yours are: run less at once, or later.",
    )
