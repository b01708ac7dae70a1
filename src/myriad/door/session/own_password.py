"""A person's own password: ALTER ROLE … PASSWORD of oneself, which the door carries out itself.

The server hears nothing of it: on a connection that people share it would be another role's, and
what it is told stands in its lists and logs. The extended protocol prepares and executes something
that does nothing there, so that its answers come in their places.
"""

from myriad.door.server.backend import Backend
from myriad.door.server.statements import Instance
from myriad.door.session import waits
from myriad.door.session.answers import Answers
from myriad.door.session.refusals import refuse_rest
from myriad.door.session.resend import Resend
from myriad.door.session.state import SessionState
from myriad.door.verdict.password import PasswordChange
from myriad.door.verdict.verdict import Verdict
from myriad.pgwire import faults, wire
from myriad.pgwire.faults import Fault, Refused

STAND_IN = b"UNLISTEN myriad_own_password"  # nobody listens to that
SAID = b"changed own password"  # in the audit
COMPLETE = wire.message(b"C", b"ALTER ROLE\0")

_ALONE = Fault(
    "25001",
    "your password is not changed in a transaction, or beside other statements",
    r"Send it alone: with autocommit=True in psycopg, by \password in psql.",
)
_OTHERS = Fault(
    "42501",
    "only the password is yours to change, and no other option of your account",
    "ALTER ROLE CURRENT_USER PASSWORD '...'",
)
OF_ANOTHER = Fault(
    "42501",
    "only your own password is yours to change here",
    "ALTER ROLE SESSION_USER PASSWORD '...'. Whoever runs this server changes others'.",
)
_NONE = Fault(
    "42501",
    "your password cannot be taken away: you could not log in any more",
    "Choose another one: ALTER ROLE CURRENT_USER PASSWORD '...'",
)
_WHO = Fault(
    "0A000",
    "CURRENT_USER may be somebody else in this session",
    "Say SESSION_USER for yourself.",
)
_ENCODING = Fault(
    "0A000",
    "a password with such letters is changed here in UTF8 only",
    r"SET client_encoding = 'UTF8', or let psql send a verifier: \password.",
)
_EXECUTE = Fault(
    "0A000", "EXECUTE does not change a password", "Send ALTER ROLE itself, or by the protocol."
)


def own(session: SessionState, verdict: Verdict) -> PasswordChange | None:
    """Return what a text changes of the person's own password, None if it does not."""
    wanted = verdict.password
    if wanted is None:
        return None
    return wanted if wanted.oneself or session.account.name in wanted.names else None


def objection(session: SessionState, wanted: PasswordChange) -> Fault | None:
    """Return why the password is not changed so, None if it may be."""
    if not wanted.alone or session.in_transaction:
        return _ALONE
    if not wanted.only:
        return _OTHERS
    if wanted.password is None:
        return _NONE
    if wanted.oneself and not wanted.session and _may_be_another(session):
        return _WHO
    encoding = session.parameters.values.named.get("client_encoding", "UTF8")
    return None if wanted.password.isascii() or encoding.upper() == "UTF8" else _ENCODING


def _may_be_another(session: SessionState) -> bool:
    """Say whether there may have been a SET ROLE: nobody may who shares server connections."""
    return not session.pool.guarded and bool(session.pin.reason)


def executed(session: SessionState, verdict: Verdict) -> Fault | None:
    """Return why SQL cannot execute what a client has prepared by the protocol, None if it can."""
    named = session.statements.named if session.statements is not None else {}
    names = map(str.encode, verdict.by_sql.executes)
    return _EXECUTE if any(named[n].sql == STAND_IN for n in names if n in named) else None


async def _changed(session: SessionState, wanted: PasswordChange) -> bytes:
    """Change it; return what is told of that before the answer. Raises Refused."""

    def goes_on() -> bool:
        return not session.transport.is_closing()

    who, passwords = session.account, session.shared.accounts.passwords
    told = await passwords.change(who.name, who.oid, wanted.password or "", goes_on)
    session.unit.rename(SAID)
    return faults.notice(told) if told else b""


# By a simple query


def query(session: SessionState, text: bytes, verdict: Verdict, wanted: PasswordChange) -> None:
    """Answer a simple query that changes it, in a while."""
    session.unit.start(text, session.quota, verdict.shape)
    session.awaiting = True
    session.shared.spawn(waits.guarded(session, None, _answer(session, wanted)))


async def _answer(session: SessionState, wanted: PasswordChange) -> None:
    try:
        said = await _changed(session, wanted) + COMPLETE
    except Refused as refused:
        session.unit.fail(refused.fault.code)
        said = refused.fault.encode()
    if session.transport.is_closing():
        session.note_ended()
        return
    session.transport.write(said + wire.READY[session.unit.status])
    session.ready(session.unit.status)


# By the extended protocol


class OwnPassword:
    """What one session has bound that changes its person's password, and executes."""

    __slots__ = ("_answers", "_bound", "_place", "_resend", "_session", "_unit")

    def __init__(self, session: SessionState, answers: Answers, resend: Resend) -> None:
        self._session, self._answers, self._resend = session, answers, resend
        self._bound: tuple[bytes, PasswordChange, bytes] | None = None
        self._unit: object = None  # in which it was bound: its portal ends with that
        self._place: Instance | None = None

    def bound(self, portal: bytes, verdict: Verdict, name: bytes) -> None:
        """Note what a portal will do; `name` is that of its statement in the server."""
        wanted = own(self._session, verdict)
        if wanted is not None:
            self._bound, self._unit = (portal, wanted, name), self._answers.unit

    def rebound(self, portal: bytes) -> None:
        """Hear that a portal may be another one from now on."""
        if self._bound is not None and self._bound[0] == portal:
            self._bound = None

    def changes(self, portal: bytes) -> bool:
        """Say whether a portal changes the password."""
        bound = self._bound
        return bound is not None and bound[0] == portal and self._unit is self._answers.unit

    @property
    def waits(self) -> bool:
        """Whether there may be such a portal."""
        return self._bound is not None

    def execute(self, message: bytes) -> bool:
        """Change it, if all before that went well; False: that is being found out."""
        assert self._bound is not None  # noqa: S101 - `changes`
        _, wanted, name = self._bound
        backend = self._session.server
        if len(self._resend.bound) != 1:
            self._bound = None
            refuse_rest(self._session, _ALONE)
            return True
        if self._place is None or self._place.described is None:
            self._place = Instance(0, 0, 0)
            self._answers.describes(ours=True, instance=self._place)
            backend.transport.write(wire.describe_statement(name) + wire.FLUSH)
            self._answers.wait_for(self._place)
            return False
        self._place = self._bound = None
        self._session.wait_for(self._execute(backend, wanted, message))
        return True

    async def _execute(self, backend: Backend, wanted: PasswordChange, message: bytes) -> None:
        session, refused = self._session, None
        try:
            said = await _changed(session, wanted)
        except Refused as error:
            refused = error.fault
        if session.backend is not backend:
            session.note_ended()
            return
        if refused is not None:
            refuse_rest(session, refused)
        else:
            if said:
                session.transport.write(said)
            self._answers.reads(COMPLETE)
            backend.transport.write(message)
        session.resume()
