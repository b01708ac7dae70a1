"""Let only one run at a time change a table."""

import time
from collections.abc import Iterable

import psycopg

from myriad.errors import PublishError
from myriad.publish.options import AGAIN


def claim(
    connection: psycopg.Connection,
    dataset: str,
    names: Iterable[str],
    wait: float = 0.0,
    *,
    hint: str = AGAIN,
) -> None:
    """Let nobody else change these tables until the transaction ends; raises PublishError.

    Waits up to `wait` seconds for others that do.
    """
    until = time.monotonic() + wait
    for name in sorted(names):
        key = f"publish {dataset}.{name}"
        if _take(connection, key) or _await(connection, key, until - time.monotonic()):
            continue
        waited = f", for {wait:g} s already" if wait else ""
        raise PublishError(
            f"{dataset}.{name} is being changed by somebody else right now{waited}",
            hint=hint,
        )


def _take(connection: psycopg.Connection, key: str) -> bool:
    row = connection.execute(
        "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [key]
    ).fetchone()
    return bool(row and row[0])


def _await(connection: psycopg.Connection, key: str, seconds: float) -> bool:
    """Wait for whoever has it; whoever came first gets it first."""
    if seconds <= 0:
        return False
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = '{max(int(seconds * 1000), 1)}ms'")
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
            connection.execute("SET LOCAL lock_timeout = 0")
    except psycopg.errors.LockNotAvailable:
        return False
    return True
