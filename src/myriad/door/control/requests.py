"""What the command line asks a running door, by way of the control database."""

import json
from typing import Any

from myriad.door.control.control import Control
from myriad.door.ports import Sessions
from myriad.pgwire.faults import Fault

_ASK = "Ask whoever runs this server before you try again."
_STOPPED = Fault(
    "57014", "canceling statement: somebody stopped it with `myriad people stop`", _ASK
)
_WITHDRAWN = Fault("57P01", "terminating connection: what it was let in with was withdrawn", _ASK)
_DISCONNECTED = Fault(
    "57P01",
    "terminating connection: somebody ended it with `myriad people stop --disconnect`",
    _ASK,
)
_ENDED = Fault("57P01", "this account was removed, or its sessions were ended", _ASK)


# Each process of the door adds its own: see `myriad.control.asking`.
_ANSWER = """
    UPDATE public.request
    SET answer = coalesce(answer, '{}') || jsonb_build_object($2::text, $3::text::jsonb)
    WHERE id = $1"""


# Who asks waits for each process that is connected to the control database, listening or not.
_MISSED = """
    SELECT id FROM public.request
    WHERE asked > now() - interval '30 seconds' AND NOT coalesce(answer, '{}') ? $1"""


class Requests:
    """Answers requests: who does what, stop what somebody runs, end their sessions."""

    def __init__(self, sessions: Sessions, control: Control) -> None:
        self._sessions = sessions
        self._control = control
        self._under_way: set[int] = set()

    def catch_up(self) -> None:
        """Answer in the background what was asked while no notification was heard."""
        self._sessions.spawn(self._answer_missed())

    async def _answer_missed(self) -> None:
        for row in await self._control.fetch(_MISSED, self._control.name):
            await self._answer(row["id"])

    def notified(self, number: str) -> None:
        """Answer the request of that number in the background."""
        if number.isdigit():
            self._sessions.spawn(self._answer(int(number)))

    async def _answer(self, number: int) -> None:
        if number in self._under_way:
            return
        self._under_way.add(number)
        try:
            await self._answer_it(number)
        finally:
            self._under_way.discard(number)

    async def _answer_it(self, number: int) -> None:
        question = "SELECT what, who FROM public.request WHERE id = $1"
        rows = await self._control.fetch(question, number)
        for row in rows:
            answer = await self._do(row["what"], set(row["who"]))
            await self._control.execute(_ANSWER, number, self._control.name, json.dumps(answer))
            await self._control.execute("SELECT pg_notify('myriad_answer', $1)", str(number))

    async def _do(self, what: str, who: set[str]) -> Any:  # noqa: ANN401 - JSON
        if what == "activity":
            return self._sessions.activity(who)
        if what == "stop":
            return {"stopped": self._sessions.stop_all(who, _STOPPED)}
        if what == "end_ids":
            return {"ended": await self._sessions.end_ids(who, _WITHDRAWN)}
        if what == "disconnect":
            return {"ended": await self._sessions.end_all(who, _DISCONNECTED)}
        if what == "end":
            return {"ended": await self._sessions.end_all(who, _ENDED)}
        return {"error": f"the door knows no request {what!r}"}
