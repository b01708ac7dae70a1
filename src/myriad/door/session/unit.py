"""A unit of one session, and the transaction that it is in.

A unit is what ends with one ReadyForQuery: a simple query, or extended messages up to Sync.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

from myriad.door.ports import SUCCESS, Ended
from myriad.door.session.quota import Quota
from myriad.door.verdict.shape import BEGINNINGS, Shape
from myriad.pgwire import wire
from myriad.pgwire.faults import Fault

MOST_TEXT_BYTES = 1000  # kept of the last statement, for audit and activity
# Of a COPY FROM STDIN. The server waits for data, as far as is known; the client has ended it, and
# a Sync before that is in doubt, until the server says how it went.
NONE, DATA, ENDING = range(3)


@dataclass(slots=True, eq=False)
class Copy:
    """The COPY FROM STDIN of a unit that is under way, or about to be. Only `copying` changes it.

    Attributes:
        state: NONE, DATA or ENDING.
        doubtful: whether the server has answered a Sync, or passed over it, is not known.
        early: ends of data that came before it was asked for: whether a Sync was sent before.
        due: how many statements were sent that may be one, and have not begun.
        fault: of the client's, for which the door has ended it.
        statuses: is to tell which Syncs were answered.
    """

    state: int = NONE
    doubtful: bool = False
    early: deque[bool] = field(default_factory=deque)
    due: int = 0
    fault: Fault | None = None
    statuses: asyncio.Future[list[int]] | None = None


class Unit:
    """What is known of the unit that is under way, or was the last.

    Attributes:
        text: its begin; `began`: when, by time.monotonic().
        shape: of the first statement that runs, by which statistics know it; None: they do not.
        errors: the SQLSTATE of its last error, empty if it has none.
        open: something was sent to the server that Sync has not followed yet.
        extended: messages of the extended protocol were sent that Sync has not ended.
        bridged: a query came before its Sync, and a Sync of ours went ahead of it.
        skipping: after a refusal, everything up to Sync is passed over.
        refusal: takes the place of the server's error about the statement that is never there.
        reason: takes the place of the server's word that a statement was cancelled.
        copy: None where no COPY FROM STDIN can be: then data and its end are passed over.
        status: of the transaction, as the last ReadyForQuery says.
        sequences: the transaction has used a sequence.
        ends: something was sent that ends a transaction, in a session that only reads.
    """

    __slots__ = (
        "_bytes_before",
        "_rows_before",
        "began",
        "bridged",
        "copy",
        "ends",
        "errors",
        "extended",
        "open",
        "reason",
        "refusal",
        "sequences",
        "shape",
        "skipping",
        "status",
        "text",
    )

    def __init__(self) -> None:
        self.text, self.errors = b"", ""
        self.shape: Shape | None = None
        self.began = time.monotonic()
        self.open = self.extended = self.bridged = self.skipping = self.sequences = False
        self.ends = False
        self.refusal: Fault | None = None
        self.reason: Fault | None = None
        self.copy: Copy | None = None
        self.status = wire.IDLE
        self._rows_before = self._bytes_before = 0

    def start(self, text: bytes, quota: Quota, shape: Shape | None = None) -> None:
        """Note what begins now, for limits and audit."""
        self.text = text if len(text) < MOST_TEXT_BYTES else text[:MOST_TEXT_BYTES]
        self.shape = shape
        self.began = time.monotonic()
        self.errors, self.ends = "", False
        self._rows_before, self._bytes_before = quota.rows, quota.bytes

    def rename(self, text: bytes) -> None:
        """Have it known by that from now on."""
        self.text = text

    def has_returned(self, quota: Quota) -> bool:
        """Say whether anything of its answer was passed on."""
        return quota.bytes != self._bytes_before

    def reopen(self) -> None:
        """Expect Sync, or expect it once more."""
        self.open = True

    def close(self) -> None:
        """Hear that Sync was sent, or what needs none."""
        self.open = False

    def extend(self) -> None:
        """Hear that a message of the extended protocol is sent."""
        self.extended = True

    def fail(self, code: str) -> None:
        """Note an error."""
        self.errors = code

    def refuse(self, fault: Fault | None) -> None:
        """Have the server's error about nobody's statement read so."""
        self.refusal = fault

    def explain(self, reason: Fault | None) -> None:
        """Have the server's word that it was cancelled read so."""
        self.reason = reason

    def skip(self, *, skipping: bool) -> None:
        """Pass over everything up to Sync, or do so no more."""
        self.skipping = skipping

    def bridge(self, *, bridged: bool) -> None:
        """Note whether its Sync is one of ours."""
        self.bridged = bridged

    def copies(self, copy: Copy | None) -> None:
        """Be in COPY FROM STDIN, or not any more."""
        self.copy = copy

    def uses_sequences(self) -> None:
        """Note that the transaction does."""
        self.sequences = True

    def runs(self, shape: Shape | None) -> None:
        """Note the first statement that runs; JDBC and others send BEGIN before it."""
        if self.shape is None or self.shape[1] in BEGINNINGS:
            self.shape = shape

    def ends_transaction(self) -> None:
        """Note that what ends a transaction was sent."""
        self.ends = True

    def end(self, status: int) -> None:
        """End with ReadyForQuery, and that status."""
        self.open = self.extended = self.bridged = False
        self.copy = None
        self.status = status
        self.reason = None  # a statement that is cancelled later has a reason of its own
        if status == wire.IDLE:
            self.sequences = False

    def ended(self, now: float, who: bytes, quota: Quota) -> Ended:
        """Return what the audit keeps of it, which ended `now` by time.monotonic()."""
        return (
            time.time(),
            who,
            now - self.began,
            quota.rows - self._rows_before,
            quota.bytes - self._bytes_before,
            self.errors or SUCCESS,
            self.shape,
            self.text,
        )
