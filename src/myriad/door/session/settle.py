"""What a statement leaves behind in a session, and what must be done about it.

What is here runs for few statements: those that change settings, pin a connection, or fail.
"""

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from myriad.door.pool.pool import CLOSE, EVERYTHING, SEQUENCES
from myriad.door.server import settings
from myriad.door.server.asking import CANCELLED, Lost
from myriad.door.server.backend import Backend
from myriad.door.server.statements import ANYTHING
from myriad.door.session import quota, signals
from myriad.door.session.refusals import MOST_TRIES, refuse_waiting
from myriad.door.verdict import activity, identity, reported
from myriad.door.verdict.effects import MOST_SETTINGS
from myriad.door.verdict.verdict import Verdict
from myriad.door.verdict.writing import Place, write
from myriad.pgwire import wire
from myriad.pgwire.faults import Fault, Refused
from myriad.pgwire.wire import HEADER_BYTES

if TYPE_CHECKING:
    from myriad.door.session.session import Session

_ANYTHING = "a statement that may do anything"
HOLDABLE = "holdable cursor"
WHOLE_SESSION = "session pool"
DISCARDED, DEALLOCATED, PREPARED = b"DISCARD ALL", b"DEALLOCATE", b"PREPARE"
FORGETS = frozenset((DISCARDED, b"DEALLOCATE ALL"))
ENDINGS = FORGETS | {DEALLOCATED}
RENEW_SECONDS = 5.0

_LOCKS = """
    SELECT FROM pg_catalog.pg_locks WHERE locktype OPERATOR(pg_catalog.=) 'advisory'
        AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() LIMIT 1"""
_SEQUENCES = Fault(
    "0A000",
    "currval and lastval are known here only in the transaction that used the sequence",
    "Use INSERT ... RETURNING, or do both in one transaction.",
)
_TOO_MANY = Fault("54000", "a transaction cannot change so many settings")
_UNREADABLE = Fault(
    "42601",
    "the door cannot read this statement, and the server may be newer than it",
    "It reads what PostgreSQL 18 reads.",
)


def objection(session: "Session", verdict: Verdict) -> Fault | None:
    """Return why a statement cannot run in this session, None if it can."""
    if session.pool.shared and verdict.syntax_error and session.door.newer_grammar:
        return _UNREADABLE
    untold = verdict.secret and verdict.syntax_error  # the server is not to hear of it
    if verdict.refusal and (session.pool.shared or untold):
        refused = verdict.refusal
        return Fault(refused.sqlstate, refused.message, refused.hint)
    if verdict.reads_sequences and not (session.sequences or verdict.sequences or session.pin):
        return _SEQUENCES
    if len(session.touched | verdict.settings) > MOST_SETTINGS:
        return _TOO_MANY
    if (verdict.told or verdict.resets or verdict.executes) and (
        fault := _untold(session, verdict)
    ):
        return fault
    if (
        verdict.pins
        and not (session.pin or session.wants_pin)
        and not session.pool.may_pin(session.account)
    ):
        return _too_many_pins(verdict.pins)
    return None


def _untold(session: "Session", verdict: Verdict) -> Fault | None:
    """Return why the server could not tell what a setting becomes: see `told`."""
    named = session.extended.named if session.extended is not None else {}
    run = (named[name] for name in map(str.encode, verdict.executes) if name in named)
    if any(reported.is_delicate(change) for each in run for change in each.verdict.told):
        return reported.UNTOLD  # nobody reads the settings behind EXECUTE
    changes = verdict.told | reported.RESET_ALL if verdict.resets else verdict.told
    earlier = session.touched | session.local | session.restored
    known = reported.Known(
        session.values.named, session.initial.named, session.pool.reported, earlier
    )
    return reported.objection(changes, known)


def _too_many_pins(pins: str) -> Fault:
    return Fault(
        "53300",
        f"too many sessions hold a server connection for themselves ({pins})",
        "Try again later, or do without it: see docs/door.md.",
    )


def leave_behind(session: "Session", verdict: Verdict) -> None:
    """Note what a statement that is sent now leaves behind."""
    backend = session.backend
    if backend is None:
        return
    backend.speaker = session.number
    if verdict.processes is not None:
        signals.aim(session, backend, verdict.processes)
    hidden = verdict.opaque and session.pool.shared  # what it did, no reset may undo
    backend.dirt = CLOSE if hidden else max(backend.dirt, _dirt(verdict))
    pins = verdict.pins or (_ANYTHING if verdict.opaque and not hidden else "")
    session.wants_pin = session.wants_pin or pins
    session.sequences = session.sequences or verdict.sequences
    session.touched |= verdict.settings
    session.restored |= verdict.restores
    if verdict.resets:
        session.restored |= {*session.values.named, *session.initial.named}
        session.touched |= session.restored
    session.local |= verdict.local
    if verdict.opaque:
        session.local |= {ANYTHING}
    if verdict.deallocates_all or verdict.discards or verdict.deallocates or verdict.prepares:
        session.special = True  # see `completed`
    session.renews = session.renews or verdict.renews
    backend.prepared.by_sql = backend.prepared.by_sql or verdict.prepares


