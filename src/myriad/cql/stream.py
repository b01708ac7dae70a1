"""A socket to a Cassandra node: frames go in, frames come out, and nothing waits without end."""

import socket
import ssl
import time
from dataclasses import dataclass, field

from myriad.cql import frames, messages
from myriad.cql.frames import HEADER_BYTES, Header, Malformed, Reader
from myriad.errors import CqlError, EngineError, NotRunning, SettingsError

LOOK_AT_STATUS = "Is it up? `myriad status` shows it, `myriad logs` says why not."
CHUNK = 1 << 18
DRIVER = {"CQL_VERSION": "3.0.0", "DRIVER_NAME": "Myriad"}


@dataclass(frozen=True)
class Endpoint:
    """Where a cluster answers, and as whom to log in.

    Attributes:
        hosts: names or addresses of nodes.
        port: of the native protocol, on all of them.
        user: empty: no login.
        ca: PEM file of who signed the nodes' certificates; empty: no TLS.
    """

    hosts: tuple[str, ...]
    port: int
    user: str = ""
    password: str = field(repr=False, default="")
    ca: str = ""


def connect(endpoint: Endpoint, host: str, timeout: float) -> socket.socket:
    """Return a socket that is logged in.

    Raises NotRunning if nobody answers in `timeout` seconds, CqlError if the login is refused,
    EngineError if what answers does not speak native protocol 4.
    """
    until = time.monotonic() + timeout
    where = f"{host}:{endpoint.port}"
    try:
        found = socket.create_connection((host, endpoint.port), timeout)
    except OSError as error:
        raise _silent(where, error) from error
    try:
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found = _secured(found, endpoint, host)
        _log_in(found, endpoint, until)
        return found
    except BaseException as error:
        found.close()
        raise translated(error, where) from error


def translated(error: BaseException, where: str) -> BaseException:
    """Return the error meant for a person, for one of a socket or of what came through it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return EngineError(
            f"{where} shows a certificate that is not accepted: {error.verify_message}",
            hint="The certificate must name that host; the file of its signer is a setting.",
        )
    if isinstance(error, OSError):
        return _silent(where, error)
    if isinstance(error, Malformed):
        return EngineError(
            f"{where} does not speak Cassandra's native protocol 4: {error}",
            hint="Is that the port of CQL, and does it want TLS or not?",
        )
    return error


def _silent(where: str, error: OSError) -> NotRunning:
    reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or error
    return NotRunning(f"no Cassandra answers at {where}: {reason}", hint=LOOK_AT_STATUS)


def _secured(plain: socket.socket, endpoint: Endpoint, host: str) -> socket.socket:
    if not endpoint.ca:
        return plain
    try:
        context = ssl.create_default_context(cafile=endpoint.ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"{endpoint.ca} holds no certificates: {error}", hint="Give a PEM file."
        ) from error
    return context.wrap_socket(plain, server_hostname=host)


def _log_in(found: socket.socket, endpoint: Endpoint, until: float) -> None:
    opcode, reader = _ask(found, frames.STARTUP, messages.startup(DRIVER), until)
    if opcode == frames.AUTHENTICATE and endpoint.user:
        login = messages.plain_login(endpoint.user, endpoint.password)
        opcode, reader = _ask(found, frames.AUTH_RESPONSE, login, until)
    if opcode == frames.ERROR:
        raise messages.error(reader)
    if opcode == frames.AUTHENTICATE:
        raise CqlError(
            "the cluster wants a login",
            code=CqlError.BAD_CREDENTIALS,
            hint="Give user and password.",
        )
    if opcode not in (frames.READY, frames.AUTH_SUCCESS):
        raise Malformed(f"the login was answered by {opcode:#04x}")


def _ask(found: socket.socket, opcode: int, body: bytes, until: float) -> tuple[int, Reader]:
    send(found, frames.frame(0, opcode, body), until)
    head, data = receive(found, until)
    return head.opcode, frames.body(head.flags, data)


def send(found: socket.socket, data: bytes, until: float) -> None:
    """Send all of it before `until` (`time.monotonic()`); raises OSError."""
    found.settimeout(_left(until))
    found.sendall(data)


def receive(found: socket.socket, until: float) -> tuple[Header, bytes]:
    """Receive a frame before `until`, however slowly it trickles; raises OSError, Malformed."""
    head = frames.header(_exactly(found, HEADER_BYTES, until))
    return head, _exactly(found, head.length, until)


def _exactly(found: socket.socket, number: int, until: float) -> bytes:
    parts = bytearray()  # grows with what arrives, not with what is announced
    while len(parts) < number:
        found.settimeout(_left(until))
        chunk = found.recv(min(number - len(parts), CHUNK))
        if not chunk:
            raise ConnectionResetError("the node closed the connection")
        parts += chunk
    return bytes(parts)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
