"""Open connections to the server: log in as a role, or cancel a statement."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from myriad.door.server import peers, settings
from myriad.door.server.address import EITHER, Address
from myriad.pgwire import scram, wire
from myriad.pgwire.faults import Fault, Refused
from myriad.pgwire.kinds import AUTHENTICATION, ERROR, KEY, PARAMETER_STATUS, READY
from myriad.pgwire.wire import HEADER_BYTES, header

CONNECT_SECONDS = 10.0
# What a server says that starts, ends or has no place now: it will have one later.
NOT_NOW = frozenset({"57P01", "57P02", "57P03", "53300"})
SSL_YES = b"S"
_TELL = "Tell whoever runs this server: `myriad doctor` looks at what it runs on."
READ_ONLY = "default_transaction_read_only"  # the server tells when it changes


class NoServer(Exception):
    """The server does not answer now; it may later."""


class Connected(NamedTuple):
    """A connection that is logged in; whoever takes it becomes its transport's protocol at once.

    Attributes:
        number, key: what cancels its statement.
        parameters: what the server reported of its settings.
    """

    transport: Any
    number: int
    key: bytes
    parameters: dict[str, str]


@dataclass
class Dial:
    """Opens connections to one server.

    Attributes:
        secrets: passwords or keys of roles, where the server wants any.
    """

    address: Address
    secrets: dict[str, str | scram.Keys] = field(default_factory=dict)

    @property
    def wants_passwords(self) -> bool:
        """Whether roles log in with a secret: over a Unix socket the system says who we are."""
        return not self.address.is_socket

    async def connect(
        self,
        database: str,
        role: str,
        *,
        guarded: bool,
        reads: bool,
        path: Collection[str] | None,
    ) -> Connected:
        """Log in as `role`; `guarded`: texts must be read as the door reads them; see `Pool`.

        Raises NoServer, Refused.
        """
        async with _begun(self.secrets.get(role)) as login:
            await self._open(login)
            named = {"user": role, "database": database, "client_encoding": "UTF8"}
            if guarded:  # whatever the database says: see `verdict`
                named["standard_conforming_strings"] = "on"
            if path is not None:
                named["search_path"] = settings.listed(path)
            if reads:
                named[READ_ONLY] = "on"  # which RESET and DISCARD bring back
            login.transport.write(wire.startup(named))
            await login.done
        return Connected(login.transport, login.number, login.key, login.parameters)

    async def cancel(self, number: int, key: bytes) -> bool:
        """Ask the server to cancel what a connection runs; returns when it has been told.

        False: nobody knows whether it was, or will be later.
        """
        try:
            async with _begun(None) as login:
                await self._open(login)
                login.transport.write(wire.cancel(number, key))
                await login.closed
        except NoServer:
            return False
        return True

    async def _open(self, login: "_Login") -> None:
        loop = asyncio.get_running_loop()
        if self.address.is_socket:
            await loop.create_unix_connection(lambda: login, self.address.path)
            return
        plain, _ = await loop.create_connection(lambda: login, self.address.host, self.address.port)
        peers.keep_alive(plain)
        if not self.address.encrypts:
            return
        login.asked_for_tls = loop.create_future()
        plain.write(wire.ssl_request())
        if await login.asked_for_tls == SSL_YES:
            name, context = self.address.host, self.address.context()
            login.transport = await loop.start_tls(plain, login, context, server_hostname=name)
        elif self.address.sslmode != EITHER:
            raise NoServer("it does not speak TLS, and sslmode wants it")


@asynccontextmanager
async def _begun(secret: str | scram.Keys | None) -> AsyncIterator["_Login"]:
    """Give the start of a connection, which ends if it comes to nothing, or takes too long.

    Raises NoServer.
    """
    login = _Login(secret)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            yield login
    except BaseException as error:
        if login.transport is not None:
            login.transport.abort()
        # RuntimeError: uvloop's for writing to a connection that is closed
        if isinstance(error, (OSError, TimeoutError, RuntimeError)):
            raise NoServer(str(error) or "it does not answer in time") from error
        raise


class _Login(asyncio.Protocol):
    """The start of a server connection, up to its first ReadyForQuery.

    Attributes:
        transport: by which the server is spoken to, encrypted if need be; None: it is not there.
    """

    def __init__(self, secret: str | scram.Keys | None) -> None:
        loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.asked_for_tls: asyncio.Future[bytes] | None = None
        self.number, self.key = 0, b""
        self.parameters: dict[str, str] = {}
        self._client = scram.Client(secret) if secret is not None else None
        self._data = b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Take messages of the start."""
        if self.asked_for_tls is not None and not self.asked_for_tls.done():
            self.asked_for_tls.set_result(data)
            return
        data = self._data + data
        position = 0
        while len(data) - position >= HEADER_BYTES:
            kind, size = header(data, position)
            stop = position + size + 1
            if stop > len(data):
                break
            self._take(kind, data[position + HEADER_BYTES : stop])
            position = stop
        self._data = data[position:]

    def _take(self, kind: int, body: bytes) -> None:
        if kind == AUTHENTICATION:
            try:
                self._authenticate(wire.integer(body), body[4:])
            except scram.Malformed as problem:
                self._fail(Refused(Fault("28P01", str(problem), _TELL)))
        elif kind == PARAMETER_STATUS:
            name, position = wire.cut(body)
            self.parameters[name.decode()] = wire.cut(body, position)[0].decode()
        elif kind == KEY:
            self.number, self.key = wire.integer(body), body[4:]
        elif kind == ERROR:
            fields = wire.error_fields(body)
            fault = Fault(fields.get("C", ""), fields.get("M", ""), fields.get("H", ""))
            self._fail(NoServer(fault.message) if fault.code in NOT_NOW else Refused(fault))
        elif kind == READY and not self.done.done():
            self.done.set_result(None)

    def _authenticate(self, code: int, body: bytes) -> None:
        if code == 0:
            return
        if self._client is None:
            raise scram.Malformed("the server asks for a password, and the door has none")
        if code == 10:  # noqa: PLR2004 - AuthenticationSASL
            first = self._client.first()
            answer = scram.PLAIN.encode() + b"\0" + len(first).to_bytes(4, "big") + first
        elif code == 11:  # noqa: PLR2004 - AuthenticationSASLContinue
            answer = self._client.final(body)
        elif code == 12:  # noqa: PLR2004 - AuthenticationSASLFinal
            self._client.verify(body)
            return
        else:
            raise scram.Malformed("the server asks for another kind of password than SCRAM-SHA-256")
        self.transport.write(wire.message(b"p", answer))

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """End what waits."""
        if not self.closed.done():
            self.closed.set_result(None)
        if self.asked_for_tls is not None and not self.asked_for_tls.done():
            self.asked_for_tls.set_exception(NoServer("it ended the connection"))
        self._fail(NoServer(str(exc or "it ended the connection")))
        if not self.done.cancelled():
            self.done.exception()  # nobody may wait for it any more
