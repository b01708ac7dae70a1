"""What a new session is told of its settings, learnt from the server once for equal sessions."""

from dataclasses import dataclass

from myriad.door.cache import Cache
from myriad.door.pool.pool import Pool
from myriad.door.server import settings
from myriad.door.server.backend import Backend
from myriad.door.server.settings import Values
from myriad.door.verdict import reported
from myriad.door.verdict.reported import ENCODING
from myriad.pgwire import wire
from myriad.pgwire.faults import Fault, Refused
from myriad.pgwire.startup import Startup

MOST_BYTES = 8 << 20
PROFILE_BYTES = 2000  # of a pool that has gone otherwise, of the small objects of a profile
SETTING_BYTES = 150  # of the small objects around a name and its value, twice
_PATH = "search_path"
Key = tuple[Pool, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Profile:
    """The settings that a session begins with, and the ParameterStatus messages about them.

    It was learnt where the server connection's own search_path is `path`.
    """

    values: Values
    statuses: bytes
    path: tuple[str, ...] | None


class Profiles:
    """Profiles by pool and startup parameters; `cache` holds them."""

    def __init__(self) -> None:
        self.cache: Cache[Key, Profile] = Cache(MOST_BYTES, _weigh)

    def known(self, pool: Pool, startup: Startup) -> Profile | None:
        """Return the profile if the server was asked before."""
        found = self.cache.get((pool, frozenset(startup.named.items())))
        return found if found is not None and found.path == pool.path else None

    def forget(self, pool: Pool) -> None:
        """Ask again: a pool's connections begin with other settings now."""
        for key in [key for key in self.cache if key[0] is pool]:
            self.cache.pop(key)

    async def learn(self, pool: Pool, startup: Startup, backend: Backend) -> Profile:
        """Make the settings on a server connection and see what comes of it.

        Raises Refused with the server's error, Lost.
        """
        named = {name.lower(): value for name, value in startup.named.items()}
        if not (_PATH in named or reported.fits(named, pool.reported)):
            first = (pool.path or ())[:1]  # what can be told, of what is always looked in
            tellable = (name for name in first if reported.can_tell(named.get(ENCODING), name))
            named[_PATH] = settings.listed(tellable)
        wanted = settings.of(named)
        if not reported.fits(wanted.named, pool.reported):
            raise Refused(reported.UNTOLD)
        await backend.apply(wanted)
        statuses = b"".join(
            wire.parameter_status(name, value)
            for name, value in backend.parameters.items()
            if name != "session_authorization"
        )
        profile = Profile(wanted, statuses, backend.path)
        self.cache.put((pool, frozenset(startup.named.items())), profile)
        return profile


def _weigh(key: Key, profile: Profile) -> int:
    named = sum(2 * (len(name) + len(value)) + SETTING_BYTES for name, value in key[1])
    return PROFILE_BYTES + named + len(profile.statuses)


def objection(pool: Pool, startup: Startup) -> Fault | None:
    """Return why a guarded connection cannot have such settings, None if it can."""
    if not startup.named or not pool.guarded:
        return None
    verdict = pool.verdicts.of(settings.setting(startup.named).encode())
    refusal = verdict.refusal if verdict else None  # it is short: a startup message is
    return Fault(refusal.sqlstate, refusal.message, refusal.hint) if refusal else None
