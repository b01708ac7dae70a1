"""Why a server connection stays with one session, where it does."""

from myriad.door.control.accounts import Account
from myriad.door.pool.pool import Pool
from myriad.pgwire.faults import Fault

HOLDABLE = "holdable cursor"
WHOLE_SESSION = "session pool"


class Pin:
    """Whether it does.

    Attributes:
        reason: why it does, empty if it does not.
        wanted: why it is to, from the end of this unit on.
    """

    __slots__ = ("reason", "wanted")

    def __init__(self) -> None:
        self.reason = self.wanted = ""

    def want(self, reason: str) -> None:
        """Have it stay if the unit succeeds."""
        self.wanted = self.wanted or reason

    def want_nothing(self) -> None:
        """Let it go with the unit."""
        self.wanted = ""

    def keep(self, account: Account, pool: Pool, reason: str) -> None:
        """Have it stay; it counts as one that works for its person."""
        self.reason = reason
        account.pin(1)
        pool.pinned += 1

    def let_go(self, account: Account, pool: Pool) -> None:
        """Keep it no longer than for this transaction."""
        if self.reason:
            self.reason = ""
            pool.pinned -= 1
            account.pin(-1)


def too_many(pins: str) -> Fault:
    """Return the error about one that cannot stay, too."""
    return Fault(
        "53300",
        f"too many sessions hold a server connection for themselves ({pins})",
        "Try again later, or do without it: see docs/door.md.",
    )
