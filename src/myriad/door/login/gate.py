"""Who somebody is: every way in proves it here."""

from typing import Protocol

from myriad.door.control.accounts import Accounts, Entry
from myriad.door.login.throttle import Throttle
from myriad.door.server.dial import Dial
from myriad.pgwire import scram
from myriad.pgwire.faults import Fault, Refused

_AGAIN = (
    "Case matters in name and password. Whoever runs this server gives a new one: `myriad person"
    " password NAME`."
)
_ASK = "Ask whoever runs this server: the account may be disabled, or not begun yet."


class Proof(Protocol):
    """How somebody proves who they are, such as a SCRAM exchange."""

    async def take(self, verifier: scram.Verifier) -> None:
        """Let the client send all that proves it; raises ProtocolViolation, scram.Malformed."""

    def check(self) -> scram.Keys | None:
        """Return the keys that log in to a server, too, if the proof holds; raises Malformed."""

    async def wait(self, seconds: float) -> None:
        """Let so much time go by; raises ConnectionResetError if the client goes meanwhile."""

    def accept(self) -> None:
        """Tell the client that the proof holds."""


class Gate:
    """Looks people up and checks what they prove; unknown and wrong are refused alike."""

    def __init__(
        self, accounts: Accounts, throttle: Throttle, dial: Dial, mock_secret: bytes
    ) -> None:
        """`mock_secret` is behind the salts of unknown names, which are always the same."""
        self._accounts = accounts
        self._throttle = throttle
        self._dial = dial
        self._mock_secret = mock_secret

    async def prove(self, name: str, database: str, address: str, proof: Proof) -> Entry:
        """Return who it is; raises Refused, the same for unknown names and bad passwords."""
        entry = await self._accounts.look_up(name, database)
        verifier = entry.verifier if entry else None
        await proof.take(verifier or scram.mock_verifier(self._mock_secret, name))
        with self._throttle.attempt(name, address) as seconds:
            keys = proof.check()
            if keys is None or entry is None or verifier is None or not entry.valid:
                self._throttle.failed(name, address)
                keys = None
            await proof.wait(seconds)
        if keys is None or entry is None:
            raise Refused(
                Fault("28P01", f'password authentication failed for user "{name}"', _AGAIN)
            )
        self._throttle.passed(name, address)
        proof.accept()
        _check_login(entry)
        if self._dial.wants_passwords:
            self._dial.secrets[name] = keys
        return entry

    async def trust(self, name: str, database: str) -> Entry:
        """Return whom a program of ours names, which has made sure of them by itself.

        Raises Refused: nobody comes so who could not with the right password.
        """
        entry = await self._accounts.look_up(name, database)
        if entry is None or entry.verifier is None or not entry.valid:
            raise Refused(
                Fault(
                    "28000",
                    f'nobody may come in as "{name}"',
                    "They are no person of this installation, or their account has expired.",
                )
            )
        _check_login(entry)
        return entry


def _check_login(entry: Entry) -> None:
    if not entry.may_log_in:
        raise Refused(Fault("28000", f'role "{entry.name}" is not permitted to log in', _ASK))
