"""What a new session is told of its settings, learnt from the server once for equal sessions."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from myriad.door import settle, values, wire
from myriad.door.startup import Startup
from myriad.door.values import Values
from myriad.door.wire import Fault

if TYPE_CHECKING:
    from myriad.door.backend import Backend
    from myriad.door.pool import Pool

MOST_KNOWN = 2000


@dataclass(frozen=True, slots=True)
class Profile:
    """The settings that a session begins with, and the ParameterStatus messages about them."""

    values: Values
    statuses: bytes


class Profiles:
    """Profiles by pool and startup parameters."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Pool, frozenset[tuple[str, str]]], Profile] = OrderedDict()

    def known(self, pool: "Pool", startup: Startup) -> Profile | None:
        """Return the profile if the server was asked before."""
        key = (pool, frozenset(startup.named.items()))
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def forget(self) -> None:
        """Ask again: databases or roles may have got other settings."""
        self._known.clear()

    async def learn(self, pool: "Pool", startup: Startup, backend: "Backend") -> Profile:
        """Make the settings on a server connection and see what comes of it.

        Raises Refused with the server's error, Lost.
        """
        wanted = values.of({name.lower(): value for name, value in startup.named.items()})
        await settle.become(backend, wanted)
        statuses = b"".join(
            wire.parameter_status(name, value)
            for name, value in backend.parameters.items()
            if name != "session_authorization"
        )
        profile = self._known[pool, frozenset(startup.named.items())] = Profile(wanted, statuses)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return profile


def objection(pool: "Pool", startup: Startup) -> Fault | None:
    """Return why a shared connection cannot have such settings, None if it can."""
    if not startup.named or not pool.shared:
        return None
    verdict = pool.verdicts.of(values.setting(startup.named).encode())
    refusal = verdict.refusal if verdict else None  # it is short: a startup message is
    return Fault(refusal.sqlstate, refusal.message, refusal.hint) if refusal else None
