"""SQL's EXECUTE of what a client has prepared by the protocol.

In the server such a statement has a name of the door's, and perhaps it is not on this connection
at all. So it is prepared there once more, under the client's own name, before EXECUTE comes. Nobody
else meets that name: whoever gets the connection next gets it without any statement.
"""

from functools import partial

from myriad.door.server.backend import EVERYTHING, Backend
from myriad.door.server.statements import Statement
from myriad.door.session.client_statements import ClientStatements
from myriad.door.session.refusals import refuse_waiting
from myriad.door.session.state import SessionState
from myriad.door.verdict.verdict import Verdict
from myriad.pgwire import wire
from myriad.pgwire.faults import Refused


def _missing(
    statements: ClientStatements | None, backend: Backend, verdict: Verdict
) -> dict[bytes, Statement]:
    """Return what a text names and that has not got its name on a connection yet."""
    if statements is None:
        return {}
    named, there = statements.named, backend.prepared.standing
    known = [name for name in map(str.encode, verdict.by_sql.executes) if name in named]
    return {name: named[name] for name in known if there.get(name) != named[name].token}


def stand(statements: ClientStatements, backend: Backend, verdict: Verdict) -> bool:
    """Have in the server what a text of the extended protocol executes, in this very unit.

    Returns whether something was sent.
    """
    if not verdict.by_sql.executes:  # nearly always
        return False
    standing = backend.prepared.standing
    missing = _missing(statements, backend, verdict)
    for name, statement in missing.items():
        backend.reset_level = max(backend.reset_level, EVERYTHING)
        statements.answers.completes(ours=True)
        statements.answers.completes(ours=True, undo=partial(standing.pop, name, None))
        standing[name] = statement.token
        parse = wire.parse(name, statement.sql, statement.types)
        backend.transport.write(wire.close_statement(name) + parse)
    return bool(missing)


def claim(
    statements: ClientStatements, backend: Backend, name: bytes, statement: Statement
) -> None:
    """Let a fresh statement have its name where SQL may have given it already: an error then."""
    if not backend.prepared.by_sql:
        return
    standing = backend.prepared.standing
    statements.answers.completes(ours=True, undo=partial(standing.pop, name, None))
    standing[name] = statement.token
    backend.transport.write(wire.parse(name, statement.sql, statement.types))


def stands(session: SessionState, backend: Backend, verdict: Verdict) -> bool:
    """Say whether a simple query may be sent; else it waits until what it names is there."""
    if not verdict.by_sql.executes:
        return True
    missing = _missing(session.statements, backend, verdict)
    if missing:
        session.wait_for(_stand(session, backend, missing))
    return not missing


async def _stand(session: SessionState, backend: Backend, missing: dict[bytes, Statement]) -> None:
    standing = backend.prepared.standing
    backend.reset_level = max(backend.reset_level, EVERYTHING)
    try:
        for name, statement in missing.items():
            standing.pop(name, None)
            await backend.prepare(name, statement.sql, statement.types)
            standing[name] = statement.token
    except Refused as refused:
        refuse_waiting(session, refused.fault)
        return
    if session.backend is backend:
        session.resume()
