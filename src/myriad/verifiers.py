"""What the engines store of a password: enough to check it, not to log in with."""

import base64
import hashlib
import hmac
import re
import secrets

import bcrypt

from myriad.errors import PeopleError

KIND = "SCRAM-SHA-256$"  # with which PostgreSQL's verifiers begin
ITERATIONS = 4096  # PostgreSQL's default, and the least that RFC 7677 allows
# Whoever sets a password tries it so often, and so does each client that logs in: 60 ms.
MOST_ITERATIONS = 100_000
SALT_BYTES = 16  # as PostgreSQL's own
SALTS_BYTES = range(8, 65)  # of clients
LONGEST = 1000  # characters of a password
SHORTEST_OWN = 8  # characters of one that somebody chooses for themselves: NIST SP 800-63B, 3.1.1.2
BCRYPT_BYTES = 72  # bcrypt reads no further
# Each login costs a node what a guess costs, whoever tries: 1 ms of a core for 2^4 rounds, 4 for
# 2^6, 62 for Cassandra's 2^10, with which a crowd of wrong logins shuts everybody out. Nobody finds
# 133 random bits, however little a guess costs. Typed passwords are no easier to guess with less
# rounds: the SCRAM verifier beside, which PostgreSQL takes, costs 1 ms.
TYPED_COST, GENERATED_COST = 6, 4
_FORM = re.compile(
    r"SCRAM-SHA-256\$([1-9][0-9]{0,9}):([A-Za-z0-9+/]+={0,2})\$"
    r"([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{43}=)"
)


def check(password: str, *, cassandra: bool) -> None:
    """Raise PeopleError if nobody could log in with `password`, in Cassandra too if it is there."""
    if not password or "\0" in password:
        raise PeopleError(
            "a password must not be empty or contain a NUL byte",
            hint="Choose another one.",
        )
    if len(password) > LONGEST:
        raise PeopleError(
            f"a password has more than {LONGEST:,} characters", hint="Choose a shorter one."
        )
    length = len(password.encode())
    if cassandra and length > BCRYPT_BYTES:
        raise PeopleError(
            f"a password has {length} bytes, and Cassandra would look only at {BCRYPT_BYTES}",
            hint=f"Choose one of at most {BCRYPT_BYTES} bytes.",
        )


def check_own(password: str) -> None:
    """Raise PeopleError for a password that nobody should choose for themselves."""
    check(password, cassandra=False)
    if len(password) < SHORTEST_OWN:
        raise PeopleError(
            f"a password of one's own has {SHORTEST_OWN} characters at least",
            hint="Choose a longer one: a few words are easy to keep in mind.",
        )


def scram_sha_256(password: str) -> str:
    """Return PostgreSQL's verifier of a password."""
    if password.isascii():  # which SASLprep leaves as it is
        return _scram_sha_256(password, secrets.token_bytes(SALT_BYTES), ITERATIONS)
    from psycopg import pq  # noqa: PLC0415 - 12 MB of memory, seldom needed

    # libpq prepares it (SASLprep); it wants a connection for that, but not one to anywhere.
    nowhere = pq.PGconn.connect_start(b"host=/nowhere")
    return nowhere.encrypt_password(password.encode(), b"", b"scram-sha-256").decode()


def _scram_sha_256(password: str, salt: bytes, iterations: int) -> str:
    """Return `StoredKey` and `ServerKey` (RFC 5802, section 3), as PostgreSQL writes them."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored, server = (
        base64.b64encode(part).decode() for part in (salt, stored_key, server_key)
    )
    return f"{KIND}{iterations}:{salt_text}${stored}:{server}"


def check_verifier(text: str) -> None:
    """Raise PeopleError for what is no verifier that somebody could have made of their password.

    PostgreSQL would take what has another form for the password itself, and one of the empty
    password for none.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise PeopleError(
            "this is no verifier of SCRAM-SHA-256",
            hint=r"Let psql make one: \password. A password itself does not begin so.",
        )
    iterations, salt = int(found[1]), _salt(found[2])
    if not ITERATIONS <= iterations <= MOST_ITERATIONS:
        raise PeopleError(
            f"a verifier has {ITERATIONS:,} to {MOST_ITERATIONS:,} iterations, not {iterations:,}",
            hint="With psql: SET scram_iterations = 4096, then \\password.",
        )
    if len(salt) not in SALTS_BYTES:
        raise PeopleError(
            f"a verifier's salt has {SALTS_BYTES[0]} to {SALTS_BYTES[-1]} bytes, in base64",
            hint=r"Let psql make one: \password.",
        )
    if _scram_sha_256("", salt, iterations) == text:
        raise PeopleError("a password must not be empty", hint="Choose another one.")


def _salt(text: str) -> bytes:
    """Return the bytes of a salt; none if they are not in base64 as PostgreSQL writes it."""
    try:
        found = base64.b64decode(text, validate=True)
    except ValueError:
        return b""
    return found if base64.b64encode(found).decode() == text else b""


def bcrypt_of(password: str, cost: int) -> str | None:
    """Return the hash as jBCrypt in Cassandra reads it (prefix 2a); never of a beginning only."""
    data = password.encode()
    if len(data) > BCRYPT_BYTES:
        return None
    return bcrypt.hashpw(data, bcrypt.gensalt(cost, b"2a")).decode()
