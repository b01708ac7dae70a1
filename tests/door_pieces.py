"""Streams of messages, whole and in halves, drawn from a seed: what a client sends, piece by piece.

After most pieces the client reads what is answered, and only then sends the next one: so the door
has half a message in hand while answers, errors and questions of its own pass by. What stands in
COPY data and in values looks like messages, which would write into `CAUGHT` if they ever ran.
"""

import random
import select
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from myriad.pgwire import wire
from tests.door_plays import NO_SQL, REFUSED, TEXTS, UNNAMED
from tests.door_script import (
    COPY_DONE,
    FLUSH,
    SYNC,
    Answer,
    Ended,
    Wire,
    bind,
    close,
    copy_data,
    copy_fail,
    describe,
    execute,
    parse,
    shown,
)

CAUGHT = "caught"  # the table that nothing ever writes to
QUIET = 0.004  # seconds in which PostgreSQL says no more; if it does later, less is waited for
BOUND = 20.0  # seconds for what must be answered
MARK = ("D", "'the mark'")
CLOSING = copy_fail() + SYNC + wire.query("ROLLBACK") + wire.query("SELECT 'the mark'")
WRITES = f"INSERT INTO {CAUGHT} VALUES ('ran')"
HIDDEN = wire.query(WRITES)
HIDDEN_UNIT = parse(WRITES) + bind() + execute() + SYNC
ROW = b"5\tx\n"
DATA = (
    *(ROW, ROW * 3, b"", b"no number\ta\n", ROW + b"no number\ta\n" + ROW, b"6\tz", b"x\n"),
    *(HIDDEN, HIDDEN_UNIT, COPY_DONE + HIDDEN, COPY_DONE + SYNC + HIDDEN_UNIT, HIDDEN * 3000),
    *(b"6\ty\n" + SYNC + HIDDEN, b"\\.\n" + HIDDEN, b"x" * 9000),
)
COPY = "COPY t FROM STDIN"
COPIES = (
    *(COPY, COPY, "COPY t (a) FROM STDIN", "COPY nothing FROM STDIN", f"{COPY}; SELECT 1"),
    *(f"{COPY}; {COPY}", f"SELECT 2; {COPY}", f"SET extra_float_digits = 0; {COPY}"),
)
QUERIES = (
    *("SELECT repeat('x', 20000)", "DECLARE c CURSOR FOR SELECT generate_series(1, 9)"),
    *("FETCH 4 FROM c", "SELECT 1; SELECT 1/0; SELECT 3", "BEGIN; SELECT 1/0", "COMMIT; BEGIN"),
    *("SELECT set_config('work_mem', '4MB', false)", "EXECUTE n", "RESET work_mem", ""),
)
# Amid others of its unit: a statement that was prepared under other settings is refused there.
ALONE = tuple(text for text in TEXTS if text.startswith(("SET", "RESET", "DISCARD")))
TOGETHER = tuple(text for text in TEXTS if text not in ALONE)
ODD = (
    *(SYNC, FLUSH, COPY_DONE, copy_fail(), copy_data(HIDDEN), close("S", "n"), close("P", "o")),
    *(close("S"), describe("S", "n"), describe("P", "o"), execute("o"), execute("o", 2)),
    *(bind(portal="o", name="n"), bind(name="unknown"), parse("SELEC")),
)
WITHIN = (wire.query("SELECT 1"), parse("SELECT 1"), describe("S", "n"))
Kind = TypeVar("Kind")
Piece = tuple[bytes, bool]  # and whether its answers are read before the next one


