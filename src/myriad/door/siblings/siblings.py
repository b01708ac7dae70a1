"""The other processes of the door, as the door sees them."""

from collections.abc import Sequence

from myriad.door.siblings.counters import CLIENTS, LOGINS, Counters
from myriad.door.siblings.post import Post
from myriad.pgwire import numbers

CANCEL, SIGNAL = "cancel", "signal"  # what is sent


class Siblings:
    """Counts with the others, and sends them what is theirs to do; it is a `ports.Siblings`."""

    def __init__(self, counters: Counters, post: Post) -> None:
        self.counters, self.post = counters, post
        self.processes, self.several = counters.processes, counters.processes > 1

    def clients(self) -> int:
        """Return how many clients there are in all processes, who log in counted."""
        return self.counters.clients()

    def beat(self) -> None:
        """Show whoever keeps the door up that this process goes on."""
        self.counters.beat()

    def sums(self, measured: Sequence[float]) -> list[float]:
        """Write what was measured here; return the sums of what was in all processes."""
        return self.counters.sums(measured)

    def note_sessions(self, number: int) -> None:
        """Write how many sessions are here."""
        self.counters.note(CLIENTS, number)

    def note_logins(self, number: int) -> None:
        """Write how many logins are under way here."""
        self.counters.note(LOGINS, number)

    def begin(self, person: int) -> int:
        """Return the number of a new session of a person, by their oid."""
        number = numbers.new(self.counters.process)
        while not self.counters.may_have(number):
            number = numbers.new(self.counters.process)
        self.counters.begin_session(number, person)
        return number

    def cancel(self, number: int, key: bytes) -> None:
        """Let the process that has a session cancel what it runs, if the key is its own."""
        self.post.send(numbers.process_of(number), CANCEL, number, key.hex())

    def end(self, number: int) -> None:
        """Forget a session."""
        self.counters.end_session(number)

    def serve(self, number: int, server: int) -> None:
        """Write down which process of the server serves a session now, 0 for none."""
        self.counters.serve(number, server)

    def server_of(self, number: int, person: int) -> int | None:
        """Return which process serves a person's session now; None if they have no such session."""
        return self.counters.server_of(number, person)

    def signal(self, number: int, person: int, function: str) -> None:
        """Let the process that has a person's session do what that function would do to it."""
        self.post.send(numbers.process_of(number), SIGNAL, number, person, function)

    def speak(self, server: int, number: int, person: int) -> None:
        """Write down which session does what may notify others, in which process of the server."""
        self.counters.speak(server, number, person)

    def speaker(self, server: int, person: int) -> int:
        """Return a person's session in another process that did so last; 0 if there is none."""
        return self.counters.speaker(server, person)
