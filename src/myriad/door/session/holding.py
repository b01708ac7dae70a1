"""What clients make the door hold: messages on their way, and prepared statements."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from myriad.door.session.frontend import MOST_MESSAGE_BYTES
from myriad.door.session.long_messages import Room
from myriad.door.session.state import SessionState
from myriad.pgwire.faults import Fault

if TYPE_CHECKING:
    from myriad.door.control.accounts import Account

MOST_OF_ONE = 4 * MOST_MESSAGE_BYTES  # of one person, in all sessions
MOST_OF_ALL = 4 * MOST_OF_ONE

_HELD = Fault(
    "53200",
    "terminating connection: your statements that are on their way, and those that you prepared,"
    " are too long together",
    "Send fewer long statements at once, or load data with COPY.",
)


def room(sessions: Mapping[int, SessionState], came: Callable[[int], None], processes: int) -> Room:
    """Return the room for messages of all sessions: who holds too much makes some, at once.

    `came` hears how many bytes there are, whenever there are more. Each process has its part.
    """
    most = max(MOST_OF_ONE, MOST_OF_ALL // processes)
    return Room(MOST_OF_ONE, most, lambda: _make_room(sessions, most), came)


def _make_room(sessions: Mapping[int, SessionState], most: int) -> None:
    enforce(sessions.values(), most)


def held(session: SessionState) -> int:
    """Return how many bytes a session makes the door hold."""
    statements = session.statements
    return session.held_bytes + (statements.held_bytes if statements is not None else 0)


def enforce(sessions: Iterable[SessionState], most: int) -> int:
    """End sessions of who holds too much, or most if all hold more than `most`; longest first.

    Returns how many bytes are held, also by those who have ended and not gone.
    """
    sizes = {session: size for session in sessions if (size := held(session))}
    whole = sum(sizes.values())
    sizes = {each: size for each, size in sizes.items() if not each.transport.is_closing()}
    people: Counter[Account] = Counter()
    for session, size in sizes.items():
        people[session.account] += size
    total = people.total()
    for account, theirs in people.most_common():
        excess = max(theirs + account.held_elsewhere - MOST_OF_ONE, total - most)
        if excess <= 0:
            continue
        total -= _end_some([each for each in sizes if each.account is account], sizes, excess)
    return whole


def _end_some(some: list[SessionState], sizes: dict[SessionState, int], excess: int) -> int:
    """End sessions until they hold that much less; return how much it is."""
    freed = 0
    for session in sorted(some, key=sizes.__getitem__, reverse=True):
        if freed >= excess:
            break
        session.end(_HELD)
        freed += sizes[session]
    return freed