class Draw:
    """Draws what one client sends; `calls`: also function calls of the protocol."""

    def __init__(self, seed: int, *, calls: bool = False) -> None:
        self._random = random.Random(seed)
        self._calls = (wire.message(b"F", b"\0\0\x06\x4a" + b"\0\0" * 3),) if calls else ()  # pi()
        self._open = False  # a unit was begun

    def pieces(self) -> list[Piece]:
        """Return it, cut anywhere."""
        acts = (self._query, self._unit, self._unit, self._copy, self._copy, self._copy, self._odd)
        messages: list[bytes] = []
        for _ in range(self._random.randint(1, 7)):
            for message in self._random.choice(acts)():
                messages += self._ended(message)
        cuts: dict[int, bool] = {}
        at = 0
        for message in messages:
            if self._chance(0.3 if message[:1] == b"d" else 0.12):
                for _ in range(self._random.randint(1, 3)):
                    cuts[at + self._random.randint(1, len(message))] = self._chance(0.8)
            at += len(message)
            if self._chance(0.5):
                cuts[at] = self._chance(0.7)
        cuts[at] = True
        data, places = b"".join(messages), sorted(cuts)
        return [
            (data[start:stop], cuts[stop])
            for start, stop in zip([0, *places], places, strict=False)
            if stop > start
        ]

    def _ended(self, message: bytes) -> list[bytes]:
        """End the unit before a query: there PostgreSQL goes on with its transaction, oddly."""
        kind = message[:1]
        ends = kind in b"QF" and self._open and message not in WITHIN
        self._open = kind in b"PBDEC" or (self._open and kind not in b"QFS")
        return [SYNC, message] if ends else [message]

    def _chance(self, part: float) -> bool:
        return self._random.random() < part

    def _one(self, of: Sequence[Kind]) -> Kind:
        return self._random.choice(of)

    def _query(self) -> list[bytes]:
        return [wire.query(self._one(TEXTS + QUERIES + QUERIES))]

    def _odd(self) -> list[bytes]:
        return [self._one(ODD + self._calls)]

    def _unit(self) -> list[bytes]:
        if self._chance(0.1):
            return [parse(self._one(ALONE)), bind(), execute(), SYNC]
        messages: list[bytes] = []
        for _ in range(self._random.randint(1, 3)):
            messages += self._run()
        return messages + [SYNC] * self._chance(0.85)

    def _run(self) -> list[bytes]:
        text, name, portal = self._one(TOGETHER), self._one(("", "n", "m")), self._one(("", "o"))
        name = "m" if name == "n" and text in UNNAMED else name
        values = [self._one(("", "v", "v" * 300, WRITES)) for _ in range(text.count("$1"))]
        return [
            *[parse(text, name)] * self._chance(0.8),
            *[describe("S", name)] * self._chance(0.4),
            *[FLUSH] * self._chance(0.2),
            bind(*values, portal=portal, name=name),
            *[describe("P", portal)] * self._chance(0.5),
            execute(portal, self._one((0, 0, 2))),
            *[FLUSH] * self._chance(0.2),
        ]

    def _copy(self) -> list[bytes]:
        text = self._one(COPIES)
        extended = self._chance(0.5) and ";" not in text
        messages = [wire.query(text)]
        if extended:
            syncs = self._one((0, 1, 1, 2))
            messages = [parse(text), bind(), execute(), *[FLUSH] * self._chance(0.2)]
            messages += [SYNC] * syncs
        for _ in range(self._random.randint(0, 4)):
            messages.append(copy_data(self._one(DATA)))
            messages += [self._one((SYNC, FLUSH))] * self._chance(0.2)
        messages += [self._one(WITHIN)] * self._chance(0.04)
        messages += [self._one((COPY_DONE, COPY_DONE, copy_fail()))] * self._chance(0.9)
        return messages + [SYNC] * (extended and self._chance(0.8))


@dataclass
class Played:
    """What was answered to pieces.

    Attributes:
        counts: how many answers are there behind each piece, before the next one is sent.
    """

    answers: list[Answer]
    counts: list[int]


class Client:
    """Sends pieces on a session, and reads."""

    def __init__(self, session: Wire) -> None:
        session.stream.settimeout(BOUND)
        self._session = session
        self.answers: list[Answer] = []
        self._over = False

    def send(self, data: bytes) -> None:
        """Send this, and take what comes meanwhile."""
        rest, stream = memoryview(data), self._session.stream
        try:
            while rest and not self._over:
                readable, writable, _ = select.select([stream], [stream], [], BOUND)
                assert readable or writable, "nothing goes on"
                if readable:
                    self._session.receive()
                if writable:
                    rest = rest[stream.send(rest) :]
        except (Ended, ConnectionError):
            self.read_until(1 << 30)

    def read_until(self, count: int) -> None:
        """Read until there are so many answers, or the connection has ended."""
        while not self._over and len(self.answers) < count:
            self._take()

    def read_all(self) -> int:
        """Read until nothing comes; return how many answers there are."""
        while not self._over and self._session.has_more(QUIET):
            self._take()
        return len(self.answers)

    def end(self) -> list[Answer]:
        """End whatever was begun; return all answers."""
        self.send(CLOSING)
        while not self._over and MARK not in self.answers:
            self._take()
        return self.answers

    def _take(self) -> None:
        try:
            kind, body = self._session.read()
        except Ended:
            self._over = True
            self.answers.append(("the end",))
            return
        if kind != "S":
            self.answers.append(shown(kind, body))


def half(sent: bytes) -> bytes:
    """Return the kind of the message within which this ends, b"" at the end of one."""
    position, kind = 0, b""
    while position < len(sent):
        kind = sent[position : position + 1]
        position += 1 + int.from_bytes(sent[position + 1 : position + 5].ljust(4, b"\xff"), "big")
    return kind if position > len(sent) else b""


def straight(session: Wire, pieces: Sequence[Piece]) -> Played:
    """Return what PostgreSQL itself answers.

    Within a message the door has not answered all: it has looked at none of its bytes but those of
    COPY data, behind which what it has to ask itself before ReadyForQuery waits for the rest.
    """
    client, counts, sent = Client(session), [], b""
    whole = b"".join(piece for piece, _ in pieces).replace(REFUSED.encode(), NO_SQL.encode())
    for piece, waits in pieces:
        client.send(whole[len(sent) : len(sent) + len(piece)])
        sent += piece
        count, kind = client.read_all() if waits else 0, half(sent)
        while count and kind == b"d" and client.answers[count - 1][0] == "Z":
            count -= 1
        counts.append(0 if kind not in (b"", b"d") else count)
    return Played(client.end(), counts)


def alike(answers: Sequence[Answer]) -> list[Answer]:
    """Return answers as they are compared: what only the door refuses is no SQL elsewhere."""
    return [
        ("E", "refused")
        if one[0] == "E" and (one[2], one[3][:6]) in {("42501", "LISTEN"), ("42601", "syntax")}
        else ("E", "out of step")
        if one[0] == "E" and one[3].startswith("unexpected message type")
        else one
        for one in answers
    ]
