"""One connection to the server: passes answers on, and runs what the door itself asks."""

import struct
import time
from collections.abc import Callable

from myriad.door.ports import Listener
from myriad.door.server import settings
from myriad.door.server.asking import Asker
from myriad.door.server.dial import READ_ONLY, Connected
from myriad.door.server.outgoing import Outgoing
from myriad.door.server.settings import NONE, UNKNOWN, Values
from myriad.door.server.statements import MOST_ON_A_CONNECTION, Prepared
from myriad.door.verdict.reported import ENCODING, MOST_REPEATS, STUCK
from myriad.door.verdict.setting_changes import is_read_alike
from myriad.pgwire import faults, wire
from myriad.pgwire.faults import Fault
from myriad.pgwire.kinds import (
    BIND_COMPLETE,
    CLOSE_COMPLETE,
    COMMAND_COMPLETE,
    COPY_DATA,
    COPY_DONE,
    DATA_ROW,
    DESCRIPTIONS,
    EMPTY_QUERY,
    ERROR,
    NOTICE,
    NOTIFICATION,
    PARAMETER_STATUS,
    PARSE_COMPLETE,
    PORTAL_SUSPENDED,
    READY,
)
from myriad.pgwire.wire import HEADER_BYTES, header

# Messages that are passed on as they are, whole or in parts.
QUIET = DESCRIPTIONS | {BIND_COMPLETE, COMMAND_COMPLETE, EMPTY_QUERY, PORTAL_SUSPENDED, COPY_DONE}
ROWS = frozenset((DATA_ROW, COPY_DATA))
COMPLETE = frozenset((PARSE_COMPLETE, CLOSE_COMPLETE))
# Of the quiet ones, those at which no session looks, whatever it waits for.
UNSEEN = QUIET - DESCRIPTIONS - {COMMAND_COMPLETE}
# What we must see whole is short; only an error or a notice can quote what somebody sent.
MOST_HELD_BYTES = 1 << 20
MOST_PARAMETER_BYTES = 16 << 10
# Of one connection, beside what its session sends there: the begin of a message and what comes with
# it, the settings that the server tells, what is noted of prepared statements.
REPORTED = 16  # settings; PostgreSQL 18 has 15
INSTANCE_BYTES = 600
MOST_BYTES = (
    2 * MOST_HELD_BYTES + REPORTED * MOST_PARAMETER_BYTES + MOST_ON_A_CONNECTION * INSTANCE_BYTES
)
# What must be reset before somebody else gets a connection, by the highest level that it needs.
CLEAN, SEQUENCES, EVERYTHING, CLOSE = range(4)
LOST = Fault("57P01", "the server ended this connection", "Run it again.")


def _only_reads(setting: str, value: str) -> bool:
    """Say whether nothing is written with this value: also by a text that the door misreads."""
    return is_read_alike(setting, value) and (setting != READ_ONLY or value == "on")


def _writes(setting: str) -> Fault:
    return Fault(
        "25006",
        f"{setting} was changed in a session that only reads: the connection is ended",
        "A function did it: do not call it here.",
    )


