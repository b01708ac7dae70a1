"""What must be done between the server's end of a unit and the client's."""

import asyncio
from contextlib import suppress
from functools import partial

from myriad.door.server import settings
from myriad.door.server.asking import CANCELLED, Lost
from myriad.door.server.backend import Backend
from myriad.door.session import copying
from myriad.door.session.messages import over_limit
from myriad.door.session.state import SessionState
from myriad.pgwire import wire
from myriad.pgwire.faults import Refused
from myriad.pgwire.wire import HEADER_BYTES

DISCARDED, DEALLOCATED, PREPARED = b"DISCARD ALL", b"DEALLOCATE", b"PREPARE"
FORGETS = frozenset((DISCARDED, b"DEALLOCATE ALL"))
ENDINGS = FORGETS | {DEALLOCATED}
RENEW_SECONDS = 5.0

_LOCKS = """
    SELECT FROM pg_catalog.pg_locks WHERE locktype OPERATOR(pg_catalog.=) 'advisory'
        AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() LIMIT 1"""


def completed(session: SessionState, message: bytes) -> None:
    """Forget the statements that a command has ended, now that it has."""
    command, backend, statements = message[HEADER_BYTES:-1], session.backend, session.statements
    if command in FORGETS and backend is not None:
        backend.prepared.clear()
        backend.unnamed = None
        if statements is not None:
            statements.forget_all()
        if command == DISCARDED:
            session.pin.want_nothing()
            session.pin.let_go(session.account, session.pool)
    elif command == PREPARED and backend is not None:
        backend.prepared.lasts = True
    elif command == DEALLOCATED and statements is not None:
        statements.deallocated()
    if statements is not None and command in ENDINGS:  # else it is what ran before that
        statements.ending.executed()
    if session.unit.copy is not None:
        copying.completed(session)


async def before_ready(session: SessionState, status: int) -> None:
    """Do what must be done before the client hears that its unit is over, then say so."""
    backend, unit = session.backend, session.unit
    if backend is None:
        return
    if unit.copy is not None:
        status = await copying.settled(session, unit.copy, status)
    status = await _finished(session, backend, status)
    if session.backend is not backend:
        return
    if session.quota.muted:
        session.transport.write(over_limit(session))
    unit.explain(None)
    if unit.bridged:  # the client waits for no answer; after an error it must send its Sync
        unit.skip(skipping=bool(unit.errors))
    else:
        session.transport.write(wire.READY[status])
    session.paused = False
    session.ready(status)


def _tell(session: SessionState, message: bytes) -> None:
    """Pass on what a setting has become, if the client is still there."""
    if not session.transport.is_closing():
        session.transport.write(message)


async def _finished(session: SessionState, backend: Backend, status: int) -> int:
    statements, parameters = session.statements, session.parameters
    if session.quota.muted and status == wire.IN_TRANSACTION:  # it ended before it was cancelled
        await _fail(backend)
        status = wire.FAILED
    if statements is not None and statements.unnamed.in_doubt:
        await statements.unnamed.find_out(backend)
    if session.pin.wanted:
        await _pin(session, backend, status)
    if parameters.restored and status != wire.FAILED:
        status = await _restore(session, backend, status)
    if parameters.touched and status == wire.IDLE:
        await _read_settings(session, backend)
    if parameters.renews and status == wire.IDLE:
        await _renew(session)
    return status


async def _restore(session: SessionState, backend: Backend, status: int) -> int:
    """Make the settings again that the session began with; return the transaction's status."""
    named = session.parameters.to_restore()
    if named:
        make = backend.ask if status == wire.IDLE else backend.run
        try:
            await make(settings.setting(named), partial(_tell, session))
        except Refused as refused:
            if refused.fault.code != CANCELLED or status == wire.IDLE:
                raise
            session.unit.fail(CANCELLED)
            _tell(session, (session.unit.reason or refused.fault).encode())
            return wire.FAILED
    session.parameters.are_restored()
    return status


async def _renew(session: SessionState) -> None:
    """Let the next connection begin with the settings that a transaction may have made."""
    session.parameters.are_renewed()
    if not session.unit.errors:
        with suppress(TimeoutError):  # it is looked at again from time to time
            async with asyncio.timeout(RENEW_SECONDS):
                await session.shared.look_at_defaults()


async def _fail(backend: Backend) -> None:
    try:
        await backend.run("SELECT 1 OPERATOR(pg_catalog./) 0")
    except Refused:
        return


async def _pin(session: SessionState, backend: Backend, status: int) -> None:
    """Keep the server connection for what was made; not for what was refused, or taken back."""
    if status == wire.FAILED:
        return  # at its end: it may still go back to a savepoint behind that
    unit, pin = session.unit, session.pin
    failed = status == wire.IDLE and (unit.errors or unit.status == wire.FAILED)
    if failed and not pin.reason and not await _lasts(session, backend):
        pin.want_nothing()
    if pin.wanted and not pin.reason and session.backend is backend:
        pin.keep(session.account, session.pool, pin.wanted)
    pin.want_nothing()


async def _lasts(session: SessionState, backend: Backend) -> bool:
    """Say whether something was made that no error takes back: by PREPARE, or an advisory lock."""
    if backend.prepared.lasts or session.pool.shared:  # who shares may not lock so
        return backend.prepared.lasts
    return bool(await backend.ask(_LOCKS))


async def _read_settings(session: SessionState, backend: Backend) -> None:
    """Learn which values the settings have that a transaction may have changed; raises Lost."""
    parameters = session.parameters
    named = parameters.found(await backend.settings(parameters.touched, within=False))
    if settings.is_too_much(named):
        session.end(settings.TOO_LONG)
        raise Lost
    parameters.set_to(named)
    backend.note_values(parameters.values)
    session.shared.note_settings(session)
