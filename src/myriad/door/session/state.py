"""What a session is at the moment, as its parts see it: each in an object that one file changes."""

import asyncio
import time
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from myriad.door.control.accounts import Account, Accounts
from myriad.door.control.copy_text import fields
from myriad.door.pool.pool import Pool
from myriad.door.ports import Came, Client, Ledger, Siblings, Troubles
from myriad.door.server.backend import Backend
from myriad.door.server.settings import Values
from myriad.door.session.frontend import Frontend
from myriad.door.session.long_messages import Room
from myriad.door.session.parameters import Parameters
from myriad.door.session.pin import Pin
from myriad.door.session.quota import Quota
from myriad.door.session.unit import Unit
from myriad.door.verdict.verdict import Verdict
from myriad.pgwire import wire

if TYPE_CHECKING:
    from myriad.door.session.client_statements import ClientStatements


class Shared(Protocol):
    """What all sessions have together, as one of them sees it.

    Attributes:
        accounts: everybody who is logged in.
        ledger: is told of each unit that has ended; `troubles`: of each error.
        room: for what is held for clients.
        siblings: the door's processes.
        newer_grammar: the server may read texts that the door cannot.
    """

    accounts: Accounts
    ledger: Ledger
    troubles: Troubles
    room: Room
    siblings: Siblings
    newer_grammar: bool

    @property
    def sessions(self) -> Mapping[int, "SessionState"]:
        """All of them, by the number that their clients cancel with."""

    def spawn(self, work: Coroutine[Any, Any, None], /) -> asyncio.Task[None]:
        """Run something that no client waits for by itself."""

    def watch(self, session: "SessionState") -> None:
        """Look from now on whether its client hangs up."""

    def note_settings(self, session: "SessionState") -> None:
        """Hear that a session may have got another idle_session_timeout."""

    async def look_at_defaults(self) -> None:
        """Replace server connections where new ones would begin with other settings."""

    def stop(self, session: "SessionState") -> None:
        """Cancel what a session runs now."""

    def abandon(self, backend: Backend) -> None:
        """End a server connection whose client vanished while it worked."""

    def forget(self, session: "SessionState") -> None:
        """Hear that a session has ended."""


class Whose(NamedTuple):
    """Whose a session is: the account, where its statements run, and how its client came."""

    account: Account
    pool: Pool
    came: Came


class SessionState(Frontend):
    """The state of a session.

    Attributes:
        shared: what it has with all sessions.
        account: of its person; `pool`: where its statements run; `came`: how its client did.
        number: by which its client cancels.
        statements: those that its client has prepared; None until it speaks the extended protocol.
        who: the person, the database, the address and the way in, as the audit has them.
        tries: server connections that were lost before they could be used.
        since: when it got its server connection, by the clock of statements.
        changed_at: when it last began to wait, or ended a unit, by time.monotonic().
    """

    __slots__ = (
        "account",
        "came",
        "changed_at",
        "number",
        "parameters",
        "pin",
        "pool",
        "quota",
        "shared",
        "since",
        "statements",
        "tries",
        "unit",
        "who",
    )

    def __init__(self, client: Client, shared: Shared, whose: Whose, values: Values) -> None:
        super().__init__(client)
        self.shared, (self.account, self.pool, self.came) = shared, whose
        self.who = self.who_in(self.pool)
        self.number = self.tries = self.since = 0
        self.unit, self.quota = Unit(), Quota(self.account)
        self.parameters, self.pin = Parameters(values), Pin()
        self.statements: ClientStatements | None = None
        self.changed_at = time.monotonic()

    def who_in(self, pool: Pool) -> bytes:
        """Return what `who` is where its statements run in that pool."""
        return fields(self.account.name, pool.database, self.came.address, self.came.way)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction block is open."""
        return self.unit.status != wire.IDLE

    @property
    def busy(self) -> bool:
        """Whether the server works, or may, for this session."""
        return self.awaiting or self.unit.open

    def verdict_of(self, text: bytes) -> Verdict | None:
        """Return what a text leaves behind; None if finding out takes a while."""
        raise NotImplementedError

    def acquire(self) -> Backend | None:
        """Return a server connection with our settings; None if that takes a while."""
        raise NotImplementedError

    def give_up(self) -> None:
        """Wait for a server connection no more."""
        raise NotImplementedError

    def deliver(self, data: bytes, rows: int, begin: int = 0) -> None:
        """Pass on a part of an answer; what is no row is passed on whatever the limits are."""
        raise NotImplementedError

    async def before_ready(self, status: int) -> None:
        """Do what must be done before the client hears that its unit is over, then say so."""
        raise NotImplementedError

    def ready(self, status: int) -> None:
        """End the unit: the client has been told, or is told by the caller."""
        raise NotImplementedError

    def note_ended(self) -> None:
        """Have the unit that has ended written down."""
        self.shared.ledger.add(self.unit.ended(time.monotonic(), self.who, self.quota))

    def start_unit(self, text: bytes) -> None:
        """Note what begins now, for limits and audit."""
        self.unit.start(text, self.quota)

    def release(self) -> None:
        """Let go of all that is held for the client; nothing waits for the collector."""
        self.drop()
        statements, self.statements = self.statements, None
        if statements is not None:
            statements.leave()

    def note_server(self, number: int) -> None:
        """Let the door's other processes know which process of the server serves this session."""
        if self.shared.siblings.several:
            self.shared.siblings.serve(self.number, number)

    def detach(self) -> Backend | None:
        """Let go of the server connection; the caller says what becomes of it."""
        backend = self.let_go()
        if backend is not None:
            self.account.end()
            self.note_server(0)
            self.pin.let_go(self.account, self.pool)
        return backend
