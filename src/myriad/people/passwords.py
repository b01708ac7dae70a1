"""Passwords and what is stored of them; a password itself never reaches an engine."""

import os
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import bcrypt
import psycopg

from myriad.errors import PeopleError
from myriad.verifiers import scram_sha_256

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is mistaken for something else
LENGTH = 27  # 27 * log2(31) = 133 bits
BCRYPT_BYTES = 72  # bcrypt reads no further
# Each login costs a node what a guess costs, whoever tries: 1 ms of a core for 2^4 rounds, 4 for
# 2^6, 62 for Cassandra's 2^10, with which a crowd of wrong logins shuts everybody out. Nobody finds
# 133 random bits, however little a guess costs. Typed passwords are no easier to guess with less
# rounds: the SCRAM verifier beside, which PostgreSQL takes, costs 1 ms.
TYPED_COST, GENERATED_COST = 6, 4


@dataclass(frozen=True)
class Stored:
    """What is stored of a password: for PostgreSQL, and for Cassandra if it can have it."""

    scram: str
    bcrypt: str | None


def generate() -> str:
    """Return a new password of at least 128 random bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def check(password: str, *, cassandra: bool) -> None:
    """Raise PeopleError if nobody could log in with `password`, in Cassandra too if it is there."""
    if not password or "\0" in password:
        raise PeopleError(
            "a password must not be empty or contain a NUL byte",
            hint="Without a password on standard input, a good one is generated.",
        )
    length = len(password.encode())
    if cassandra and length > BCRYPT_BYTES:
        raise PeopleError(
            f"a password has {length} bytes, and Cassandra would look only at {BCRYPT_BYTES}",
            hint=f"Choose one of at most {BCRYPT_BYTES} bytes.",
        )


def of_typed(connection: psycopg.Connection, passwords: Sequence[str]) -> list[Stored]:
    """Return what is stored of passwords that somebody chose; libpq prepares them (SASLprep)."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hashes = pool.map(lambda password: _bcrypt(password, TYPED_COST), passwords)
        return [
            Stored(_scram_of_any(connection, password), hashed)
            for password, hashed in zip(passwords, hashes, strict=True)
        ]


def of_generated(passwords: Sequence[str]) -> list[Stored]:
    """Return what is stored of ASCII passwords, on all cores.

    libpq takes 2.3 ms for one and holds the interpreter's lock; hashlib takes 1.0 ms and lets go
    of it, as bcrypt does.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(_of_generated, passwords))


def _of_generated(password: str) -> Stored:
    return Stored(scram_sha_256(password), _bcrypt(password, GENERATED_COST))


def _scram_of_any(connection: psycopg.Connection, password: str) -> str:
    return connection.pgconn.encrypt_password(password.encode(), b"", b"scram-sha-256").decode()


def _bcrypt(password: str, cost: int) -> str | None:
    """Return the hash as jBCrypt in Cassandra reads it (prefix 2a); never of a beginning only."""
    data = password.encode()
    if len(data) > BCRYPT_BYTES:
        return None
    return bcrypt.hashpw(data, bcrypt.gensalt(cost, b"2a")).decode()
