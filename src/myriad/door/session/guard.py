"""Before a statement is sent: why it cannot be, what it leaves behind, and how it is rewritten.

What is here runs for few statements: those that change settings, pin a connection, or name a person
or a process.
"""

from myriad.door.server.backend import CLOSE, EVERYTHING, SEQUENCES
from myriad.door.session import own_password, pin, signals
from myriad.door.session.state import SessionState
from myriad.door.verdict import activity, identity, reported
from myriad.door.verdict.effects import MOST_SETTINGS, Refusal
from myriad.door.verdict.rewriting import Place, write
from myriad.door.verdict.verdict import Verdict
from myriad.pgwire import wire
from myriad.pgwire.faults import Fault

_ANYTHING = "a statement that may do anything"
_SEQUENCES = Fault(
    "0A000",
    "currval and lastval are known here only in the transaction that used the sequence",
    "Use INSERT ... RETURNING, or do both in one transaction.",
)
_TOO_MANY = Fault("54000", "a transaction cannot change so many settings", "Change fewer in each.")
_OVER = Fault(
    "25006",
    "nothing may follow the end of a transaction in one message here: this session only reads",
    "Send it after the Sync; of a text, send the statements one by one.",
)
_UNREADABLE = Fault(
    "42601",
    "the door cannot read this statement, and the server may be newer than it",
    "It reads what PostgreSQL 18 reads.",
)


def objection(session: SessionState, verdict: Verdict) -> Fault | None:
    """Return why a statement cannot run in this session, None if it can."""
    if session.pool.guarded and verdict.syntax_error and session.shared.newer_grammar:
        return _UNREADABLE
    if verdict.refusal and (fault := _refused(session, verdict, verdict.refusal)):
        return fault
    if session.unit.ends and session.unit.open:
        return _OVER
    uses_sequences = session.unit.sequences or verdict.sequences or session.pin.reason
    if verdict.reads_sequences and not uses_sequences:
        return _SEQUENCES
    if len(session.parameters.touched | verdict.settings) > MOST_SETTINGS:
        return _TOO_MANY
    if (verdict.reported or verdict.resets or verdict.by_sql.executes) and (
        fault := _unreportable(session, verdict) or own_password.executed(session, verdict)
    ):
        return fault
    if (
        verdict.pins
        and not (session.pin.reason or session.pin.wanted)
        and not session.pool.may_pin(session.account)
    ):
        return pin.too_many(verdict.pins)
    return None


def _refused(session: SessionState, verdict: Verdict, refused: Refusal) -> Fault | None:
    """Return why what is refused to most is refused here, None if it is not."""
    wanted = own_password.own(session, verdict)
    if wanted is not None:
        return own_password.objection(session, wanted)
    untold = verdict.secret and verdict.syntax_error  # the server is not to hear of it
    if session.pool.guarded or untold:
        return Fault(refused.sqlstate, refused.message, refused.hint)
    return own_password.OF_ANOTHER if verdict.password is not None else None


def _unreportable(session: SessionState, verdict: Verdict) -> Fault | None:
    """Return why the server could not tell what a setting becomes: see `reported`."""
    named = session.statements.named if session.statements is not None else {}
    run = (named[name] for name in map(str.encode, verdict.by_sql.executes) if name in named)
    if any(reported.is_delicate(change) for each in run for change in each.verdict.reported):
        return reported.UNTOLD  # nobody reads the settings behind EXECUTE
    changes = verdict.reported | reported.RESET_ALL if verdict.resets else verdict.reported
    mine = session.parameters
    earlier = mine.touched | mine.local | mine.restored
    known = reported.Known(mine.values.named, mine.initial.named, session.pool.reported, earlier)
    return reported.objection(changes, known)


def leave_behind(session: SessionState, verdict: Verdict) -> None:
    """Note what a statement that is sent now leaves behind."""
    backend = session.backend
    if backend is None:
        return
    backend.speaker = session.number
    siblings = session.shared.siblings
    if siblings.several:
        siblings.speak(backend.number, session.number, session.account.oid)
    if verdict.processes is not None:
        signals.aim(session, backend, verdict.processes)
    hidden = verdict.opaque and session.pool.shared  # what it did, no reset may undo
    backend.reset_level = CLOSE if hidden else max(backend.reset_level, _reset_level(verdict))
    session.pin.want(verdict.pins or (_ANYTHING if verdict.opaque and not hidden else ""))
    if verdict.sequences:
        session.unit.uses_sequences()
    if verdict.ends:
        session.unit.ends_transaction()
    session.parameters.change(verdict)
    by_sql = verdict.by_sql
    if verdict.discards or by_sql.deallocates_all or by_sql.deallocates or by_sql.prepares:
        session.special = True  # see `finishing.completed`
    backend.prepared.by_sql = backend.prepared.by_sql or by_sql.prepares


def _reset_level(verdict: Verdict) -> int:
    if verdict.closes:
        return CLOSE
    if verdict.stateful or verdict.discards:
        return EVERYTHING
    # What is secret: so that something else is the last that the server shows.
    return SEQUENCES if verdict.sequences or verdict.secret else 0


# Rewritten


def rewritten(session: SessionState, text: bytes, verdict: Verdict) -> bytes:
    """Return the simple Query of a text, as the server shall run it now."""
    if verdict.by_sql.deallocates and session.statements is not None:
        session.statements.deallocates(verdict)
    return wire.message(b"Q", rewritten_text(session, text, verdict, now=True) + b"\0")


def rewritten_text(
    session: SessionState, text: bytes, verdict: Verdict, *, now: bool = False
) -> bytes:
    """Return a text with the person's name, numbers and own row of activity in it."""
    if own_password.own(session, verdict) is not None:
        return own_password.STAND_IN
    processes = verdict.processes
    if processes is not None and processes.signal is not None and not session.pool.shared:
        whole = signals.whole(session, processes.signal)
        if whole is not None:
            return whole.encode()
    places = _places(session, text, verdict, now=now)
    if places:
        return _written(text, places)
    return text


def _places(session: SessionState, text: bytes, verdict: Verdict, *, now: bool) -> list[Place]:
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