class Backend(Asker):
    """A server connection of a pool.

    Attributes:
        number, key: what cancels its statement.
        values: the settings that are in force beyond the server's own.
        prepared: what is prepared here.
        aims: what the unit here cancels or ends: functions, and numbers of other sessions.
        speaker: the number of the session that did last what may notify others.
        reset_level: what must be reset before somebody else gets it.
        reads: nothing can be written over it.
        path: the schemas in its own search_path; None: it has the server's own.
        repeats: how often it has told one error again.
        full: the server does not read as fast as we send.
    """

    __slots__ = (
        "_last_fault",
        "_lost",
        "_rest",
        "_skip",
        "aims",
        "born",
        "full",
        "idle_since",
        "key",
        "number",
        "path",
        "prepared",
        "reads",
        "repeats",
        "reset_level",
        "session",
        "speaker",
        "values",
    )

    def __init__(
        self,
        given: Connected,
        lost: Callable[["Backend"], None],
        *,
        reads: bool = False,
        path: tuple[str, ...] | None = None,
    ) -> None:
        """Take a connection that is logged in; `lost` hears when it has ended."""
        transport, self.number, self.key, parameters = given
        super().__init__(Outgoing(transport))
        self.parameters, self.reads, self.path = parameters, reads, path
        self._lost = lost
        self.session: Listener | None = None
        self.values: Values = NONE
        self.prepared = Prepared()
        self.aims: set[tuple[str, int]] = set()
        self.speaker = 0
        self.reset_level, self.repeats = CLEAN, 0
        self.born, self.idle_since = time.monotonic(), 0.0
        self.full = False
        self._rest = self._skip = 0
        self._last_fault = LOST
        transport.set_protocol(self)

    # What the server sends

    def data_received(self, data: bytes) -> None:
        """Pass on what the server sent."""
        if self.held:
            data, self.held = self.held + data, b""
        elif self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        position, end = 0, len(data)
        while position < end:
            if self._jobs:
                position = self.answer_job(data, position)
            elif self.session is None:
                position = self._between(data, position)
            else:
                position = self._pass_on(self.session, data, position)

    def _pass_on(self, session: Listener, data: bytes, start: int) -> int:
        """Pass on what needs no look, and one message that does; return where the next begins."""
        begin = self._rest
        position = start + begin
        rows = 0
        quiet = UNSEEN if session.special else QUIET
        try:
            while True:  # until no header is left: an exception costs less than a look each time
                kind, size = header(data, position)
                if kind == DATA_ROW or kind == COPY_DATA:  # noqa: PLR1714, SIM109 - quickest
                    rows += 1
                elif kind not in quiet:
                    if kind not in COMPLETE or session.special:
                        break
                    session.acked += 1
                position += size + 1
        except struct.error:
            return self._pass_all(session, data, start, position, rows)
        end = len(data)
        self._rest = 0
        stop = position + size + 1
        if kind == READY and stop == end:
            session.finished(data[position + 5], data if start == 0 else data[start:], rows, begin)
            return end
        if position > start:
            session.deliver(data[start:position], rows, begin)
        if stop > end:
            return self.hold(data, position, size)
        if kind == NOTIFICATION:  # those that came as one batch go on as one
            stop = wire.end_of_run(data, stop, kind)
        self._show(session, kind, data[position:stop])
        return end if kind == PARAMETER_STATUS and self.closed else int(stop)

    def _pass_all(
        self, session: Listener, data: bytes, start: int, position: int, rows: int
    ) -> int:
        """Pass on a part that ends within a message, or with one; return its end."""
        end = len(data)
        begin, self._rest = self._rest, max(0, position - end)
        if position >= end:
            session.deliver(data if start == 0 else data[start:], rows, begin)
            return end
        if position > start:
            session.deliver(data[start:position], rows, begin)
        self.held = data[position:]
        return end

    def _show(self, session: Listener, kind: int, message: bytes) -> None:
        if kind == READY:
            session.finished(message[5], message, 0)
        elif kind != ERROR or not self.is_last_word(message[HEADER_BYTES:]):
            if kind == PARAMETER_STATUS:
                self.note_parameter(message[HEADER_BYTES:])
            session.notable(kind, message)

    def hold(self, data: bytes, position: int, size: int) -> int:
        """Keep the begin of a message until the rest of it is there; return the data's end."""
        if size > MOST_HELD_BYTES and data[position] == NOTICE:
            self._skip = position + size + 1 - len(data)
            if self.session is not None and not self._jobs:
                self.session.deliver(faults.notice(f"a notice of {size:,} bytes is left out"), 0)
        elif size > MOST_HELD_BYTES:
            self.abort(
                Fault(
                    "54000",
                    "the server sent a message that is too long to pass on",
                    "Ask for less in a row.",
                )
            )
        else:
            self.held = data[position:]
        return len(data)

    def is_last_word(self, body: bytes) -> bool:
        """Remember why the server is about to end this connection; say whether it is."""
        fields = wire.error_fields(body)
        if fields.get("V") not in {"FATAL", "PANIC"}:
            return False
        self._last_fault = Fault(fields.get("C", "57P01"), fields.get("M", ""), LOST.hint)
        return True

    def note_error(self, code: str, before: str) -> None:
        """Hear of an error, and of the one `before` it in the same unit: see `reported`."""
        self.repeats = self.repeats + 1 if code == before == STUCK.code else 0
        if self.repeats == MOST_REPEATS:
            self.abort(STUCK)

    def note_parameter(self, body: bytes) -> None:
        """Remember what the server reports of a setting."""
        name, position = wire.cut(body)
        value, _ = wire.cut(body, position)
        if len(value) > MOST_PARAMETER_BYTES:  # no session keeps it: see `settings.MOST_BYTES`
            return
        self.parameters[name.decode(errors="replace")] = value.decode(errors="replace")
        if self.reads and not _only_reads(name.decode(errors="replace"), value.decode("latin-1")):
            self.abort(_writes(name.decode()))  # before the next transaction, which could write

    def _between(self, data: bytes, position: int) -> int:
        """Take what the server says while nobody is here: changed settings, its last word."""
        while len(data) - position >= HEADER_BYTES:
            kind, size = header(data, position)
            stop = position + size + 1
            if stop > len(data):
                return self.hold(data, position, size)
            if kind == PARAMETER_STATUS:
                self.note_parameter(data[position + 5 : stop])
            elif kind == ERROR:
                self.is_last_word(data[position + 5 : stop])
            position = stop
        self.held = data[position:]
        return len(data)

    @property
    def all_bytes(self) -> int:
        """How much memory it takes, about, beside what its session sends here."""
        told = settings.size(self.parameters)
        return len(self.held) + told + INSTANCE_BYTES * len(self.prepared)

    # For whom it works

    async def apply(self, wanted: Values) -> None:
        """Replace the settings that are in force by those; raises Refused, Lost.

        The encoding is the last, in a message of its own: a server that cannot tell in it what has
        changed in the same message tries that for ever (ReportChangedGUCOptions in guc.c).
        """
        old, new = self.values.named, wanted.named
        self.values = UNKNOWN  # should this be interrupted
        if wanted.custom:
            self.reset_level = CLOSE
        sql = ""
        if ENCODING in old or any(name not in new for name in old):
            sql, old = f"RESET ALL; {settings.undisturbed(self.version)}", {}
        different = {name: value for name, value in new.items() if old.get(name) != value}
        encoding = different.pop(ENCODING, None)
        if different:
            sql += settings.setting(different)
        if sql:
            await self.ask(sql)
        if encoding is not None:
            await self.ask(settings.setting({ENCODING: encoding}))
        self.note_values(wanted)

    def note_values(self, found: Values) -> None:
        """Hear which settings are in force now."""
        self.values = found
        if found.idle_seconds:  # it would end the connection while nobody has it
            self.reset_level = max(self.reset_level, EVERYTHING)

    async def reset(self, *, rollback: bool) -> None:
        """Make it as new for whoever gets it next; raises Refused, Lost."""
        if self.cancels:
            await self.outlive_cancel()
        if rollback:
            await self.run("ROLLBACK")
        if self.reset_level == SEQUENCES:
            await self.ask("DISCARD SEQUENCES")
        if self.reset_level == EVERYTHING:
            await self.ask(settings.lifted(self.version))
            await self.run("DISCARD ALL")
            self.values = NONE
            self.prepared.clear()
        self.unnamed = None
        self.reset_level = CLEAN

    # Its end, and its flow

    @property
    def within(self) -> bool:
        """Whether a message was passed on in part."""
        return self._rest > 0

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Tell whoever waits, and the pool."""
        self.closed = True
        self.end_jobs()
        session, self.session = self.session, None
        self._lost(self)
        if session is not None:
            session.lost(self._last_fault, within=self.within)

    def abort(self, fault: Fault | None = None) -> None:
        """End it at once; its session, if it has one, hears why."""
        self.closed = True
        if fault:
            self._last_fault = fault
        self.transport.abort()

    def close(self) -> None:
        """End it properly: whoever had it has let go."""
        self.closed = True
        self.transport.write(wire.TERMINATE)
        self.transport.close()

    def regulate(self) -> None:
        """Read what the server sends, or let it wait for the client; nothing else decides that.

        Answers to the door itself are read whatever the client does. To be called whenever that,
        the session, or what it says has changed.
        """
        reading = bool(self._jobs) or self.session is None or self.session.takes_more()
        if reading != self.reading:
            self.reading = reading
            self.transport.resume_reading() if reading else self.transport.pause_reading()

    def pause_writing(self) -> None:
        """Hold the client back: the server does not take more now."""
        self.full = True
        if self.session is not None:
            self.session.regulate()

    def resume_writing(self) -> None:
        """Let the client go on."""
        self.full = False
        if self.session is not None:
            self.session.regulate()