def _dirt(verdict: Verdict) -> int:
    if verdict.closes:
        return CLOSE
    if verdict.stateful or verdict.discards:
        return EVERYTHING
    # What is secret: so that something else is the last that the server shows.
    return SEQUENCES if verdict.sequences or verdict.secret else 0


def completed(session: "Session", message: bytes) -> None:
    """Forget the statements that a command has ended, now that it has."""
    command, backend, extended = message[HEADER_BYTES:-1], session.backend, session.extended
    if command in FORGETS and backend is not None:
        backend.prepared.clear()
        backend.unnamed = None
        if extended is not None:
            extended.forget_all()
        if command == DISCARDED:
            session.wants_pin = ""
            session.unpin(backend)
    elif command == PREPARED and backend is not None:
        backend.prepared.lasts = True
    elif command == DEALLOCATED and extended is not None:
        extended.completed()
    if extended is not None and command in ENDINGS:  # else it is what ran before that
        extended.ending.executed()
    if session.copying is not None:
        session.copying.completed()


def rewritten(session: "Session", text: bytes, verdict: Verdict) -> bytes:
    """Return the simple Query of a text, as the server shall run it now."""
    if verdict.deallocates and session.extended is not None:
        session.extended.deallocates(verdict)
    return wire.message(b"Q", rewritten_text(session, text, verdict, now=True) + b"\0")


def rewritten_text(
    session: "Session", text: bytes, verdict: Verdict, *, now: bool = False
) -> bytes:
    """Return a text with the person's name, numbers and own row of activity in it."""
    processes = verdict.processes
    if processes is not None and processes.signal is not None and not session.pool.shared:
        whole = signals.whole(session, processes.signal)
        if whole is not None:
            return whole.encode()
    places = _places(session, text, verdict, now=now)
    if places:
        return _written(text, places)
    return text


def _places(session: "Session", text: bytes, verdict: Verdict, *, now: bool) -> list[Place]:
    pool, person = session.pool, session.account.name
    places = identity.places(verdict.identity, person) if pool.shared else []
    if verdict.processes is not None:
        places += signals.places(session, verdict.processes, now=now)
    if verdict.activity and pool.hides_activity:
        places += activity.places(verdict.activity, person, text)
    return places


def _written(text: bytes, places: list[Place]) -> bytes:
    try:
        return write(text.decode(), places).encode()
    except UnicodeDecodeError:  # another encoding of the client's: see `reader.decoded`
        return write(text.decode("latin-1"), places).encode("latin-1", "replace")


async def adopt(session: "Session", backend: Backend) -> None:
    """Give a server connection the session's settings, then go on with its statement."""
    if session.values.custom and not session.pin and not _keep_custom(session, backend):
        return
    try:
        await become(backend, session.values)
    except Refused as error:
        if error.fault.code != CANCELLED:  # not a limit of who was here before
            session.tries = MOST_TRIES
        raise
    if session.backend is backend:
        session.resume()


def _keep_custom(session: "Session", backend: Backend) -> bool:
    """Keep a server connection for custom settings from the login, as SET would; say whether."""
    pins = f"custom setting {session.values.custom}"
    if session.pool.may_pin(session.account):
        keep(session, backend, pins)
        return True
    session.copied()
    refuse_waiting(session, _too_many_pins(pins))
    return False


async def become(backend: Backend, wanted: settings.Values) -> None:
    """Replace the settings of a server connection by those; raises Refused, Lost.

    The encoding is the last, in a message of its own: a server that cannot tell in it what has
    changed in the same message tries that for ever (ReportChangedGUCOptions in guc.c).
    """
    old, new = backend.values.named, wanted.named
    backend.values = settings.UNKNOWN  # should this be interrupted
    if wanted.custom:
        backend.dirt = CLOSE
    sql = ""
    if reported.ENCODING in old or any(name not in new for name in old):
        sql, old = f"RESET ALL; {settings.undisturbed(backend.version)}", {}
    different = {name: value for name, value in new.items() if old.get(name) != value}
    encoding = different.pop(reported.ENCODING, None)
    if different:
        sql += settings.setting(different)
    if sql:
        await backend.ask(sql)
    if encoding is not None:
        await backend.ask(settings.setting({reported.ENCODING: encoding}))
    _note_values(backend, wanted)


