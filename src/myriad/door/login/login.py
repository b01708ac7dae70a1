"""The start of a client's connection: TLS, startup message, SCRAM, until it is a session."""

import asyncio
import logging
import ssl
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from myriad.door.control.accounts import Entry
from myriad.door.login.gate import Gate
from myriad.door.login.records import Records
from myriad.door.ports import Came, Client
from myriad.door.server import peers
from myriad.pgwire import scram, wire
from myriad.pgwire.faults import Fault, Refused
from myriad.pgwire.kinds import PASSWORD
from myriad.pgwire.startup import Startup, read_startup
from myriad.pgwire.wire import HEADER_BYTES, ProtocolViolation, header
from myriad.settings import Settings

MOST_MESSAGE_BYTES = 8192  # of a login: a SCRAM message has some 200
# Of all logins together, beyond which only those go on that have sent no more than most ever do.
MOST_OF_ALL_BYTES, USUAL_BYTES = 32 << 20, 4096
MOST_OF_ONE_BYTES = 2 * max(MOST_MESSAGE_BYTES, wire.MOST_STARTUP_BYTES)
LOCAL = "local"  # the address of who comes by a Unix socket: nobody can listen to that
SHUTDOWN_SECONDS = 1.0  # that a client may take to say goodbye; few do
# Where no place is left, so many at once are told so after their startup message, which they may
# send encrypted, and may cancel; others hear it at once, and most clients do not understand that.
MOST_TURNED_AWAY, TURN_AWAY_SECONDS = 32, 5.0
ALPN = "postgresql"
_HANDSHAKE = 0x16  # of a TLS record (RFC 8446, section 5.1); no startup packet is that long
_ACCEPTED, _DENIED = b"S", b"N"
_FAILED = Fault("XX000", "the door has failed", "See `myriad logs --door`.")
_TOO_LONG = Fault("53200", "too many long logins at once", "Try again later.")


log = logging.getLogger("myriad.door")


@dataclass(frozen=True, slots=True)
class Tls:
    """How clients' connections are encrypted; `binding` is the certificate's hash (RFC 5929)."""

    context: ssl.SSLContext
    binding: bytes


class Opened(Protocol):
    """A session that was opened for a client, and not begun."""

    def begin(self) -> None:
        """Tell the client that it is logged in."""

    def data_received(self, data: bytes) -> None:
        """Handle what the client sent."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear that the client has gone."""


class Hall(Protocol):
    """Where a login leads: the door, as a login sees it; it holds `most_clients`."""

    most_clients: int

    def admit(self, logins: int) -> Fault | None:
        """Return why there is no place for one more beside so many logins, None if there is."""

    def logins_left(self, number: int) -> None:
        """Hear that a login is over, and how many are under way."""

    def late(self) -> Fault:
        """Return why a login took too long."""

    def cancel(self, number: int, key: bytes) -> None:
        """Cancel what a session runs now, if the key is its own."""

    def spawn(self, work: Coroutine[Any, Any, None], /) -> asyncio.Task[None]:
        """Run something that no client waits for by itself."""

    async def open(self, entry: Entry, startup: Startup, client: Client, came: Came) -> Opened:
        """Make a session of a client that has proven who it is; raises Refused."""


class Logins:
    """Those that are under way, and what they share.

    Attributes:
        under_way: all that have a place; `turned_away`: those that do not, and still must hear it.
        bytes: what they have sent; `many_bytes`: of which only those send more
            that have sent little. Each process of the door has its part.
    """

    def __init__(
        self, hall: Hall, gate: Gate, settings: Settings, tls: Tls | None, processes: int
    ) -> None:
        self.hall, self.gate, self.tls = hall, gate, tls
        self.seconds, self.wants_tls = settings.login_timeout, settings.tls == "require"
        self.under_way: set[Login] = set()
        self.turned_away: set[Login] = set()
        self.bytes, self.many_bytes = 0, MOST_OF_ALL_BYTES // processes

    @property
    def most_bytes(self) -> int:
        """How much all that clients send may be, before they are logged in."""
        most = self.hall.most_clients + MOST_TURNED_AWAY
        return self.many_bytes + most * USUAL_BYTES + MOST_OF_ONE_BYTES


