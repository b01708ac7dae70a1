"""How the parts of the door see each other, where neither may know the other."""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from myriad.pgwire.faults import Fault

SUCCESS = "00000"  # SQLSTATE successful_completion

DIRECTLY = "postgres"  # the way in of whoever speaks PostgreSQL's protocol with a password


@dataclass(frozen=True, slots=True)
class Came:
    """How a client came in.

    Attributes:
        address: of the client; `way`: the word for it in audit and activity.
        reads: it may only read.
        vouched: it has shown no password: a program of ours says who it is.
        id: by which it can be ended, with all others of that id; empty: by none.
    """

    address: str
    way: str = DIRECTLY
    reads: bool = False
    vouched: bool = False
    id: str = ""


class Client(Protocol):
    """What a session writes to: what it uses of a transport, whether a socket is behind it or not.

    It calls the session's data_received, pause_writing, resume_writing and connection_lost.
    """

    def write(self, data: bytes) -> None:
        """Send that, as soon as it can be."""

    def close(self) -> None:
        """End when what was written is sent."""

    def abort(self) -> None:
        """End at once."""

    def is_closing(self) -> bool:
        """Say whether it has ended, or is about to."""

    def pause_reading(self) -> None:
        """Call data_received no more."""

    def resume_reading(self) -> None:
        """Call it again."""

    def get_write_buffer_size(self) -> int:
        """Return how many bytes are written and not sent."""

    def get_extra_info(self, name: str) -> Any:  # noqa: ANN401 - asyncio's signature
        """Return its "socket", None if it has none."""


class Listener(Protocol):
    """Whose answers a server connection passes on: the session that holds it."""

    special: bool
    acked: int

    def deliver(self, data: bytes, rows: int, begin: int = 0) -> None:
        """Take a part of the answer that needs no look; its first message starts at `begin`."""

    def notable(self, kind: int, message: bytes) -> None:
        """Take a whole message that may need a look."""

    def finished(self, status: int, data: bytes, rows: int, begin: int = 0) -> None:
        """Take the last part of an answer, which ends with ReadyForQuery."""

    def lost(self, fault: Fault, *, within: bool) -> None:
        """Hear that the server connection is gone; `within` a message that was begun."""

    def takes_more(self) -> bool:
        """Say whether answers may come now."""

    def regulate(self) -> None:
        """Hear that the server takes no more for now, or takes more again."""


# A unit that has ended, as the audit keeps it: when, in seconds since 1970; person, database,
# address and way in, as COPY has these columns; the seconds, rows and bytes that it took; its
# outcome, an SQLSTATE; the statement's shape, if it has one: number, text, weight; and the
# statement, or its begin. There is one for each statement, and a NamedTuple takes longer to make.
Ended = tuple[float, bytes, float, int, int, str, tuple[int, str, int] | None, bytes]


class Sessions(Protocol):
    """All sessions, for who asks about those of some people, or ends them."""

    def spawn(self, work: Coroutine[Any, Any, None], /) -> object:
        """Run something that no client waits for by itself."""

    def activity(self, who: set[str]) -> list[dict[str, Any]]:
        """Return what each of theirs does now; of everybody's if nobody is named."""

    def stop_all(self, who: set[str], reason: Fault) -> int:
        """Cancel what they run; return how many statements."""

    async def end_all(self, who: set[str], reason: Fault) -> int:
        """End their sessions; return how many, when they have ended."""

    async def end_ids(self, ids: set[str], reason: Fault) -> int:
        """End the sessions that came in with one of these ids; return how many, as `end_all`."""


class Ledger(Protocol):
    """Who is told what has happened."""

    def add(self, ended: Ended) -> None:
        """Note a unit that has ended."""


class Siblings(Protocol):
    """The door's processes: what they count together, and what one of them lets another do.

    Attributes:
        processes: how many there are; `several`: more than one.
    """

    processes: int
    several: bool

    def clients(self) -> int:
        """Return how many clients there are in all processes, who log in counted."""

    def note_sessions(self, number: int) -> None:
        """Write how many sessions are here."""

    def note_logins(self, number: int) -> None:
        """Write how many logins are under way here."""

    def beat(self) -> None:
        """Show whoever keeps the door up that this process goes on."""

    def sums(self, measured: Sequence[float]) -> list[float]:
        """Write what was measured here; return the sums of what was in all processes."""

    def begin(self, person: int) -> int:
        """Return the number of a new session of a person, by their oid."""

    def end(self, number: int) -> None:
        """Forget a session."""

    def serve(self, number: int, server: int) -> None:
        """Write down which process of the server serves a session now, 0 for none."""

    def server_of(self, number: int, person: int) -> int | None:
        """Return which process serves a person's session now; None if they have no such session."""

    def speak(self, server: int, number: int, person: int) -> None:
        """Write down which session does what may notify others, in which process of the server."""

    def speaker(self, server: int, person: int) -> int:
        """Return a person's session in another process that did so last; 0 if there is none."""

    def signal(self, number: int, person: int, function: str) -> None:
        """Let the process that has a person's session do what that function would do to it."""

    def cancel(self, number: int, key: bytes) -> None:
        """Let the process that has a session cancel what it runs, if the key is its own."""


class Crowd(Protocol):
    """Who is told how much there is, to give memory back when it has gone."""

    def clients_came(self, now: int) -> None:
        """Hear how many clients there are."""

    def bytes_came(self, now: int) -> None:
        """Hear how many bytes of long messages are held."""


class Troubles(Protocol):
    """Who is told of errors."""

    def note(self, code: str, message: str, database: str) -> None:
        """Hear of an error, and write it down if it is one of the server itself."""