def _note_values(backend: Backend, found: settings.Values) -> None:
    backend.values = found
    if found.idle_seconds:  # it would end the connection while nobody has it
        backend.dirt = max(backend.dirt, EVERYTHING)


async def before_ready(session: "Session", status: int) -> None:
    """Do what must be done before the client hears that its unit is over, then say so."""
    backend = session.backend
    if backend is None:
        return
    if session.copying is not None:
        status = await session.copying.settled(status)
    status = await _settled(session, backend, status)
    if session.backend is not backend:
        return
    if session.muted:
        session.transport.write(quota.ended(session))
    session.reason = None
    if session.bridged:  # the client waits for no answer; after an error it must send its Sync
        session.skipping = bool(session.errors)
    else:
        session.transport.write(wire.READY[status])
    session.paused = False
    session.ready(status)


def _tell(session: "Session", message: bytes) -> None:
    """Pass on what a setting has become, if the client is still there."""
    if not session.transport.is_closing():
        session.transport.write(message)


async def _settled(session: "Session", backend: Backend, status: int) -> int:
    if session.muted and status == wire.IN_TRANSACTION:  # it ended before it could be cancelled
        await _fail(backend)
        status = wire.FAILED
    if session.extended is not None and session.extended.unnamed.in_doubt:
        await session.extended.unnamed.find_out(backend)
    if session.wants_pin:
        await _pin(session, backend, status)
    if session.restored and status != wire.FAILED:
        status = await _restore(session, backend, status)
    if session.touched and status == wire.IDLE:
        await _read_settings(session, backend)
    if session.renews and status == wire.IDLE:
        await _renew(session)
    return status


async def _restore(session: "Session", backend: Backend, status: int) -> int:
    """Make the settings again that the session began with; return the transaction's status."""
    names = session.restored & session.initial.named.keys()
    if names:
        sql = settings.setting({name: session.initial.named[name] for name in names})
        make = backend.ask if status == wire.IDLE else backend.run
        try:
            await make(sql, partial(_tell, session))
        except Refused as refused:
            if refused.fault.code != CANCELLED or status == wire.IDLE:
                raise
            session.errors = CANCELLED
            _tell(session, (session.reason or refused.fault).encode())
            return wire.FAILED
    session.restored = frozenset()
    return status


async def _renew(session: "Session") -> None:
    """Let the next connection begin with the settings that a transaction may have made."""
    session.renews = False
    if not session.errors:
        with suppress(TimeoutError):  # it is looked at again from time to time
            async with asyncio.timeout(RENEW_SECONDS):
                await session.door.look_at_defaults()


async def _fail(backend: Backend) -> None:
    try:
        await backend.run("SELECT 1 OPERATOR(pg_catalog./) 0")
    except Refused:
        return


def keep(session: "Session", backend: Backend, reason: str) -> None:
    """Let a server connection stay with a session; it counts as one that works for its person."""
    session.pin = reason
    session.account.pinned += 1
    backend.pool.pinned += 1


async def _pin(session: "Session", backend: Backend, status: int) -> None:
    """Keep the server connection for what was made; not for what was refused, or taken back."""
    if status == wire.FAILED:
        return  # at its end: it may still go back to a savepoint behind that
    failed = status == wire.IDLE and (session.errors or session.status == wire.FAILED)
    if failed and not session.pin and not await _lasts(session, backend):
        session.wants_pin = ""
    if session.wants_pin and not session.pin and session.backend is backend:
        keep(session, backend, session.wants_pin)
    session.wants_pin = ""


async def _lasts(session: "Session", backend: Backend) -> bool:
    """Say whether something was made that no error takes back: by PREPARE, or an advisory lock."""
    if backend.prepared.lasts or session.pool.shared:  # who shares may not lock so
        return backend.prepared.lasts
    return bool(await backend.ask(_LOCKS))


async def _read_settings(session: "Session", backend: Backend) -> None:
    """Learn which values the settings have that a transaction may have changed; raises Lost."""
    found = await backend.settings(session.touched, within=False)
    session.touched = frozenset()
    named = dict(session.values.named)
    for name, value, default, plain in found:
        if value is None or (plain is not None and plain == default):
            named.pop(name, None)
        else:
            named[name] = value
    if settings.is_too_much(named):
        session.end(settings.TOO_LONG)
        raise Lost
    session.values = settings.of(named)
    _note_values(backend, session.values)
    session.door.note_settings(session)