class Login(asyncio.Protocol):
    """A client that is not logged in yet; to its Gate, the proof of who it is."""

    def __init__(self, logins: Logins) -> None:
        self._logins = logins
        self._tls = logins.tls
        self._buffer = b""
        self._more: asyncio.Future[None] | None = None
        self._lost = self._asked_for_gss = self._encrypted = False
        self._full: Fault | None = None
        self._received = 0
        self._transport: Any = None
        self._address = ""
        self._deadline = 0.0
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport
        peers.keep_alive(transport)
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else LOCAL
        logins = self._logins
        self._full = logins.hall.admit(len(logins.under_way))
        if self._full is not None and len(logins.turned_away) >= MOST_TURNED_AWAY:
            self._refuse(self._full)
            return
        (logins.under_way if self._full is None else logins.turned_away).add(self)
        self._task = logins.hall.spawn(self._run())

    def data_received(self, data: bytes) -> None:
        """Keep what came for whoever waits for it."""
        logins = self._logins
        self._received += len(data)
        logins.bytes += len(data)
        if len(self._buffer) + len(data) > MOST_OF_ONE_BYTES:
            self._transport.abort()
            return
        if self._received > USUAL_BYTES and logins.bytes > logins.many_bytes:
            self._refuse(_TOO_LONG)
            return
        self._buffer += data
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End what waits."""
        self._lost = True
        self._over()
        if self._more is not None and not self._more.done():
            self._more.set_exception(ConnectionResetError())

    async def _run(self) -> None:
        longest = self._logins.seconds if self._full is None else TURN_AWAY_SECONDS
        try:
            async with asyncio.timeout(longest) as timeout:
                self._deadline = timeout.when() or 0.0
                await self._log_in()
        except Refused as refused:
            self._refuse(refused.fault)
        except ProtocolViolation as problem:
            self._refuse(Fault(problem.code, str(problem)))
        except scram.Malformed as problem:
            self._refuse(Fault("08P01", str(problem)))
        except TimeoutError:
            self._refuse(self._full or self._logins.hall.late())
        except (OSError, ssl.SSLError):
            self._transport.abort()
        except Exception as error:
            if not (self._lost and isinstance(error, RuntimeError)):  # uvloop's, of a closed one
                log.exception("in a login")
                self._refuse(_FAILED)
        finally:
            self._over()

    def _over(self) -> None:
        """Be a login no more, and hold nothing of it."""
        self._logins.under_way.discard(self)
        self._logins.turned_away.discard(self)
        self._logins.hall.logins_left(len(self._logins.under_way))
        self._logins.bytes -= self._received
        self._received, self._buffer = 0, b""

    def _refuse(self, fault: Fault) -> None:
        if not self._lost:
            with suppress(RuntimeError, OSError):
                self._transport.write(fault.encode("FATAL"))
                self._transport.close()

    async def _log_in(self) -> None:
        packet = await self._first_packet()
        if packet is None:
            return
        if self._full is not None:
            raise Refused(self._full)
        if self._logins.wants_tls and not (self._encrypted or self._address == LOCAL):
            raise Refused(Fault("28000", "this server wants TLS", "Connect with sslmode=require."))
        startup, entry, came = await self._identify(packet)
        self._transport.write(wire.AUTHENTICATION_OK)
        client = Records(self._transport) if self._encrypted else self._transport
        session = await self._logins.hall.open(entry, startup, client, came)
        self._hand_over(session)

    async def _identify(self, packet: bytes) -> tuple[Startup, Entry, Came]:
        """Return what a startup message says, who sent it, and how they came."""
        startup = read_startup(packet)
        self._negotiate(startup.minor, list(startup.extensions))
        proof = ScramProof(self, self._binding)
        gate, address = self._logins.gate, self._address
        entry = await gate.prove(startup.user, startup.database, address, proof)
        return startup, entry, Came(address)

    def _negotiate(self, minor: int, unknown: list[str]) -> None:
        if unknown or minor > 2:  # noqa: PLR2004 - protocol 3.2 is the newest
            self._transport.write(wire.negotiate(minor, unknown))

    @property
    def _binding(self) -> bytes | None:
        tls = self._tls
        return tls.binding if tls is not None and self._encrypted else None

    def _hand_over(self, session: Opened) -> None:
        """Let a session have the client, and what it has sent already behind its login."""
        if self._lost or self._transport.is_closing():  # nobody else would tell it
            session.connection_lost(None)
            raise ConnectionResetError
        self._transport.set_protocol(session)
        session.begin()
        data, self._buffer = self._buffer, b""
        if data:
            session.data_received(data)

    async def _first_packet(self) -> bytes | None:
        """Return the startup message, with TLS if asked for; None if it was another request."""
        if await self._begins_with_tls():
            await self._start_tls_at_once()
        while True:
            size = wire.integer(await self._take(4))
            if not 8 <= size <= wire.MOST_STARTUP_BYTES:  # noqa: PLR2004 - size and code
                raise ProtocolViolation("invalid length of startup packet")
            packet = await self._take(size - 4)
            code = wire.integer(packet)
            if code == wire.CANCEL_REQUEST:
                self._logins.hall.cancel(wire.integer(packet, 4) if size >= 16 else 0, packet[8:])  # noqa: PLR2004
                self._transport.close()
                return None
            if code == wire.GSS_REQUEST and not self._asked_for_gss:
                self._asked_for_gss = True
                self._transport.write(_DENIED)
            elif code == wire.SSL_REQUEST and not self._encrypted:
                await self._start_tls()
            else:
                return packet

    async def _start_tls(self) -> None:
        tls = self._tls
        if tls is None:
            self._transport.write(_DENIED)
            return
        if self._buffer:  # sent in the clear, to be taken for something sent encrypted
            raise ProtocolViolation("received unencrypted data after SSL request")
        self._transport.write(_ACCEPTED)
        self._take_over(await self._handshake(tls))

    def _handshake(self, tls: Tls) -> Coroutine[Any, Any, asyncio.Transport | None]:
        return asyncio.get_running_loop().start_tls(
            self._transport,
            self,
            tls.context,
            server_side=True,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS,
        )

    def _take_over(self, encrypted: asyncio.Transport | None) -> None:
        if encrypted is None:
            raise ConnectionResetError
        self._transport, self._encrypted = encrypted, True

    async def _begins_with_tls(self) -> bool:
        """Say whether a client begins with TLS, without asking (`sslnegotiation=direct`)."""
        await self._wait_for(1)
        return self._buffer[0] == _HANDSHAKE and self._tls is not None

    async def _start_tls_at_once(self) -> None:
        """Encrypt; raises ProtocolViolation for who does not say that it speaks PostgreSQL's.

        https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-SSL: ALPN is mandatory.
        """
        loop = asyncio.get_running_loop()
        assert self._tls is not None  # noqa: S101 - it was looked at
        begun, self._buffer = self._buffer, b""
        handshake = loop.create_task(self._handshake(self._tls))
        await asyncio.sleep(0)  # it has scheduled that it takes the transport; what came is next
        loop.call_soon(feed, self._transport, begun)
        self._take_over(await handshake)
        spoken = self._transport.get_extra_info("ssl_object")
        if spoken is None or spoken.selected_alpn_protocol() != ALPN:
            raise ProtocolViolation(
                "received direct SSL connection request without ALPN protocol negotiation extension"
            )

    async def _wait_for(self, size: int) -> None:
        while len(self._buffer) < size:
            if self._lost:
                raise ConnectionResetError
            self._more = asyncio.get_running_loop().create_future()
            await self._more

    async def _take(self, size: int) -> bytes:
        await self._wait_for(size)
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    async def message(self) -> bytes:
        """Return the next message of a proof; raises ProtocolViolation, ConnectionResetError."""
        kind, size = header(await self._take(HEADER_BYTES), 0)
        if kind != PASSWORD or not 4 <= size <= MOST_MESSAGE_BYTES:  # noqa: PLR2004
            raise ProtocolViolation("expected SASL response")
        return await self._take(size - 4)

    def send(self, data: bytes) -> None:
        """Send a message to the client."""
        self._transport.write(data)

    async def wait(self, seconds: float) -> None:
        """Give the answer later, but in time for a client that took long itself."""
        loop = asyncio.get_running_loop()
        end = min(loop.time() + seconds, (loop.time() + self._deadline) / 2)
        while (left := end - loop.time()) > 0:
            self._more = loop.create_future()
            await asyncio.wait([self._more], timeout=left)
            if self._more.done():
                self._more.result()  # raises if the client has gone
            self._more = None


def feed(transport: Any, data: bytes) -> None:  # noqa: ANN401 - uvloop's have no types
    """Let what reads from a transport now have what came before it did."""
    protocol = transport.get_protocol()
    if protocol is None:  # the client has gone meanwhile
        return
    while data:
        room = protocol.get_buffer(len(data))
        size = min(len(room), len(data))
        room[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]


class ScramProof:
    """A SCRAM exchange with a client that logs in: it is a Proof for the Gate."""

    def __init__(self, login: Login, binding: bytes | None) -> None:
        self._login, self._binding = login, binding
        self._exchange: scram.Exchange | None = None
        self._server_key = self._proof = self._final = b""

    async def take(self, verifier: scram.Verifier) -> None:
        """Let the client send its two messages; raises ProtocolViolation, scram.Malformed."""
        offered = [scram.PLUS, scram.PLAIN] if self._binding else [scram.PLAIN]
        names = b"".join(wire.text(each) for each in offered)
        self._login.send(wire.authentication(10, names + b"\0"))
        message = await self._login.message()
        mechanism, position = wire.cut(message)
        if mechanism.decode(errors="replace") not in offered:
            raise ProtocolViolation("client selected an invalid SASL authentication mechanism")
        self._server_key = verifier.server_key
        self._exchange = scram.Exchange(verifier, mechanism.decode(), self._binding)
        first = self._exchange.begin(message[position + 4 :])
        self._login.send(wire.authentication(11, first))
        self._proof = await self._login.message()

    def check(self) -> scram.Keys | None:
        """Return the keys that log in to a server, too, if the proof holds; raises Malformed."""
        exchange = self._exchange
        final = exchange.finish(self._proof) if exchange is not None else None
        if exchange is None or final is None:
            return None
        self._final = final
        return scram.Keys(exchange.client_key, self._server_key)

    async def wait(self, seconds: float) -> None:
        """Let so much time go by; raises ConnectionResetError if the client goes meanwhile."""
        await self._login.wait(seconds)

    def accept(self) -> None:
        """Send what proves to the client who the server is."""
        self._login.send(wire.authentication(12, self._final))
