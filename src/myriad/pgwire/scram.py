"""SCRAM-SHA-256 (RFC 5802, RFC 7677) with channel binding tls-server-end-point (RFC 5929)."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from myriad.verifiers import ITERATIONS, SALT_BYTES

PLAIN = "SCRAM-SHA-256"
PLUS = "SCRAM-SHA-256-PLUS"
NONCE_BYTES = 18  # as PostgreSQL's SCRAM_RAW_NONCE_LEN
_VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d{1,9}):([^$]+)\$([^:]+):(.+)")
_BINDING = "p=tls-server-end-point"


class Malformed(Exception):
    """A message of the exchange is not what the RFC says."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """What is stored of a password: enough to check a proof, not to make one."""

    iterations: int
    salt: str
    stored_key: bytes
    server_key: bytes


def read_verifier(stored: str | None) -> Verifier | None:
    """Return the verifier that PostgreSQL stores as text, None if it is of another kind."""
    found = _VERIFIER.fullmatch(stored or "")
    if not found:
        return None
    iterations, salt, stored_key, server_key = found.groups()
    try:
        keys = [base64.b64decode(key, validate=True) for key in (stored_key, server_key)]
    except binascii.Error:
        return None
    return Verifier(int(iterations), salt, *keys)


def mock_verifier(secret: bytes, name: str) -> Verifier:
    """Return a verifier that no password fits; the same salt for the same name each time.

    An unknown name's exchange must look like any other.
    """
    salt = hmac.digest(secret, name.encode(errors="replace"), "sha256")[:SALT_BYTES]
    return Verifier(
        ITERATIONS,
        base64.b64encode(salt).decode(),
        secrets.token_bytes(32),
        secrets.token_bytes(32),
    )


class Exchange:
    """The server's side of one login.

    `binding` is the certificate's hash if the connection is encrypted, else None.
    After a successful `finish`, `client_key` can log in to another server with the same verifier.
    """

    __slots__ = ("_binding", "_first", "_gs2", "_nonce", "_plus", "_verifier", "client_key")

    def __init__(
        self, verifier: Verifier, mechanism: str, binding: bytes | None, *, nonce: str | None = None
    ) -> None:
        self._verifier = verifier
        self._plus = mechanism == PLUS
        self._binding = binding
        self._nonce = nonce or _new_nonce()
        self._first = self._gs2 = ""
        self.client_key = b""

    def begin(self, message: bytes) -> bytes:
        """Read client-first-message, return server-first-message; raises Malformed."""
        text = _decode(message)
        parts = text.split(",", 2)
        if len(parts) != 3:  # noqa: PLR2004 - gs2-cbind-flag, authzid, the bare message
            raise Malformed("malformed SCRAM message")
        flag, identity, bare = parts
        self._check_flag(flag)
        if identity:
            raise Malformed("client uses authorization identity, but it is not supported")
        fields = dict(_fields(bare))
        if "m" in fields or not fields.get("r"):
            raise Malformed("malformed SCRAM message: no nonce, or an extension")
        self._gs2 = f"{flag},,"
        self._nonce = fields["r"] + self._nonce
        answer = f"r={self._nonce},s={self._verifier.salt},i={self._verifier.iterations}"
        self._first = f"{bare},{answer}"
        return answer.encode()

    def _check_flag(self, flag: str) -> None:
        if self._plus != flag.startswith("p="):
            raise Malformed("channel binding of the message and of the mechanism differ")
        if self._plus and flag != _BINDING:
            raise Malformed(f"unsupported SCRAM channel-binding type {flag[2:]!r}")
        if flag == "y" and self._binding is not None:  # somebody in the middle hid our PLUS
            raise Malformed("channel binding was negotiated down")
        if not self._plus and flag not in {"n", "y"}:
            raise Malformed("malformed SCRAM message: unexpected channel-binding flag")

    def finish(self, message: bytes) -> bytes | None:
        """Read client-final-message, return server-final-message, None if the proof is wrong.

        Raises Malformed.
        """
        text = _decode(message)
        bare, separator, proof_text = text.rpartition(",p=")
        fields = dict(_fields(bare))
        expected = self._gs2.encode() + (self._binding or b"" if self._plus else b"")
        given = _base64(fields.get("c", ""))
        proof = _base64(proof_text)
        if not separator or fields.get("r") != self._nonce or len(proof) != 32:  # noqa: PLR2004
            raise Malformed("malformed SCRAM message: nonce or proof")
        if not hmac.compare_digest(given, expected):
            raise Malformed("SCRAM channel binding check failed")
        auth = f"{self._first},{bare}".encode()
        signature = hmac.digest(self._verifier.stored_key, auth, "sha256")
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        stored_key = hashlib.sha256(client_key).digest()
        if not hmac.compare_digest(stored_key, self._verifier.stored_key):
            return None
        self.client_key = client_key
        answer = hmac.digest(self._verifier.server_key, auth, "sha256")
        return b"v=" + base64.b64encode(answer)


@dataclass(frozen=True, slots=True)
class Keys:
    """What logs in without a password: the keys that a person's own login yielded."""

    client_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


class Client:
    """The client's side of one login, with a password or with keys; no channel binding."""

    def __init__(self, secret: str | Keys, *, user: str = "", nonce: str | None = None) -> None:
        self._secret = secret
        self._nonce = nonce or _new_nonce()
        self._bare = f"n={user},r={self._nonce}"  # PostgreSQL has the name from the start-up
        self._signature = b""

    def first(self) -> bytes:
        """Return client-first-message."""
        return f"n,,{self._bare}".encode()

    def final(self, message: bytes) -> bytes:
        """Read server-first-message, return client-final-message; raises Malformed."""
        text = _decode(message)
        fields = dict(_fields(text))
        nonce = fields.get("r", "")
        if not nonce.startswith(self._nonce) or not fields.get("i", "").isdigit():
            raise Malformed("the server's nonce or iteration count is wrong")
        keys = self._keys(_base64(fields.get("s", "")), int(fields["i"]))
        bare = f"c=biws,r={nonce}"
        auth = f"{self._bare},{text},{bare}".encode()
        signature = hmac.digest(hashlib.sha256(keys.client_key).digest(), auth, "sha256")
        proof = bytes(a ^ b for a, b in zip(keys.client_key, signature, strict=True))
        self._signature = hmac.digest(keys.server_key, auth, "sha256")
        return f"{bare},p={base64.b64encode(proof).decode()}".encode()

    def _keys(self, salt: bytes, iterations: int) -> Keys:
        if isinstance(self._secret, Keys):
            return self._secret
        salted = hashlib.pbkdf2_hmac("sha256", self._secret.encode(), salt, iterations)
        client, server = (hmac.digest(salted, b, "sha256") for b in (b"Client Key", b"Server Key"))
        return Keys(client, server)

    def verify(self, message: bytes) -> None:
        """Read server-final-message; raises Malformed if it does not know the password."""
        fields = dict(_fields(_decode(message)))
        if not hmac.compare_digest(_base64(fields.get("v", "")), self._signature):
            raise Malformed("the server does not know the password")


def _new_nonce() -> str:
    return base64.b64encode(secrets.token_bytes(NONCE_BYTES)).decode()


def _decode(message: bytes) -> str:
    try:
        return message.decode()
    except UnicodeDecodeError:
        raise Malformed("malformed SCRAM message: not UTF-8") from None


def _fields(text: str) -> list[tuple[str, str]]:
    parts = [part.partition("=") for part in text.split(",")]
    return [(name, value) for name, _, value in parts]


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("malformed SCRAM message: not base64") from None
