"""What the command line asks a running door, by way of the control database."""

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from myriad.door.control.control import Control
from myriad.door.verdict.masking import masked
from myriad.pgwire.faults import Fault

if TYPE_CHECKING:
    from myriad.door.door import Door
    from myriad.door.session.session import Session

MOST_TEXT_BYTES = 500
END_SECONDS = 10.0
_STOPPED = Fault("57014", "canceling statement: somebody stopped it with `myriad people stop`")
_ENDED = Fault("57P01", "this account was removed, or its sessions were ended")


class Requests:
    """Answers requests: who does what, stop what somebody runs, end their sessions."""

    def __init__(self, door: "Door", control: Control) -> None:
        self._door = door
        self._control = control

    def heard(self, number: str) -> None:
        """Answer the request of that number in the background."""
        if number.isdigit():
            self._door.spawn(self._answer(int(number)))

    async def _answer(self, number: int) -> None:
        question = "SELECT what, who FROM public.request WHERE id = $1"
        rows = await self._control.fetch(question, number)
        for row in rows:
            answer = await self._do(row["what"], set(row["who"]))
            await self._control.execute(
                "UPDATE public.request SET answer = $2::text::jsonb WHERE id = $1",
                number,
                json.dumps(answer),
            )
            await self._control.execute("SELECT pg_notify('myriad_answer', $1)", str(number))

    async def _do(self, what: str, who: set[str]) -> Any:  # noqa: ANN401 - JSON
        sessions = [
            session
            for session in self._door.sessions.values()
            if not who or session.account.name in who
        ]
        if what == "activity":
            return [activity(session) for session in sessions]
        if what == "stop":
            return {"stopped": self._stop(sessions) if who else 0}
        if what == "end":
            return {"ended": await self._end(sessions) if who else 0}
        return {"error": f"the door knows no request {what!r}"}

    def _stop(self, sessions: list["Session"]) -> int:
        working = [session for session in sessions if session.busy or session.paused]
        for session in working:
            session.reason = _STOPPED
            self._door.stop(session)
        return len(working)

    async def _end(self, sessions: list["Session"]) -> int:
        for session in sessions:
            session.end(_ENDED)
            session.transport.abort() if session.busy else None
        deadline = time.monotonic() + END_SECONDS
        while any(session.number in self._door.sessions for session in sessions):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.01)
        return len(sessions)


def activity(session: "Session") -> dict[str, Any]:
    """Return what a session does now."""
    if session.backend is None and session.paused:
        state, since = "waiting", session.changed_at
    elif session.busy:
        state, since = "active", session.began
    elif session.in_transaction:
        state, since = "idle in transaction", session.changed_at
    else:
        state, since = "idle", session.changed_at
    return {
        "person": session.account.name,
        "database": session.pool.database,
        "address": session.address,
        "state": state,
        "seconds": round(time.monotonic() - since, 3),
        "statement": masked(session.text)[:MOST_TEXT_BYTES].decode(errors="replace"),
        "application": session.values.named.get("application_name", ""),
        "pool": session.pool.role,
        "process": session.backend.number if session.backend else 0,
        "rows": session.rows,
        "bytes": session.bytes,
    }
