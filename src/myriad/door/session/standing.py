"""SQL's EXECUTE of what a client has prepared by the protocol.

In the server such a statement has a name of the door's, and perhaps it is not on this connection
at all. So it is prepared there once more, under the client's own name, before EXECUTE comes. Nobody
else meets that name: whoever gets the connection next gets it without any statement.
"""

from functools import partial
from typing import TYPE_CHECKING

from myriad.door.pool.pool import EVERYTHING
from myriad.door.session.refusals import refuse_waiting
from myriad.pgwire import wire
from myriad.pgwire.faults import Refused

if TYPE_CHECKING:
    from myriad.door.server.backend import Backend
    from myriad.door.server.statements import Statement
    from myriad.door.session.extended import Extended
    from myriad.door.session.session import Session
    from myriad.door.verdict.verdict import Verdict


def _missing(
    extended: "Extended | None", backend: "Backend", verdict: "Verdict"
) -> dict[bytes, "Statement"]:
    """Return what a text names and that has not got its name on a connection yet."""
    if extended is None:
        return {}
    named, there = extended.named, backend.prepared.standing
    known = [name for name in map(str.encode, verdict.executes) if name in named]
    return {name: named[name] for name in known if there.get(name) != named[name].token}


def stand(extended: "Extended", backend: "Backend", verdict: "Verdict") -> bool:
    """Have in the server what a text of the extended protocol executes, in this very unit.

    Returns whether something was sent.
    """
    if not verdict.executes:  # nearly always
        return False
    standing = backend.prepared.standing
    missing = _missing(extended, backend, verdict)
    for name, statement in missing.items():
        backend.dirt = max(backend.dirt, EVERYTHING)
        extended.answers.completes(ours=True)
        extended.answers.completes(ours=True, undo=partial(standing.pop, name, None))
        standing[name] = statement.token
        parse = wire.parse(name, statement.sql, statement.types)
        backend.transport.write(wire.close_statement(name) + parse)
    return bool(missing)


def claim(extended: "Extended", backend: "Backend", name: bytes, statement: "Statement") -> None:
    """Let a fresh statement have its name where SQL may have given it already: an error then."""
    if not backend.prepared.by_sql:
        return
    standing = backend.prepared.standing
    extended.answers.completes(ours=True, undo=partial(standing.pop, name, None))
    standing[name] = statement.token
    backend.transport.write(wire.parse(name, statement.sql, statement.types))


def stands(session: "Session", backend: "Backend", verdict: "Verdict") -> bool:
    """Say whether a simple query may be sent; else it waits until what it names is there."""
    if not verdict.executes:
        return True
    missing = _missing(session.extended, backend, verdict)
    if missing:
        session.wait_for(_stand(session, backend, missing))
    return not missing


async def _stand(session: "Session", backend: "Backend", missing: dict[bytes, "Statement"]) -> None:
    standing = backend.prepared.standing
    backend.dirt = max(backend.dirt, EVERYTHING)
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
