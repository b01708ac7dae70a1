"""What clients make the door hold: messages on their way, and prepared statements."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from myriad.door.frontend import MOST_MESSAGE_BYTES
from myriad.door.wire import Fault

if TYPE_CHECKING:
    from myriad.door.accounts import Account
    from myriad.door.session import Session

MOST_OF_ONE = 4 * MOST_MESSAGE_BYTES  # of one person, in all sessions
MOST_OF_ALL = 4 * MOST_OF_ONE

_HELD = Fault(
    "53200",
    "terminating connection: your statements that are on their way, and those that you prepared,"
    " are too long together",
    "Send fewer long statements at once, or load data with COPY.",
)


def held(session: "Session") -> int:
    """Return how many bytes a session makes the door hold."""
    extended = session.extended
    return session.held_bytes + (extended.held_bytes if extended is not None else 0)


def enforce(sessions: Iterable["Session"]) -> None:
    """End sessions of who holds too much, or most if all together hold too much; longest first."""
    sizes = {session: size for session in sessions if (size := held(session))}
    people: Counter[Account] = Counter()
    for session, size in sizes.items():
        people[session.account] += size
    total = people.total()
    for account, whole in people.most_common():
        excess = max(whole - MOST_OF_ONE, total - MOST_OF_ALL)
        if excess <= 0:
            return
        total -= _end_some([each for each in sizes if each.account is account], sizes, excess)


def _end_some(some: list["Session"], sizes: dict["Session", int], excess: int) -> int:
    """End sessions until they hold that much less; return how much it is."""
    freed = 0
    for session in sorted(some, key=sizes.__getitem__, reverse=True):
        if freed >= excess:
            break
        session.end(_HELD)
        freed += sizes[session]
    return freed
