"""Where a statement is in the server: what is there already, or what is prepared for it now."""

from collections.abc import Callable
from functools import partial

from myriad.door.server import settings
from myriad.door.server.asking import BACK, SAVE
from myriad.door.server.backend import Backend
from myriad.door.server.settings import UNKNOWN, Values
from myriad.door.server.statements import ANYTHING, CHANGED, Instance, Key, Statement
from myriad.door.session.answers import Answers
from myriad.door.session.state import SessionState
from myriad.door.verdict.reported import ENCODING
from myriad.door.verdict.verdict import Verdict
from myriad.pgwire import wire
from myriad.pgwire.faults import Fault, Refused

# PostgreSQL itself parses a prepared statement again when it has changed (plancache.c).
_REPARSED = "search_path"
# Commands that the server only reads when they are parsed, and by these settings alone. They take
# no snapshot, so nothing that takes one may come before them: SET TRANSACTION would fail.
_ONLY_READ = frozenset(
    (
        *("BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"),
        *("PREPARE TRANSACTION", "LOCK", "SET", "RESET", "SHOW", "SET CONSTRAINTS"),
    )
)
_READ_BY = frozenset(("backslash_quote", "client_encoding"))
_UNSETTLED = "statement prepared amid changed settings"
Undo = Callable[[], object]


def may_share(session: SessionState) -> bool:
    """Say whether what is parsed now can be what others parse, too."""
    return not (session.pin.reason or session.pin.wanted or session.parameters.unsettled)


