"""What PostgreSQL stores of a password: enough to check it, not to log in with."""

import base64
import hashlib
import hmac
import secrets

ITERATIONS = 4096  # PostgreSQL's default, and the least that RFC 7677 allows
SALT_BYTES = 16  # as PostgreSQL's own


def scram_sha_256(password: str) -> str:
    """Return the verifier of an ASCII password, which SASLprep leaves as it is.

    `StoredKey` and `ServerKey` (RFC 5802, section 3), as PostgreSQL writes them.
    """
    salt = secrets.token_bytes(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored, server = (
        base64.b64encode(part).decode() for part in (salt, stored_key, server_key)
    )
    return f"SCRAM-SHA-256${ITERATIONS}:{salt_text}${stored}:{server}"
