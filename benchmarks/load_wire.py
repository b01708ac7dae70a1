"""As little of PostgreSQL's protocol as the load generator needs: messages and login."""

import asyncio
import base64
import functools
import hashlib
import hmac
import secrets
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

READY = b"Z\0\0\0\5I"  # ReadyForQuery, outside a transaction
ONE_ROW = b"C\0\0\0\rSELECT 1\0" + READY
TERMINATE = b"X\0\0\0\4"
SYNC = b"S\0\0\0\4"
PROTOCOL = 196608  # 3.0
SHOWN = 5  # different errors that are kept in words
# Codes of authentication messages.
OK, SASL, SASL_CONTINUE, SASL_FINAL = 0, 10, 11, 12


class LoginFailed(Exception):
    """The server refused a login; the text says how."""


@dataclass
class Problems:
    """Errors: how many, and the first few different ones in words."""

    count: int = 0
    first: Counter[str] = field(default_factory=Counter)

    def add(self, text: str) -> None:
        """Count one."""
        self.count += 1
        if text in self.first or len(self.first) < SHOWN:
            self.first[text] += 1


def message(kind: bytes, body: bytes) -> bytes:
    """Frame one message."""
    return kind + struct.pack("!I", len(body) + 4) + body


def startup(user: str, database: str) -> bytes:
    """Return the first message of a session."""
    parts = (b"user", user.encode(), b"database", database.encode())
    body = struct.pack("!I", PROTOCOL) + b"\0".join(parts) + b"\0\0"
    return struct.pack("!I", len(body) + 4) + body


def query(text: str) -> bytes:
    """Return a statement of the simple query protocol."""
    return message(b"Q", text.encode() + b"\0")


def parse(name: str, text: str) -> bytes:
    """Return Parse for a statement whose parameters' types the server works out."""
    return message(b"P", name.encode() + b"\0" + text.encode() + b"\0\0\0")


def bind_execute(name: str, value: str) -> bytes:
    """Return Bind with one text parameter, Execute and Sync."""
    given = value.encode()
    parameters = struct.pack("!HHI", 0, 1, len(given)) + given + struct.pack("!H", 0)
    bind = message(b"B", b"\0" + name.encode() + b"\0" + parameters)
    return bind + message(b"E", b"\0" + struct.pack("!I", 0)) + SYNC


def take(buffer: bytearray) -> list[tuple[bytes, bytes]]:
    """Remove the whole messages from the front of `buffer`; return kind and body of each."""
    found = []
    at = 0
    while len(buffer) - at >= 5:
        end = at + 1 + int.from_bytes(buffer[at + 1 : at + 5])
        if end > len(buffer):
            break
        found.append((bytes(buffer[at : at + 1]), bytes(buffer[at + 5 : end])))
        at = end
    del buffer[:at]
    return found


def error_text(body: bytes) -> str:
    """Return severity, SQLSTATE and message of an ErrorResponse."""
    fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return " ".join(fields[key] for key in (b"S", b"C", b"M") if key in fields)


@functools.cache
def _keys(password: str, salt: bytes, iterations: int) -> tuple[bytes, bytes, bytes]:
    """Return ClientKey, StoredKey, ServerKey (RFC 5802); costs 1 ms, so each only once."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    return client, hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256")


class Scram:
    """The client's side of one SCRAM-SHA-256 exchange (RFC 7677), without channel binding."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._nonce = secrets.token_urlsafe(18)
        self._bare = f"n=,r={self._nonce}"
        self._signature = b""

    def first(self) -> bytes:
        """Return SASLInitialResponse."""
        said = f"n,,{self._bare}".encode()
        return message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(said)) + said)

    def answer(self, challenge: bytes) -> bytes:
        """Return SASLResponse with the proof; raises LoginFailed for a foreign challenge."""
        text = challenge.decode()
        values = dict(part.split("=", 1) for part in text.split(","))
        if not values["r"].startswith(self._nonce):
            raise LoginFailed("the server answered another client's nonce")
        salt, iterations = base64.b64decode(values["s"]), int(values["i"])
        client_key, stored_key, server_key = _keys(self._password, salt, iterations)
        bare = f"c=biws,r={values['r']}"
        signed = f"{self._bare},{text},{bare}".encode()
        proof = _xor(client_key, hmac.digest(stored_key, signed, "sha256"))
        self._signature = hmac.digest(server_key, signed, "sha256")
        return message(b"p", f"{bare},p={base64.b64encode(proof).decode()}".encode())

    def check(self, final: bytes) -> None:
        """Raise LoginFailed unless the server has proven that it knows the verifier."""
        if base64.b64decode(final.removeprefix(b"v=")) != self._signature:
            raise LoginFailed("the server's signature is wrong")


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))


class Login(asyncio.Protocol):
    """Logs in; `ready` then gives the transport, which takes another protocol from there on."""

    def __init__(self, user: str, database: str, password: str) -> None:
        self.ready: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()
        self._hello = startup(user, database)
        self._scram = Scram(password)
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the startup message."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it
        self._transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        """Answer what the server asks."""
        self._buffer += data
        try:
            for kind, body in take(self._buffer):
                self._handle(kind, body)
        except (LoginFailed, ValueError, KeyError) as error:
            self._fail(str(error))

    def _handle(self, kind: bytes, body: bytes) -> None:
        if kind == b"E":
            raise LoginFailed(error_text(body))
        if kind == b"R":
            self._authenticate(int.from_bytes(body[:4]), body[4:])
        elif kind == b"Z" and not self.ready.done():
            self.ready.set_result(self._transport)

    def _authenticate(self, code: int, rest: bytes) -> None:
        if code == SASL:
            self._transport.write(self._scram.first())
        elif code == SASL_CONTINUE:
            self._transport.write(self._scram.answer(rest))
        elif code == SASL_FINAL:
            self._scram.check(rest)
        elif code != OK:
            raise LoginFailed(f"the server wants authentication {code}, not SCRAM-SHA-256")

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail a login that was under way."""
        self._fail(f"connection lost while logging in: {exc or 'closed'}")

    def _fail(self, text: str) -> None:
        self._transport.abort()
        if not self.ready.done():
            self.ready.set_exception(LoginFailed(text))
