"""The start of a client's connection: TLS, startup message, SCRAM, until it is a session."""

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from myriad.door.server import peers
from myriad.pgwire import scram, wire
from myriad.pgwire.faults import Fault, Refused
from myriad.pgwire.kinds import PASSWORD
from myriad.pgwire.startup import Startup, read_startup
from myriad.pgwire.wire import HEADER_BYTES, ProtocolViolation, header

if TYPE_CHECKING:
    from myriad.door.control.accounts import Entry
    from myriad.door.door import Door

MOST_MESSAGE_BYTES = 8192  # of a login: a SCRAM message has some 200
# Of all logins together, beyond which only those go on that have sent no more than most ever do.
MOST_OF_ALL_BYTES, USUAL_BYTES = 32 << 20, 4096
MOST_OF_ONE_BYTES = 2 * max(MOST_MESSAGE_BYTES, wire.MOST_STARTUP_BYTES)
SHUTDOWN_SECONDS = 1.0  # that a client may take to say goodbye; few do
_ACCEPTED, _DENIED = b"S", b"N"
_TOO_LONG = Fault("53200", "too many long logins at once", "Try again later.")


def most_bytes(clients: int) -> int:
    """Return how much all that so many clients send may be, before they are logged in."""
    return MOST_OF_ALL_BYTES + clients * USUAL_BYTES + MOST_OF_ONE_BYTES


