"""Passwords and what is stored of them; a password itself never reaches an engine."""

import os
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from myriad.verifiers import GENERATED_COST, TYPED_COST, bcrypt_of, scram_sha_256

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is mistaken for something else
LENGTH = 27  # 27 * log2(31) = 133 bits


@dataclass(frozen=True)
class Stored:
    """What is stored of a password: for PostgreSQL, and for Cassandra if it can have it."""

    scram: str
    bcrypt: str | None


def generate() -> str:
    """Return a new password of at least 128 random bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def of_typed(passwords: Sequence[str]) -> list[Stored]:
    """Return what is stored of passwords that somebody chose."""
    return _of(passwords, TYPED_COST)


def of_generated(passwords: Sequence[str]) -> list[Stored]:
    """Return what is stored of passwords that `generate` made."""
    return _of(passwords, GENERATED_COST)


def _of(passwords: Sequence[str], cost: int) -> list[Stored]:
    """Work on all cores: hashlib and bcrypt let go of the interpreter's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(partial(_stored, cost=cost), passwords))


def _stored(password: str, *, cost: int) -> Stored:
    return Stored(scram_sha_256(password), bcrypt_of(password, cost))
