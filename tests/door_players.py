"""Who plays the plays of `door_plays`: how one sends, and reads."""

import select
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from myriad.pgwire import wire
from tests.door_plays import BYTE_BY_BYTE, Cuts, Step, cut, stream_of
from tests.door_script import SYNC, Answer, Ended, Wire, copy_fail, shown

MARK = ("D", "'the mark'")
# Ends whatever a play has begun: a COPY, a unit, a transaction; then comes an answer to know.
CLOSING = copy_fail() + SYNC + wire.query("ROLLBACK") + wire.query("SELECT 'the mark'")


@dataclass(frozen=True)
class Manner:
    """How a client sends and reads.

    Attributes:
        cuts: of all that it sends; others have their turn between two pieces.
        most_at_once: how many bytes it reads at once.
        stalls: it reads nothing until all is sent, or until no more can be sent.
        moves: others take what server connection it used last, before each step.
    """

    cuts: Cuts = field(default_factory=Cuts)
    most_at_once: int = 1 << 16
    stalls: bool = False
    moves: bool = False


MANNERS = st.builds(
    Manner,
    st.one_of(st.just(Cuts()), cut(), st.just(BYTE_BY_BYTE)),
    st.sampled_from([1 << 16, 1 << 16, 1000, 1 << 20]),
    st.booleans(),
    st.booleans(),
)
Turn = Callable[[], None]


def nothing() -> None:
    """Let nobody have a turn."""


class Player:
    """Plays on one session.

    Attributes:
        turn: lets others have theirs, who must be served meanwhile.
        move: lets another one take, or give back, a server connection.
        answers: of each step that was played.
    """

    def __init__(
        self, session: Wire, manner: Manner, turn: Turn = nothing, move: Turn = nothing
    ) -> None:
        self.session, self.manner, self.turn, self.move = session, manner, turn, move
        self.answers: list[list[Answer]] = []
        self._failed = False
        session.most_at_once = manner.most_at_once

    def play(self, steps: Iterable[Step]) -> None:
        """Play all steps, each as soon as the one before it is over."""
        for step in steps:
            if self.manner.moves:
                self.move()
            self.answers.append([])
            self._step(step)

    def play_blindly(self, steps: Iterable[Step]) -> None:
        """Send all steps at once, with all their data."""
        self.answers.append([])
        self.send(stream_of(steps))

    def end(self) -> None:
        """End whatever was begun, and read what is answered to that, and before."""
        self.answers.append([])
        self.send(CLOSING)
        while MARK not in self.answers[-1]:
            self._read("Z")

    def _read(self, ends: str) -> str:
        """Read answers up to one of these kinds; return its kind."""
        kind = ""
        while not kind or kind not in ends:
            kind, body = self.session.read()
            if kind != "S":
                self.answers[-1].append(shown(kind, body))
        return kind

    def _step(self, step: Step) -> None:
        self.send(step.sent)
        kind = ""
        if not (step.flushed and self._failed):
            kind = self._until(step.ends, step.times, flushed=step.flushed)
        if kind == "G":
            self.send(step.data)
            self._read("Z")
        elif step.flushed and step.data:  # the COPY did not begin
            self.send(SYNC)
            self._read("Z")
        self._failed = step.flushed and not step.over and (self._failed or kind == "E")

    def _until(self, ends: str, times: int, *, flushed: bool) -> str:
        """Read until that many of these, or an error in a unit that is not ended."""
        kind = ""
        while times:
            kind = self._read(f"{ends}EG" if flushed else ends)
            if flushed and kind in "EG":
                break
            times -= 1
        return kind

    def send(self, data: bytes) -> None:
        """Send bytes in their pieces, and read meanwhile, unless the client stalls."""
        pieces = self.manner.cuts.of(data)
        for number, piece in enumerate(pieces):
            self._send(memoryview(piece))
            if number < len(pieces) - 1 and len(pieces) < len(BYTE_BY_BYTE.places) // 10:
                self.turn()  # the other side has seen the piece for itself
        if self.manner.stalls:
            self.turn()

    def _send(self, rest: memoryview) -> None:
        stream, stalls = self.session.stream, self.manner.stalls
        while rest:
            if stalls and not select.select([], [stream], [], 0)[1]:
                self.turn()
                stalls = bool(select.select([], [stream], [], 0)[1])
                continue
            readable, writable, _ = select.select(
                [] if stalls else [stream], [stream], [], stream.gettimeout()
            )
            assert readable or writable, "nothing goes on"
            if readable:
                self.session.receive()
            if writable:
                try:
                    rest = rest[stream.send(rest) :]
                except ConnectionError:
                    raise Ended(self.session.to_the_end()) from None