class Login(asyncio.Protocol):
    """A client that is not logged in yet.

    Attributes:
        lost: it has gone.
        received: how many bytes it has sent.
    """

    def __init__(self, door: "Door") -> None:
        self._door = door
        self._buffer = b""
        self._more: asyncio.Future[None] | None = None
        self.lost = self._asked_for_gss = False
        self.received = 0
        self._encrypted = False
        self.transport: Any = None
        self.address = ""
        self._deadline = 0.0
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = transport
        peers.keep_alive(transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else "local"
        if self._door.admit(self):
            self._task = self._door.spawn(self._run())

    def data_received(self, data: bytes) -> None:
        """Keep what came for whoever waits for it."""
        door = self._door
        self.received += len(data)
        door.login_bytes += len(data)
        if len(self._buffer) + len(data) > MOST_OF_ONE_BYTES:
            self.transport.abort()
            return
        if self.received > USUAL_BYTES and door.login_bytes > MOST_OF_ALL_BYTES:
            self._refuse(_TOO_LONG)
            return
        self._buffer += data
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End what waits."""
        self.lost = True
        self._over()
        if self._more is not None and not self._more.done():
            self._more.set_exception(ConnectionResetError())

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(self._door.settings["login_timeout"]) as timeout:
                self._deadline = timeout.when() or 0.0
                await self._log_in()
        except Refused as refused:
            self._refuse(refused.fault)
        except ProtocolViolation as problem:
            self._refuse(Fault(problem.code, str(problem)))
        except scram.Malformed as problem:
            self._refuse(Fault("08P01", str(problem)))
        except TimeoutError:
            self._refuse(self._door.late())
        except (OSError, ssl.SSLError):
            self.transport.abort()
        except RuntimeError:  # uvloop's for writing to a connection that is closed
            if not self.lost:
                raise
        finally:
            self._over()

    def _over(self) -> None:
        """Be a login no more, and hold nothing of it."""
        self._door.logins.discard(self)
        self._door.login_bytes -= self.received
        self.received, self._buffer = 0, b""

    def _refuse(self, fault: Fault) -> None:
        if not self.lost:
            with suppress(RuntimeError, OSError):
                self.transport.write(fault.encode("FATAL"))
                self.transport.close()

    async def _log_in(self) -> None:
        packet = await self._first_packet()
        if packet is None:
            return
        startup = read_startup(packet)
        if self._door.settings["tls"] == "require" and not self._encrypted:
            raise Refused(Fault("28000", "this server wants TLS", "Connect with sslmode=require."))
        if startup.unknown or startup.minor > 2:  # noqa: PLR2004 - protocol 3.2 is the newest
            self.transport.write(wire.negotiate(startup.minor, startup.unknown))
        entry = await self._authenticate(startup)
        self.transport.write(wire.AUTHENTICATION_OK)
        await self._door.begin_session(self, startup, entry)

    def left_over(self) -> bytes:
        """Return what the client sent already behind its login."""
        data, self._buffer = self._buffer, b""
        return data

    async def _first_packet(self) -> bytes | None:
        """Return the startup message, with TLS if asked for; None if it was another request."""
        while True:
            size = wire.integer(await self._take(4))
            if not 8 <= size <= wire.MOST_STARTUP_BYTES:  # noqa: PLR2004 - size and code
                raise ProtocolViolation("invalid length of startup packet")
            packet = await self._take(size - 4)
            code = wire.integer(packet)
            if code == wire.CANCEL_REQUEST:
                self._door.cancel(wire.integer(packet, 4) if size >= 16 else 0, packet[8:])  # noqa: PLR2004
                self.transport.close()
                return None
            if code == wire.GSS_REQUEST and not self._asked_for_gss:
                self._asked_for_gss = True
                self.transport.write(_DENIED)
            elif code == wire.SSL_REQUEST and not self._encrypted:
                await self._start_tls()
            else:
                return packet

    async def _start_tls(self) -> None:
        context = self._door.tls
        if context is None:
            self.transport.write(_DENIED)
            return
        if self._buffer:  # sent in the clear, to be taken for something sent encrypted
            raise ProtocolViolation("received unencrypted data after SSL request")
        self.transport.write(_ACCEPTED)
        loop = asyncio.get_running_loop()
        encrypted = await loop.start_tls(
            self.transport, self, context, server_side=True, ssl_shutdown_timeout=SHUTDOWN_SECONDS
        )
        if encrypted is None:
            raise ConnectionResetError
        self.transport, self._encrypted = encrypted, True

    async def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if self.lost:
                raise ConnectionResetError
            self._more = asyncio.get_running_loop().create_future()
            await self._more
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    async def _message(self) -> bytes:
        kind, size = header(await self._take(HEADER_BYTES), 0)
        if kind != PASSWORD or not 4 <= size <= MOST_MESSAGE_BYTES:  # noqa: PLR2004
            raise ProtocolViolation("expected SASL response")
        return await self._take(size - 4)

    async def _authenticate(self, startup: Startup) -> "Entry":
        """Return who it is; raises Refused, the same for unknown names and bad passwords."""
        door, name = self._door, startup.user
        entry = await door.accounts.look_up(name, startup.database)
        verifier = entry.verifier if entry else None
        exchange = await self._exchange(verifier or scram.mock_verifier(door.mock_secret, name))
        proof = await self._message()
        with door.throttle.attempt(name, self.address) as seconds:
            final = exchange.finish(proof)
            if final is None or entry is None or verifier is None or not entry.valid:
                door.throttle.failed(name, self.address)
                final = None
            await self._wait(seconds)
        if final is None or entry is None or verifier is None:
            raise Refused(Fault("28P01", f'password authentication failed for user "{name}"'))
        door.throttle.passed(name, self.address)
        self.transport.write(wire.authentication(12, final))
        if not entry.may_log_in:
            raise Refused(Fault("28000", f'role "{name}" is not permitted to log in'))
        if door.dial.wants_passwords:
            door.dial.secrets[name] = scram.Keys(exchange.client_key, verifier.server_key)
        return entry

    async def _wait(self, seconds: float) -> None:
        """Give the answer later, but in time for a client that took long itself."""
        loop = asyncio.get_running_loop()
        end = min(loop.time() + seconds, (loop.time() + self._deadline) / 2)
        while (left := end - loop.time()) > 0:
            self._more = loop.create_future()
            await asyncio.wait([self._more], timeout=left)
            if self._more.done():
                self._more.result()  # raises if the client has gone
            self._more = None

    async def _exchange(self, verifier: scram.Verifier) -> scram.Exchange:
        """Begin SCRAM; the client's next message is its proof."""
        binding = self._door.binding if self._encrypted else None
        offered = [scram.PLUS, scram.PLAIN] if binding else [scram.PLAIN]
        self.transport.write(
            wire.authentication(10, b"".join(wire.text(each) for each in offered) + b"\0")
        )
        message = await self._message()
        mechanism, position = wire.cut(message)
        if mechanism.decode(errors="replace") not in offered:
            raise ProtocolViolation("client selected an invalid SASL authentication mechanism")
        exchange = scram.Exchange(verifier, mechanism.decode(), binding)
        first = exchange.begin(message[position + 4 :])
        self.transport.write(wire.authentication(11, first))
        return exchange