class Preparing:
    """Prepares the statements of one session on the server connection that it has."""

    __slots__ = ("_answers", "_read", "_refused", "_session")

    def __init__(self, session: SessionState, answers: Answers) -> None:
        self._session = session
        self._answers = answers
        self._refused: dict[int, Fault] = {}
        self._read: Values | None = None

    def fresh(self, backend: Backend, statement: Statement, undo: Undo, *, described: bool) -> None:
        """Prepare a statement that its client has just sent.

        `undo` is called if the server does not come to it; `described`: the client asks for that.
        """
        key: Key = statement.token if statement.key is None else statement.key
        instance = self._parse(backend, statement, key, undo)
        if not described:
            self._describe(backend, instance, statement)

    def place(
        self, backend: Backend, statement: Statement, *, again: bool, alone: bool
    ) -> Instance | Fault | None:
        """Return what the server has of a statement, or why its client cannot have it.

        `again`: the client is told the columns anew. `alone`: nothing was sent in this unit yet.
        None: it is being found out.
        """
        fault = self._refused.pop(statement.token, None)
        if fault:
            return fault
        session = self._session
        values = session.parameters.values
        shared = values.parsing is statement.values.parsing and may_share(session)
        instance = backend.prepared.find(statement, shared=shared)
        if instance is None:
            names = self._differences(statement)
            if names and (statement.values is UNKNOWN or not alone):
                return CHANGED  # a query of ours would end what the client has begun
            if names:
                session.wait_for(self._prepare_under(backend, statement, names))
                return None
            key = statement.key if shared and statement.key is not None else statement.token
            instance = self._parse(backend, statement, key, None)
        return self._compared(backend, statement, instance, again=again)

    def _compared(
        self, backend: Backend, statement: Statement, instance: Instance, *, again: bool
    ) -> Instance | Fault | None:
        if not (statement.told_parameters or (statement.told_columns and not again)):
            return instance
        if instance.described is not None:
            return instance if statement.accepts(instance.described, again=again) else CHANGED
        if instance.owner == statement.token and statement.shape is None:
            return instance  # the client's own Parse, in this very unit
        self._describe(backend, instance)
        backend.transport.write(wire.FLUSH)
        self._answers.wait_for(instance)
        return None

    def _parse(
        self, backend: Backend, statement: Statement, key: Key, undo: Undo | None
    ) -> Instance:
        """Parse under a new name; `undo` is that of the client's Parse, None if it is ours."""
        prepared, answers = backend.prepared, self._answers
        instance = Instance(statement.token, self._session.since, statement.size)
        prepared.put(key, instance)
        instance.unit = answers.unit
        self.close_gone(backend)

        def drop() -> None:
            prepared.drop(key, instance)
            if undo is not None:
                undo()

        parsed = None if undo is None else statement
        answers.completes(ours=undo is None, statement=parsed, undo=drop)
        backend.transport.gather(wire.parse(instance.name, statement.sql, statement.types))
        return instance

    def close_gone(self, backend: Backend) -> None:
        """Close what is not to be used on a server connection any more."""
        for name in backend.prepared.take_gone():
            self._answers.completes(ours=True, undo=partial(backend.prepared.gone_again, name))
            backend.transport.gather(wire.close_statement(name))

    def _describe(
        self, backend: Backend, instance: Instance, statement: Statement | None = None
    ) -> None:
        self._answers.describes(ours=True, instance=instance, statement=statement)
        backend.transport.gather(wire.describe_statement(instance.name))

    # Settings that this transaction may have changed

    def settings(
        self, backend: Backend, verdict: Verdict, *, alone: bool
    ) -> tuple[Values, bool] | None:
        """Return the settings of now, and whether others may have the same; None: they are read.

        `alone`: nothing was sent in this unit yet.
        """
        session = self._session
        names = self._that_count(session.parameters.unsettled, verdict)
        if not names or session.pin.reason:
            return session.parameters.values, may_share(session)
        if self._read is not None:
            found, self._read = self._read, None
            return found, False
        if not alone or ANYTHING in names:
            if not session.pool.may_pin(session.account):
                return UNKNOWN, False  # it works on this server connection alone
            session.pin.want(_UNSETTLED)
            return session.parameters.values, False
        session.wait_for(self._read_settings(backend, names))
        return None

    async def _read_settings(self, backend: Backend, names: frozenset[str]) -> None:
        session = self._session
        found = await settings_now(session, backend, names)
        if session.backend is backend:
            self._read = found
            session.resume()

    # Under other settings than the session's present ones

    def _differences(self, statement: Statement) -> frozenset[str]:
        """Return the settings that were others when the client's Parse was parsed, or may be."""
        parameters = self._session.parameters
        now, then = parameters.values.parsing.named, statement.values.parsing.named
        names = {name for name in now.keys() | then.keys() if now.get(name) != then.get(name)}
        names |= parameters.unsettled - {ANYTHING}
        named = (name for name in names if name != _REPARSED and "." not in name)
        return self._that_count(frozenset(named), statement.verdict)

    def _that_count(self, names: frozenset[str], verdict: Verdict) -> frozenset[str]:
        """Return those of some settings by which a text is parsed now."""
        if self._session.unit.status == wire.FAILED:
            return frozenset()  # only what ends the transaction is parsed, and no query of ours
        return names & _READ_BY if verdict.words in _ONLY_READ else names

    async def _prepare_under(
        self, backend: Backend, statement: Statement, names: frozenset[str]
    ) -> None:
        """Prepare a statement under the settings of its own Parse."""
        session = self._session
        begin, end = _block(session)
        instance = Instance(statement.token, 0, statement.size)
        named, refused = statement.values.named, None
        limits = settings.for_transaction(backend.version, without=ENCODING)
        theirs = _setting({name: named.get(name) for name in names})
        await backend.run(f"{begin}; {limits}{theirs}")
        try:
            instance.described = await backend.prepare(
                instance.name, statement.sql, statement.types
            )
            backend.prepared.put(statement.token, instance)
            instance.unit = self._answers.unit
        except Refused as error:
            refused = error.fault
        await backend.run(end)
        if session.backend is backend:
            if refused is not None:
                self._refused[statement.token] = refused
            session.resume()


def _block(session: SessionState) -> tuple[str, str]:
    """Return what begins and ends a moment that leaves nothing behind."""
    if session.in_transaction:
        return SAVE, BACK
    return "BEGIN", "ROLLBACK"


def _setting(named: dict[str, str | None]) -> str:
    """Return the SQL that makes these settings for the transaction; None is the default."""
    calls = (
        f"pg_catalog.set_config({wire.literal(name)},"
        f" {'NULL' if value is None else wire.literal(value)}, true)"
        for name, value in named.items()
    )
    return f"SELECT {', '.join(calls)}"


async def settings_now(session: SessionState, backend: Backend, names: frozenset[str]) -> Values:
    """Return the settings as a transaction has them that may have changed some; raises Lost."""
    found = await backend.settings(names, within=session.in_transaction)
    now = {name: value for name, value, _, _ in found if value is not None}
    if settings.is_too_much(now):
        raise Refused(settings.TOO_LONG)
    return settings.of({**session.parameters.values.named, **now})
